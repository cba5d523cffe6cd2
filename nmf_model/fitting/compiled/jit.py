"""How loops are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeAlias, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Numbers: TypeAlias = NDArray[np.int32]
Scalar: TypeAlias = Any
"""A real number in a compiled function: float32 or float64, as it follows from what it is computed of."""

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function for the types that it is called with; kept on disk where that can be written to.

    The interpreter is free meanwhile, so a window stays alive. Results are the same on every run: nothing is
    reordered but products with their sums.
    """

    def made(*, cache: bool) -> Callable[P, R]:
        wrap = numba.njit(cache=cache, nogil=True, error_model="numpy", fastmath={"contract"})
        return cast(Callable[P, R], wrap(function))

    try:
        return made(cache=True)
    except RuntimeError:  # there is no folder to keep it in
        return made(cache=False)
