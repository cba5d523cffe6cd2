"""What the connectivity of a triangle mesh says, whatever its coordinates.

Edges are counted as face sides: a face that repeats a vertex contributes its real sides only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


@dataclass(frozen=True)
class Topology:
    """Counts and verdicts; the names are those of ``QualityReport``.

    Attributes:
        used_vertices: vertices that belong to a face.
        edges: undirected edges.
        nonmanifold_edges: edges that do not have exactly two sides, borders included.
        nonmanifold_vertices: vertices whose faces do not form one fan connected through edges.
    """

    used_vertices: int
    edges: int
    components: int
    euler_characteristic: int
    watertight: bool
    winding_consistent: bool
    nonmanifold_edges: int
    nonmanifold_vertices: int


def analyse(faces: NDArray[np.int64]) -> Topology:
    """Analyse (F, 3) faces in O(F log F)."""
    if len(faces) == 0:
        return Topology(0, 0, 0, 0, False, False, 0, 0)
    sides = _Sides.of(faces)
    edge_uses = np.bincount(sides.edge)
    # Counting and sorting: np.unique would hash first, which is several times slower here.
    used_vertices = int(np.count_nonzero(np.bincount(faces.ravel())))
    nonmanifold_edges = int(np.count_nonzero(edge_uses != 2))
    return Topology(
        used_vertices=used_vertices,
        edges=len(edge_uses),
        components=_component_count(faces, used_vertices),
        euler_characteristic=used_vertices - len(edge_uses) + len(faces),
        watertight=nonmanifold_edges == 0,
        winding_consistent=sides.all_directions_differ(),
        nonmanifold_edges=nonmanifold_edges,
        nonmanifold_vertices=len(_split_fans(faces, sides)),
    )


def pinched_vertices(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indices (K,) of the ``nonmanifold_vertices`` of (F, 3) faces, rising."""
    return _split_fans(faces, _Sides.of(faces)) if len(faces) else np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class _Sides:
    """The 3F sides of the faces: side k of face f runs from corner k to corner k + 1.

    ``start`` and ``end`` are corner ids (3 * face + corner); ``edge`` numbers the undirected edges.
    """

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    edge: NDArray[np.int64]
    forward: NDArray[np.bool_]

    @classmethod
    def of(cls, faces: NDArray[np.int64]) -> _Sides:
        start = np.arange(faces.size)
        end = start.reshape(-1, 3)[:, [1, 2, 0]].ravel()
        flat = faces.ravel()
        real = flat[start] != flat[end]
        start, end = start[real], end[real]
        low, high = np.minimum(flat[start], flat[end]), np.maximum(flat[start], flat[end])
        _, edge = np.unique(low * (int(flat.max()) + 1) + high, return_inverse=True)
        return cls(start, end, edge, flat[start] < flat[end])

    def all_directions_differ(self) -> bool:
        return bool((np.bincount(2 * self.edge + self.forward) < 2).all())


def _component_count(faces: NDArray[np.int64], used_vertices: int) -> int:
    vertex_count = int(faces.max()) + 1
    rows, columns = faces[:, [0, 1]].ravel(), faces[:, [1, 2]].ravel()
    labels = _count_connected(rows, columns, vertex_count)[0]
    return labels - (vertex_count - used_vertices)


def _split_fans(faces: NDArray[np.int64], sides: _Sides) -> NDArray[np.int64]:
    """Return the vertices around which the corners, glued along shared edges, fall into several groups."""
    order = np.argsort(sides.edge, kind="stable")
    same = sides.edge[order][1:] == sides.edge[order][:-1]
    one, other = order[:-1][same], order[1:][same]
    flip = sides.forward[one] != sides.forward[other]
    to_start = np.where(flip, sides.end[other], sides.start[other])
    to_end = np.where(flip, sides.start[other], sides.end[other])
    corners = np.arange(faces.size)
    following = corners.reshape(-1, 3)[:, [1, 2, 0]].ravel()
    repeated = faces.ravel()[corners] == faces.ravel()[following]
    rows = np.concatenate([sides.start[one], sides.end[one], corners[repeated]])
    columns = np.concatenate([to_start, to_end, following[repeated]])
    _, group = _count_connected(rows, columns, faces.size)
    vertex_of_group = np.empty(group.max() + 1, dtype=np.int64)
    vertex_of_group[group] = faces.ravel()
    return np.flatnonzero(np.bincount(vertex_of_group) > 1)


def _count_connected(
    rows: NDArray[np.int64], columns: NDArray[np.int64], count: int
) -> tuple[int, NDArray[np.int32]]:
    links = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(count, count))
    number, labels = connected_components(links, directed=False)
    return int(number), labels
