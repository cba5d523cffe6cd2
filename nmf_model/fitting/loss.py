"""The fit's objective: how far the surface and the points are from each other.

The plain chamfer distance pulls every sample *sideways* to the nearest given point, and a flexible surface
answers by crumpling around the points. Here the residual of a sample counts fully along the normal, and
sideways only beyond the distance at which the next point should have been: a surface that passes between its
points costs nothing, one that spans a gap costs as before. The other way, from the points, the distance is
that to the surface itself, and what is missed altogether counts more than in a mean square.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from nmf_model.fitting.target import FitTarget
from nmf_model.geometry.nearest import NearestPoints
from nmf_model.geometry.surface import SurfaceSamples, closest_weights, triangle_normals

SIDEWAYS = 0.1
"""Weight of a sideways residual within the spacing; a little keeps the samples spread evenly."""
REACH = 0.25
"""Distance, in units of the points' own spacing, beyond which a point counts as missed."""
CANDIDATES = 3
"""Samples whose faces are looked at for the surface's nearest place to a point."""


class Misfit(NamedTuple):
    """Mean squared distances in unit-sphere units, scalars: surface → points and points → surface.

    The first with the sideways allowance, the second with the urgency of missed points.
    """

    accuracy: Tensor
    completeness: Tensor


def misfit(
    samples: SurfaceSamples,
    vertices: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    target: FitTarget,
    urgency: float,
    alignment: float = 0.0,
    *,
    subset: Tensor | None = None,
) -> Misfit:
    """Measure both directions.

    Args:
        samples: drawn from the surface.
        vertices: of the surface.
        faces: of the surface.
        target: the cloud.
        urgency: how many more times what is beyond ``REACH`` counts: few points lie at rims, corners and
            tips, and in a mean square they lose to the many on the faces.
        alignment: weight, among the squared distances of the samples, of the squared sine of the angle
            between their faces' normals and those of the points that they are near; it counts where those
            lie in a plane. Which way normals point does not matter, since those of the points are not known
            to.
        subset: indices of the points to measure completeness for; None for all.
    """
    near = target.nearest(samples.points)
    accuracy = directed_residual(
        samples.points - target.points[near],
        target.normals[near],
        target.spacing[near],
        target.planarity[near],
    )
    if alignment:
        own = triangle_normals(vertices[faces[samples.faces]])
        crooked = 1 - (own * target.normals[near]).sum(dim=1).square()
        accuracy = accuracy + alignment * target.planarity[near] * crooked
    chosen = slice(None) if subset is None else subset
    completeness = squared_distances(target.points[chosen], samples, vertices, faces)
    reach = REACH * target.spacing[chosen]
    completeness = completeness + urgency * F.relu(completeness - reach.square())
    # Weighted by its area, so that a film far from the points is pulled back by its edge, not only sideways.
    # Not divided by the sum of the weights: that would reward wrinkles where the surface fits well.
    over_surface = (samples.weights * accuracy).mean()
    return Misfit(over_surface, completeness.mean())


def squared_distances(
    points: Float[Tensor, "N 3"],
    samples: SurfaceSamples,
    vertices: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
) -> Float[Tensor, " N"]:
    """Return the squared distance of each point to the surface itself: the faces of the nearest samples.

    The distance to the samples would forgive or punish what lies between them: a rim that stops short of
    its points by less than the samples' spacing would cost nothing.
    """
    nearest = NearestPoints(samples.points, is_transient=True).several(points, CANDIDATES)
    candidates = samples.faces[nearest]
    corners = vertices.detach()[faces[candidates]]
    weights = closest_weights(points[:, None].expand(-1, CANDIDATES, -1), corners)
    places = (weights[..., None] * corners).sum(dim=-2)
    best = (places - points[:, None]).square().sum(dim=-1).argmin(dim=1)
    rows = torch.arange(len(points), device=points.device)
    face, weight = candidates[rows, best], weights[rows, best]
    closest = (weight[..., None] * vertices[faces[face]]).sum(dim=-2)
    return (closest - points).square().sum(dim=-1)


def directed_residual(
    residual: Float[Tensor, "N 3"],
    normal: Float[Tensor, "N 3"],
    spacing: Float[Tensor, " N"],
    planarity: Float[Tensor, " N"],
) -> Float[Tensor, " N"]:
    """Return the squared residual with its sideways part forgiven up to ``spacing`` where it is planar."""
    along = (residual * normal).sum(dim=1).square()
    sideways = residual.square().sum(dim=1) - along
    allowance = spacing.square()
    forgiven = F.relu(sideways - allowance) + SIDEWAYS * torch.minimum(sideways, allowance)
    return along + planarity * forgiven + (1 - planarity) * sideways
