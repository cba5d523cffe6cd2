"""Where a triangle mesh is broken, so that it can be shown and counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from nmf_model.geometry.intersections import crossing_pairs

Edges = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Defects:
    """The bad places of a mesh; edges are (K, 2) vertex indices, the smaller one first.

    Attributes:
        open_edges: those of a single face.
        holes: connected groups of open edges; two holes that touch count once.
        crowded_edges: those of more than two faces.
        flipped_edges: those that two faces run through in the same direction: one of them is inside out.
        crossing_faces: (K,) indices of faces that take part in a crossing.
    """

    open_edges: Edges
    holes: int
    crowded_edges: Edges
    flipped_edges: Edges
    crossing_faces: NDArray[np.int64]


def find_defects(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> Defects:
    """Find the bad places of (F, 3) faces as they are; crossings are decided in exact arithmetic."""
    count = len(vertices)
    keys, uses, forward = _edge_uses(faces, count)
    edges = np.stack([keys // max(count, 1), keys % max(count, 1)], axis=1)
    open_edges = edges[uses == 1]
    return Defects(
        open_edges=open_edges,
        holes=_groups(open_edges),
        crowded_edges=edges[uses > 2],
        flipped_edges=edges[(uses == 2) & (forward != 1)],
        crossing_faces=np.unique(crossing_pairs(vertices, faces)),
    )


def _edge_uses(
    faces: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the key of each undirected edge, how many sides it has, and how many of these go upward."""
    start, end = faces.ravel(), faces[:, [1, 2, 0]].ravel()
    real = start != end
    start, end = start[real], end[real]
    keys, edge = np.unique(np.minimum(start, end) * count + np.maximum(start, end), return_inverse=True)
    uses = np.bincount(edge, minlength=len(keys))
    forward = np.bincount(edge[start < end], minlength=len(keys))
    return keys, uses, forward


def _groups(edges: Edges) -> int:
    if len(edges) == 0:
        return 0
    names, ends = np.unique(edges, return_inverse=True)
    ends = ends.reshape(-1, 2)
    links = coo_array((np.ones(len(edges), dtype=np.int8), tuple(ends.T)), shape=(len(names), len(names)))
    return int(connected_components(links, directed=False)[0])
