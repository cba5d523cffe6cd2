"""Local changes of a tetrahedral mesh, many at once: those whose cavities do not meet, the best ones first.

Each function looks at the tetrahedra marked as bad and takes every change that raises the lowest quality of
its cavity. The boundary is never touched: its vertices come first, ``fixed`` of them.
"""

from __future__ import annotations

from itertools import combinations

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
    starts_of,
)
from nmf_model.geometry.tet_complex import qualities

_GAIN = 1e-6
_LONGEST_RING = 7


def collapse_edges(
    x: Vertices, tetrahedra: Tetrahedra, bad: NDArray[np.bool_], fixed: int, floor: float | None = None
) -> Tetrahedra:
    """Move inner vertices onto neighbours.

    Args:
        x: (V, 3).
        tetrahedra: (T, 4).
        bad: (T,) those to be improved.
        fixed: number of boundary vertices.
        floor: if given, qualities need not rise as long as they are above it.
    """
    pairs = edges_of(tetrahedra[bad])
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    pairs = pairs[pairs[:, 0] >= fixed]
    if len(pairs) == 0:
        return tetrahedra
    stars = Stars(tetrahedra, len(x))
    cavity = stars.of(pairs[:, 0])
    old = np.minimum.reduceat(qualities(x, tetrahedra)[cavity.tets], starts_of(cavity.owner))
    moved = tetrahedra[cavity.tets]
    source, onto = pairs[cavity.owner].T[:, :, None]
    remains = (moved != onto).all(axis=1)
    moved = np.where(moved == source, onto, moved)
    new = np.full(len(moved), np.inf)
    new[remains] = qualities(x, moved[remains])
    lowest = np.minimum.reduceat(new, starts_of(cavity.owner))
    gains = lowest - (old if floor is None else np.minimum(old, floor))
    chosen = _best_of_each(pairs[:, 0], np.where(np.isfinite(lowest) & (lowest > LEAST), gains, -np.inf))
    star = stars.of(pairs[chosen, 0])
    winners = np.zeros(len(pairs), dtype=bool)
    if len(chosen):
        winners[chosen[apart(star, gains[chosen], len(tetrahedra))]] = True
    take = winners[cavity.owner]
    return replaced(tetrahedra, cavity.tets[take], moved[take & remains])


def _best_of_each(sources: Numbers, gains: NDArray[np.float64]) -> Numbers:
    """Return which pairs gain most among those of the same source, if they gain anything."""
    order = np.lexsort((-gains, sources))
    best: Numbers = order[np.diff(sources[order], prepend=-1) != 0]
    return best[gains[best] > _GAIN]


def remove_edges(x: Vertices, tetrahedra: Tetrahedra, bad: NDArray[np.bool_]) -> Tetrahedra:
    """Fill the rings around inner edges without them, in the best way."""
    edges = edges_of(tetrahedra[bad])
    if len(edges) == 0:
        return tetrahedra
    stars = Stars(tetrahedra, len(x)).of(edges[:, 0])
    around = (tetrahedra[stars.tets] == edges[:, 1][stars.owner][:, None]).any(axis=1)
    ring = Cavities(stars.owner[around], stars.tets[around])
    counts = np.bincount(ring.owner, minlength=len(edges))
    firsts = np.cumsum(counts) - counts
    quality = qualities(x, tetrahedra)
    gone, new, gains = [], [], []
    for size in range(3, _LONGEST_RING + 1):
        which = np.flatnonzero(counts == size)
        if len(which) == 0:
            continue
        tets = ring.tets[firsts[which][:, None] + np.arange(size)]
        rings, closed = rings_of(tetrahedra[tets], edges[which])
        tets, rings, ends = tets[closed], rings[closed], edges[which][closed]
        old = quality[tets].min(axis=1)
        best, value = _fillings(x, rings, ends)
        gain = value - old
        good = (gain > _GAIN) & (value > LEAST)
        gone.append(tets[good])
        new.append(best[good])
        gains.append(gain[good])
    sizes = np.concatenate([np.full(len(g), g.shape[1]) for g in gone] or [np.zeros(0, dtype=int)])
    if len(sizes) == 0:
        return tetrahedra
    flat = Cavities(np.repeat(np.arange(len(sizes)), sizes), np.concatenate([g.ravel() for g in gone]))
    won = apart(flat, np.concatenate(gains), len(tetrahedra))
    added, at = [np.zeros((0, 4), dtype=np.int64)], 0
    for rows in new:
        added.append(rows[won[at : at + len(rows)]].reshape(-1, 4))
        at += len(rows)
    return replaced(tetrahedra, flat.tets[won[flat.owner]], np.concatenate(added))


