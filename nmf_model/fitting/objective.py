"""What one step of the fit minimises, and its gradient: with torch on a GPU, compiled on a CPU."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from jaxtyping import Float, Int
from torch import Tensor

from nmf_model.errors import SolverError
from nmf_model.fitting.loss import misfit
from nmf_model.fitting.target import FitTarget
from nmf_model.fitting.tension import dirichlet_energy, unevenness
from nmf_model.flow.grid import GridFlow, flow_midpoint, gradient_energy, lipschitz_excess
from nmf_model.geometry.surface import draw_samples

_NOISY_TENSION, _NOISY_EVENNESS, _NOISY_SMOOTHNESS = 10.0, 2.5, 37.5
"""Weights for clouds with noise, in units of the cube of its size."""
_NOISY_URGENCY, _NO_URGENCY = 8e-4, 0.5
"""The same of the inverse square, and the least. All were chosen on three development objects with noise of 2
and 4 % of their radius (``tests.benchmarks.fit``), and keep a ball with 6 % from crumpling."""


@dataclass(frozen=True)
class Weights:
    """Of the parts of the objective.

    Attributes:
        urgency: how many more times a missed point counts.
        alignment: of the squared sine of the angle between the surface's normals and the points'.
        tension: of the Dirichlet energy of the surface.
        evenness: of its unevenness.
        smoothness: of the mean squared gradient of the velocity.
        lipschitz: of the excess of that gradient over the bound.
        lipschitz_bound: the bound.
    """

    urgency: float = 4.0
    alignment: float = 0.0
    tension: float = 3e-5
    evenness: float = 2e-5
    smoothness: float = 1e-4
    lipschitz: float = 2.0
    lipschitz_bound: float = 1.0

    def for_scatter(self, scatter: float) -> Weights:
        """Return those for points that scatter by so much about their surface, 0 for not at all.

        The more they scatter, the less must each of them be met; and that the surface is small and the flow
        smooth counts more than in proportion to the mean square by which points miss any surface, so that
        crumpling around them does not pay.
        """
        if not scatter:
            return self
        cube = scatter**3
        return replace(
            self,
            urgency=min(self.urgency, max(_NO_URGENCY, _NOISY_URGENCY / scatter**2)),
            tension=self.tension + _NOISY_TENSION * cube,
            evenness=self.evenness + _NOISY_EVENNESS * cube,
            smoothness=self.smoothness + _NOISY_SMOOTHNESS * cube,
        )


class Trial(NamedTuple):
    """What a step draws.

    Attributes:
        sphere: (V, 3), the template as it is turned in this step.
        faces: (F, 3).
        steps: of the midpoint rule in each block.
        random: (3, S) in 0 … 1, which place the samples on the surface.
        chosen: (M,) which points of the cloud must be met; None for all.
    """

    sphere: Float[Tensor, "V 3"]
    faces: Int[Tensor, "F 3"]
    steps: int
    random: Float[Tensor, "3 S"]
    chosen: Int[Tensor, " M"] | None


class Evaluation(NamedTuple):
    """The objective's value, and the surface (V, 3) that it is that of."""

    loss: float
    vertices: Float[Tensor, "V 3"]


class Objective(Protocol):
    """The distance between the flowed sphere and the cloud, and what is asked of the flow itself."""

    def evaluate(self, flow: GridFlow, depth: int, trial: Trial) -> Evaluation:
        """Return the value, and leave the gradient in ``grad`` of the first ``depth`` grids."""


class TorchObjective:
    """The objective as it is meant, on any device; random numbers may come from the CPU."""

    def __init__(self, target: FitTarget, weights: Weights) -> None:
        self._target, self._weights = target, weights

    def evaluate(self, flow: GridFlow, depth: int, trial: Trial) -> Evaluation:
        """See ``Objective.evaluate``."""
        weights, faces = self._weights, trial.faces
        fields = flow.fields(depth)
        vertices = flow_midpoint(trial.sphere, fields, trial.steps)
        samples = draw_samples(vertices, faces, trial.random.to(vertices))
        asked = (weights.urgency, weights.alignment)
        terms = misfit(samples, vertices, faces, self._target, *asked, subset=trial.chosen)
        loss = (
            terms.accuracy
            + terms.completeness
            + weights.evenness * unevenness(vertices, faces)
            + weights.tension * dirichlet_energy(vertices, faces)
            + weights.smoothness * gradient_energy(fields)
            + weights.lipschitz * lipschitz_excess(fields, weights.lipschitz_bound)
        )
        for grid in flow.grids:
            grid.grad = None
        loss.backward()
        return Evaluation(loss.item(), vertices.detach())


def objective_for(target: FitTarget, weights: Weights) -> Objective:
    """Return the faster of the two for the device of the target."""
    if target.points.device.type != "cpu":
        return TorchObjective(target, weights)
    from nmf_model.fitting.compiled.objective import CompiledObjective

    return CompiledObjective(target, weights)


def checked(evaluation: Evaluation) -> Evaluation:
    """Return an evaluation whose value is a number.

    Raises:
        SolverError: if it is not.
    """
    if not math.isfinite(evaluation.loss):
        raise SolverError("The fit diverged: a coordinate became infinite or undefined.")
    return evaluation
