"""Cavities of a tetrahedral mesh, many at once: stars of vertices, rings of edges, and which are apart."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vertices = NDArray[np.float64]
Tetrahedra = NDArray[np.int64]
Numbers = NDArray[np.int64]

LEAST = 1e-7
"""New tetrahedra are better than this: positive beyond doubt, also once rounded to a file's coordinates."""
INWARD = np.array([(1, 3, 2), (0, 2, 3), (0, 3, 1), (0, 1, 2)])
"""The corners of the face opposite each corner, counter-clockwise seen from that corner."""
_EDGES = np.array(list(combinations(range(4), 2)))
REST = np.zeros((4, 4, 2), dtype=np.int64)
"""For each two corners the other two, so that the four make an even permutation."""
for _corner, _face in enumerate(INWARD.tolist()):
    for _turn in range(3):
        REST[_face[_turn], _face[_turn - 2]] = (_face[_turn - 1], _corner)


def search_directions(count: int) -> NDArray[np.float64]:
    """Return (8, 2 count, 3) unit vectors: sets that are tried in turn, so that no ridge stops a search."""
    half = np.random.default_rng(0).normal(size=(8, count, 3))
    half /= np.linalg.norm(half, axis=2, keepdims=True)
    return np.concatenate([half, -half], axis=1)


class Cavities(NamedTuple):
    """Cavities, one after the other: which each entry belongs to (ascending) and its tetrahedron."""

    owner: Numbers
    tets: Numbers


class Stars:
    """The tetrahedra around each vertex."""

    def __init__(self, tetrahedra: Tetrahedra, count: int) -> None:
        self._tets = np.argsort(tetrahedra.ravel(), kind="stable") // 4
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(tetrahedra.ravel(), minlength=count))])

    def of(self, vertices: Numbers) -> Cavities:
        """Return the stars of some vertices."""
        counts = self._starts[vertices + 1] - self._starts[vertices]
        owner = np.repeat(np.arange(len(vertices)), counts)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        return Cavities(owner, self._tets[self._starts[vertices][owner] + within])


def starts_of(owner: Numbers) -> Numbers:
    """Return where each run of equal numbers begins."""
    return np.flatnonzero(np.diff(owner, prepend=-1))


def apart(cavities: Cavities, gains: NDArray[np.float64], tets: int) -> NDArray[np.bool_]:
    """Return which cavities have the highest gain among all they meet. Each must have an entry."""
    rank = np.empty(len(gains), dtype=np.int64)
    rank[np.argsort(-gains, kind="stable")] = np.arange(len(gains))
    best = np.full(tets, len(gains))
    np.minimum.at(best, cavities.tets, rank[cavities.owner])
    wins = best[cavities.tets] == rank[cavities.owner]
    won: NDArray[np.bool_] = np.logical_and.reduceat(wins, starts_of(cavities.owner))
    return won


def replaced(tetrahedra: Tetrahedra, gone: Numbers, new: Tetrahedra) -> Tetrahedra:
    """Return the tetrahedra without some and with others."""
    kept = np.ones(len(tetrahedra), dtype=bool)
    kept[gone] = False
    return np.concatenate([tetrahedra[kept], new])


def edges_of(tetrahedra: Tetrahedra) -> Tetrahedra:
    """Return (E, 2) the edges, each once."""
    if len(tetrahedra) == 0:
        return np.zeros((0, 2), dtype=np.int64)
    ends = np.sort(tetrahedra[:, _EDGES].reshape(-1, 2), axis=1)
    base = int(ends.max()) + 1
    keys = np.unique(ends[:, 0] * base + ends[:, 1])
    return np.stack([keys // base, keys % base], axis=1)


def rings_of(corners: Tetrahedra, ends: Tetrahedra) -> tuple[Tetrahedra, NDArray[np.bool_]]:
    """Return (E, n) the vertices around edges, counter-clockwise from the second end, and which close."""
    size = corners.shape[1]
    one = (corners == ends[:, None, :1]).argmax(axis=2)
    other = (corners == ends[:, None, 1:]).argmax(axis=2)
    rest = REST[one, other]
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
