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
    from trimesh.util import triangle_strips_to_faces

    line = np.insert(corners, np.cumsum(sizes), _END)
    pieces = np.split(line, np.flatnonzero(line == _END) + 1)
    strips = [strip for piece in pieces if len(strip := piece[piece != _END]) > 2]
    triangles = triangle_strips_to_faces(strips) if strips else np.zeros((0, 3), dtype=np.int64)
    a, b, c = triangles.T
    triangles = triangles[(a != b) & (b != c) & (c != a)].astype(np.int64)
    return triangles.ravel(), np.full(len(triangles), 3)
