"""Which faces around a common vertex can meet elsewhere, without asking every pair.

A cap of a cylinder is often a fan of hundreds of faces around one vertex, which have as many pairs as the
square of that, nearly all of them far apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Pairs = NDArray[np.int64]

MANY_FACES = 32
"""Around vertices of no more faces every pair is given."""
_ROUNDING = 1e-14
"""By how much more than a few rounding errors directions of length 1 may be off."""


def pairs_around_vertices(vertices: Points, faces: NDArray[np.int64]) -> Pairs:
    """Return (K, 2) pairs of faces with a vertex in common, some more than once.

    Around a vertex of many faces those are left out that for certain have only this vertex in common.

    Args:
        vertices: (V, 3).
        faces: (F, 3), each with three corners at different places.
    """
    order = np.argsort(faces.ravel(), kind="stable")
    vertex = faces.ravel()[order]
    many = np.bincount(vertex) > MANY_FACES
    crowded = many[vertex]
    found = [_all_pairs(order[~crowded] // 3, vertex[~crowded])]
    corners = order[crowded]
    starts = np.flatnonzero(np.diff(vertex[crowded], prepend=-1))
    found += [_near_pairs(vertices, faces, fan) for fan in np.split(corners, starts[1:]) if len(fan)]
    return np.concatenate(found)


def _all_pairs(owner: NDArray[np.int64], vertex: NDArray[np.int64]) -> Pairs:
    """Return the pairs of faces at equal vertices, which follow each other."""
    found = [np.zeros((0, 2), dtype=np.int64)]
    for step in range(1, int(np.bincount(vertex).max(initial=0))):
        same = np.flatnonzero(vertex[step:] == vertex[:-step])
        found.append(np.stack([owner[same], owner[same + step]], axis=1))
    return np.concatenate(found)


def _near_pairs(vertices: Points, faces: NDArray[np.int64], corners: NDArray[np.int64]) -> Pairs:
    """Return the pairs of a fan, given by where its apex stands in the faces, that may meet beyond the apex.

    Seen from the apex each face is an arc of a unit sphere, which lies in the ball around the middle of its
    ends that reaches to them. Where two balls are apart, so are the arcs.
    """
    from scipy.spatial import cKDTree

    owner, place = corners // 3, corners % 3
    apex = vertices[faces[owner, place]]
    left, right = (_directions(vertices[faces[owner, (place + turn) % 3]] - apex) for turn in (1, 2))
    middle = (left + right) / 2
    radius = np.linalg.norm(right - left, axis=1) / 2 + _ROUNDING
    # Of two arcs that meet the longer one finds the other within twice its own radius.
    near = cKDTree(middle).query_ball_point(middle, 2 * radius + _ROUNDING)
    one = np.repeat(np.arange(len(owner)), [len(others) for others in near])
    other = np.concatenate([np.asarray(others, dtype=np.int64) for others in near])
    kept = (one != other) & (radius[other] <= radius[one])
    return np.stack([owner[one[kept]], owner[other[kept]]], axis=1)


def _directions(rays: Points) -> Points:
    # Scaled by the largest coordinate first, no square is too small for its type.
    rays = rays / np.abs(rays).max(axis=1, keepdims=True)
    unit: Points = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    return unit
