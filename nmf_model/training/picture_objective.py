"""What training on pictures minimises: distances of predicted clouds, or of the surfaces made of them."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nmf_model.encoders.image import ImageEncoder
from nmf_model.encoders.pixel_points import Layers, PixelPoints
from nmf_model.errors import InputError
from nmf_model.losses import chamfer
from nmf_model.model import NeuralMeshFlow
from nmf_model.training.batches import CloudBatch, PictureBatch
from nmf_model.training.objective import AutoEncoderObjective, LossTerms, chamfer_names, sample_surfaces
from nmf_model.training.settings import TrainingConfig
from nmf_model.training.shapes import frame_of


class SingleViewObjective(nn.Module):
    """Chamfer distance of the predicted cloud to the object's points; only the picture branch learns.

    Of a branch that answers pixels more can be compared. With a ``depth_weight`` its outermost layers are
    held to the depths of front and back: a chamfer distance alone leaves open which point stands for what is
    seen. With an ``up_weight`` it learns which way is up, if it says so.
    """

    def __init__(
        self,
        model: NeuralMeshFlow,
        *,
        depth_weight: float = 0.0,
        up_weight: float = 0.0,
        low_precision: bool = False,
    ) -> None:
        super().__init__()
        self.branch, self.low_precision = _branch_of(model), low_precision
        pixels = self.branch if isinstance(self.branch, PixelPoints) else None
        self.depth_weight = depth_weight if pixels is not None else 0.0
        self.up_weight = up_weight if pixels is not None and pixels.upright is not None else 0.0

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts of the loss."""
        others = (("depths", self.depth_weight), ("up", self.up_weight))
        return (*chamfer_names(1), *(name for name, weight in others if weight))

    def forward(self, batch: PictureBatch) -> LossTerms:
        """Predict clouds and compare them with their targets."""
        if not (self.depth_weight or self.up_weight):
            predicted = _predicted(self.branch, batch, self.low_precision)
            distance = chamfer(predicted, batch.targets).mean()
            return LossTerms(distance, distance.detach()[None])
        assert isinstance(self.branch, PixelPoints)
        with torch.autocast(batch.inputs.device.type, torch.bfloat16, enabled=self.low_precision):
            layers = self.branch.layers(batch.inputs)
        layers = layers._replace(seen=layers.seen.float())
        total = chamfer(self.branch.cloud(layers), batch.targets).mean()
        parts = [total]
        if self.depth_weight:
            assert batch.depths is not None
            parts.append(_depths_apart(layers, batch.depths))
            total = total + self.depth_weight * parts[-1]
        if self.up_weight:
            assert layers.up is not None
            assert batch.up is not None
            parts.append((1 - (layers.up * batch.up).sum(dim=1)).mean())
            total = total + self.up_weight * parts[-1]
        return LossTerms(total, torch.stack(parts).detach())


def _depths_apart(layers: Layers, depths: Float[Tensor, "B C C 2"]) -> Tensor:
    """Return the mean distance of the outermost layers from back and front, over the cells that show both."""
    outermost = torch.stack([layers.seen[:, :, :, 0, 2], layers.seen[:, :, :, -1, 2]], dim=-1)
    known = layers.inside[..., None] & ~depths.isnan()
    return (outermost - depths)[known].abs().mean()


class PictureToSurfaceObjective(nn.Module):
    """Distances of the surfaces made of predicted clouds; only encoder and flow learn.

    An encoder that has only seen clouds of true surfaces takes a predicted cloud at its word, its blur and
    its strays included; here it learns what surface such a cloud stands for. The picture branch is left as it
    is: what it would learn from the surfaces is drowned in the noise of which cell each point falls in.
    """

    def __init__(self, model: NeuralMeshFlow, config: TrainingConfig, *, low_precision: bool = False) -> None:
        super().__init__()
        self.branch, self.low_precision = _branch_of(model).requires_grad_(False), low_precision
        self.surfaces = AutoEncoderObjective(model, config, low_precision=low_precision)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts of the loss."""
        return self.surfaces.parts

    def train(self, mode: bool = True) -> PictureToSurfaceObjective:
        """Keep the branch as it is in use."""
        super().train(mode)
        self.branch.eval()
        return self

    def forward(self, batch: PictureBatch) -> LossTerms:
        """Predict clouds, reconstruct them, and compare; lengths in radii of the prediction."""
        assert batch.uniform is not None
        with torch.no_grad():
            predicted = _predicted(self.branch, batch, self.low_precision)
        centre, radius = frame_of(predicted)
        inputs, targets = (predicted - centre) / radius, (batch.targets - centre) / radius
        terms: LossTerms = self.surfaces(CloudBatch(inputs, targets, batch.uniform))
        return terms


def _branch_of(model: NeuralMeshFlow) -> ImageEncoder | PixelPoints:
    if model.image is None:
        raise InputError("The configuration has no [image] table, which 'train svr' needs.")
    return model.image


def _predicted(branch: nn.Module, batch: PictureBatch, low_precision: bool) -> Float[Tensor, "B P 3"]:
    with torch.autocast(batch.inputs.device.type, torch.bfloat16, enabled=low_precision):
        points: Tensor = branch(batch.inputs)
    return points.float()


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
