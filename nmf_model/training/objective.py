"""What training minimises: modules that answer a batch with loss terms, so that any wrapper can run them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmf_model.errors import InputError
from nmf_model.flow.grid import roughness_and_excess
from nmf_model.flow.volume import VolumeFlow
from nmf_model.geometry.surface import triangle_normals
from nmf_model.geometry.template import icosphere
from nmf_model.losses import chamfer, extent_disagreement, nearest, normal_disagreement
from nmf_model.model import NeuralMeshFlow
from nmf_model.training.batches import CloudBatch
from nmf_model.training.settings import TrainingConfig
from nmf_model.training.unrolled import Velocity, evaluate_velocity, flow_surfaces

_DIRECTIONS_LEVEL = 2
"""Icosphere whose 162 vertices are the directions in which extents are compared."""


class LossTerms(NamedTuple):
    """A batch's loss.

    Attributes:
        total: scalar, to be minimised.
        parts: (K,) what it is made of, before it is weighed, means over the batch, detached; the objective's
            ``parts`` names them.
    """

    total: Tensor
    parts: Float[Tensor, " K"]


def chamfer_names(count: int) -> tuple[str, ...]:
    """Return what the chamfer distances of so many surfaces are called in reports."""
    return tuple(f"chamfer_{number}" for number in range(1, count + 1))


class SurfacePoints(NamedTuple):
    """Points of surfaces.

    Attributes:
        points: (B, S, 3).
        corners: (B, S, 3, 3) of the triangles that they lie on; none for vertices.
    """

    points: Float[Tensor, "B S 3"]
    corners: Float[Tensor, "B S 3 3"]

    def normals(self) -> Float[Tensor, "B S 3"]:
        """Return the unit normals of their triangles; zero where a triangle has none."""
        return triangle_normals(self.corners)


class AutoEncoderObjective(nn.Module):
    """Chamfer distances of the surfaces after each block, weighted (Gupta & Chandraker 2020, section 3.3)."""

    template: Tensor
    faces: Tensor
    weights: Tensor
    directions: Tensor

    def __init__(self, model: NeuralMeshFlow, config: TrainingConfig, *, low_precision: bool = False) -> None:
        super().__init__()
        blocks = model.config.flow.blocks
        if len(config.block_weights) != blocks:
            raise InputError(
                f"The setting 'training.block_weights' needs one weight for each of the {blocks} blocks."
            )
        self.model, self.low_precision = model, low_precision
        self.velocity: Velocity = compiled_velocity() if config.compile else evaluate_velocity
        self.early_share, self.normal_weight = config.early_share, config.normal_weight
        self.extent_weight = config.extent_weight
        self.smoothness, self.lipschitz = config.smoothness_weight, config.lipschitz_weight
        self.lipschitz_bound = config.lipschitz_bound
        sphere = icosphere(_template_level(model, config))
        weights = torch.tensor(config.block_weights)
        self.register_buffer("template", torch.tensor(sphere.vertices), persistent=False)
        self.register_buffer("faces", torch.tensor(sphere.faces), persistent=False)
        self.register_buffer("weights", weights / weights.sum(), persistent=False)
        directions = torch.tensor(icosphere(_DIRECTIONS_LEVEL).vertices)
        self.register_buffer("directions", directions, persistent=False)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts of the loss."""
        normals = ("normals",) if self.normal_weight else ()
        extents = ("extents",) if self.extent_weight else ()
        on_grids = ("roughness", "steepness") if isinstance(self.model.flow, VolumeFlow) else ()
        return (*chamfer_names(len(self.weights)), *normals, *extents, *on_grids)

    def forward(self, batch: CloudBatch) -> LossTerms:
        """Reconstruct the clouds and compare each surface with its target."""
        if isinstance(self.model.flow, VolumeFlow):
            return self._on_grids(self.model.flow, batch)
        with torch.autocast(batch.inputs.device.type, torch.bfloat16, enabled=self.low_precision):
            code = self.model.encode(batch.inputs)
        surfaces = flow_surfaces(
            self.model.flow,
            self.template,
            code.float(),
            low_precision=self.low_precision,
            velocity=self.velocity,
        )
        return self.compare(surfaces, batch)

    def _on_grids(self, flow: VolumeFlow, batch: CloudBatch) -> LossTerms:
        """Flow on grids, and ask for the smoothness that a network in the velocity would have of itself."""
        with torch.autocast(batch.inputs.device.type, torch.bfloat16, enabled=self.low_precision):
            unrolled = flow.unroll(self.model.encode(batch.inputs))
        terms = self.compare(unrolled.surfaces, batch)
        rates = [roughness_and_excess(field, self.lipschitz_bound) for field in unrolled.fields]
        roughness, steepness = (torch.stack(rate).mean() for rate in zip(*rates, strict=True))
        total = terms.total + self.smoothness * roughness + self.lipschitz * steepness
        return LossTerms(total, torch.cat([terms.parts, torch.stack([roughness, steepness]).detach()]))

    def compare(self, surfaces: Sequence[Tensor], batch: CloudBatch) -> LossTerms:
        """Compare the surfaces after each block with the targets, the last one's normals and extents too."""
        chamfers, crooked = [], surfaces[0].new_zeros(())
        for index, surface in enumerate(surfaces):
            seen, aim = self._seen(surface, index, batch), self._aim(index, batch)
            near = nearest(seen.points, aim)
            chamfers.append(chamfer(seen.points, aim, near).mean())
            if self.normal_weight and batch.normals is not None and index == len(surfaces) - 1:
                crooked = normal_disagreement(seen.normals(), batch.normals, near).mean()
        distances = torch.stack(chamfers)
        total = (self.weights * distances).sum() + self.normal_weight * crooked
        parts = [distances, crooked[None]] if self.normal_weight else [distances]
        if self.extent_weight:
            short = extent_disagreement(surfaces[-1], batch.targets, self.directions).mean()
            total = total + self.extent_weight * short
            parts.append(short[None])
        return LossTerms(total, torch.cat(parts).detach())

    def _seen(self, surface: Tensor, index: int, batch: CloudBatch) -> SurfacePoints:
        """Return what of a surface is compared: the first one's vertices, samples of the others."""
        if index == 0 and len(self.weights) > 1:
            return SurfacePoints(surface, surface.new_empty(len(surface), 0, 3, 3))
        uniform = batch.uniform[:, index]
        return sample_surfaces(surface, self.faces, uniform[..., : self._share(index, uniform.shape[2])])

    def _aim(self, index: int, batch: CloudBatch) -> Tensor:
        """Return the points that a surface is compared with."""
        return batch.targets[:, : self._share(index, batch.targets.shape[1])]

    def _share(self, index: int, count: int) -> int:
        """Return how many of so many points are compared: all of them for the last surface alone."""
        return count if index == len(self.weights) - 1 else round(self.early_share * count)


