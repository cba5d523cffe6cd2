"""A flow whose velocities a convolutional network writes on grids, looking at what is still to be done.

The published velocity is a network that every vertex asks at every moment; here a network answers once with
the whole velocity on a grid, and a vertex only interpolates: the flow costs hundreds of times less, and is of
the same kind as the one that ``fitting`` optimises, which can therefore start from it.

Between two blocks the network sees where the surface is by then, so a later block corrects what an earlier
one missed; the last ones may see and write in cells half as large. What it sees is always the same reference
template, carried along by the same few steps: the velocity is a function of the code alone, and any other
template follows the same flow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from nmf_model.config import FlowConfig, SolverConfig, VolumeConfig
from nmf_model.encoders.volume import CellPool, Hourglass
from nmf_model.flow.block import Flowed
from nmf_model.flow.carrier import GridCarrier
from nmf_model.flow.flow_network import FlowNetwork
from nmf_model.flow.grid import EXTENT
from nmf_model.flow.solver import integrate
from nmf_model.geometry.template import icosphere
from nmf_model.initial_weights import draw_small
from nmf_model.types import CancelCheck

_SEEN_PER_FACE = 9
"""Numbers that describe a face of the reference surface besides its place: normal, start, and way so far."""


class Unrolled(NamedTuple):
    """What training needs of one pass.

    Attributes:
        surfaces: a (B, V, 3) of the reference template after each block.
        fields: a (B, 3, G, G, G) for each ODE, its velocity; G is larger in fine blocks.
    """

    surfaces: tuple[Float[Tensor, "B V 3"], ...]
    fields: tuple[Float[Tensor, "B 3 G G G"], ...]


class VolumeFlow(FlowNetwork):
    """``blocks`` blocks of ``nodes_per_block`` autonomous ODEs, each running for unit time."""

    def __init__(self, volume: VolumeConfig, flow: FlowConfig, solver: SolverConfig) -> None:
        super().__init__(flow, solver)
        self.volume = volume
        coarse = flow.blocks - volume.fine_blocks
        self.heads = nn.ModuleList(
            _BlockHead(volume, volume.code_channels, flow.nodes_per_block) for _ in range(coarse)
        )
        both = volume.code_channels + volume.fine_channels
        self.heads.extend(
            _BlockHead(volume.fine, both, flow.nodes_per_block) for _ in range(volume.fine_blocks)
        )

    def unroll(self, code: Float[Tensor, "B Z"], steps: int | None = None) -> Unrolled:
        """Return the velocities and the reference surface after each block; differentiable.

        Args:
            code: one row a shape.
            steps: midpoint steps of each ODE; None for the configured number.
        """
        targets = self._targets(code)
        sphere, faces = _reference(self.volume.reference_level, code.device)
        x = start = (sphere * self.volume.radius).expand(len(code), -1, -1)
        surfaces, fields = [], []
        for head, target in zip(self.heads, targets, strict=True):
            for field in head(target, _seen(x, start, faces)).unbind(dim=1):
                x = _midpoint(field, x, steps or self.volume.steps)
                fields.append(field)
            surfaces.append(x)
        return Unrolled(tuple(surfaces), tuple(fields))

    def fields(self, code: Float[Tensor, "B Z"]) -> Float[Tensor, "B K 3 G G G"]:
        """Return the velocity of each ODE, all on the finest grid, which holds the coarser ones exactly."""
        fields = self.unroll(code).fields
        size = fields[-1].shape[2:]
        return torch.stack(
            [
                field
                if field.shape[2:] == size
                else F.interpolate(field, size, mode="trilinear", align_corners=True)
                for field in fields
            ],
            dim=1,
        )

    def _targets(self, code: Float[Tensor, "B Z"]) -> list[Tensor]:
        """Return the volume that each block is told the shape by."""
        side, channels = self.volume.cells // 2, self.volume.code_channels
        coarse = code[:, : channels * side**3].unflatten(1, (channels, side, side, side))
        count = self.volume.fine_blocks
        targets = [coarse] * (len(self.heads) - count)
        if count:
            fine = code[:, channels * side**3 :].unflatten(1, (self.volume.fine_channels, *(2 * side,) * 3))
            targets += [torch.cat([F.interpolate(coarse, scale_factor=2), fine], dim=1)] * count
        return targets

    def carrier(self, code: Float[Tensor, "1 Z"]) -> GridCarrier:
        """See ``FlowNetwork.carrier``."""
        with torch.no_grad():
            fields = self.fields(code)[0]
        return GridCarrier(fields, torch.zeros(3).numpy(), self.volume.radius)

    def _pass(
        self, x: Tensor, code: Tensor, solver: SolverConfig, cancel: CancelCheck | None
    ) -> Iterator[Flowed]:
        x = x * self.volume.radius
        fields = self.unroll(code).fields
        nodes = self.config.nodes_per_block
        for first in range(0, len(fields), nodes):
            nfe = 0
            for field in fields[first : first + nodes]:
                solution = integrate(_of(field), x, (0.0, 1.0), solver, params=(field,), cancel=cancel)
                x, nfe = solution.states[-1], nfe + solution.nfe
            yield Flowed(x, nfe)


class _BlockHead(nn.Module):
    """Write the velocities of one block from the code, a volume of ``channels``, and the surface so far."""

    def __init__(self, config: VolumeConfig, channels: int, nodes: int) -> None:
        super().__init__()
        side = config.cells // 2
        self.nodes, self.side = nodes, side
        self.pool = CellPool(config, extra=_SEEN_PER_FACE)
        self.target = nn.Conv3d(channels, config.width, 1)
        self.place = nn.Parameter(torch.zeros(1, config.width, side, side, side))
        self.body = Hourglass(config.width, config.layers)
        self.norm = nn.GroupNorm(8, config.width)
        self.write = nn.Conv3d(config.width, 8 * 3 * nodes, 1)
        draw_small(self.write.weight, 1e-3)
        self.write.bias = nn.Parameter(torch.zeros(8 * 3 * nodes))

    def forward(self, target: Tensor, seen: tuple[Tensor, Tensor]) -> Float[Tensor, "B N 3 G G G"]:
        """Return N velocity grids with a node at every corner of the fine cells."""
        volume = self.body(self.target(target) + self.pool(*seen) + self.place)
        written = self.write(self.norm(volume).relu())
        side = self.side
        parts = written.unflatten(1, (3 * self.nodes, 2, 2, 2))
        fine = parts.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(len(written), 3 * self.nodes, *(2 * side,) * 3)
        return cast(Tensor, _at_corners(fine).unflatten(1, (self.nodes, 3)))


def _at_corners(cells: Float[Tensor, "B C R R R"]) -> Float[Tensor, "B C G G G"]:
    """Return the mean of the cells around each corner, G = R + 1 a side; cells beyond the border repeat.

    Sums of slices: several times faster on a CPU than average pooling and its gradient.
    """
    for axis in (2, 3, 4):
        first, last = cells.narrow(axis, 0, 1), cells.narrow(axis, cells.shape[axis] - 1, 1)
        wider = torch.cat([first, cells, last], dim=axis)
        count = wider.shape[axis] - 1
        cells = (wider.narrow(axis, 0, count) + wider.narrow(axis, 1, count)) / 2
    return cells


def batched_velocity(field: Float[Tensor, "B 3 G G G"], x: Float[Tensor, "B V 3"]) -> Float[Tensor, "B V 3"]:
    """Interpolate each shape's velocity at its vertices (``flow.grid.velocity`` for a batch)."""
    samples = F.grid_sample(
        field, (x / EXTENT)[:, None, None], mode="bilinear", padding_mode="border", align_corners=True
    )
    return samples[:, :, 0, 0].transpose(1, 2)


@lru_cache(maxsize=4)
def _reference(level: int, device: torch.device) -> tuple[Tensor, Tensor]:
    template = icosphere(level)
    # Kept for training too, which can do nothing with tensors made in inference mode.
    with torch.inference_mode(False):
        return torch.tensor(template.vertices, device=device), torch.tensor(template.faces, device=device)


def _seen(x: Tensor, start: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
    """Return the middle (B, F, 3) of each face of the reference surface, and what describes it (B, F, 9)."""
    a, b, c = (x.index_select(1, faces[:, corner]) for corner in range(3))
    middle, from_middle = (a + b + c) / 3, start[:, faces].mean(dim=2)
    normal = F.normalize(torch.linalg.cross(b - a, c - a), dim=2, eps=1e-9)
    return middle, torch.cat([normal, from_middle, middle - from_middle], dim=2)


def _midpoint(field: Tensor, x: Tensor, steps: int) -> Tensor:
    step = 1.0 / steps
    for _ in range(steps):
        x = x + step * batched_velocity(field, x + 0.5 * step * batched_velocity(field, x))
    return x


def _of(field: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda _time, x: batched_velocity(field.to(x.dtype), x)
