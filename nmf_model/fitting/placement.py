"""Where on the sphere a coarse template's few vertices do most good.

A flow stretches the sphere unevenly, most where a limb grows out, and an even template then spends its
vertices elsewhere. Moving them *on the sphere*, towards the faces whose images are large, leaves surface
and topology alone: the flow decides the shape, the template only where it is sampled.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmf_model.geometry.template import Template

_STEP = 0.7
_SMALLEST_STEP = 0.05


def even_out(template: Template, flow: Callable[[Tensor], Tensor], rounds: int = 50) -> Template:
    """Move the vertices on the sphere until the faces' images are more nearly of one size.

    Each vertex moves towards the centre of the faces around it, weighted by the areas of their images; a
    round that would turn a face of the sphere over is shortened, and in the end left out.

    Args:
        template: V vertices on the unit sphere.
        flow: carries points (V, 3) of the unit sphere to the object; needs no gradient.
        rounds: at most so many.

    Returns:
        A template with the same faces and no face turned over.
    """
    faces = torch.tensor(template.faces)
    sphere = torch.tensor(template.vertices, dtype=torch.float64)
    for _ in range(rounds):
        image = flow(sphere.float()).double().cpu()
        wanted = _weighted_centres(sphere, faces, _areas(image, faces))
        moved = _move(sphere, wanted, faces)
        if moved is None:
            break
        sphere = moved
    placed: NDArray[np.float32] = sphere.float().numpy()
    return Template(placed, template.faces)


def _areas(vertices: Tensor, faces: Tensor) -> Tensor:
    """Return the faces' areas relative to their mean, (F,)."""
    a, b, c = vertices[faces].unbind(dim=1)
    areas = torch.linalg.cross(b - a, c - a).norm(dim=1)
    relative: Tensor = (areas / areas.mean()).clamp_min(1e-3)
    return relative


def _weighted_centres(sphere: Tensor, faces: Tensor, weights: Tensor) -> Tensor:
    """Return, for each vertex, the weighted centre of the faces around it, on the sphere (V, 3)."""
    centres = sphere[faces].mean(dim=1) * weights[:, None]
    corners = faces.reshape(-1)
    total = torch.zeros_like(sphere).index_add_(0, corners, centres.repeat_interleave(3, dim=0))
    return _on_sphere(total)


def _on_sphere(points: Tensor) -> Tensor:
    projected: Tensor = points / points.norm(dim=1, keepdim=True)
    return projected


def _move(sphere: Tensor, wanted: Tensor, faces: Tensor) -> Tensor | None:
    """Go as far towards ``wanted`` as leaves every face outward; None if that is nowhere."""
    step = _STEP
    while step >= _SMALLEST_STEP:
        moved = _on_sphere(sphere + step * (wanted - sphere))
        if bool((torch.linalg.det(moved[faces]) > 0).all()):
            return moved
        step /= 2
    return None
