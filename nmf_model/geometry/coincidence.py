"""Vertices at exactly the same position, and faces with the same corners."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def coincident_vertices(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (V,) True for each vertex of a face that has the exact position of another such vertex."""
    used = np.flatnonzero(np.bincount(faces.ravel(), minlength=len(vertices)))
    doubled = np.zeros(len(vertices), dtype=bool)
    if len(used):
        _, group = distinct_positions(vertices[used])
        doubled[used] = np.bincount(group)[group] > 1
    return doubled


def merge_coincident(
    vertices: NDArray[np.float64], faces: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Join the vertices at exactly the same position, in order of appearance; all faces stay."""
    first, group = distinct_positions(vertices)
    return vertices[first] + 0.0, group[faces]


def distinct_positions(points: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the (K,) rows where a position first appears, and (N,) which of these each point is at."""
    # Positions that compare equal must be one, and 0.0 equals -0.0.
    rows = np.ascontiguousarray(points + 0.0)
    # Each row viewed as one value sorts many times faster than rows do.
    keys = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order].astype(np.int64), rank[inverse].astype(np.int64)


def repeated_faces(faces: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (F,) True for each face that has the three corners of an earlier one, in whatever order."""
    low, middle, high = np.sort(faces, axis=1).T
    order = np.lexsort((high, middle, low))  # stable: the earlier face comes first
    key = np.stack([low, middle, high])[:, order]
    repeated = np.zeros(len(faces), dtype=bool)
    repeated[order[1:]] = (key[:, 1:] == key[:, :-1]).all(axis=0)
    return repeated
