"""Conforming local refinement of a triangulated sphere: edges are split where more vertices are needed.

Chosen edges are split at their middle, *on the sphere*, and every face is cut along the split sides it
has, so that no vertex ever hangs on an edge. Before that, the choice is closed under one rule: a face
that is cut at all is cut at its longest side too (Rivara, 1984). "Longest" is measured in the image of the
sphere, where triangles have to be good; the rule keeps their angles away from zero there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmf_model.geometry.normals import area_vectors

Points = NDArray[np.float64]
Faces = NDArray[np.int64]
Edges = NDArray[np.int64]

_SIDES = [[0, 1], [1, 2], [2, 0]]

SIDEWAYS = 0.1
"""Weight of a distance along the surface where a distance across it counts 1."""


class EdgeList(NamedTuple):
    """The undirected edges of a closed triangle mesh.

    Attributes:
        ends: (E, 2), the smaller vertex first, in lexicographic order.
        of_side: (F, 3), the edge of each face's side from corner k to corner k + 1.
    """

    ends: Edges
    of_side: NDArray[np.int64]


class Refined(NamedTuple):
    """A refined template.

    Attributes:
        sphere: (V', 3), the old vertices first and unmoved, then the new ones.
        faces: (F', 3).
        split: (E,) True for the edges that were split; each new vertex lies on one, in their order.
    """

    sphere: Points
    faces: Faces
    split: NDArray[np.bool_]


def list_edges(faces: Faces) -> EdgeList:
    """List each edge once."""
    sides = np.sort(faces[:, _SIDES], axis=2).reshape(-1, 2)
    count = int(faces.max()) + 1 if len(faces) else 1
    keys, edge = np.unique(sides[:, 0] * count + sides[:, 1], return_inverse=True)
    return EdgeList(np.stack([keys // count, keys % count], axis=1), edge.reshape(-1, 3))


def edge_lengths(points: Points, edges: EdgeList) -> NDArray[np.float64]:
    """Return (E,) lengths in the units of ``points`` (V, 3)."""
    lengths: NDArray[np.float64] = np.linalg.norm(points[edges.ends[:, 0]] - points[edges.ends[:, 1]], axis=1)
    return lengths


def middles(sphere: Points, ends: Edges) -> Points:
    """Return (E, 3), the middle of each edge on the unit sphere."""
    between = sphere[ends[:, 0]] + sphere[ends[:, 1]]
    middle: Points = between / np.linalg.norm(between, axis=1, keepdims=True)
    return middle


def close_over_longest(
    marked: NDArray[np.bool_], edges: EdgeList, rank: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Mark more edges until every face with a marked side has its longest side, by ``rank``, marked."""
    side = rank[edges.of_side].argmax(axis=1)
    longest = np.take_along_axis(edges.of_side, side[:, None], axis=1)[:, 0]
    closed = marked.copy()
    while True:
        wanted = longest[closed[edges.of_side].any(axis=1)]
        if closed[wanted].all():
            return closed
        closed[wanted] = True


def refine(
    sphere: Points,
    faces: Faces,
    marked: NDArray[np.bool_],
    edges: EdgeList,
    lengths: NDArray[np.float64],
    place: Callable[[Points, Edges], Points] = middles,
) -> Refined:
    """Split the marked edges and those that the rule of the longest side adds.

    Args:
        sphere: (V, 3) float64 on the unit sphere.
        faces: (F, 3), closed and oriented outward.
        marked: (E,) the edges to split.
        edges: of ``faces``.
        lengths: (E,) in the image, which decide the longest side of each face.
        place: says where on their arcs the edges (K, 2) are split, (K, 3); in the middle if not given.

    Returns:
        A template that is closed, oriented and of genus 0 if the given one is. Each child's corners wind as
        its parent's do.
    """
    # Equal lengths are told apart by the edges' order, so that the result depends on nothing else.
    rank = np.empty(len(lengths), dtype=np.int64)
    rank[np.argsort(lengths, kind="stable")] = np.arange(len(lengths))
    split = close_over_longest(marked, edges, rank)
    middle_of = np.full(len(edges.ends), -1)
    middle_of[split] = len(sphere) + np.arange(np.count_nonzero(split))
    children = _cut(faces, middle_of[edges.of_side], rank[edges.of_side].argmax(axis=1))
    return Refined(np.concatenate([sphere, place(sphere, edges.ends[split])]), children, split)


def _cut(faces: Faces, middle: NDArray[np.int64], longest: NDArray[np.int64]) -> Faces:
    """Cut each face; ``middle`` (F, 3) are the vertices on its sides, −1 for sides that stay whole."""
    turn = (longest[:, None] + np.arange(3)) % 3
    a, b, c = np.take_along_axis(faces, turn, axis=1).T
    ab, bc, ca = np.take_along_axis(middle, turn, axis=1).T
    whole, at_bc, at_ca = ab < 0, bc >= 0, ca >= 0
    # One pattern a row: which faces it is for, and the children they become.
    patterns = [
        (~whole & ~at_bc & ~at_ca, [(a, ab, c), (ab, b, c)]),
        (~whole & at_bc & ~at_ca, [(a, ab, c), (ab, b, bc), (ab, bc, c)]),
        (~whole & ~at_bc & at_ca, [(a, ab, ca), (ca, ab, c), (ab, b, c)]),
        (~whole & at_bc & at_ca, [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]),
    ]
    children = [
        np.stack([np.stack([v[chosen] for v in child], axis=1) for child in pattern], axis=1).reshape(-1, 3)
        for chosen, pattern in patterns
    ]
    return np.concatenate([faces[whole], *children])


def sag(image: Points, faces: Faces, ends: Edges, true: Points) -> NDArray[np.float64]:
    """Return (E,) how far flat triangles are from the surface at the middles of edges.

    Only the distance along the surface's normal harms the shape; a little of the rest is counted, so that
    strongly uneven places are cut as well.

    Args:
        image: (V, 3) where the vertices are carried.
        faces: (F, 3).
        ends: (E, 2) edges, of the mesh or not.
        true: (E, 3) where the middles of the edges are carried.
    """
    off = true - image[ends].mean(axis=1)
    across, normals = area_vectors(image, faces), np.zeros_like(image)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], across)
    normal = normals[ends].sum(axis=1)
    length = np.linalg.norm(normal, axis=1)
    along = np.abs((off * normal).sum(axis=1)) / np.maximum(length, np.finfo(float).tiny)
    errors: NDArray[np.float64] = along + SIDEWAYS * np.linalg.norm(off, axis=1)
    return errors
