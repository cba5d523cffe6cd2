"""Coarsening of a triangulated sphere: vertices are merged into a neighbour where the image is flat.

An edge collapse moves no vertex that stays. It is allowed only if the mesh stays a closed, oriented sphere
(the link condition, and every face outward on the sphere) and the image stays close to what it was, does
not turn and gets no needles. Collapses of one round touch different neighbourhoods, so that their tests
hold for all of them together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from nmf_model.geometry.refinement import Faces, Points, list_edges, sag

Flow = Callable[[Points], Points]

_TURN = 0.85
"""Smallest cosine between an image face's normal and that of the one that replaces it."""
_SHAPE = 0.12
"""Smallest ratio of a new image face's area to its longest side squared (0.43 for equilateral ones), unless
the worst face around the vertex was as bad."""
_FLOOR = 1e-7
"""Smallest determinant of a new face's corners on the sphere, well above rounding in float32."""


class Coarsened(NamedTuple):
    """A coarsened template and which of the vertices are left, (V',) rising indices."""

    faces: Faces
    kept: NDArray[np.int64]


class _Collapses(NamedTuple):
    """Candidates: ``gone`` (K,) merges into ``into`` (K,) at an error of ``cost`` (K,)."""

    gone: NDArray[np.int64]
    into: NDArray[np.int64]
    cost: NDArray[np.float64]

    def at(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> _Collapses:
        return _Collapses(self.gone[rows], self.into[rows], self.cost[rows])


def coarsen(
    sphere: Points, faces: Faces, image: Points, tolerance: float, flow: Flow, longest: float = 0.2
) -> Coarsened:
    """Merge vertices in one round of independent collapses.

    Args:
        sphere: (V, 3) float64 on the unit sphere.
        faces: (F, 3) closed, oriented, genus 0.
        image: (V, 3) where the flow carries the vertices.
        tolerance: how far, in the image's units, the surface may move: the merged vertex to its new faces'
            planes, and new edges at their middles (see ``sag``).
        flow: carries points of the sphere.
        longest: no new edge of the image is longer.
    """
    candidates = _candidates(sphere, faces, image, tolerance, longest)
    chosen = _independent(candidates, faces, len(sphere))
    chosen = _close_to_flow(chosen, sphere, faces, image, tolerance, flow)
    target = np.arange(len(sphere))
    target[chosen.gone] = chosen.into
    merged = target[faces]
    solid = (merged != np.roll(merged, 1, axis=1)).all(axis=1)
    kept = np.flatnonzero(target == np.arange(len(sphere)))
    number = np.full(len(sphere), -1)
    number[kept] = np.arange(len(kept))
    return Coarsened(number[merged[solid]], kept)


def _candidates(sphere: Points, faces: Faces, image: Points, tolerance: float, longest: float) -> _Collapses:
    """Return the cheapest allowed collapse of each vertex that has one."""
    ends = list_edges(faces).ends
    ends = ends[_meet_in_two(ends, len(sphere))]
    gone, into = np.concatenate([ends, ends[:, ::-1]]).T
    owner, corner_faces = _stars(faces, gone)
    target = into[owner]
    corners = faces[corner_faces]
    moved = ~(corners == target[:, None]).any(axis=1)  # the two faces between both vertices vanish
    owner, corners, target = owner[moved], corners[moved], target[moved]
    after = np.where(corners == gone[owner][:, None], target[:, None], corners)
    old_normal, old_shape, _ = _shape_of(image, corners)
    worst = np.full(len(gone), _SHAPE)
    np.minimum.at(worst, owner, old_shape)
    normal, shape, longest_side = _shape_of(image, after)
    allowed = np.linalg.det(sphere[after]) > _FLOOR
    allowed &= (normal * old_normal).sum(axis=1) > _TURN
    allowed &= (shape >= worst[owner]) & (longest_side <= longest)
    off_plane = np.abs(((image[gone[owner]] - image[target]) * normal).sum(axis=1))
    cost = np.zeros(len(gone))
    np.maximum.at(cost, owner, np.where(allowed, off_plane, np.inf))
    possible = np.flatnonzero(cost <= tolerance)
    # Ties are broken by index, so that the result depends on nothing but the mesh.
    order = possible[np.lexsort((into[possible], gone[possible], cost[possible]))]
    _, first = np.unique(gone[order], return_index=True)
    order = order[np.sort(first)]
    return _Collapses(gone[order], into[order], cost[order])


def _meet_in_two(ends: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """Return (E,) True for edges whose ends have exactly two neighbours in common: the link condition."""
    rows, columns = np.concatenate([ends, ends[:, ::-1]]).T
    adjacency = csr_array((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    common = adjacency @ adjacency
    found: NDArray[np.bool_] = np.asarray(common[ends[:, 0], ends[:, 1]]).ravel() == 2
    return found


def _stars(faces: Faces, vertices: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, flattened, the faces around each of the vertices (K,): whose, and which face."""
    corner = np.argsort(faces.ravel(), kind="stable")
    degree = np.bincount(faces.ravel(), minlength=int(vertices.max(initial=0)) + 1)
    start = np.concatenate([[0], np.cumsum(degree)])[vertices]
    count = degree[vertices]
    owner = np.repeat(np.arange(len(vertices)), count)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    return owner, corner[start[owner] + within] // 3


def _shape_of(points: Points, faces: Faces) -> tuple[Points, NDArray[np.float64], NDArray[np.float64]]:
    """Return unit normals (K, 3), area over longest side squared (K,) and longest sides (K,)."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    cross = np.cross(b - a, c - a)
    double_area = np.linalg.norm(cross, axis=1)
    longest = np.linalg.norm(np.stack([b - a, c - b, a - c]), axis=2).max(axis=0)
    tiny = np.finfo(float).tiny
    return (
        cross / np.maximum(double_area, tiny)[:, None],
        0.5 * double_area / np.maximum(longest**2, tiny),
        longest,
    )


def _independent(candidates: _Collapses, faces: Faces, count: int) -> _Collapses:
    """Keep the cheapest candidates whose closed one-rings have no vertex in common."""
    owner, around = _stars(faces, candidates.gone)
    bounds = np.searchsorted(owner, np.arange(len(candidates.gone) + 1))
    ring = faces[around].reshape(-1, 3)
    taken = np.zeros(count, dtype=bool)
    chosen = []
    for k in range(len(candidates.gone)):
        patch = ring[bounds[k] : bounds[k + 1]].ravel()
        if not taken[patch].any():
            taken[patch] = True
            chosen.append(k)
    return candidates.at(np.array(chosen, dtype=np.int64))


def _close_to_flow(
    chosen: _Collapses, sphere: Points, faces: Faces, image: Points, tolerance: float, flow: Flow
) -> _Collapses:
    """Drop the collapses whose new edges leave the flowed surface by more than the tolerance."""
    if not len(chosen.gone):
        return chosen
    owner, around = _stars(faces, chosen.gone)
    spokes = np.repeat(owner, 3)
    tips = faces[around].ravel()
    starts = chosen.into[spokes]
    middle = sphere[starts] + sphere[tips]
    true = flow(middle / np.linalg.norm(middle, axis=1, keepdims=True))
    off = sag(image, faces, np.stack([starts, tips], axis=1), true)
    off[(tips == starts) | (tips == chosen.gone[spokes])] = 0
    worst = np.zeros(len(chosen.gone))
    np.maximum.at(worst, spokes, off)
    return chosen.at(worst <= tolerance)