def _template_level(model: NeuralMeshFlow, config: TrainingConfig) -> int:
    """Return the level that is flowed: a flow on grids trains on the template that it looks at anyway."""
    return config.template_level if model.config.volume is None else model.config.volume.reference_level


def sample_surfaces(
    vertices: Float[Tensor, "B V 3"], faces: Int[Tensor, "F 3"], uniform: Float[Tensor, "B 3 S"]
) -> SurfacePoints:
    """Draw S points uniformly by area, differentiable, stratified over the faces in their order.

    ``geometry.surface.draw_samples`` for a batch, with random numbers that are already on the device.
    """
    corners = vertices.index_select(1, faces.flatten()).unflatten(1, (-1, 3))
    count = uniform.shape[2]
    with torch.no_grad():
        a, b, c = corners.unbind(dim=2)
        cumulative = torch.linalg.cross(b - a, c - a).norm(dim=2).cumsum(dim=1)
        strata = torch.arange(count, device=vertices.device)
        position = (strata + uniform[:, 0]) / count * cumulative[:, -1:]
        chosen = torch.searchsorted(cumulative, position).clamp_(max=len(faces) - 1)
    picked = corners.gather(1, chosen[:, :, None, None].expand(-1, -1, 3, 3))
    root, other = uniform[:, 1].sqrt(), uniform[:, 2]
    shares = torch.stack([1 - root, root * (1 - other), root * other], dim=2)
    return SurfacePoints((picked * shares.unsqueeze(3)).sum(dim=2), picked)


def compiled_velocity() -> Velocity:
    """Return ``evaluate_velocity`` with its elementwise steps fused; where that fails it runs as it is."""
    torch._dynamo.config.suppress_errors = True
    compiled: Velocity = torch.compile(evaluate_velocity, dynamic=False)
    return compiled
