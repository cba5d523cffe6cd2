"""The holes of a triangle mesh: loops of edges with a face on one side only, and flat patches over them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def boundary_edges(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (E, 2) edges that belong to exactly one of the (F, 3) faces, as that face runs along them."""
    sides = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    low, high = sides.min(axis=1), sides.max(axis=1)
    keys = low * (int(faces.max(initial=0)) + 1) + high
    _, first, count = np.unique(keys, return_index=True, return_counts=True)
    single: NDArray[np.int64] = sides[np.sort(first[count == 1])]
    real: NDArray[np.int64] = single[single[:, 0] != single[:, 1]]
    return real


def edge_groups(edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (E,) the number of the connected group that each of the (E, 2) edges belongs to, from 0."""
    if not len(edges):
        return np.zeros(0, dtype=np.int64)
    used, local = np.unique(edges, return_inverse=True)
    local = local.reshape(-1, 2)
    links = coo_array((np.ones(len(edges), np.int8), (local[:, 0], local[:, 1])), shape=(len(used),) * 2)
    _, group = connected_components(links, directed=False)
    return group[local[:, 0]].astype(np.int64)


def boundary_loops(faces: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the connected groups of boundary edges, each (K, 2); touching holes count as one."""
    edges = boundary_edges(faces)
    if not len(edges):
        return []
    label = edge_groups(edges)
    order = np.argsort(label, kind="stable")
    return np.split(edges[order], np.flatnonzero(np.diff(label[order])) + 1)


def patches(vertices: NDArray[np.float64], loops: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Return (P, 3, 3) the corners of triangles that span each loop from its middle."""
    fans = [np.zeros((0, 3, 3))]
    for loop in loops:
        ends = vertices[loop]
        middle = np.broadcast_to(ends.mean(axis=(0, 1)), (len(loop), 1, 3))
        fans.append(np.concatenate([ends[:, ::-1], middle], axis=1))
    return np.concatenate(fans)


def loop_size(vertices: NDArray[np.float64], loop: NDArray[np.int64]) -> float:
    """Return the diagonal of a loop's bounding box, in the units of the vertices."""
    return float(np.linalg.norm(np.ptp(vertices[loop.ravel()], axis=0)))
