"""Local changes of a tetrahedral mesh, many at once: those whose cavities do not meet, the best ones first.

Each function looks at the tetrahedra marked as bad and takes every change that raises the lowest quality of
its cavity. The boundary is never touched: its vertices come first, ``fixed`` of them.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmf_model.geometry.tet_complex import qualities

Vertices = NDArray[np.float64]
Tetrahedra = NDArray[np.int64]
Numbers = NDArray[np.int64]

_GAIN = 1e-6
_LEAST = 1e-7
"""New tetrahedra are better than this: positive beyond doubt, also once rounded to a file's coordinates."""
_LONGEST_RING = 7
_REST = np.zeros((4, 4, 2), dtype=np.int64)
for _corner, _face in enumerate([(1, 3, 2), (0, 2, 3), (0, 3, 1), (0, 1, 2)]):
    for _turn in range(3):
        _REST[_face[_turn], _face[_turn - 2]] = (_face[_turn - 1], _corner)
_INWARD = np.array([(1, 3, 2), (0, 2, 3), (0, 3, 1), (0, 1, 2)])
_EDGES = np.array(list(combinations(range(4), 2)))


class _Cavities(NamedTuple):
    """Cavities, one after the other: which each entry belongs to (ascending) and its tetrahedron."""

    owner: Numbers
    tets: Numbers


class Stars:
    """The tetrahedra around each vertex."""

    def __init__(self, tetrahedra: Tetrahedra, count: int) -> None:
        self._tets = np.argsort(tetrahedra.ravel(), kind="stable") // 4
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(tetrahedra.ravel(), minlength=count))])

    def of(self, vertices: Numbers) -> _Cavities:
        """Return the stars of some vertices."""
        counts = self._starts[vertices + 1] - self._starts[vertices]
        owner = np.repeat(np.arange(len(vertices)), counts)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        return _Cavities(owner, self._tets[self._starts[vertices][owner] + within])


def _starts_of(owner: Numbers) -> Numbers:
    return np.flatnonzero(np.diff(owner, prepend=-1))


def _apart(cavities: _Cavities, gains: NDArray[np.float64], tets: int) -> NDArray[np.bool_]:
    """Return which cavities have the highest gain among all they meet. Each must have an entry."""
    rank = np.empty(len(gains), dtype=np.int64)
    rank[np.argsort(-gains, kind="stable")] = np.arange(len(gains))
    best = np.full(tets, len(gains))
    np.minimum.at(best, cavities.tets, rank[cavities.owner])
    wins = best[cavities.tets] == rank[cavities.owner]
    won: NDArray[np.bool_] = np.logical_and.reduceat(wins, _starts_of(cavities.owner))
    return won


def _replaced(tetrahedra: Tetrahedra, gone: Numbers, new: Tetrahedra) -> Tetrahedra:
    kept = np.ones(len(tetrahedra), dtype=bool)
    kept[gone] = False
    return np.concatenate([tetrahedra[kept], new])


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
    pairs = _edges_of(tetrahedra[bad])
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    pairs = pairs[pairs[:, 0] >= fixed]
    if len(pairs) == 0:
        return tetrahedra
    stars = Stars(tetrahedra, len(x))
    sources, which = np.unique(pairs[:, 0], return_inverse=True)
    cavity = stars.of(pairs[:, 0])
    quality = qualities(x, tetrahedra)
    star = stars.of(sources)
    old = np.minimum.reduceat(quality[star.tets], _starts_of(star.owner))[which]
    moved = tetrahedra[cavity.tets]
    onto = pairs[:, 1][cavity.owner]
    remains = (moved != onto[:, None]).all(axis=1)
    moved = np.where(moved == pairs[:, 0][cavity.owner][:, None], onto[:, None], moved)
    new = np.full(len(moved), np.inf)
    new[remains] = qualities(x, moved[remains])
    lowest = np.minimum.reduceat(new, _starts_of(cavity.owner))
    gains = lowest - (old if floor is None else np.minimum(old, floor))
    good = np.flatnonzero((gains > _GAIN) & (lowest > _LEAST) & np.isfinite(lowest))
    if len(good) == 0:
        return tetrahedra
    # Only the best way for each vertex, else its ways shut each other out at once anyway.
    order = good[np.lexsort((-gains[good], which[good]))]
    good = order[np.diff(which[order], prepend=-1) != 0]
    position = np.full(len(pairs), -1)
    position[good] = np.arange(len(good))
    keep = position[cavity.owner] >= 0
    chosen = _Cavities(position[cavity.owner[keep]], cavity.tets[keep])
    order2 = np.argsort(chosen.owner, kind="stable")
    chosen = _Cavities(chosen.owner[order2], chosen.tets[order2])
    won = _apart(chosen, gains[good], len(tetrahedra))
    winners = np.zeros(len(pairs), dtype=bool)
    winners[good[won]] = True
    take = winners[cavity.owner]
    return _replaced(tetrahedra, cavity.tets[take], moved[take & remains])


