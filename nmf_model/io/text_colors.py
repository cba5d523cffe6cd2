"""Colours in tables of numbers, where only a header or the numbers themselves tell what a column is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmf_model.io.color_range import LARGEST

_BYTE = 255


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

    Columns that a header names may hold 0..1, 0..255 or 0..65535, which only all blocks tell.
    Others are colours if all are whole numbers in 0..255 and not all are 0 or 1: normals and flags are.
    """

    def __init__(self, named: bool) -> None:
        self._named = named
        self._largest = 0.0

    @property
    def certain(self) -> bool:
        """Whether what was taken in so far are colours and not flags, or normals along the axes."""
        return self._named or self._largest > 1

    def take(self, values: NDArray[np.float64], used: NDArray[np.bool_]) -> NDArray[Any] | None:
        """Return the colours of one block.

        Args:
            values: (n, 3) as in the file; NaN is a missing value, and black where a header names the columns.
            used: (n,) rows that have a place; the others are not judged.

        Returns:
            (n, 3), bytes or as in the file (see ``Chunk``), or None if these columns are no colours.
        """
        if self._named:
            numbers = np.nan_to_num(values)
            judged = numbers[used]
            return numbers if ((judged >= 0) & (judged <= LARGEST)).all() else None
        if not _all_bytes(values[used]):
            return None
        self._largest = max(self._largest, float(values[used].max(initial=0)))
        return np.nan_to_num(values).clip(0, _BYTE).astype(np.uint8)


def _all_bytes(values: NDArray[np.float64]) -> bool:
    return bool(((values >= 0) & (values <= _BYTE) & (values == np.floor(values))).all())
