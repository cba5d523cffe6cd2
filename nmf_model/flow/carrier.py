"""The finished flow of one shape as a map of space: what refinement, solids and certificates work with.

A mesh is only the image of one template. The map itself carries any point of the unit ball, so a template
can be refined where its image needs it, and a ball of tetrahedra can take the sphere's place.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmf_model.config import SolverConfig
from nmf_model.errors import Cancelled
from nmf_model.flow.grid import lipschitz_bound, velocity
from nmf_model.flow.solver import Velocity, integrate
from nmf_model.geometry.cameras import turned
from nmf_model.types import CancelCheck, Carrier

__all__ = [
    "DEFAULT_STEPS",
    "Carrier",
    "GridCarrier",
    "Moment",
    "MovingCarrier",
    "PlacedCarrier",
    "ReframedCarrier",
    "TurnedCarrier",
]

DEFAULT_STEPS = 8
"""Midpoint steps per block of a final flow. The fit bounds the velocity's gradient and varies its own steps,
so that more steps or a higher order move no vertex by more than about a hundredth of the object's radius."""


FINAL_SOLVER = SolverConfig(method="midpoint", steps=DEFAULT_STEPS)


class Moment(NamedTuple):
    """One moment of a flow: vertices (V, 3) float32 in unit-sphere units, block, time, evaluations so far."""

    vertices: NDArray[np.float32]
    block: int
    time: float
    nfe: int


class MovingCarrier(Carrier, Protocol):
    """A carrier that can also be watched."""

    @property
    def blocks(self) -> int:
        """How many parts the flow has."""

    def moments(
        self, points: NDArray[np.floating], frames: int, cancel: CancelCheck | None = None
    ) -> Iterator[Moment]:
        """Yield where the points are at ``frames`` moments or a few more, the start first, the end last.

        Raises:
            SolverError, Cancelled: see ``flow.solver.integrate``.
        """

    def injective_steps(self) -> int | None:
        """Return from how many steps per block on the solver's map is proved one to one; None if never."""


@dataclass(frozen=True)
class GridCarrier:
    """A flow stored on grids: what a fit ends with, and what the volume network answers.

    Attributes:
        fields: (K, 3, R, R, R) velocity of each block, see ``flow.grid``; detached.
        centre: (3,) and
        radius: of the ball that the unit ball becomes first, unit-sphere units.
    """

    fields: Tensor
    centre: NDArray[np.float32]
    radius: float

    def carry(
        self,
        points: NDArray[np.floating],
        *,
        steps: int = DEFAULT_STEPS,
        since: float = 0.0,
        until: float = 1.0,
        cancel: CancelCheck | None = None,
    ) -> NDArray[np.float64]:
        """See ``Carrier``. Computed in float64 on a CPU, in float32 on a GPU."""
        fields = self.fields if self.fields.is_cuda else self.fields.double()
        start = points.astype(np.float64)
        if since == 0:
            start = start * self.radius + self.centre.astype(np.float64)
        x = torch.from_numpy(start).to(fields)
        with torch.no_grad():
            for block, field in enumerate(fields):
                span = min(until * len(fields), block + 1.0) - max(since * len(fields), block)
                if span > 0:
                    x = _through(field, x, span, steps, cancel)
        return x.double().cpu().numpy()

    @property
    def blocks(self) -> int:
        """How many ODEs follow each other."""
        return len(self.fields)

    def moments(
        self, points: NDArray[np.floating], frames: int, cancel: CancelCheck | None = None
    ) -> Iterator[Moment]:
        """See ``MovingCarrier``. Each ODE is solved once, whatever the number of frames."""
        start = points.astype(np.float32) * np.float32(self.radius) + self.centre
        x = torch.from_numpy(start).to(self.fields)[None]
        yield Moment(start, 0, 0.0, 0)
        nfe = 0
        edges = np.linspace(0, max(frames - 1, self.blocks), self.blocks + 1).round().astype(int)
        for block, (field, count) in enumerate(zip(self.fields, np.diff(edges), strict=True)):
            times = np.linspace(0.0, 1.0, int(count) + 1).tolist()
            with torch.no_grad():
                solution = integrate(_of(field), x, times, FINAL_SOLVER, cancel=cancel)
            x, nfe = solution.states[-1], nfe + solution.nfe
            for time, state in zip(times[1:], solution.states[1:], strict=True):
                yield Moment(state[0].cpu().numpy(), block, block + time, nfe)

    def injective_steps(self) -> int:
        """Return how many steps per block make the solver's map one to one: a proof, not an estimate.

        A midpoint step moves x by h·v(x + h/2·v(x)), which changes by at most hL·(1 + hL/2) per unit of x
        if L bounds the velocity's gradient. Below 1 no two points can meet, and that is hL < √3 − 1.
        """
        return max(1, math.ceil(lipschitz_bound(self.fields) / (math.sqrt(3) - 1) * (1 + 1e-6)))


