"""What the surface itself would like to be: small, and evenly stretched over its sphere.

Neither keeps a mesh valid; the flow does that. They decide between surfaces that fit the points equally
well: films and wrinkles cost area, and where the sphere is stretched unevenly its triangles become
slivers, the first to cross each other.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def dirichlet_energy(vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"]) -> Float[Tensor, ""]:
    """Return the Dirichlet energy of the map from a template of equilateral triangles to the surface.

    It is at least the surface's area, and equal to it exactly if every triangle is equilateral (Pinkall and
    Polthier, 1993): tension and conformality in one.
    """
    a, b, c = vertices[faces].unbind(dim=1)
    squares = (b - a).square().sum() + (c - b).square().sum() + (a - c).square().sum()
    return squares / (4 * 3**0.5)


def unevenness(vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"]) -> Float[Tensor, ""]:
    """Return the mean square of the faces' areas relative to their mean: 1 if all are equal, else more.

    The gradient does not reach through the mean: a small surface is no better than a large one.
    """
    a, b, c = vertices[faces].unbind(dim=1)
    areas = torch.linalg.cross(b - a, c - a).norm(dim=1)
    relative: Tensor = areas / areas.mean().detach()
    return relative.square().mean()
