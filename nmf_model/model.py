"""Neural Mesh Flow: an encoder that finds a code, and the flow that turns a sphere into its shape."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nmf_model.config import ImageEncoderConfig, ModelConfig
from nmf_model.encoders.image import ImageEncoder
from nmf_model.encoders.pixel_points import PixelPoints
from nmf_model.encoders.pointnet import PointNet
from nmf_model.encoders.volume import VolumeEncoder
from nmf_model.errors import InputError
from nmf_model.flow.flow_network import BlockOutputs
from nmf_model.flow.mesh_flow import MeshFlow
from nmf_model.flow.volume import VolumeFlow
from nmf_model.geometry.template import Template, icosphere
from nmf_model.types import CancelCheck


class NeuralMeshFlow(nn.Module):
    """The model (Gupta & Chandraker, "Neural Mesh Flow", NeurIPS 2020).

    A cloud goes through ``encode`` and ``flow``; a picture first becomes a cloud in ``image_points``.
    All coordinates are unit-sphere units.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder: nn.Module
        self.flow: MeshFlow | VolumeFlow
        if config.volume is None:
            self.encoder = PointNet(config.encoder, config.flow.latent_size)
            self.flow = MeshFlow(config.flow, config.solver)
        else:
            self.encoder = VolumeEncoder(config.volume)
            self.flow = VolumeFlow(config.volume, config.flow, config.solver)
        self.image = None if config.image is None else _image_branch(config.image)

    @property
    def template(self) -> Template:
        """The icosphere of the configured level."""
        return icosphere(self.config.template_level)

    def encode(self, points: Float[Tensor, "B N 3"]) -> Float[Tensor, "B Z"]:
        """Return one code a cloud."""
        code: Tensor = self.encoder(points)
        return code

    def image_points(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B P 3"]:
        """Return one cloud a picture, prepared as the kind of the picture branch asks for.

        Raises:
            InputError: if the model has no picture branch.
        """
        if self.image is None:
            raise InputError("This model has no picture branch; load weights that were trained on pictures.")
        points: Tensor = self.image(images)
        return points

    def forward(
        self,
        points: Float[Tensor, "B N 3"],
        template: Float[Tensor, "V 3"] | None = None,
        cancel: CancelCheck | None = None,
    ) -> BlockOutputs:
        """Reconstruct clouds: vertices after each block, on the configured template unless one is given.

        Raises:
            SolverError, Cancelled: see ``flow.solver.integrate``.
        """
        if template is None:
            template = torch.tensor(self.template.vertices, dtype=points.dtype, device=points.device)
        outputs: BlockOutputs = self.flow(template, self.encode(points), cancel=cancel)
        return outputs


def _image_branch(config: ImageEncoderConfig) -> ImageEncoder | PixelPoints:
    return ImageEncoder(config) if config.kind == "resnet" else PixelPoints(config)
