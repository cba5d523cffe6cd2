"""From a cut-out picture to a cloud: for every pixel of the object, how far away its surfaces are.

Whatever can be seen of an object lies behind its outline, so all of its points are found by asking, in each
cell of a coarse picture inside the outline, for a few depths. The answer is in the frame of the viewer: what
was learnt of one object holds for any other with the same look from here, where a network that answers in the
object's own frame has to recognise what it is (Tatarchenko et al., "What do single-view 3D reconstruction
networks learn?", CVPR 2019).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from nmf_model.config import ImageEncoderConfig
from nmf_model.encoders.efficientnet import TAP_CHANNELS, EfficientNetLite0
from nmf_model.initial_weights import draw_small

_WIDTHS = (64, 96, 128, 128)
"""Channels of the decoder at 1/4, 1/8, 1/16 and 1/32 of the picture's size."""
CELL = 4
"""Pixels along the side of a cell."""
_SIDEWAYS = 0.25
"""Scale of how far a point may easily leave the middle of its cell."""
VIEW_DISTANCE = 4.0
"""Assumed distance of the viewer in halves of a cut-out's side; the renderings' lies between 3 and 5."""
_USUAL_HEIGHT = 0.45
"""Angle above the horizon at which cameras stand before anything is learnt, radians."""
_COVERED = 0.1
"""Share of a cell that must be covered by the object."""


class Layers(NamedTuple):
    """Points behind the cells of cut-outs, the farthest layer first.

    Attributes:
        seen: (B, C, C, D, 3) where in the picture each is seen (x, y), and its depth z.
        inside: (B, C, C) whether a cell shows the object.
        up: (B, 3) unit vectors, the object's upright in the frame of the cut-out; None from a branch that
            does not say.
    """

    seen: Float[Tensor, "B C C D 3"]
    inside: Bool[Tensor, "B C C"]
    up: Float[Tensor, "B 3"] | None = None


class PixelPoints(nn.Module):
    """Answer a cut-out (``pictures.cut_out``) with a cloud in its frame.

    The frame: x to the right, y up, z towards the viewer; the picture spans −1 … 1, and z is in the same
    unit, 0 near the object's middle.
    """

    def __init__(self, config: ImageEncoderConfig) -> None:
        super().__init__()
        self.points, self.depths = config.points, config.depths
        self.backbone = EfficientNetLite0()
        self.enter = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in zip(TAP_CHANNELS, _WIDTHS, strict=True))
        self.descend = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(_WIDTHS))
        self.refine = nn.ModuleList(_Refine(width) for width in _WIDTHS)
        self.outline = nn.Conv2d(CELL**2 + 2, _WIDTHS[0], 1)
        self.write = nn.Conv2d(_WIDTHS[0], 3 * config.depths, 1)
        draw_small(self.write.weight, 1e-2)
        spread = torch.zeros(config.depths, 3)
        spread[:, 2] = torch.tensor(
            np.linspace(-0.4, 0.4, config.depths)
        )  # torch's own imports sympy on meta
        self.write.bias = nn.Parameter(spread.flatten())
        self.upright = _Upright() if config.up else None

    def train(self, mode: bool = True) -> PixelPoints:
        """Leave the backbone's batch norm at ImageNet's statistics: batches are too small for their own."""
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, pictures: Float[Tensor, "B 4 H W"]) -> Float[Tensor, "B P 3"]:
        """Return one cloud a cut-out: red, green, blue and alpha in 0 … 1, not premultiplied."""
        return self.cloud(self.layers(pictures))

    def layers(self, pictures: Float[Tensor, "B 4 H W"]) -> Layers:
        """Return the points behind every cell of cut-outs."""
        colour, alpha = pictures[:, :3], pictures[:, 3:]
        on_white = colour * alpha + (1 - alpha)
        features = self.backbone(on_white * (255 / 128) - 127 / 128)
        x = coarsest = self.refine[-1](self.enter[-1](features[-1]))
        for level in reversed(range(len(features) - 1)):
            finer = F.interpolate(self.descend[level](x), features[level].shape[2:], mode="bilinear")
            x = finer + self.enter[level](features[level])
            if level == 0:
                x = x + self._outline(alpha)
            x = self.refine[level](x)
        layers = self._layers(self.write(x.relu()), alpha)
        if self.upright is None:
            return layers
        return layers._replace(up=self.upright(coarsest, x, layers.inside))

    def _outline(self, alpha: Tensor) -> Tensor:
        """Return features of the outline and of the place in the picture."""
        fine = F.pixel_unshuffle(alpha, CELL)
        place = _middles(fine.shape[2], fine).movedim(-1, 0).expand(len(alpha), -1, -1, -1)
        return cast(Tensor, self.outline(torch.cat([fine, place], dim=1)))

    def cloud(self, layers: Layers) -> Float[Tensor, "B P 3"]:
        """Choose ``points`` of those inside the outline, evenly over the picture, and place them in space."""
        placed = without_perspective(layers.seen.flatten(1, 3))
        return placed.gather(1, self._chosen(layers.inside).unsqueeze(2).expand(-1, -1, 3))

    def _layers(self, written: Tensor, alpha: Tensor) -> Layers:
        cells = written.shape[2]
        offset = written.unflatten(1, (self.depths, 3)).permute(0, 3, 4, 1, 2)
        middles = F.pad(_middles(cells, written), (0, 1))[None, :, :, None]
        scale = written.new_tensor([_SIDEWAYS, _SIDEWAYS, 1.0])
        inside = F.avg_pool2d(alpha, CELL)[:, 0] >= _COVERED
        return Layers(middles + scale * offset, inside)

    def _chosen(self, inside: Tensor) -> Tensor:
        """Return (B, P) indices of points: those of the cells inside, as equally often as possible."""
        usable = inside.flatten(1).repeat_interleave(self.depths, dim=1)
        usable[~usable.any(dim=1)] = True
        order = usable.int().argsort(dim=1, descending=True, stable=True)
        share = torch.arange(self.points, device=usable.device) / self.points
        place = (share * usable.sum(dim=1, keepdim=True)).long()
        return order.gather(1, place)


