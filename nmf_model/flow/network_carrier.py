"""The flow of a network in the velocity, for one code, as a map of space."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmf_model.config import SolverConfig
from nmf_model.flow.block import FlowBlock
from nmf_model.flow.carrier import DEFAULT_STEPS, Moment
from nmf_model.flow.rescale import AxisMap, Rescale
from nmf_model.geometry.template import icosphere
from nmf_model.types import CancelCheck

if TYPE_CHECKING:
    from nmf_model.flow.mesh_flow import MeshFlow


@dataclass(frozen=True)
class NetworkCarrier:
    """What ``MeshFlow.carrier`` returns.

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
