"""Points drawn from a triangle surface so that gradients reach its vertices."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor


class SurfaceSamples(NamedTuple):
    """S samples of a surface.

    Attributes:
        points: (S, 3), differentiable with respect to the vertices.
        faces: (S,) int64, the face each lies on.
        weights: (S,), all ones, with the gradient of the area that each sample stands for. A mean over a
            surface changes with the measure too: ``(weights * value).sum() / weights.sum()`` has its
            gradient, where ``value.mean()`` has only that of moving the samples.
        normals: (F, 3), unit normals of all faces, detached (zero for a degenerate face).
        area: of the whole surface, differentiable, scalar.
    """

    points: Float[Tensor, "S 3"]
    faces: Int[Tensor, " S"]
    weights: Float[Tensor, " S"]
    normals: Float[Tensor, "F 3"]
    area: Float[Tensor, ""]


def draw_samples(
    vertices: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    random: Float[Tensor, "3 S"],
) -> SurfaceSamples:
    """Draw S samples uniformly by area, stratified over the faces in their order.

    Args:
        vertices: of the surface.
        faces: of the surface.
        random: numbers in 0 … 1 that place them.
    """
    count = random.shape[1]
    a, b, c = vertices[faces].unbind(dim=1)
    cross = torch.linalg.cross(b - a, c - a)
    double_areas = cross.norm(dim=1)
    with torch.no_grad():
        cumulative = torch.cumsum(double_areas, dim=0)
        strata = torch.arange(count, device=vertices.device)
        position = (strata + random[0]) / count * cumulative[-1]
        chosen = torch.searchsorted(cumulative, position).clamp_(max=len(faces) - 1)
    root, other = random[1].sqrt()[:, None], random[2][:, None]
    points = (1 - root) * a[chosen] + root * (1 - other) * b[chosen] + root * other * c[chosen]
    areas = double_areas[chosen]
    weights = areas / areas.detach().clamp_min(1e-20)
    normals = (cross / double_areas.clamp_min(1e-20)[:, None]).detach()
    return SurfaceSamples(points, chosen, weights, normals, double_areas.sum() / 2)


def triangle_normals(corners: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Return the unit normals of triangles (..., corner, xyz), differentiable; zero where there is none."""
    a, b, c = corners.unbind(dim=-2)
    return torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=-1, eps=1e-20)


def closest_weights(
    points: Float[Tensor, "*batch 3"], corners: Float[Tensor, "*batch 3 3"]
) -> Float[Tensor, "*batch 3"]:
    """Return the barycentric weights of the point of each triangle that is closest to each point.

    Args:
        points: one to each triangle.
        corners: of the triangles, (..., corner, xyz); one may be degenerate.

    Gradients are not tracked: at the closest point the derivative of the squared distance by the weights
    vanishes or does not count, so the distance to ``weights @ corners`` has the right gradient.
    """
    with torch.no_grad():
        points, corners = points.detach(), corners.detach()
        starts, ends = corners, corners.roll(-1, dims=-2)
        sides = ends - starts
        offsets = points[..., None, :] - starts
        along = (offsets * sides).sum(dim=-1) / sides.square().sum(dim=-1).clamp_min(1e-20)
        along = along.clamp(0.0, 1.0)
        distances = (offsets - along[..., None] * sides).square().sum(dim=-1)
        edge = distances.argmin(dim=-1, keepdim=True)
        forward = along.gather(-1, edge)
        weights = torch.zeros_like(points).scatter(-1, edge, 1 - forward)
        weights = weights.scatter(-1, (edge + 1) % 3, forward)
        # Inside, where the plane's own closest point is: the areas of the three triangles it makes.
        normal = torch.linalg.cross(sides[..., 0, :], sides[..., 1, :])
        areas = (torch.linalg.cross(sides, offsets) * normal[..., None, :]).sum(dim=-1)
        inner = areas.roll(-1, dims=-1) / normal.square().sum(dim=-1, keepdim=True).clamp_min(1e-20)
        is_inside = (inner > 0).all(dim=-1, keepdim=True)
        return torch.where(is_inside, inner, weights)