def without_perspective(seen: Float[Tensor, "B P 3"]) -> Float[Tensor, "B P 3"]:
    """Return where points are whose x and y are the places in the picture at which they are seen."""
    return torch.cat([seen[..., :2] * (1 - seen[..., 2:] / VIEW_DISTANCE), seen[..., 2:]], dim=-1)


def with_perspective(points: Float[Tensor, "B P 3"]) -> Float[Tensor, "B P 3"]:
    """Undo ``without_perspective``: return where in the picture points are seen, their depth kept."""
    return torch.cat([points[..., :2] / (1 - points[..., 2:] / VIEW_DISTANCE), points[..., 2:]], dim=-1)


class _Upright(nn.Module):
    """Which way is up: a direction for a whole picture, of its coarsest features and the object's finest.

    Cameras mostly look down on things, and how far is what tells the seen depths from the true ones.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(_WIDTHS[-1] + _WIDTHS[0], _WIDTHS[0])
        self.answer = nn.Linear(_WIDTHS[0], 3)
        draw_small(self.answer.weight, 1e-2)
        self.answer.bias = nn.Parameter(torch.tensor([0.0, math.cos(_USUAL_HEIGHT), math.sin(_USUAL_HEIGHT)]))

    def forward(
        self, coarsest: Tensor, finest: Tensor, inside: Bool[Tensor, "B C C"]
    ) -> Float[Tensor, "B 3"]:
        shown = inside[:, None]
        of_object = (finest * shown).sum(dim=(2, 3)) / shown.sum(dim=(2, 3)).clamp_min(1)
        features = torch.cat([coarsest.mean(dim=(2, 3)), of_object], dim=1)
        return F.normalize(self.answer(self.hidden(features).relu()).float(), dim=1)


class _Refine(nn.Module):
    """Two residual 3×3 convolutions, with the mean over the picture shown to every cell."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(8, width) for _ in range(2))
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.context = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norms[0](x).relu()
        h = self.convs[0](h) + self.context(h.mean(dim=(2, 3)))[:, :, None, None]
        return cast(Tensor, x + self.convs[1](self.norms[1](h).relu()))


def _middles(cells: int, like: Tensor) -> Float[Tensor, "C C 2"]:
    """Return x and y of the middle of each cell, −1 … 1, y up."""
    along = (torch.arange(cells, device=like.device, dtype=like.dtype) + 0.5) * (2 / cells) - 1
    down, across = torch.meshgrid(-along, along, indexing="ij")
    return torch.stack([across, down], dim=2)