def _polygons(size: int) -> Tetrahedra:
    """Return (W, size - 2, 3) all triangulations of a polygon."""

    def ways(i: int, k: int) -> list[list[tuple[int, int, int]]]:
        if k - i < 2:
            return [[]]
        return [a + b + [(i, j, k)] for j in range(i + 1, k) for a in ways(i, j) for b in ways(j, k)]

    return np.array(ways(0, size - 1))


_POLYGONS = {size: _polygons(size) for size in range(3, _LONGEST_RING + 1)}


def _fillings(x: Vertices, rings: Tetrahedra, ends: Tetrahedra) -> tuple[Tetrahedra, NDArray[np.float64]]:
    """Return (E, 2(n - 2), 4) the best tetrahedra without the edge and their lowest quality."""
    size = rings.shape[1]
    triples = np.array(list(combinations(range(size), 3)))
    number = {triple: i for i, triple in enumerate(map(tuple, triples.tolist()))}
    lower = np.concatenate(
        [rings[:, triples], np.broadcast_to(ends[:, None, 1:], (len(rings), len(triples), 1))], axis=2
    )
    turned = triples[:, [1, 0, 2]]
    upper = np.concatenate(
        [rings[:, turned], np.broadcast_to(ends[:, None, :1], (len(rings), len(triples), 1))], axis=2
    )
    both = np.stack([lower, upper])
    worst = qualities(x, both.reshape(-1, 4)).reshape(2, len(rings), len(triples)).min(axis=0)
    ways = np.array([[number[tuple(t)] for t in way] for way in _POLYGONS[size].tolist()])
    values = worst[:, ways].min(axis=2)
    best = values.argmax(axis=1)
    rows = np.arange(len(rings))
    chosen = ways[best]
    new = np.concatenate([lower[rows[:, None], chosen], upper[rows[:, None], chosen]], axis=1)
    return new, values[rows, best]


def swap_faces(x: Vertices, tetrahedra: Tetrahedra, bad: NDArray[np.bool_]) -> Tetrahedra:
    """Replace faces between two tetrahedra by an edge between their other corners."""
    numbers = np.flatnonzero(bad)
    if len(numbers) == 0:
        return tetrahedra
    faces = tetrahedra[numbers][:, INWARD].reshape(-1, 3)
    own = np.repeat(numbers, 4)
    above = tetrahedra[numbers].ravel()
    stars = Stars(tetrahedra, len(x)).of(faces[:, 0])
    corners = tetrahedra[stars.tets]
    wanted = faces[stars.owner]
    match = (stars.tets != own[stars.owner]) & (corners == wanted[:, 1:2]).any(axis=1)
    match &= (corners == wanted[:, 2:]).any(axis=1)
    owner, other = stars.owner[match], stars.tets[match]
    below = tetrahedra[other].sum(axis=1) - faces[owner].sum(axis=1)
    a, b, c = faces[owner].T
    d = above[owner]
    new = np.stack([np.stack([below, d, p, q], axis=1) for p, q in ((a, b), (b, c), (c, a))], axis=1)
    quality = qualities(x, tetrahedra)
    old = np.minimum(quality[own[owner]], quality[other])
    lowest = qualities(x, new.reshape(-1, 4)).reshape(-1, 3).min(axis=1)
    gains = lowest - old
    good = (gains > _GAIN) & (lowest > LEAST)
    if not good.any():
        return tetrahedra
    pair = np.stack([own[owner][good], other[good]], axis=1)
    flat = Cavities(np.repeat(np.arange(len(pair)), 2), pair.ravel())
    won = apart(flat, gains[good], len(tetrahedra))
    return replaced(tetrahedra, pair[won].ravel(), new[good][won].reshape(-1, 4))


def compact(x: Vertices, tetrahedra: Tetrahedra, fixed: int) -> tuple[Vertices, Tetrahedra]:
    """Leave out inner vertices that no tetrahedron uses."""
    used = np.zeros(len(x), dtype=bool)
    used[:fixed] = True
    used[tetrahedra] = True
    numbers = np.cumsum(used) - 1
    return x[used], numbers[tetrahedra]
