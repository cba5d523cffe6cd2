"""How far apart points are where a surface is sparsely sampled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SURFACE = 0.9


def sparse_spacing(spacing: NDArray[np.floating]) -> float:
    """Return the spacing (N,) of points that nine tenths of their surface have at most.

    A point stands for as much of the surface as its spacing squared: where one side has twenty times as many
    points as the other, hardly any of them are of the other, but half of the surface is.
    """
    order = np.sort(np.asarray(spacing, dtype=np.float64))
    covered = np.cumsum(np.square(order))
    return float(order[np.searchsorted(covered, _SURFACE * covered[-1])])
