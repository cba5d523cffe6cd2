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

    def injective_steps(self) -> None:
        """Return None: nothing bounds the gradient of a network's velocity."""
        return None

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
        """See ``Carrier``. Within a block its rescaling is blended in with time."""
        count = len(self.flow.blocks)
        x = torch.from_numpy(points.astype(np.float32)).to(self.code.device)[None]
        with torch.no_grad():
            for index in range(count):
                began, ended = (min(1.0, max(0.0, time * count - index)) for time in (since, until))
                if ended <= began:
                    continue
                x = self._unblended(index, x, began)
                block = cast(FlowBlock, self.flow.blocks[index])
                x = self._blended(index, _part_of(block, x, self.code, began, ended, steps, cancel), ended)
        return x[0].double().cpu().numpy()

    def _blended(self, index: int, x: Tensor, share: float) -> Tensor:
        """Return what is shown of a block's own coordinates at a share of its time."""
        arrived = self.maps[index + 1](x)
        entered = self.maps[0].inv(x) if index == 0 else x
        return arrived if share == 1 else torch.lerp(entered, arrived, share)

    def _unblended(self, index: int, shown: Tensor, share: float) -> Tensor:
        """Undo ``_blended``, which on each axis is a straight line that rises."""
        nought = self._blended(index, torch.zeros_like(shown[:, :1]), share)
        one = self._blended(index, torch.ones_like(shown[:, :1]), share)
        return (shown - nought) / (one - nought)


def _part_of(
    block: FlowBlock,
    x: Tensor,
    code: Tensor,
    began: float,
    ended: float,
    steps: int,
    cancel: CancelCheck | None,
) -> Tensor:
    """Run a block between two shares of its time; its velocities do not change with time."""
    nodes = len(block.nodes)
    for node in range(nodes):
        since, until = (min(1.0, max(0.0, share * nodes - node)) for share in (began, ended))
        if until > since:
            times = (0.0, (until - since) * block.integration_time)
            x = block.solve(node, x, code, times, _solver(steps), cancel).states[-1]
    return x


def _solver(steps: int) -> SolverConfig:
    return SolverConfig(method="midpoint", steps=steps)
