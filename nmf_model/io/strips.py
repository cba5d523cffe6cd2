"""Strips of triangles, in which each corner makes a triangle with the two before it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_END = -1


def strip_triangles(
    corners: NDArray[np.int64], sizes: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the triangles of strips, as polygons: the corners of one after the other, and three for each.

    Every other triangle of a strip is turned over, so that all face the same side. Those with a corner twice,
    which only lead from one part of a strip to the next, are left out.

    Args:
        corners: of one list of strips after the other; within a list, -1 ends a strip.
        sizes: how many corners, with the ends, each list has.
    """
    line = np.insert(corners, np.cumsum(sizes), _END)
    starts = np.where(line == _END, np.arange(len(line)) + 1, 0)
    starts = np.maximum.accumulate(np.concatenate([[0], starts]))[:-1]
    turned = (np.arange(len(line)) - starts) % 2 == 1
    triangles = np.stack([line[:-2], line[1:-1], line[2:]], axis=1)
    triangles = np.where(turned[:-2, None], triangles[:, [1, 0, 2]], triangles)
    a, b, c = triangles.T
    triangles = triangles[(triangles != _END).all(axis=1) & (a != b) & (b != c) & (c != a)]
    return triangles.ravel(), np.full(len(triangles), 3)
