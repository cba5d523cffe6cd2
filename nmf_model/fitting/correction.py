"""Test-time optimisation: a few steps that bring a network's flow nearer to the very cloud it was asked for.

What a network answers is right in the whole and off in places, because it has never seen this shape. The
first steps of a fit that begins there take out much of that in less than a second, and leave a flow a flow.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from nmf_model.fitting.fit import FitProgress, FitSettings, Stage, fit_flow
from nmf_model.fitting.objective import Weights
from nmf_model.flow.carrier import GridCarrier
from nmf_model.geometry.sampling import thinned
from nmf_model.types import CancelCheck

_SAMPLES = 2_000
"""Points compared in each step."""


@dataclass(frozen=True)
class Correction:
    """How a flow is corrected with one kind of points.

    Attributes:
        steps: of the optimiser.
        points: more of a cloud than this are not looked at.
        rate: share of a fit's learning rates.
        weights: of the parts of what is minimised.
        heeds_scatter: whether the fit changes where the points are noisy.
    """

    steps: int
    points: int
    rate: float
    weights: Weights
    heeds_scatter: bool = True


MEASURED = Correction(steps=80, points=5_000, rate=1.0, weights=Weights(alignment=8e-3))
"""With so few steps, about as many as fit into a second, it is mostly the normals that are left wrong."""
GUESSED = Correction(
    steps=120,
    points=20_000,
    rate=2.0,
    weights=Weights(urgency=0.5, tension=1e-3, evenness=2e-4, smoothness=5e-3),
    heeds_scatter=False,
)
"""What a network sees on a picture scatters about the surface: no point of it must be met, and what they say
together is smooth."""


def correct_flow(
    carrier: GridCarrier,
    points: NDArray[np.float32],
    *,
    kind: Correction = MEASURED,
    steps: int | None = None,
    device: torch.device | None = None,
    seed: int = 0,
    cancel: CancelCheck | None = None,
) -> Generator[FitProgress, None, GridCarrier]:
    """Improve a flow; yields now and then, returns the better one.

    Args:
        carrier: carries the sphere about onto the cloud.
        points: (N, 3), unit-sphere units, N ≥ 50.
        kind: what the points are: ``MEASURED``, or ``GUESSED`` from a picture.
        steps: of the optimiser, at least 1; None for the kind's own.
        device: None for the CPU.
        seed: of the random samples.
        cancel: polled before every optimiser step.

    Raises:
        Cancelled: if ``cancel`` returned True.
        SolverError: if the optimisation produced a value that is not finite.
    """
    settings = FitSettings(
        blocks=carrier.blocks,
        samples=_SAMPLES,
        start_rate=kind.rate,
        weights=kind.weights,
        heeds_scatter=kind.heeds_scatter,
        stages_from_start=(Stage(3, 3, steps or kind.steps, 1, settles=True),),
    )
    seen = thinned(points, kind.points, seed)
    fit = fit_flow(seen, start=carrier, settings=settings, device=device, seed=seed, cancel=cancel)
    return (yield from fit).carrier
