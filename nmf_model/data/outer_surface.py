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

MIN_FACING = 0.1
"""Least |cosine| between normal and view direction: at more grazing angles one pixel spans too much depth."""
TOLERANCE = 0.004
"""Depth by which a point may lie behind the front and still count as seen (bounding radius 1)."""
_MAX_ROUNDS = 40


@dataclass(frozen=True)
class SurfacePoints:
    """Points drawn uniformly by area from the outer surface, in the frame of the triangles given.

    Attributes:
        points: (S, 3) float64.
        normals: (S, 3) float64, unit length, pointing to the side the point is seen from; where both
            sides are seen (a single sheet), to the side seen better.
    """

    points: NDArray[np.float64]
    normals: NDArray[np.float64]


def sample_outer_surface(
    triangles: NDArray[np.float64], count: int, *, seed: int = 0, resolution: int = 512
) -> SurfacePoints:
    """Draw independent points from what is visible from outside, uniformly by area.

    Needs VTK and an off-screen GL context (EGL or X).

    Args:
        triangles: (F, 3, 3), any units; their winding is ignored.
        count: how many points to return.
        seed: makes the draw reproducible.
        resolution: side of the depth pictures, pixels.

    Raises:
        InputError: no triangle has a finite, positive area, or almost nothing is visible.
    """
    unit, centre, radius = _to_unit_sphere(_usable(triangles))
    views = render_depth_views(unit, resolution)
    rng = np.random.default_rng(seed)
    kept: list[SurfacePoints] = []
    missing = count
    for _ in range(_MAX_ROUNDS):
        found = _visible(*sample_triangles(unit, 4 * count, rng), views)
        kept.append(SurfacePoints(found.points[:missing], found.normals[:missing]))
        missing -= len(kept[-1].points)
        if missing == 0:
            break
    else:
        raise InputError("Almost nothing of the model can be seen from outside; check its faces.")
    points = np.concatenate([part.points for part in kept])
    return SurfacePoints(points * radius + centre, np.concatenate([part.normals for part in kept]))


def sample_triangles(
    triangles: NDArray[np.float64], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw (count, 3) independent points uniformly by area, and the unit normals of their triangles."""
    cross = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    double_area = np.linalg.norm(cross, axis=1)
    chosen = rng.choice(len(triangles), size=count, p=double_area / double_area.sum())
    # The square root makes the density uniform; see Osada et al. 2002, section 4.2.
    root, along = np.sqrt(rng.random(count)), rng.random(count)
    weights = np.stack([1 - root, root * (1 - along), root * along], axis=1)
    points = np.einsum("ni,nij->nj", weights, triangles[chosen])
    return points, cross[chosen] / double_area[chosen, None]


def _visible(
    points: NDArray[np.float64], normals: NDArray[np.float64], views: list[DepthView]
) -> SurfacePoints:
    """Keep the points seen in some view and turn their normals to the side that sees them better."""
    seen = np.zeros(len(points), dtype=bool)
    towards_viewers = np.zeros(len(points))
    for view in views:
        facing = normals @ view.direction
        cosine = np.maximum(np.abs(facing), MIN_FACING)
        slope = np.sqrt(1 - np.minimum(cosine, 1.0) ** 2) / cosine
        behind = view.depth_behind_front(points)
        in_front = (behind <= TOLERANCE + view.pixel * slope) & (np.abs(facing) >= MIN_FACING)
        seen |= in_front
        towards_viewers += np.where(in_front, facing, 0.0)
    sign = np.where(towards_viewers < 0, -1.0, 1.0)
    return SurfacePoints(points[seen], (normals * sign[:, None])[seen])


def _usable(triangles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Drop triangles that are not finite or have no area."""
    finite = triangles[np.isfinite(triangles).all(axis=(1, 2))]
    cross = np.cross(finite[:, 1] - finite[:, 0], finite[:, 2] - finite[:, 0])
    usable = finite[np.linalg.norm(cross, axis=1) > 0]
    if not len(usable):
        raise InputError("The model has no triangle with an area; export it again.")
    return usable


def _to_unit_sphere(
    triangles: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Centre on the bounding box and scale every corner into the unit ball."""
    corners = triangles.reshape(-1, 3)
    centre = (corners.min(axis=0) + corners.max(axis=0)) / 2
    radius = float(np.linalg.norm(corners - centre, axis=1).max())
    return (triangles - centre) / radius, centre, radius
