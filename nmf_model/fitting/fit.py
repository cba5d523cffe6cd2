"""Optimise a fresh flow so that it carries the sphere onto one cloud, coarse to fine, as a stream."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmf_model.errors import Cancelled
from nmf_model.fitting.adam import Adam
from nmf_model.fitting.growth import plan_growth
from nmf_model.fitting.objective import Trial, Weights, checked, objective_for
from nmf_model.fitting.target import FitTarget, build_target
from nmf_model.flow.carrier import GridCarrier
from nmf_model.flow.grid import GridFlow
from nmf_model.geometry.template import icosphere
from nmf_model.types import CancelCheck


@dataclass(frozen=True)
class Stage:
    """One part of the fit: a template, how many of the grids move, and when it is over.

    Attributes:
        template_level: icosphere that is flowed.
        depth: number of grids in use, coarse to fine.
        solver_steps: midpoint steps per block at least (see ``_Fit._solver_steps``).
        max_steps: optimiser steps at most; a stage ends earlier once it has stopped improving.
        grows: show the cloud little by little, in the order in which a growing body reaches it; the
            stage then runs to its end.
        settles: lower the learning rate to nearly nothing over the stage, which then runs to its end.
    """

    template_level: int
    depth: int
    max_steps: int
    solver_steps: int = 2
    grows: bool = False
    settles: bool = False


@dataclass(frozen=True)
class FitSettings:
    """What the fit is made of. Users never see these; the defaults were chosen on development shapes.

    Attributes:
        blocks, resolutions: of the ``GridFlow``.
        samples: S drawn from the surface in each step; of the cloud, no more points are compared.
        learning_rate: of the coarsest grid; each finer one has ``rate_decay`` times the one before.
        weights: of the parts of what is minimised.
        heeds_scatter: whether those change where the points are noisy.
        stages: in order; the last one settles.
        stages_from_start: the same for a fit that starts from a flow which is nearly right.
        start_rate: share of the learning rates that such a fit begins with.
        stages_from_outside: the same for a fit that shrinks a sphere around the cloud.
    """

    blocks: int = 6
    resolutions: tuple[int, ...] = (5, 9, 17)
    samples: int = 5000
    learning_rate: float = 0.012
    rate_decay: float = 0.4
    weights: Weights = field(default_factory=Weights)
    heeds_scatter: bool = True
    stages: tuple[Stage, ...] = (
        Stage(3, 3, 500, 2, grows=True),
        Stage(3, 3, 250, 2),
        Stage(4, 3, 450, 3, settles=True),
    )
    stages_from_start: tuple[Stage, ...] = (Stage(3, 3, 200, 2), Stage(4, 3, 300, 3, settles=True))
    start_rate: float = 0.5
    stages_from_outside: tuple[Stage, ...] = (
        Stage(3, 3, 300, 2),
        Stage(3, 3, 250, 2),
        Stage(4, 3, 450, 3, settles=True),
    )


@dataclass(frozen=True)
class FitProgress:
    """A glimpse of the fit: vertices (V, 3) float32 in unit-sphere units, faces (F, 3), fraction 0..1."""

    vertices: NDArray[np.float32]
    faces: NDArray[np.int64]
    fraction: float


@dataclass(frozen=True)
class FittedFlow:
    """The outcome: a flow that carries a sphere onto the cloud.

    Attributes:
        fields: (K, 3, R, R, R) float32, velocity of each block, detached, on the fit's device.
        centre: (3,) float32 and
        radius: of the sphere it starts from, unit-sphere units.
        steps: optimiser steps taken.
        outliers: points of the input that were left out.
        scatter: by how much the others are noisy, to which the fit gave way, unit-sphere units.
    """

    fields: Tensor
    centre: NDArray[np.float32]
    radius: float
    steps: int
    outliers: int
    scatter: float

    @property
    def carrier(self) -> GridCarrier:
        """The flow as a map of space."""
        return GridCarrier(self.fields, self.centre, self.radius)


def fit_flow(
    points: NDArray[np.float32],
    *,
    start: GridCarrier | None = None,
    from_outside: bool = False,
    settings: FitSettings | None = None,
    device: torch.device | None = None,
    seed: int = 0,
    cancel: CancelCheck | None = None,
) -> Generator[FitProgress, None, FittedFlow]:
    """Fit a flow to a cloud; yields now and then, returns the flow.

    Deterministic for one seed, device and number of threads.

    Args:
        points: (N, 3), unit-sphere units, N ≥ 50.
        start: a flow that nearly fits, as a network answers it: it is improved, rather than grown from a
            small sphere. Of as many blocks as the settings say; of a finer one the nodes of the fit's own
            grid count.
        from_outside: shrink a sphere around the cloud instead. It spans every opening with a film, but cannot
            leave the inside of a body out.
        settings: None for the defaults.
        device: None for the CPU.
        seed: of the random samples.
        cancel: polled before every optimiser step.

    Raises:
        Cancelled: if ``cancel`` returned True.
        SolverError: if the optimisation produced a value that is not finite.
    """
    settings, device = settings or FitSettings(), device or torch.device("cpu")
    stages = settings.stages if start is None else settings.stages_from_start
    rate = settings.learning_rate * (1.0 if start is None else settings.start_rate)
    if from_outside:
        start, stages, rate = _around(settings), settings.stages_from_outside, settings.learning_rate
    fit = _Fit(points, settings, device, seed, start, rate)
    total = sum(stage.max_steps for stage in stages)
    done_before = 0
    for stage in stages:
        for step, improves in fit.run(stage, cancel):
            if step % 5 == 0:
                yield fit.glimpse((done_before + step) / total)
            if not improves:
                break
        done_before += stage.max_steps
    return fit.result()


def _around(settings: FitSettings) -> GridCarrier:
    """Return the flow that leaves the unit sphere, which is around every cloud, as it is."""
    finest = settings.resolutions[-1]
    return GridCarrier(
        torch.zeros(settings.blocks, 3, finest, finest, finest), np.zeros(3, dtype=np.float32), 1.0
    )


class _Fit:
    """State of one fit: the flow, its optimiser, the random generator and the last surface.

    ``order`` says when, from 0 to 1, a body that grows reaches each point; from a given flow all are there.
    """

    def __init__(
        self,
        points: NDArray[np.float32],
        settings: FitSettings,
        device: torch.device,
        seed: int,
        start: GridCarrier | None,
        rate: float,
    ) -> None:
        self.settings = settings
        self.device = device
        self.target: FitTarget = build_target(points, device, heeds_scatter=settings.heeds_scatter)
        weights = settings.weights.for_scatter(self.target.scatter)
        self.objective = objective_for(self.target, weights)
        self.flow = GridFlow(settings.blocks, settings.resolutions).to(device)
        self.order = torch.zeros(len(self.target.points), device=device)
        if start is None:
            growth = plan_growth(self.target.points.cpu().numpy(), self.target.spacing.cpu().numpy())
            self.centre, self.radius = growth.centre, growth.radius
            self.order = torch.from_numpy(growth.order).to(device)
        else:
            self.centre, self.radius = start.centre, start.radius
            self.flow.begin_from(start.fields.to(device))
        self.generator = torch.Generator().manual_seed(seed)
        self.rates = [rate * settings.rate_decay**k for k in range(len(self.flow.grids))]
        self.optimizer = Adam(list(self.flow.grids), self.rates)
        self.steps = 0
        self.vertices = torch.empty(0, 3)
        self.faces = np.empty((0, 3), dtype=np.int64)

    def run(self, stage: Stage, cancel: CancelCheck | None) -> Generator[tuple[int, bool], None, None]:
        """Take optimiser steps; yields the step's number and whether the stage still improves."""
        template = icosphere(stage.template_level)
        sphere = torch.tensor(template.vertices, device=self.device) * self.radius
        centre = torch.tensor(self.centre, device=self.device)
        faces = torch.tensor(template.faces, device=self.device)
        self.faces = template.faces
        plateau = _Plateau()
        for step in range(stage.max_steps):
            if cancel is not None and cancel():
                raise Cancelled("The fit was cancelled.")
            self._set_rates(step / stage.max_steps if stage.settles else 0.0)
            shown = 0.1 + 0.9 * (step + 1) / stage.max_steps if stage.grows else 1.0
            loss = self._step(sphere @ self._random_rotation() + centre, faces, stage, shown)
            yield step + 1, stage.grows or stage.settles or plateau.improves(loss)

    def glimpse(self, fraction: float) -> FitProgress:
        """Return the surface as of the last step."""
        return FitProgress(self.vertices.cpu().numpy(), self.faces, fraction)

    def result(self) -> FittedFlow:
        """Return the flow as it is now."""
        with torch.no_grad():
            fields = self.flow.fields().clone()
        found = self.target
        return FittedFlow(fields, self.centre, self.radius, self.steps, found.outliers, found.scatter)

    def _set_rates(self, settled: float) -> None:
        factor = 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * settled))
        self.optimizer.rates = [rate * factor for rate in self.rates]

    def _step(self, sphere: Tensor, faces: Tensor, stage: Stage, shown: float) -> float:
        trial = Trial(
            sphere,
            faces,
            self._solver_steps(stage),
            torch.rand(3, self.settings.samples, generator=self.generator),
            self._subset(shown),
        )
        loss, self.vertices = checked(self.objective.evaluate(self.flow, stage.depth, trial))
        self.optimizer.step()
        self.steps += 1
        return loss

    def _solver_steps(self, stage: Stage) -> int:
        """Draw the number of midpoint steps, from the stage's number to twice that.

        A flow that must fit with any number of steps cannot exploit the error of one of them.
        """
        fewest = stage.solver_steps
        return int(torch.randint(fewest, 2 * fewest + 1, (), generator=self.generator))

    def _random_rotation(self) -> Tensor:
        """Return a rotation (3, 3), uniform over all.

        Turning the template at every step fits the flow of the whole sphere rather than of some fixed
        vertices, between which a surface could do as it likes.
        """
        q, r = torch.linalg.qr(torch.randn(3, 3, generator=self.generator))
        rotation: Tensor = q * torch.sign(torch.diagonal(r))
        return (rotation * torch.det(rotation)).to(self.device)

    def _subset(self, shown: float) -> Tensor | None:
        """Choose the points compared in this step: those within reach, and no more than samples."""
        count, wanted = len(self.target.points), self.settings.samples
        if shown < 1:
            reached = torch.nonzero(self.order <= shown)[:, 0]
        elif count <= wanted:
            return None
        else:
            reached = torch.arange(count, device=self.device)
        if len(reached) <= wanted:
            return reached
        chosen = torch.randint(len(reached), (wanted,), generator=self.generator)
        return reached[chosen.to(self.device)]


class _Plateau:
    """Tells when the mean loss of a window of steps is no longer clearly below the window before."""

    window = 40
    needed = 0.02

    def __init__(self) -> None:
        self._losses: list[float] = []

    def improves(self, loss: float) -> bool:
        self._losses.append(loss)
        if len(self._losses) % self.window or len(self._losses) < 2 * self.window:
            return True
        before = sum(self._losses[-2 * self.window : -self.window])
        return sum(self._losses[-self.window :]) < (1 - self.needed) * before
