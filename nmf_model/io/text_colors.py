"""Colours in tables of numbers, where only a header or the numbers themselves tell what a column is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

COLOR_NAMES = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))
"""What the columns of a colour are called, in lower case."""
_BYTE = 255
_RANGES = (1, _BYTE, 65535)
"""The largest values that programs write colours with."""


def named_columns(names: Sequence[str]) -> tuple[int, ...]:
    """Return the three columns, from 0, that are called red, green and blue, or () if there are none."""
    present = set(names)
    found = next((trio for trio in COLOR_NAMES if present.issuperset(trio)), ())
    return tuple(names.index(name) for name in found)


def likely_columns(row: Sequence[float]) -> tuple[int, ...]:
    """Return the three columns of a table without names that may be a colour by its first row, or ().

    Args:
        row: the numbers of the first row; NaN for what is none.
    """
    # Seven columns are those of .pts, with the intensity in front of the colour.
    for first in (4, 3) if len(row) == 7 else (3,):
        trio = np.array(row[first : first + 3])
        # A first row without numbers may be that of an empty pixel, and leaves it open.
        if len(trio) == 3 and (_all_bytes(trio) or np.isnan(trio).all()):
            return (first, first + 1, first + 2)
    return ()


class TextColors:
    """Turns three columns of a table into colours, block by block, as long as they can be colours.

    Columns that a header names may hold 0..1, 0..255 or 0..65535; the first block that is not black tells.
    Others are colours if all are whole numbers in 0..255 and not all are 0 or 1: normals and flags are.
    """

    def __init__(self, named: bool) -> None:
        self._named = named
        self._range = 0 if named else _BYTE
        self._largest = 0.0

    @property
    def certain(self) -> bool:
        """Whether what was taken in so far are colours and not flags, or normals along the axes."""
        return self._named or self._largest > 1

    def take(self, values: NDArray[np.float64], used: NDArray[np.bool_]) -> NDArray[np.uint8] | None:
        """Return the colours of one block.

        Args:
            values: (n, 3) as in the file; NaN is a missing value, and black where a header names the columns.
            used: (n,) rows that have a place; the others are not judged.

        Returns:
            (n, 3), or None if these columns are no colours.
        """
        judged = np.nan_to_num(values[used]) if self._named else values[used]
        if not ((judged >= 0) & (judged <= _RANGES[-1])).all():
            return None
        largest = float(judged.max(initial=0))
        self._largest = max(self._largest, largest)
        if not self._range and largest > 0:
            self._range = next(limit for limit in _RANGES if largest <= limit)
        if largest > self._range or not (self._named or _all_bytes(judged)):
            return None
        return self._as_bytes(values)

    def _as_bytes(self, values: NDArray[np.float64]) -> NDArray[np.uint8]:
        scaled = np.nan_to_num(values).clip(0, self._range)
        if self._range == 1:
            scaled *= _BYTE
        elif self._range > _BYTE:
            scaled = np.floor(scaled / 256)
        return scaled.round().astype(np.uint8)


def _all_bytes(values: NDArray[np.float64]) -> bool:
    return bool(((values >= 0) & (values <= _BYTE) & (values == np.floor(values))).all())
