"""The whole flow, from the template to the shape that a code stands for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nmf_model.config import FlowConfig, SolverConfig
from nmf_model.errors import InputError
from nmf_model.flow.block import FlowBlock, Flowed
from nmf_model.flow.flow_network import FlowNetwork, repeated
from nmf_model.flow.network_carrier import NetworkCarrier
from nmf_model.flow.rescale import Rescale
from nmf_model.types import CancelCheck


class FlowState(NamedTuple):
    """One moment of the flow.

    Attributes:
        vertices: (B, V, 3), unit-sphere units.
        block: index of the block, from 0.
        time: integration time since the template, over all ODEs.
        nfe: evaluations of the velocity so far.
    """

    vertices: Float[Tensor, "B V 3"]
    block: int
    time: float
    nfe: int


class MeshFlow(FlowNetwork):
    """The published flow: a rescaling before the first block and after each."""

    def __init__(self, config: FlowConfig, solver: SolverConfig) -> None:
        super().__init__(config, solver)
        self.blocks = nn.ModuleList(FlowBlock(config) for _ in range(config.blocks))
        self.rescales = nn.ModuleList(Rescale(config) for _ in range(config.blocks + 1))

    def carrier(self, code: Float[Tensor, "1 Z"]) -> NetworkCarrier:
        """See ``FlowNetwork.carrier``."""
        return NetworkCarrier.of(self, code)

    def _pass(
        self, x: Tensor, code: Tensor, solver: SolverConfig, cancel: CancelCheck | None
    ) -> Iterator[Flowed]:
        x = self.rescales[0](x, code)
        for block, rescale in zip(self.blocks, self.rescales[1:], strict=True):
            flowed = block(x, code, solver, cancel)
            x = rescale(flowed.vertices, code)
            yield Flowed(x, flowed.nfe)

    def stream(
        self,
        template: Float[Tensor, "V 3"],
        code: Float[Tensor, "B Z"],
        frames: int = 61,
        solver: SolverConfig | None = None,
        cancel: CancelCheck | None = None,
    ) -> Iterator[FlowState]:
        """Yield ``frames`` moments, evenly spaced in time: the template first, the result last.

        Each ODE is solved once whatever the number of frames, which does not change the result. The
        rescalings would make the surface jump between two blocks, so within a block they are blended in
        with time: at the end of a block the frame is exactly what ``forward`` returns, at the start of
        the first it is the template.

        Frames of one block come at once, after its ODEs are solved. Gradients are recorded unless the
        caller switches them off.

        Raises:
            InputError: for fewer than two frames.
            SolverError, Cancelled: see ``solver.integrate``.
        """
        if frames < 2:
            raise InputError(f"A trajectory needs at least 2 frames, not {frames}.")
        x = repeated(template, code)
        yield FlowState(x, 0, 0.0, 0)
        enter = self._rescale(0).map(x, code)
        start: Callable[[Tensor], Tensor] = enter.inv
        x, nfe = enter(x), 0
        for index, shares in enumerate(_shares(frames, len(self.blocks))):
            block = cast(FlowBlock, self.blocks[index])
            moments = block.dense(x, code, shares, solver or self.solver, cancel)
            last = moments[-1].vertices
            leave = self._rescale(index + 1).map(last, code)
            for share, moment in zip(shares, moments, strict=False):
                vertices = torch.lerp(start(moment.vertices), leave(moment.vertices), float(share))
                time = float(index + share) * self._block_time
                yield FlowState(vertices, index, time, nfe + moment.nfe)
            x, nfe, start = leave(last), nfe + moments[-1].nfe, _unchanged

    @property
    def _block_time(self) -> float:
        return self.config.nodes_per_block * self.config.integration_time

    def _rescale(self, index: int) -> Rescale:
        return cast(Rescale, self.rescales[index])


def _unchanged(x: Tensor) -> Tensor:
    return x


def _shares(frames: int, blocks: int) -> list[list[Fraction]]:
    """List the shares (0, 1] of each block's time at which the frames lie; exact, so none is lost."""
    shares: list[list[Fraction]] = [[] for _ in range(blocks)]
    for frame in range(1, frames):
        position = Fraction(frame * blocks, frames - 1)
        index = math.ceil(position) - 1
        shares[index].append(position - index)
    return shares
