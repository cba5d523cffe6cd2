"""Which numbers a file writes colours with, 0..1, 0..255 or 0..65535: all of it tells, not its beginning."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST = 65535
"""The largest number that programs write a colour with, but for integers of 32 bits that are used in full."""
_BYTE = 255


def largest_color(values: NDArray[Any]) -> float:
    """Return the largest finite value of (n, 3) colours as a file has them; 0 if there is none."""
    if values.dtype.kind == "f":
        values = np.where(np.isfinite(values), values, 0)
    return float(values.max(initial=0))


def color_bytes(values: NDArray[Any], largest: float) -> NDArray[np.uint8] | None:
    """Bring colours to bytes.

    Args:
        values: (n, 3). Bytes stay as they are; in another real type they are as in the file, where NaN and
            what is below 0 counts as 0.
        largest: ``largest_color`` of the whole file that these are a part of.

    Returns:
        (n, 3), or None if the values are too large to be colours.
    """
    if values.dtype == np.uint8:
        return values
    numbers = np.nan_to_num(values.astype(np.float64)).clip(0, None)
    if largest < 2:
        # Rounding and interpolation carry fractions a little beyond 1.
        return (numbers.clip(0, 1) * _BYTE).round().astype(np.uint8)
    if largest <= _BYTE:
        return numbers.clip(0, _BYTE).round().astype(np.uint8)
    if largest > LARGEST and values.dtype.kind == "f":
        return None
    limit = LARGEST if largest <= LARGEST else int(np.iinfo(values.dtype).max)
    return np.floor(numbers / (limit + 1) * 256).clip(0, _BYTE).astype(np.uint8)


def file_colors(values: NDArray[Any], largest: float) -> NDArray[np.uint8] | None:
    """Bring the colours of points or vertices to bytes, as ``color_bytes`` does.

    Returns:
        (n, 3), or None as well where ``largest`` is 0: formats with room for colours leave it at 0 if there
        are none.
    """
    return color_bytes(values, largest) if largest > 0 else None
