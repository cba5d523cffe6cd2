"""A ball of tetrahedra inside a given triangulation of the sphere: the solid that a flow carries into shape.

Its boundary is the template itself, face for face, so that the solid's surface is the mesh that was made
and checked. Any triangulation will do, also one refined in places: a *front* starts as the template, is
flipped while it moves inwards until it is the convex hull of its vertices, and ends on a sphere a little
below the surface. What is left inside is filled with points and joined by Delaunay's rule, whose hull is
the front. So no tetrahedron has all its corners on the boundary, where nothing could put it right.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmf_model.geometry.ball_core import connect, fill
from nmf_model.geometry.ball_front import Front
from nmf_model.geometry.template import Template
from nmf_model.geometry.tetrahedra import boundary_faces, orientations

_LAYER = 0.65
"""Thickness of the outermost layer in edges of the template; 0.82 is a regular tetrahedron's height, and
lower corners get their layer from the points inside."""
_THINNEST = 0.35
_LOWEST = 0.6
"""The front's final radius is at least this if nothing forces it lower: coarse templates have long edges."""
_SLOPE = 0.4
"""How fast the front's depth and the length of edges may change along the sphere."""
_TIE_BREAK = 1e-2


class Ball(NamedTuple):
    """A tetrahedral mesh of the unit ball.

    Attributes:
        vertices: (V, 3) float64; those of the template come first, in its order.
        tetrahedra: (T, 4) int64, all positive.
    """

    vertices: NDArray[np.float64]
    tetrahedra: NDArray[np.int64]


def ball(template: Template, ease: NDArray[np.floating] | None = None, seed: int = 0) -> Ball:
    """Fill a triangulated unit sphere with tetrahedra.

    Args:
        template: closed, genus 0; every face seen counter-clockwise from outside the sphere.
        ease: (V,) how easily all faces at a vertex can be seen from one point inside the shape. A vertex
            with small ease is given edges to more inner points than its own.
        seed: of the small displacements that make the triangulation unique.

    Raises:
        ValueError: if the faces do not cover the sphere exactly once.
    """
    rng = np.random.default_rng(seed)
    directions = template.vertices.astype(np.float64)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    _require_cover(directions, template.faces)
    edges = _edges(template.faces)
    spacing = _graded(_spacing(directions, edges), directions, edges)
    displacement = _TIE_BREAK * _thickness(directions, template.faces)[:, None]
    sites = directions + displacement * rng.uniform(-1, 1, directions.shape)
    sites /= np.linalg.norm(sites, axis=1, keepdims=True)

    front = Front(directions, template.faces)
    front.make_delaunay(sites)
    inner = fill(sites, spacing, rng)
    core = connect(sites, inner)
    if not _same(boundary_faces(core), front.faces()):
        raise ValueError("the template is too uneven to be filled with tetrahedra")
    depth = np.maximum(np.minimum(_LAYER * spacing, 1 - _LOWEST), 1 - front.radii + _THINNEST * spacing)
    depth = -_graded(-depth, directions, edges)
    order = np.argsort(np.zeros(len(depth)) if ease is None else -ease, kind="stable")
    for vertex in order.tolist():
        front.pull(vertex, 1 - depth[vertex])
    return _joined(front, core, sites, inner, depth)


def _joined(
    front: Front,
    core: NDArray[np.int64],
    sites: NDArray[np.float64],
    inner: NDArray[np.float64],
    depth: NDArray[np.float64],
) -> Ball:
    """Put the core, which was joined in a whole unit ball, inside the front, whose depth varies."""
    outer, last = np.array(front.points), np.array(front.nodes)
    numbers = np.concatenate([last, len(outer) + np.arange(len(inner))])
    tetrahedra = np.concatenate([np.array(front.tetrahedra, dtype=np.int64).reshape(-1, 4), numbers[core]])
    local = _nearby(sites, depth, inner)
    radius = np.linalg.norm(inner, axis=1)
    # Let the depth vary as far as that leaves all tetrahedra positive; a smaller ball always fits.
    for share in (1.0, 0.7, 0.4, 0.2, 0.0):
        outer[last] = sites * (1 - share * depth - (1 - share) * depth.max())[:, None]
        factor = share * (1 - local * radius) + (1 - share) * (1 - depth.max())
        vertices = np.concatenate([outer, inner * factor[:, None]])
        if (orientations(vertices, tetrahedra) > 0).all():
            return Ball(vertices, tetrahedra)
    raise ValueError("the template is too uneven to be filled with tetrahedra")


def _nearby(
    sites: NDArray[np.float64], values: NDArray[np.float64], points: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Interpolate values given on the unit sphere at the directions of points."""
    from scipy.spatial import cKDTree

    length = np.linalg.norm(points, axis=1, keepdims=True)
    distance, nearest = cKDTree(sites).query(points / np.maximum(length, 1e-12), k=min(6, len(sites)))
    weights = 1 / (np.asarray(distance) + 1e-9)
    mean: NDArray[np.float64] = (weights * values[nearest]).sum(axis=1) / weights.sum(axis=1)
    return mean


def _require_cover(directions: NDArray[np.float64], faces: NDArray[np.int64]) -> None:
    a, b, c = (directions[faces[:, corner]] for corner in range(3))
    solid = np.einsum("ij,ij->i", a, np.cross(b, c))
    # Van Oosterom and Strackee, "The solid angle of a plane triangle" (1983).
    below = 1 + (a * b).sum(axis=1) + (b * c).sum(axis=1) + (c * a).sum(axis=1)
    whole = 2 * np.arctan2(solid, below).sum()
    if (solid <= 0).any() or abs(whole - 4 * np.pi) > 1e-6:
        raise ValueError("the template's faces do not cover the sphere exactly once")


def _edges(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (E, 2)."""
    sides = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]], axis=2).reshape(-1, 2)
    return np.unique(sides, axis=0)


def _spacing(directions: NDArray[np.float64], edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (V,) the mean length of the edges at each vertex."""
    lengths = np.linalg.norm(directions[edges[:, 0]] - directions[edges[:, 1]], axis=1)
    ends, both = edges.T.ravel(), np.tile(lengths, 2)
    return np.bincount(ends, both, len(directions)) / np.bincount(ends, minlength=len(directions))


def _thickness(directions: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (V,) the lowest height of the faces at each vertex."""
    corners = directions[faces]
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    doubled = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    lowest = np.full(len(directions), np.inf)
    np.minimum.at(lowest, faces, (doubled / sides.max(axis=1))[:, None])
    return lowest


def _graded(
    values: NDArray[np.float64], directions: NDArray[np.float64], edges: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Lower values until they differ along no edge by more than ``_SLOPE`` times its length."""
    lengths = _SLOPE * np.linalg.norm(directions[edges[:, 0]] - directions[edges[:, 1]], axis=1)
    graded = values.copy()
    while True:
        before = graded.copy()
        for one, other in ((0, 1), (1, 0)):
            np.minimum.at(graded, edges[:, one], before[edges[:, other]] + lengths)
        if (graded >= before - 1e-12).all():
            return graded


def _same(one: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
    """Whether two lists of oriented faces hold the same faces."""

    def canonical(faces: NDArray[np.int64]) -> set[tuple[int, ...]]:
        first = faces.argmin(axis=1)[:, None]
        turned = np.take_along_axis(faces, (first + np.arange(3)) % 3, axis=1)
        return set(map(tuple, turned.tolist()))

    return len(one) == len(other) and canonical(one) == canonical(other)
