"""The outer surface of a model: what can be seen from outside, with normals that point at who sees it.

Many collected models have hidden interiors (drawers, engines, doubled walls) that a sphere cannot and
should not flow to. Depth pictures from 42 directions around the model decide: a point of the surface
belongs to the outer surface if, in at least one picture, nothing stands before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nmf_model.data.depth_views import DepthView, render_depth_views
from nmf_model.errors import InputError
from nmf_model.geometry.normals import face_areas, face_normals
from nmf_model.geometry.sampling import sample_surface
from nmf_model.types import Mesh

MIN_FACING = 0.1
"""Least |cosine| between normal and view direction: at more grazing angles a pixel spans too much depth."""
TOLERANCE = 0.004
"""Depth by which a point may lie behind the front and still count as seen (bounding radius 1)."""
_MAX_ROUNDS = 40


@dataclass(frozen=True)
class SurfacePoints:
    """Points drawn uniformly by area from the outer surface, in the frame of the mesh.

    Attributes:
        points: (S, 3) float64.
        normals: (S, 3) float64, unit length, pointing to the side the point is seen from; where both
            sides are seen (a single sheet), to the side seen better.
    """

    points: NDArray[np.float64]
    normals: NDArray[np.float64]


def sample_outer_surface(mesh: Mesh, count: int, *, seed: int = 0, resolution: int = 512) -> SurfacePoints:
    """Draw independent points from what is visible from outside, uniformly by area.

    Needs VTK and an off-screen GL context (EGL or X).

    Args:
        mesh: any triangles, in any units; their winding is ignored.
        count: how many points to return.
        seed: makes the draw reproducible.
        resolution: side of the depth pictures, pixels.

    Raises:
        InputError: no triangle has a finite, positive area, or almost nothing is visible.
    """
    vertices, faces, centre, radius = _in_unit_ball(mesh)
    views = render_depth_views(vertices, faces, resolution)
    normals = face_normals(vertices, faces)
    rng = np.random.default_rng(seed)
    kept: list[SurfacePoints] = []
    missing = count
    for _ in range(_MAX_ROUNDS):
        points, chosen = sample_surface(vertices, faces, 4 * count, rng)
        found = _visible(points, normals[chosen], views)
        kept.append(SurfacePoints(found.points[:missing], found.normals[:missing]))
        missing -= len(kept[-1].points)
        if missing == 0:
            break
    else:
        raise InputError("Almost nothing of the model can be seen from outside; check its faces.")
    all_points = np.concatenate([part.points for part in kept])
    return SurfacePoints(all_points * radius + centre, np.concatenate([part.normals for part in kept]))


def _visible(
    points: NDArray[np.float64], normals: NDArray[np.float64], views: list[DepthView]
) -> SurfacePoints:
    """Keep the points seen in some view and turn their normals to the side that sees them better."""
    seen = np.zeros(len(points), dtype=bool)
    towards_viewers = np.zeros(len(points))
    for view in views:
        facing = normals @ view.direction
        usable = np.flatnonzero(np.abs(facing) >= MIN_FACING)
        in_front = usable[view.depth_behind_front(points[usable], normals[usable]) <= TOLERANCE]
        seen[in_front] = True
        towards_viewers[in_front] += facing[in_front]
    sign = np.where(towards_viewers < 0, -1.0, 1.0)
    return SurfacePoints(points[seen], (normals * sign[:, None])[seen])


def _in_unit_ball(
    mesh: Mesh,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], float]:
    """Return vertices moved into the unit ball, the faces with an area, and the ball's centre and radius."""
    finite = mesh.faces[np.isfinite(mesh.vertices[mesh.faces]).all(axis=(1, 2))]
    faces = finite[face_areas(mesh.vertices, finite) > 0]
    if not len(faces):
        raise InputError("The model has no triangle with an area; export it again.")
    used = mesh.vertices[np.unique(faces)]
    centre = (used.min(axis=0) + used.max(axis=0)) / 2
    radius = float(np.linalg.norm(used - centre, axis=1).max())
    return (mesh.vertices - centre) / radius, faces, centre, radius
