"""The whole flow, from the template to the shape that a code stands for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import NamedTuple, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmf_model.config import FlowConfig, SolverConfig
from nmf_model.errors import InputError
from nmf_model.flow.block import FlowBlock
from nmf_model.flow.rescale import Rescale
from nmf_model.types import CancelCheck


class BlockOutputs(NamedTuple):
    """The surfaces that the loss compares with the target.

    Attributes:
        vertices: a (B, V, 3) for each block, after its rescaling, unit-sphere units; the last is the result.
        nfe: evaluations of the velocity in all.
    """

    vertices: tuple[Float[Tensor, "B V 3"], ...]
    nfe: int


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


class FlowTrajectory(NamedTuple):
    """All moments of a flow.

    Attributes:
        states: (T, B, V, 3), the template first, the result last.
        times: (T,) float64, integration time since the template.
        blocks: (T,) int64, index of the block.
        nfe: evaluations of the velocity in all.
    """

    states: Float[Tensor, "T B V 3"]
    times: Float[Tensor, " T"]
    blocks: Int[Tensor, " T"]
    nfe: int

    @classmethod
    def of(cls, moments: list[FlowState]) -> FlowTrajectory:
        """Stack the moments of a stream."""
        return cls(
            states=torch.stack([moment.vertices for moment in moments]),
            times=torch.tensor([moment.time for moment in moments], dtype=torch.float64),
            blocks=torch.tensor([moment.block for moment in moments]),
            nfe=moments[-1].nfe,
        )


class MeshFlow(nn.Module):
    """Deform blocks in sequence, with a rescaling before the first and after each."""

    def __init__(self, config: FlowConfig, solver: SolverConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(FlowBlock(config) for _ in range(config.blocks))
        self.rescales = nn.ModuleList(Rescale(config) for _ in range(config.blocks + 1))
        self.config = config
        self.solver = solver

    def forward(
        self,
        template: Float[Tensor, "V 3"],
        code: Float[Tensor, "B Z"],
        solver: SolverConfig | None = None,
        cancel: CancelCheck | None = None,
    ) -> BlockOutputs:
        """Return the vertices after each block.

        Args:
            template: points on the unit sphere, of any density.
            code: one row a shape; (B, 0) for a flow without a code.
            solver: instead of the model's own.
            cancel: polled before every evaluation of the velocity.

        Raises:
            SolverError, Cancelled: see ``solver.integrate``.
        """
        x = cast(Tensor, self.rescales[0](_repeat(template, code), code))
        outputs, nfe = [], 0
        for block, rescale in zip(self.blocks, self.rescales[1:], strict=True):
            flowed = block(x, code, solver or self.solver, cancel)
            x, nfe = rescale(flowed.vertices, code), nfe + flowed.nfe
            outputs.append(x)
        return BlockOutputs(tuple(outputs), nfe)

    def trajectory(
        self,
        template: Float[Tensor, "V 3"],
        code: Float[Tensor, "B Z"],
        frames: int = 61,
        solver: SolverConfig | None = None,
        cancel: CancelCheck | None = None,
    ) -> FlowTrajectory:
        """Collect ``stream`` into tensors; see there."""
        return FlowTrajectory.of(list(self.stream(template, code, frames, solver, cancel)))

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
        x = _repeat(template, code)
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


def _repeat(template: Tensor, code: Tensor) -> Tensor:
    """Return (B, V, 3): the template once for each code."""
    return template.expand(len(code), -1, -1)


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
