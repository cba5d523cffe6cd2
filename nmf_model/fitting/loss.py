"""The fit's objective: how far the surface and the points are from each other.

The plain chamfer distance pulls every sample *sideways* to the nearest given point, and a flexible surface
answers by crumpling around the points. Here a residual counts fully along the normal, and sideways only
beyond the distance at which the next point should have been: a surface that passes between its points
costs nothing, one that spans a gap costs as before.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nmf_model.fitting.target import FitTarget
from nmf_model.geometry.nearest import NearestPoints
from nmf_model.geometry.surface import SurfaceSamples

SIDEWAYS = 0.1
"""Weight of a sideways residual within the spacing; a little keeps the samples spread evenly."""


class Misfit(NamedTuple):
    """Mean squared distances in unit-sphere units, scalars: surface → points and points → surface."""

    accuracy: Tensor
    completeness: Tensor


def misfit(samples: SurfaceSamples, target: FitTarget, subset: Tensor | None = None) -> Misfit:
    """Measure both directions with the sideways allowance.

    Args:
        samples: drawn from the surface.
        target: the cloud.
        subset: indices of the points to measure completeness for; None for all.
    """
    near = target.nearest(samples.points)
    accuracy = directed_residual(
        samples.points - target.points[near],
        target.normals[near],
        target.spacing[near],
        target.planarity[near],
    )
    points = target.points if subset is None else target.points[subset]
    closest = NearestPoints(samples.points, is_transient=True)(points)
    spacing = (samples.area.detach() / len(samples.points)).sqrt()
    completeness = directed_residual(
        samples.points[closest] - points,
        samples.normals[samples.faces[closest]],
        spacing.expand(len(points)),
        torch.ones_like(points[:, 0]),
    )
    # Weighted by its area, so that a film far from the points is pulled back by its edge, not only sideways.
    # Not divided by the sum of the weights: that would reward wrinkles where the surface fits well.
    over_surface = (samples.weights * accuracy).mean()
    return Misfit(over_surface, completeness.mean())


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
