"""Whether the numerical flow can fold: a proof where the carrier has one, else a test at many points."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from nmf_model.flow.carrier import DEFAULT_STEPS
from nmf_model.geometry.refinement import Points
from nmf_model.types import CancelCheck, Carrier

MOST_STEPS = 64
_SAMPLES = 500
_OFFSET = 1e-4


class Solve(NamedTuple):
    """How a flow is to be solved.

    Attributes:
        steps: of the solver, per block.
        folds: sampled points at which the map turns space inside out all the same; 0 if it is proved.
        is_proved: the carrier proves that its solver's map is one to one with so many steps.
    """

    steps: int
    folds: int
    is_proved: bool


@runtime_checkable
class ProvedCarrier(Protocol):
    """A carrier that may know from how many steps on its solver's map is one to one."""

    def injective_steps(self) -> int | None:
        """Return the smallest such number of steps per block; None without a proof."""


def settle_steps(
    carrier: Carrier, sphere: Points, least: int = DEFAULT_STEPS, cancel: CancelCheck | None = None
) -> Solve:
    """Choose the steps: as many as the proof needs, or doubled until no sampled Jacobian is turned over.

    Args:
        carrier: the flow.
        sphere: (V, 3) points of the sphere, some of which are sampled.
        least: fewer steps are never taken.
        cancel: see ``Carrier.carry``.
    """
    if isinstance(carrier, ProvedCarrier):
        needed = carrier.injective_steps()
        if needed is not None and needed <= MOST_STEPS:
            return Solve(max(least, needed), 0, True)
    samples = sphere[:: max(1, len(sphere) // _SAMPLES)]
    steps = least
    while True:
        folds = int(np.count_nonzero(jacobians(carrier, samples, steps, cancel) <= 0))
        if folds == 0 or steps >= MOST_STEPS:
            return Solve(steps, folds, False)
        steps *= 2


def jacobians(
    carrier: Carrier, points: Points, steps: int, cancel: CancelCheck | None = None
) -> NDArray[np.float64]:
    """Return (N,) determinants of the flow's derivative at the points, by central differences."""
    offsets = _OFFSET * np.concatenate([np.eye(3), -np.eye(3)])
    around = (points[None] + offsets[:, None]).reshape(-1, 3)
    ahead, behind = carrier.carry(around, steps=steps, cancel=cancel).reshape(2, 3, -1, 3)
    columns = (ahead - behind) / (2 * _OFFSET)
    determinants: NDArray[np.float64] = np.linalg.det(columns.transpose(1, 0, 2))
    return determinants
