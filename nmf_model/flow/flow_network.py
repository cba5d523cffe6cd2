"""What every flow network is: a code goes in, and out comes a map that carries a sphere into a shape."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from nmf_model.config import FlowConfig, SolverConfig
from nmf_model.flow.block import Flowed
from nmf_model.flow.carrier import MovingCarrier
from nmf_model.types import CancelCheck


class BlockOutputs(NamedTuple):
    """The surfaces that the loss compares with the target.

    Attributes:
        vertices: a (B, V, 3) for each block, unit-sphere units; the last is the result.
        nfe: evaluations of the velocity in all.
    """

    vertices: tuple[Float[Tensor, "B V 3"], ...]
    nfe: int


class FlowNetwork(nn.Module, ABC):
    """``config.blocks`` deform blocks in sequence; a kind of network says how it passes through them."""

    def __init__(self, config: FlowConfig, solver: SolverConfig) -> None:
        super().__init__()
        self.config, self.solver = config, solver

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
        passed = list(self._pass(repeated(template, code), code, solver or self.solver, cancel))
        return BlockOutputs(tuple(end.vertices for end in passed), sum(end.nfe for end in passed))

    @abstractmethod
    def carrier(self, code: Float[Tensor, "1 Z"]) -> MovingCarrier:
        """Return the flow of one shape as a map of space."""

    @abstractmethod
    def _pass(
        self, x: Float[Tensor, "B V 3"], code: Tensor, solver: SolverConfig, cancel: CancelCheck | None
    ) -> Iterator[Flowed]:
        """Yield the vertices at the end of each block, and what the block cost."""


def repeated(template: Float[Tensor, "V 3"], code: Float[Tensor, "B Z"]) -> Float[Tensor, "B V 3"]:
    """Return the template once for each code."""
    return template.expand(len(code), -1, -1)
