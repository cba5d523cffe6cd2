"""Vertices of a tetrahedral mesh moved, or added in the middle of edges, many at once.

The point sought is the one that makes the lowest quality of the tetrahedra around it highest. It is found by
trying directions in turn: that lowest quality has ridges, where a gradient says little.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nmf_model.geometry.tet_cavities import (
    INWARD,
    LEAST,
    Cavities,
    Numbers,
    Stars,
    Tetrahedra,
    Vertices,
    apart,
    edges_of,
    replaced,
    rings_of,
    search_directions,
    starts_of,
)
from nmf_model.geometry.tet_complex import qualities, quality_of

_GAIN = 1e-6
_ROUNDS = 10
_SHRINK = 0.5
_FIRST_STEP = 0.3
_DIRECTIONS = search_directions(4)


def smooth_vertices(
    x: Vertices, tetrahedra: Tetrahedra, bad: NDArray[np.bool_], fixed: int, seed: int
) -> Vertices:
    """Move inner vertices of bad tetrahedra, no two of which are neighbours."""
    vertices = np.unique(tetrahedra[bad])
    vertices = vertices[vertices >= fixed]
    if len(vertices) == 0:
        return x
    star = Stars(tetrahedra, len(x)).of(vertices)
    quality = qualities(x, tetrahedra)
    old = np.minimum.reduceat(quality[star.tets], starts_of(star.owner))
    won = apart(star, np.random.default_rng(seed).random(len(vertices)) - old, len(tetrahedra))
    vertices, old = vertices[won], old[won]
    take = won[star.owner]
    star = Cavities((np.cumsum(won) - 1)[star.owner[take]], star.tets[take])
    corners = tetrahedra[star.tets]
    slot = (corners == vertices[star.owner][:, None]).argmax(axis=1)
    faces = np.take_along_axis(corners, INWARD[slot], axis=1)
    points, value = _best_points(x, faces, star.owner, x[vertices])
    better = value > old + _GAIN
    moved = x.copy()
    moved[vertices[better]] = points[better]
    return moved


def split_edges(x: Vertices, tetrahedra: Tetrahedra, bad: NDArray[np.bool_]) -> tuple[Vertices, Tetrahedra]:
    """Put a vertex into inner edges of bad tetrahedra and join what is around the edge to it."""
    edges = edges_of(tetrahedra[bad])
    if len(edges) == 0:
        return x, tetrahedra
    stars = Stars(tetrahedra, len(x)).of(edges[:, 0])
    around = (tetrahedra[stars.tets] == edges[:, 1][stars.owner][:, None]).any(axis=1)
    owner, tets = stars.owner[around], stars.tets[around]
    inner = _closed(tetrahedra, owner, tets, edges)
    keep = inner[owner]
    edges, owner, tets = edges[inner], (np.cumsum(inner) - 1)[owner[keep]], tets[keep]
    if len(edges) == 0:
        return x, tetrahedra
    old = np.minimum.reduceat(qualities(x, tetrahedra)[tets], starts_of(owner))
    corners = tetrahedra[tets]
    faces = np.stack(
        [
            np.take_along_axis(
                corners, INWARD[(corners == edges[owner, end][:, None]).argmax(axis=1)], axis=1
            )
            for end in (0, 1)
        ],
        axis=1,
    )
    doubled = np.repeat(owner, 2)
    points, value = _best_points(x, faces.reshape(-1, 3), doubled, x[edges].mean(axis=1))
    good = (value > old + _GAIN) & (value > LEAST)
    if not good.any():
        return x, tetrahedra
    keep = good[owner]
    chosen = Cavities((np.cumsum(good) - 1)[owner[keep]], tets[keep])
    won = apart(chosen, (value - old)[good], len(tetrahedra))
    numbers = np.full(len(edges), -1)
    numbers[np.flatnonzero(good)[won]] = len(x) + np.arange(int(won.sum()))
    take = numbers[owner] >= 0
    new = np.concatenate([faces[take].reshape(-1, 3), np.repeat(numbers[owner[take]], 2)[:, None]], axis=1)
    return np.concatenate([x, points[good][won]]), replaced(tetrahedra, tets[take], new)


def _closed(tetrahedra: Tetrahedra, owner: Numbers, tets: Numbers, edges: Tetrahedra) -> NDArray[np.bool_]:
    """Return which edges have tetrahedra all around them."""
    counts = np.bincount(owner, minlength=len(edges))
    firsts = np.cumsum(counts) - counts
    inner = np.zeros(len(edges), dtype=bool)
    for size in np.unique(counts[counts >= 3]).tolist():
        which = np.flatnonzero(counts == size)
        numbers = tets[firsts[which][:, None] + np.arange(size)]
        inner[which] = rings_of(tetrahedra[numbers], edges[which])[1]
    return inner


def _best_points(
    x: Vertices, faces: Tetrahedra, owner: Numbers, start: Vertices
) -> tuple[Vertices, NDArray[np.float64]]:
    """Return (M, 3) points and the lowest quality of the faces joined to each.

    Args:
        x: (V, 3).
        faces: (N, 3), counter-clockwise seen from where the point should be.
        owner: (N,) which point each is joined to, ascending.
        start: (M, 3) where to begin.
    """
    firsts = starts_of(owner)
    a, b, c = (x[faces[:, k]] - start[owner] for k in range(3))
    u, v = b - a, c - a
    normals = np.cross(u, v)
    heights = np.einsum("ij,ij->i", normals, a)
    sums = 2 * (a + b + c)
    squares = (u * u + v * v + (u - v) ** 2 + a * a + b * b + c * c).sum(axis=1)
    step = _FIRST_STEP * np.sqrt(np.maximum.reduceat((a * a).sum(axis=1), firsts))
    offset = np.zeros_like(start)
    value = np.minimum.reduceat(quality_of(-heights, squares), firsts)
    rows = np.arange(len(start))
    for number in range(_ROUNDS):
        offered = offset[:, None] + step[:, None, None] * _DIRECTIONS[number % len(_DIRECTIONS)]
        spread = offered[owner]
        dets = (spread @ normals[:, :, None])[..., 0] - heights[:, None]
        total = squares[:, None] - (spread @ sums[:, :, None])[..., 0]
        total += 3 * (offered * offered).sum(axis=2)[owner]
        lowest = np.minimum.reduceat(quality_of(dets, total), firsts, axis=0)
        best = lowest.argmax(axis=1)
        found = lowest[rows, best]
        better = found > value
        offset = np.where(better[:, None], offered[rows, best], offset)
        value = np.where(better, found, value)
        step = np.where(better, step, step * _SHRINK)
    return start + offset, value
