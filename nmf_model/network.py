"""What a trained network answers: a flow for a cloud in one pass, and a cloud for a picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmf_model.checkpoint_legacy import PREPROCESSING, legacy_image_tensor
from nmf_model.config import SolverConfig
from nmf_model.encoders.pictures import MARGIN, cut_out, network_input
from nmf_model.encoders.pixel_points import with_perspective
from nmf_model.errors import InputError
from nmf_model.fitting.target import find_outliers
from nmf_model.flow.block import FlowBlock
from nmf_model.flow.carrier import DEFAULT_STEPS, Moment, MovingCarrier
from nmf_model.flow.mesh_flow import MeshFlow
from nmf_model.flow.rescale import AxisMap, Rescale
from nmf_model.flow.volume import VolumeFlow
from nmf_model.geometry.template import icosphere
from nmf_model.model import NeuralMeshFlow
from nmf_model.types import CancelCheck, Mesh, ShapeImage

INPUT_POINTS = 4096
"""Points of a cloud that the network is shown at most; it was trained on fewer."""
_MIN_POINTS = 50
_PUBLISHED_SIZE = 224


@dataclass(frozen=True)
class PredictedCloud:
    """What the network sees on a picture.

    Attributes:
        points: (P, 3) float64 in the frame of ``silhouette.outline.MaskFrame`` for the viewer's frame; for a
            network that answers in the object's own frame, in that.
        frame: "camera" or "object": whose frame it is.
    """

    points: NDArray[np.float64]
    frame: str


def predict_flow(
    model: NeuralMeshFlow, points: NDArray[np.float32], *, device: torch.device | None = None, seed: int = 0
) -> tuple[MovingCarrier, int]:
    """Return the flow that carries the sphere into a cloud, and how many stray points were left out.

    Args:
        model: trained.
        points: (N, 3), unit-sphere units.
        device: None for the CPU.
        seed: of the choice of points, where there are more than the network is shown.

    Raises:
        InputError: for fewer than 50 points.
    """
    if len(points) < _MIN_POINTS:
        raise InputError(f"A cloud of {len(points)} points is too small; at least {_MIN_POINTS} are needed.")
    is_outlier = find_outliers(points)
    kept = points[~is_outlier]
    if len(kept) > INPUT_POINTS:
        chosen = np.random.default_rng(seed).choice(len(kept), INPUT_POINTS, replace=False)
        kept = kept[np.sort(chosen)]
    model = model.to(device or torch.device("cpu"))
    shown = torch.from_numpy(np.ascontiguousarray(kept, dtype=np.float32)).to(device or "cpu")[None]
    with torch.no_grad():
        code = model.encode(shown)
        carrier = carrier_of(model, code)
    return carrier, int(np.count_nonzero(is_outlier))


def carrier_of(model: NeuralMeshFlow, code: Tensor) -> MovingCarrier:
    """Return the flow of one code (1, Z) as a map of space."""
    if isinstance(model.flow, VolumeFlow):
        return model.flow.carrier(code)
    return NetworkCarrier.of(model.flow, code)


def predict_cloud(model: NeuralMeshFlow, image: ShapeImage) -> PredictedCloud:
    """Return the points that the network sees on a picture whose mask is known.

    Raises:
        InputError: if the model has no picture branch, or the mask is missing or empty.
    """
    if image.mask is None or not image.mask.any():
        raise InputError(f"No object was found on {image.name}.")
    config = model.config.image
    if config is None:
        raise InputError("This model has no picture branch; load weights that were trained on pictures.")
    device = next(model.parameters()).device
    with torch.no_grad():
        if config.kind == "pixels":
            shown = cut_out(image.rgba, image.mask, config.size)
            points = model.image_points(shown.to(device))[0] * MARGIN
        else:
            shown = cut_out(image.rgba, image.mask, _PUBLISHED_SIZE)
            prepared = _as_published(shown) if config.preprocessing == PREPROCESSING else network_input(shown)
            points = model.image_points(prepared.to(device))[0]
    return PredictedCloud(points.cpu().numpy().astype(np.float64), config.frame)


def as_seen(mesh: Mesh) -> Mesh:
    """Return a mesh in a mask's frame as its viewer sees it: nearer parts larger.

    What ``silhouette.outline.outline_iou`` compares with the mask.
    """
    local = torch.from_numpy(mesh.vertices / MARGIN)
    return Mesh((with_perspective(local) * MARGIN).numpy(), mesh.faces)


@dataclass(frozen=True)
class NetworkCarrier:
    """The flow of a network in the velocity, for one code.

    Its rescalings are fixed as the template of the model's own level meets them, so that the map is the same
    for every template.

    Attributes:
        flow: trained.
        code: (1, Z).
        maps: before the first and after each block.
    """

    flow: MeshFlow
    code: Tensor
    maps: tuple[AxisMap, ...]

    @classmethod
    def of(cls, flow: MeshFlow, code: Tensor, level: int = 4) -> NetworkCarrier:
        """Follow the icosphere through the flow once, and keep its rescalings."""
        x = torch.tensor(icosphere(level).vertices, device=code.device)[None]
        maps = []
        with torch.no_grad():
            for index in range(len(flow.blocks) + 1):
                if index:
                    x = cast(FlowBlock, flow.blocks[index - 1])(x, code, _solver(DEFAULT_STEPS)).vertices
                maps.append(cast(Rescale, flow.rescales[index]).map(x, code))
                x = maps[-1](x)
        return cls(flow, code, tuple(maps))

    @property
    def blocks(self) -> int:
        """How many deform blocks follow each other."""
        return len(self.flow.blocks)

    def moments(
        self, points: NDArray[np.floating], frames: int, cancel: CancelCheck | None = None
    ) -> Iterator[Moment]:
        """See ``MovingCarrier``."""
        template = torch.from_numpy(points.astype(np.float32)).to(self.code.device)
        with torch.no_grad():
            for state in self.flow.stream(template, self.code, frames, _solver(DEFAULT_STEPS), cancel):
                vertices = state.vertices[0].cpu().numpy()
                yield Moment(vertices, state.block, state.time, state.nfe)

    def carry(
        self,
        points: NDArray[np.floating],
        *,
        steps: int = DEFAULT_STEPS,
        since: float = 0.0,
        until: float = 1.0,
        cancel: CancelCheck | None = None,
    ) -> NDArray[np.float64]:
        """See ``Carrier``. Within a block its rescaling is blended in with time.

        Raises:
            ValueError: if the points start within a block, whose rescaling is blended in there.
        """
        count = len(self.flow.blocks)
        first = round(since * count)
        if abs(first - since * count) > 1e-9:
            raise ValueError("a network's flow can be resumed between its blocks only")
        x = torch.from_numpy(points.astype(np.float32)).to(self.code.device)[None]
        x = self.maps[0](x) if first == 0 else x
        with torch.no_grad():
            for index in range(first, count):
                share = min(1.0, until * count - index)
                if share <= 0:
                    break
                block = cast(FlowBlock, self.flow.blocks[index])
                x = _part_of(block, x, self.code, share, steps, cancel)
                arrived = self.maps[index + 1](x)
                entered = self.maps[0].inv(x) if index == 0 else x
                x = arrived if share == 1 else torch.lerp(entered, arrived, share)
        return x[0].double().cpu().numpy()


def _part_of(
    block: FlowBlock, x: Tensor, code: Tensor, share: float, steps: int, cancel: CancelCheck | None
) -> Tensor:
    """Run a block for a share of its time."""
    nodes = len(block.nodes)
    for node in range(nodes):
        span = min(1.0, share * nodes - node)
        if span <= 0:
            break
        times = (0.0, span * block.integration_time)
        x = block.solve(node, x, code, times, _solver(steps), cancel).states[-1]
    return x


def _solver(steps: int) -> SolverConfig:
    return SolverConfig(method="midpoint", steps=steps)


def _as_published(shown: Tensor) -> Tensor:
    """Prepare a cut-out as the authors' own code did, for weights that were trained with it."""
    colour, alpha = shown[0, :3], shown[0, 3:]
    on_white = (colour * alpha + 1 - alpha).permute(1, 2, 0).numpy()
    return legacy_image_tensor(on_white)