def _edges_of(tetrahedra: Tetrahedra) -> Tetrahedra:
    if len(tetrahedra) == 0:
        return np.zeros((0, 2), dtype=np.int64)
    ends = np.sort(tetrahedra[:, _EDGES].reshape(-1, 2), axis=1)
    base = int(ends.max()) + 1
    keys = np.unique(ends[:, 0] * base + ends[:, 1])
    return np.stack([keys // base, keys % base], axis=1)


def remove_edges(x: Vertices, tetrahedra: Tetrahedra, bad: NDArray[np.bool_]) -> Tetrahedra:
    """Fill the rings around inner edges without them, in the best way."""
    edges = _edges_of(tetrahedra[bad])
    if len(edges) == 0:
        return tetrahedra
    stars = Stars(tetrahedra, len(x)).of(edges[:, 0])
    around = (tetrahedra[stars.tets] == edges[:, 1][stars.owner][:, None]).any(axis=1)
    ring = _Cavities(stars.owner[around], stars.tets[around])
    counts = np.bincount(ring.owner, minlength=len(edges))
    firsts = np.cumsum(counts) - counts
    quality = qualities(x, tetrahedra)
    gone, new, gains = [], [], []
    for size in range(3, _LONGEST_RING + 1):
        which = np.flatnonzero(counts == size)
        if len(which) == 0:
            continue
        tets = ring.tets[firsts[which][:, None] + np.arange(size)]
        rings, closed = _rings(tetrahedra[tets], edges[which])
        tets, rings, ends = tets[closed], rings[closed], edges[which][closed]
        old = quality[tets].min(axis=1)
        best, value = _fillings(x, rings, ends)
        gain = value - old
        good = (gain > _GAIN) & (value > _LEAST)
        gone.append(tets[good])
        new.append(best[good])
        gains.append(gain[good])
    sizes = np.concatenate([np.full(len(g), g.shape[1]) for g in gone] or [np.zeros(0, dtype=int)])
    if len(sizes) == 0:
        return tetrahedra
    flat = _Cavities(np.repeat(np.arange(len(sizes)), sizes), np.concatenate([g.ravel() for g in gone]))
    won = _apart(flat, np.concatenate(gains), len(tetrahedra))
    added, at = [np.zeros((0, 4), dtype=np.int64)], 0
    for rows in new:
        added.append(rows[won[at : at + len(rows)]].reshape(-1, 4))
        at += len(rows)
    return _replaced(tetrahedra, flat.tets[won[flat.owner]], np.concatenate(added))


def _rings(corners: Tetrahedra, ends: Tetrahedra) -> tuple[Tetrahedra, NDArray[np.bool_]]:
    """Return (E, n) the vertices around edges, counter-clockwise from the second end, and which close."""
    size = corners.shape[1]
    one = (corners == ends[:, None, :1]).argmax(axis=2)
    other = (corners == ends[:, None, 1:]).argmax(axis=2)
    rest = _REST[one, other]
    third = np.take_along_axis(corners, rest[..., :1], axis=2)[..., 0]
    fourth = np.take_along_axis(corners, rest[..., 1:], axis=2)[..., 0]
    rows = np.arange(len(corners))
    ring = [third[:, 0]]
    closed = np.ones(len(corners), dtype=bool)
    for _ in range(size):
        match = third == ring[-1][:, None]
        closed &= match.sum(axis=1) == 1
        ring.append(fourth[rows, match.argmax(axis=1)])
    found = np.stack(ring[:-1], axis=1)
    closed &= ring[-1] == found[:, 0]
    closed &= (np.diff(np.sort(found, axis=1), axis=1) > 0).all(axis=1)
    return found, closed


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
    faces = tetrahedra[numbers][:, _INWARD].reshape(-1, 3)
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
    good = (gains > _GAIN) & (lowest > _LEAST)
    if not good.any():
        return tetrahedra
    pair = np.stack([own[owner][good], other[good]], axis=1)
    flat = _Cavities(np.repeat(np.arange(len(pair)), 2), pair.ravel())
    won = _apart(flat, gains[good], len(tetrahedra))
    return _replaced(tetrahedra, pair[won].ravel(), new[good][won].reshape(-1, 4))


def compact(x: Vertices, tetrahedra: Tetrahedra, fixed: int) -> tuple[Vertices, Tetrahedra]:
    """Leave out inner vertices that no tetrahedron uses."""
    used = np.zeros(len(x), dtype=bool)
    used[:fixed] = True
    used[tetrahedra] = True
    numbers = np.cumsum(used) - 1
    return x[used], numbers[tetrahedra]
