"""Exact self-intersection of triangle meshes.

Two faces *cross* if they have a point in common that is not on a vertex or an edge they share by
index: piercing, touching, overlapping in a plane, folding onto a neighbour and being the same face
twice all count. Every decision is the sign of a determinant in exact arithmetic (Shewchuk's
predicates through libigl) on the float64 coordinates as they are: centring them first would round.

libigl decides faces without a common vertex. For neighbours its answer misses folds onto each other,
so these are decided here. Faces without area have no side to be on and are left out; they are
counted as degenerate instead.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nmf_model.geometry.fans import pairs_around_vertices

Vertices = NDArray[np.float64]
Faces = NDArray[np.int64]
Signs = NDArray[np.int32]
Points = NDArray[np.float64]


def crossing_pairs(vertices: Vertices, faces: Faces) -> NDArray[np.int64]:
    """Return (K, 2) pairs of face indices that cross, each pair once, the smaller index first."""
    import igl.predicates

    vertices = np.ascontiguousarray(vertices, dtype=np.float64)
    kept = np.flatnonzero(~degenerate_faces(vertices, faces))
    solid = np.ascontiguousarray(faces[kept], dtype=np.int64)
    if len(solid) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    _, found, _ = igl.predicates.find_self_intersections(vertices, solid)
    strangers = found[~(solid[found[:, 0]][:, :, None] == solid[found[:, 1]][:, None, :]).any(axis=(1, 2))]
    neighbours = _each_once(pairs_around_vertices(vertices, solid), len(solid))
    shared = neighbours[_neighbours_cross(vertices, solid, neighbours)]
    return kept[_each_once(np.concatenate([strangers, shared]), len(solid))]


def count_crossing_faces(vertices: Vertices, faces: Faces) -> int:
    """Return how many faces take part in at least one crossing."""
    return len(np.unique(crossing_pairs(vertices, faces)))


def degenerate_faces(vertices: Vertices, faces: Faces) -> NDArray[np.bool_]:
    """Return (F,) True where the three corners lie on one line exactly, repeated corners included."""
    flat = np.ones(len(faces), dtype=bool)
    for axis in range(3):
        rows = np.flatnonzero(flat)
        a, b, c = (vertices[faces[rows, corner]] for corner in range(3))
        flat[rows] = _orient2d(a, b, c, np.full(len(rows), axis)) == 0
    return flat


def _each_once(pairs: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return pairs (K, 2) of numbers below ``count``, the smaller one first, in order and each once."""
    # Sorting beats np.unique here, which hashes millions of keys first or compares rows as bytes.
    keys = np.sort(np.minimum(*pairs.T) * count + np.maximum(*pairs.T))
    keys = keys[np.diff(keys, prepend=-1) > 0]
    return np.stack([keys // count, keys % count], axis=1)


def _neighbours_cross(vertices: Vertices, faces: Faces, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    one, other = faces[pairs[:, 0]], faces[pairs[:, 1]]
    matches = one[:, :, None] == other[:, None, :]
    shared = matches.sum(axis=(1, 2))
    crossing: NDArray[np.bool_] = shared == 3
    at_vertex, at_edge = np.flatnonzero(shared == 1), np.flatnonzero(shared == 2)
    # Turn each face until the shared vertex, or the vertex off the shared edge, comes first.
    one_v = _rolled(one[at_vertex], matches[at_vertex].any(axis=2))
    other_v = _rolled(other[at_vertex], matches[at_vertex].any(axis=1))
    crossing[at_vertex] = _fans_cross(vertices, one_v, other_v)
    one_e = _rolled(one[at_edge], ~matches[at_edge].any(axis=2))
    other_e = _rolled(other[at_edge], ~matches[at_edge].any(axis=1))
    crossing[at_edge] = _folded(vertices, one_e, other_e)
    return crossing


def _rolled(faces: Faces, first: NDArray[np.bool_]) -> Faces:
    """Rotate each face so that its marked corner comes first."""
    return np.take_along_axis(faces, (first.argmax(axis=1)[:, None] + np.arange(3)) % 3, axis=1)


def _folded(vertices: Vertices, one: Faces, other: Faces) -> NDArray[np.bool_]:
    """Return whether faces sharing the edge of corners 1, 2 overlap: coplanar and on one side of it."""
    tip, start, end = (vertices[one[:, corner]] for corner in range(3))
    other_tip = vertices[other[:, 0]]
    folded: NDArray[np.bool_] = _orient3d(tip, start, end, other_tip) == 0
    rows = np.flatnonzero(folded)
    axis = _clear_axis(start[rows], end[rows], tip[rows])
    side = _orient2d(start[rows], end[rows], tip[rows], axis)
    folded[rows] = side == _orient2d(start[rows], end[rows], other_tip[rows], axis)
    return folded


def _fans_cross(vertices: Vertices, one: Faces, other: Faces) -> NDArray[np.bool_]:
    """Return whether faces that share corner 0 meet anywhere else.

    Near the apex a face is a cone, and two cones meet in a whole ray or in the apex alone.
    """
    crossing = np.zeros(len(one), dtype=bool)
    apex, a1, a2, b1, b2 = (vertices[ids] for ids in (*one.T, *other.T[1:]))
    plane_a1, plane_a2 = _orient3d(apex, a1, a2, b1), _orient3d(apex, a1, a2, b2)
    rows = np.flatnonzero(plane_a1 * plane_a2 <= 0)
    apex, a1, a2, b1, b2 = (points[rows] for points in (apex, a1, a2, b1, b2))
    plane_a1, plane_a2 = plane_a1[rows], plane_a2[rows]
    plane_b1, plane_b2 = _orient3d(apex, b1, b2, a1), _orient3d(apex, b1, b2, a2)
    straddle = (plane_a1 * plane_a2 < 0) & (plane_b1 * plane_b2 < 0)
    # The planes' common line leaves the apex inside both cones on the same side of it, or on
    # opposite sides; the sign of (a1, a2, b1) against that of (b1, b2, a2) tells which.
    crossing[rows] = straddle & (plane_a1 == plane_b2)
    near = np.flatnonzero((plane_a1 * plane_a2 == 0) | (plane_b1 * plane_b2 == 0))
    crossing[rows[near]] = _rim_in_cone(*(points[near] for points in (apex, a1, a2, b1, b2)))
    return crossing


def _rim_in_cone(apex: Points, a1: Points, a2: Points, b1: Points, b2: Points) -> NDArray[np.bool_]:
    """Return whether a side of one cone lies in the other one, which decides every touching case."""
    inside = np.zeros(len(apex), dtype=bool)
    for left, right, ray in ((a1, a2, b1), (a1, a2, b2), (b1, b2, a1), (b1, b2, a2)):
        axis = _clear_axis(apex, left, right)
        turn = _orient2d(apex, left, right, axis)
        in_plane = _orient3d(apex, left, right, ray) == 0
        beyond_left = _orient2d(apex, left, ray, axis) * turn >= 0
        before_right = _orient2d(apex, ray, right, axis) * turn >= 0
        inside |= in_plane & beyond_left & before_right
    return inside


def _clear_axis(a: Points, b: Points, c: Points) -> NDArray[np.int64]:
    """Return (K,) an axis along which each triangle, known to have area, still has area when seen."""
    axis = np.zeros(len(a), dtype=np.int64)
    for candidate in (1, 2):
        blind = _orient2d(a, b, c, axis) == 0
        axis[blind] = candidate
    return axis


def _orient3d(a: Points, b: Points, c: Points, d: Points) -> Signs:
    """Return (K,) exact signs of det(b - a, c - a, d - a)."""
    import igl.predicates

    if len(a) == 0:
        return np.zeros(0, dtype=np.int32)
    rows = [np.ascontiguousarray(points, dtype=np.float64) for points in (a, b, c, d)]
    signs: Signs = -igl.predicates.orient3d(*rows)
    return signs


def _orient2d(a: Points, b: Points, c: Points, dropped: NDArray[np.int64]) -> Signs:
    """Return (K,) exact signs of the turn a, b, c seen along the ``dropped`` axis of each row."""
    kept = np.stack([(dropped + 1) % 3, (dropped + 2) % 3], axis=1)
    seen = np.zeros((4, len(a), 3))
    for row, points in enumerate((a, b, c)):
        seen[row, :, :2] = np.take_along_axis(points, kept, axis=1)
    seen[3, :, 2] = 1.0
    return _orient3d(seen[0], seen[1], seen[2], seen[3])
