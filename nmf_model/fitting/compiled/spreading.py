"""Values of edges that follow from one another around squares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nmf_model.fitting.compiled.jit import compiled

Wide = NDArray[np.int64]


@compiled
def spread(
    squares: Wide,
    starts: Wide,
    around: Wide,
    edges: Wide,
    values: Wide,
    known: NDArray[np.bool_],
    most: int,
) -> int:
    """Give every edge a value so that those around a square cancel out, by exclusive or, where they can.

    A square with one edge that is not known tells its value. Where none is left, the next edge gets an
    unknown of its own: one more bit.

    Args:
        squares: (S, 4) the numbers of their edges.
        starts: (E + 1,) where in ``around`` the squares of each edge begin.
        around: (4 S,) the squares of one edge after the other.
        edges: those that need a value, in the order in which they get unknowns.
        values: (E,) changed in place.
        known: (E,) which edges have theirs; changed in place.
        most: unknowns.

    Returns:
        how many unknowns it took; -1 if more than ``most``.
    """
    stack = np.arange(len(squares))
    waits = np.ones(len(squares), dtype=np.bool_)
    height, unknowns, place = len(squares), 0, 0
    while True:
        while height:
            height -= 1
            square = stack[height]
            waits[square] = False
            missing, last, total = 0, -1, 0
            for corner in range(4):
                edge = squares[square, corner]
                if known[edge]:
                    total ^= values[edge]
                else:
                    missing += 1
                    last = edge
            if missing == 1:
                values[last], known[last] = total, True
                height = _put(stack, waits, height, around[starts[last] : starts[last + 1]])
        while place < len(edges) and known[edges[place]]:
            place += 1
        if place == len(edges):
            return unknowns
        if unknowns == most:
            return -1
        edge = edges[place]
        values[edge], known[edge] = 1 << unknowns, True
        unknowns += 1
        height = _put(stack, waits, height, around[starts[edge] : starts[edge + 1]])


@compiled
def _put(stack: Wide, waits: NDArray[np.bool_], height: int, squares: Wide) -> int:
    """Put squares that do not wait yet on the stack, and return how high it is then."""
    for square in squares:
        if not waits[square]:
            waits[square] = True
            stack[height] = square
            height += 1
    return height