@dataclass(frozen=True)
class ReframedCarrier(ABC):
    """A flow whose places are mapped one to one, in a way that may depend on the share of its time.

    Attributes:
        inner: the flow.
    """

    inner: MovingCarrier

    @abstractmethod
    def _into(self, places: NDArray[np.floating], share: float) -> NDArray[np.float64]:
        """Return which places (V, 3) of the inner flow are seen at given ones."""

    @abstractmethod
    def _out(self, places: NDArray[np.floating], share: float) -> NDArray[np.float64]:
        """Return where places (V, 3) of the inner flow are seen."""

    def carry(
        self,
        points: NDArray[np.floating],
        *,
        steps: int = DEFAULT_STEPS,
        since: float = 0.0,
        until: float = 1.0,
        cancel: CancelCheck | None = None,
    ) -> NDArray[np.float64]:
        """See ``Carrier``."""
        begins = self._into(points, since)
        ends = self.inner.carry(begins, steps=steps, since=since, until=until, cancel=cancel)
        return self._out(ends, until)

    @property
    def blocks(self) -> int:
        """How many parts the flow has."""
        return self.inner.blocks

    def moments(
        self, points: NDArray[np.floating], frames: int, cancel: CancelCheck | None = None
    ) -> Iterator[Moment]:
        """See ``MovingCarrier``."""
        begins = self._into(points, 0.0).astype(np.float32)
        moments = list(self.inner.moments(begins, frames, cancel))
        for moment in moments:
            seen = self._out(moment.vertices, moment.time / moments[-1].time)
            yield moment._replace(vertices=seen.astype(np.float32))

    def injective_steps(self) -> int | None:
        """See ``MovingCarrier``: such a map folds nothing."""
        return self.inner.injective_steps()


@dataclass(frozen=True)
class PlacedCarrier(ReframedCarrier):
    """A flow that also stretches its result into place, evenly over its time: it still begins at a ball.

    Attributes:
        stretch: (3, 3), symmetric and positive definite, as all between it and the identity are then, and
        shift: (3,): a point of the inner flow's end, a row, becomes point @ stretch + shift.
    """

    stretch: NDArray[np.float64]
    shift: NDArray[np.float64]

    def _into(self, places: NDArray[np.floating], share: float) -> NDArray[np.float64]:
        moved = (places - share * self.shift).T
        return np.asarray(np.linalg.solve(self._until(share), moved).T, dtype=np.float64)

    def _out(self, places: NDArray[np.floating], share: float) -> NDArray[np.float64]:
        return np.asarray(places @ self._until(share) + share * self.shift, dtype=np.float64)

    def _until(self, share: float) -> NDArray[np.float64]:
        """Return the stretch at a share of the time."""
        return np.asarray(np.eye(3) + share * (self.stretch - np.eye(3)), dtype=np.float64)


@dataclass(frozen=True)
class TurnedCarrier(ReframedCarrier):
    """A flow in a frame that is turned against its own.

    Attributes:
        rotation: (3, 3), from this frame to the inner flow's.
    """

    rotation: NDArray[np.float64]

    def _into(self, places: NDArray[np.floating], share: float) -> NDArray[np.float64]:
        return turned(places, self.rotation)

    def _out(self, places: NDArray[np.floating], share: float) -> NDArray[np.float64]:
        return turned(places, self.rotation.T)


def _of(field: Tensor) -> Velocity:
    return lambda _time, x: velocity(field, x)


def _through(field: Tensor, x: Tensor, span: float, steps: int, cancel: CancelCheck | None) -> Tensor:
    step = span / steps
    for _ in range(steps):
        if cancel is not None and cancel():
            raise Cancelled("The flow was cancelled.")
        x = x + step * velocity(field, x + 0.5 * step * velocity(field, x))
    return x
