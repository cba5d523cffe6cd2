"""How many holes of a solid of cells are still holes of a larger one: the rank of a map of homology.

Counting the holes of both does not tell: between spikes some close and others open wherever a growing solid
is looked at. So every edge of the larger solid gets a value, such that the values around each square cancel
out; a loop that can be filled has then none. Edges of a spanning tree get none, others what their squares ask
for, and where none asks, a new unknown. How many loops of the smaller one are independent by their values is
how many holes last. All of this modulo two: a value is a set of unknowns, the bits of a number.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

from nmf_model.fitting.compiled.spreading import spread

Solid = NDArray[np.bool_]
Numbers = NDArray[np.int64]

_MOST_UNKNOWNS = 62


def lasting_tunnels(before: Solid, after: Solid) -> int | None:
    """Return how many independent tunnels of a solid (X, Y, Z) are still some of another that contains it.

    Cells are closed cubes: those that touch in a corner are connected. None if there are too many to tell.
    """
    edges, squares = _edges(after), _squares(after)
    solved = _values(edges, squares, after.shape)
    if solved is None:
        return None
    values, relations = solved
    loops = _loop_values(_edges(before), values, after.shape)
    return _rank([*relations, *loops]) - _rank(relations)


def _touched(solid: Solid, axes: tuple[int, ...]) -> Solid:
    """Return (X + 1, Y + 1, Z + 1) whether an edge or square from each corner on is in the solid."""
    found = np.pad(solid, 1)
    for axis in range(3):
        moved = np.moveaxis(found, axis, 0)
        moved = moved[1:] if axis in axes else moved[:-1] | moved[1:]
        found = np.moveaxis(moved, 0, axis)
    return found


def _strides(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return how far the numbers of neighbouring corners are apart along each axis."""
    return (shape[1] + 1) * (shape[2] + 1), shape[2] + 1, 1


def _corners(shape: tuple[int, ...]) -> int:
    return int(np.prod(np.array(shape) + 1))


def _edges(solid: Solid) -> Numbers:
    """Return the numbers of a solid's edges: that of the corner where one begins, and of its axis before."""
    count = _corners(solid.shape)
    return np.concatenate([np.flatnonzero(_touched(solid, (axis,))) + axis * count for axis in range(3)])


def _squares(solid: Solid) -> Numbers:
    """Return the numbers (S, 4) of the edges around a solid's squares."""
    count, strides = _corners(solid.shape), _strides(solid.shape)
    found = []
    for a, b in itertools.combinations(range(3), 2):
        corner = np.flatnonzero(_touched(solid, (a, b)))
        along, across = corner + a * count, corner + b * count
        found.append(np.stack([along, along + strides[b], across, across + strides[a]], axis=1))
    return np.concatenate(found)


def _ends(edges: Numbers, shape: tuple[int, ...]) -> tuple[Numbers, Numbers]:
    axis, corner = np.divmod(edges, _corners(shape))
    return corner, corner + np.array(_strides(shape))[axis]


def _tree(edges: Numbers, shape: tuple[int, ...]) -> csr_array:
    """Return a spanning forest of corners, first of edges along the last axis, then along the one before.

    In such a comb nearly every square has but one edge that is not known, one after the other.
    """
    count = _corners(shape)
    weights = 3 - edges // count
    graph = csr_array((weights.astype(float), _ends(edges, shape)), shape=(count, count))
    return minimum_spanning_tree(graph)


def _values(edges: Numbers, squares: Numbers, shape: tuple[int, ...]) -> tuple[Numbers, list[int]] | None:
    """Return each possible edge's value, and relations between the unknowns in them, if these are few."""
    count = 3 * _corners(shape)
    values, known = np.zeros(count, dtype=np.int64), np.ones(count, dtype=bool)
    known[edges] = False
    low, high = _tree(edges, shape).nonzero()
    axis = np.searchsorted(-np.array(_strides(shape)), -(high - low))
    fresh = low + axis * _corners(shape)
    known[fresh] = True
    around = np.argsort(squares.ravel(), kind="stable") // 4
    starts = np.concatenate([[0], np.cumsum(np.bincount(squares.ravel(), minlength=count))])
    if spread(squares, starts, around, edges, values, known, _MOST_UNKNOWNS) < 0:
        return None
    sums = np.bitwise_xor.reduce(values[squares], axis=1)
    return values, [int(value) for value in np.unique(sums) if value]


def _loop_values(edges: Numbers, values: Numbers, shape: tuple[int, ...]) -> list[int]:
    """Return the different values of the loops that each edge closes with a spanning forest."""
    count = _corners(shape)
    low, high = _ends(edges, shape)
    graph = csr_array((np.ones(len(edges), dtype=np.int8), (low, high)), shape=(count, count))
    _, piece = connected_components(graph, directed=False)
    # One more corner, joined with one of each piece, makes the forest a tree.
    roots = np.unique(piece, return_index=True)[1]
    joined = csr_array(
        (
            np.ones(len(edges) + len(roots), dtype=np.int8),
            (np.concatenate([low, np.full(len(roots), count)]), np.concatenate([high, roots])),
        ),
        shape=(count + 1, count + 1),
    )
    _, parent = breadth_first_order(joined, count, directed=False)
    parent = np.where(parent < 0, count, parent).astype(np.int64)
    corner = np.arange(count)
    above = parent[:count]
    step = np.where(above == count, 0, np.abs(above - corner))
    axis = np.searchsorted(-np.array(_strides(shape)), -np.maximum(step, 1))
    sums = np.zeros(count + 1, dtype=np.int64)
    sums[:count] = np.where(step > 0, values[np.minimum(above, corner) + axis * count], 0)
    while (parent != count).any():
        sums, parent = sums ^ sums[parent], parent[parent]
    return [int(value) for value in np.unique(values[edges] ^ sums[low] ^ sums[high]) if value]


def _rank(rows: list[int]) -> int:
    """Return the rank of rows of bits."""
    basis: list[int] = []
    for row in rows:
        for other in basis:
            row = min(row, row ^ other)
        if row:
            basis.append(row)
    return len(basis)
