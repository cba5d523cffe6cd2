"""A k-d tree over points in space, for queries from compiled loops."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmf_model.fitting.compiled.jit import Scalar, compiled

_LEAF = 8
"""Points of a leaf at most."""
_DEEPEST = 48
"""Nodes that can be waiting in a query; one a level and then one."""


class Tree(NamedTuple):
    """N points, halved along their longest extent until few are left.

    The children of node i are 2 i + 1 and 2 i + 2; the last level are the leaves.

    Attributes:
        points: (N, 3) float32, in the order of the leaves.
        number: (N,) int32, which of the given points each is.
        first: (M + 1,) int32, where each node's points start; those of node i end where ``last`` says.
        last: (M,) int32.
        boxes: (M, 6) float32, the lowest and the highest coordinates of each node's points.
    """

    points: NDArray[np.float32]
    number: NDArray[np.int32]
    first: NDArray[np.int32]
    last: NDArray[np.int32]
    boxes: NDArray[np.float32]


@compiled
def build(points: NDArray[np.float32]) -> Tree:
    """Build a tree of (N, 3) points, N ≥ 1."""
    count = len(points)
    depth = 0
    while (count >> depth) >= _LEAF:
        depth += 1
    inner = (1 << depth) - 1
    nodes = 2 * inner + 1
    first, last = np.zeros(nodes, np.int32), np.zeros(nodes, np.int32)
    boxes = np.empty((nodes, 6), np.float32)
    order = np.empty(count, np.int32)
    for place in range(count):
        order[place] = place
    last[0] = count
    for node in range(nodes):
        low, high = first[node], last[node]
        for axis in range(3):
            boxes[node, axis], boxes[node, 3 + axis] = np.inf, -np.inf
        for place in range(low, high):
            for axis in range(3):
                value = points[order[place], axis]
                boxes[node, axis] = min(boxes[node, axis], value)
                boxes[node, 3 + axis] = max(boxes[node, 3 + axis], value)
        if node >= inner:
            continue
        axis = 0
        for other in (1, 2):
            if boxes[node, 3 + other] - boxes[node, other] > boxes[node, 3 + axis] - boxes[node, axis]:
                axis = other
        middle = (low + high) // 2
        _part(points, order, low, high - 1, middle, axis)
        first[2 * node + 1], last[2 * node + 1] = low, middle
        first[2 * node + 2], last[2 * node + 2] = middle, high
    sorted_points = np.empty((count, 3), np.float32)
    for place in range(count):
        for axis in range(3):
            sorted_points[place, axis] = points[order[place], axis]
    return Tree(sorted_points, order, first, last, boxes)


@compiled
def _part(
    points: NDArray[np.float32], order: NDArray[np.int32], low: int, high: int, middle: int, axis: int
) -> None:
    """Reorder ``order[low..high]`` so that nothing before ``middle`` exceeds what follows (Hoare)."""
    while low < high:
        pivot = points[order[(low + high) // 2], axis]
        i, j = low, high
        while i <= j:
            while points[order[i], axis] < pivot:
                i += 1
            while points[order[j], axis] > pivot:
                j -= 1
            if i <= j:
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            return


@compiled
def _away(boxes: NDArray[np.float32], node: int, query: NDArray[np.float32]) -> Scalar:
    """Return the squared distance of a point from a node's box."""
    total = np.float32(0.0)
    for axis in range(3):
        value = query[axis]
        if value < boxes[node, axis]:
            total += (boxes[node, axis] - value) ** 2
        elif value > boxes[node, 3 + axis]:
            total += (value - boxes[node, 3 + axis]) ** 2
    return total


@compiled
def nearest(tree: Tree, queries: NDArray[np.float32], count: int) -> NDArray[np.int32]:
    """Return (Q, count) which points are nearest to each query, nearest first; count ≤ N."""
    found = np.empty((len(queries), count), np.int32)
    best = np.empty(count, np.float32)
    waiting, away = np.empty(_DEEPEST, np.int32), np.empty(_DEEPEST, np.float32)
    inner = len(tree.first) // 2
    for row in range(len(queries)):
        query = queries[row]
        for slot in range(count):
            best[slot] = np.inf
        waiting[0], away[0], height = 0, 0.0, 1
        while height > 0:
            height -= 1
            node = waiting[height]
            if away[height] >= best[count - 1]:
                continue
            while node < inner:
                near, far = 2 * node + 1, 2 * node + 2
                to_near, to_far = _away(tree.boxes, near, query), _away(tree.boxes, far, query)
                if to_far < to_near:
                    near, far, to_near, to_far = far, near, to_far, to_near
                if to_far < best[count - 1]:
                    waiting[height], away[height] = far, to_far
                    height += 1
                node = near
            for place in range(tree.first[node], tree.last[node]):
                distance = np.float32(0.0)
                for axis in range(3):
                    distance += (tree.points[place, axis] - query[axis]) ** 2
                if distance < best[count - 1]:
                    slot = count - 1
                    while slot > 0 and best[slot - 1] > distance:
                        best[slot], found[row, slot] = best[slot - 1], found[row, slot - 1]
                        slot -= 1
                    best[slot], found[row, slot] = distance, tree.number[place]
    return found
