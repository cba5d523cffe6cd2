"""A deform block: a few ODEs in sequence, invertible as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple, cast

from jaxtyping import Float
from torch import Tensor, nn

from nmf_model.config import FlowConfig, SolverConfig
from nmf_model.flow.dynamics import Dynamics
from nmf_model.flow.solver import Solution, integrate
from nmf_model.types import CancelCheck


class Flowed(NamedTuple):
    """Points after a flow.

    Attributes:
        vertices: (B, V, 3).
        nfe: evaluations of the velocity, summed over the ODEs.
    """

    vertices: Float[Tensor, "B V 3"]
    nfe: int


class FlowBlock(nn.Module):
    """A diffeomorphism of space for each code: ``block(x, code, solver)`` and ``block.inv(y, code, solver)``.

    Each of its ODEs ("nodes") has weights of its own and runs from 0 to ``integration_time``.
    """

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.nodes = nn.ModuleList(Dynamics(config) for _ in range(config.nodes_per_block))
        self.integration_time = config.integration_time

    def forward(
        self,
        x: Float[Tensor, "B V 3"],
        code: Float[Tensor, "B Z"],
        solver: SolverConfig,
        cancel: CancelCheck | None = None,
    ) -> Flowed:
        """Move points along the flow.

        Raises:
            SolverError, Cancelled: see ``solver.integrate``.
        """
        return self._along(range(len(self.nodes)), x, code, (0.0, self.integration_time), solver, cancel)

    def inv(
        self,
        y: Float[Tensor, "B V 3"],
        code: Float[Tensor, "B Z"],
        solver: SolverConfig,
        cancel: CancelCheck | None = None,
    ) -> Flowed:
        """Move points back to where ``forward`` had them, up to the solver's error.

        Raises:
            SolverError, Cancelled: see ``solver.integrate``.
        """
        backwards = reversed(range(len(self.nodes)))
        return self._along(backwards, y, code, (self.integration_time, 0.0), solver, cancel)

    def _along(
        self,
        nodes: Iterable[int],
        x: Tensor,
        code: Tensor,
        times: tuple[float, float],
        solver: SolverConfig,
        cancel: CancelCheck | None,
    ) -> Flowed:
        """Solve the ODEs in the given order, each over the same times."""
        nfe = 0
        for node in nodes:
            solution = self.solve(node, x, code, times, solver, cancel)
            x, nfe = solution.states[-1], nfe + solution.nfe
        return Flowed(x, nfe)

    def dense(
        self,
        x: Float[Tensor, "B V 3"],
        code: Float[Tensor, "B Z"],
        shares: Sequence[Fraction],
        solver: SolverConfig,
        cancel: CancelCheck | None = None,
    ) -> list[Flowed]:
        """Return the points at the given moments, then at the end, with the cost until there.

        The ``shares`` are those of the block's whole time, rising, each greater than 0 and at most 1.

        Raises:
            SolverError, Cancelled: see ``solver.integrate``.
        """
        moments: list[Flowed] = []
        end = Flowed(x, 0)
        for node in range(len(self.nodes)):
            local = [share * len(self.nodes) - node for share in shares]
            inner = [float(time) * self.integration_time for time in local if 0 < time < 1]
            times = (0.0, *inner, self.integration_time)
            solution = self.solve(node, end.vertices, code, times, solver, cancel)
            end = Flowed(solution.states[-1], end.nfe + solution.nfe)
            moments += [Flowed(state, end.nfe) for state in solution.states[1:-1]]
            moments += [end for time in local if time == 1]
        return [*moments, end]

    def solve(
        self,
        node: int,
        x: Float[Tensor, "B V 3"],
        code: Float[Tensor, "B Z"],
        times: Sequence[float],
        solver: SolverConfig,
        cancel: CancelCheck | None = None,
    ) -> Solution:
        """Solve one of the ODEs, from ``times[0]`` to ``times[-1]`` within 0 … ``integration_time``.

        Raises:
            SolverError, Cancelled: see ``solver.integrate``.
        """
        dynamics = cast(Dynamics, self.nodes[node])
        conditioning = dynamics.condition(code)

        def velocity(_time: Tensor, state: Tensor) -> Tensor:
            return cast(Tensor, dynamics(state, conditioning))

        # The closure hides the conditioning from the adjoint: without naming it the code gets no gradient.
        # No weight may act both through it and in the velocity: the adjoint would count it twice.
        params = (*dynamics.velocity_parameters(), *conditioning.tensors())
        return integrate(velocity, x, times, solver, params=params, cancel=cancel)
