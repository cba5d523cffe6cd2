"""What the training on pictures minimises: the predicted cloud's distance, and the surfaces' made of it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nmf_model.errors import InputError
from nmf_model.losses import chamfer
from nmf_model.model import NeuralMeshFlow
from nmf_model.training.batches import CloudBatch, PictureBatch
from nmf_model.training.objective import AutoEncoderObjective, LossTerms, sample_surfaces
from nmf_model.training.settings import TrainingConfig
from nmf_model.training.shapes import frame_of


class SingleViewObjective(nn.Module):
    """Chamfer distance of the predicted cloud to the object's points; only the picture branch learns."""

    def __init__(self, model: NeuralMeshFlow, *, low_precision: bool = False) -> None:
        super().__init__()
        if model.image is None:
            raise InputError("The configuration has no [image] table, which 'train svr' needs.")
        self.branch, self.low_precision = model.image, low_precision

    def predict(self, pictures: Float[Tensor, "B C H W"]) -> Float[Tensor, "B P 3"]:
        """Return the predicted clouds."""
        with torch.autocast(pictures.device.type, torch.bfloat16, enabled=self.low_precision):
            points: Tensor = self.branch(pictures)
        return points.float()

    def forward(self, batch: PictureBatch) -> LossTerms:
        """Predict clouds and compare them with their targets."""
        distance = chamfer(self.predict(batch.inputs), batch.targets).mean()
        return LossTerms(distance, distance.detach()[None])


class PictureToSurfaceObjective(SingleViewObjective):
    """The same, and the surfaces that encoder and flow make of the predicted clouds: everything learns.

    An encoder that has only seen clouds of true surfaces takes a predicted cloud at its word, its blur and
    its strays included; here it learns what surface such a cloud stands for.
    """

    def __init__(self, model: NeuralMeshFlow, config: TrainingConfig, *, low_precision: bool = False) -> None:
        super().__init__(model, low_precision=low_precision)
        self.surfaces = AutoEncoderObjective(model, config, low_precision=low_precision)
        self.cloud_weight = config.cloud_weight

    def forward(self, batch: PictureBatch) -> LossTerms:
        """Predict clouds and reconstruct them; compare both, lengths in radii of the prediction."""
        assert batch.uniform is not None
        predicted = self.predict(batch.inputs)
        centre, radius = frame_of(predicted.detach())
        points, targets = (predicted - centre) / radius, (batch.targets - centre) / radius
        distance = chamfer(points, targets).mean()
        terms: LossTerms = self.surfaces(CloudBatch(points, targets, batch.uniform))
        chamfers = torch.cat([distance.detach()[None], terms.chamfers])
        return LossTerms(self.cloud_weight * distance + terms.total, chamfers)


class SurfaceAnswer:
    """Answers pictures with points of the surfaces made of them, as ``model.image_points`` does with clouds.

    Args:
        model: asked.
        samples: points of each surface.
    """

    def __init__(self, model: NeuralMeshFlow, samples: int) -> None:
        self._model = model
        random = torch.Generator().manual_seed(0)
        self._uniform = torch.rand(1, 3, samples, generator=random)

    def __call__(self, pictures: Float[Tensor, "B C H W"]) -> Float[Tensor, "B S 3"]:
        """Return points in the frame of the predicted clouds."""
        predicted = self._model.image_points(pictures)
        centre, radius = frame_of(predicted)
        surface = self._model((predicted - centre) / radius).vertices[-1]
        faces = torch.tensor(self._model.template.faces, device=pictures.device)
        uniform = self._uniform.to(pictures.device).expand(len(pictures), -1, -1)
        return sample_surfaces(surface, faces, uniform).points * radius + centre
