"""Test-time optimisation: a few steps that bring a network's flow nearer to the very cloud it was asked for.

What a network answers is right in the whole and off in places, because it has never seen this shape. The
first steps of a fit that begins there take out much of that in less than a second, and leave a flow a flow.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import torch
from numpy.typing import NDArray

from nmf_model.fitting.fit import FitProgress, FitSettings, Stage, fit_flow
from nmf_model.fitting.objective import Weights
from nmf_model.flow.carrier import GridCarrier
from nmf_model.geometry.sampling import thinned
from nmf_model.types import CancelCheck

STEPS = 80
"""Optimiser steps; about as many as fit into a second."""
_POINTS = 5_000
"""More points of a cloud than this are not looked at."""
_SAMPLES = 2_000
"""Points compared in each step."""
_RATE = 1.0
"""Share of a fit's learning rates."""
_ALIGNMENT = 8e-3
"""Weight of how far normals are apart: with so few steps it is mostly they that are left wrong."""


def correct_flow(
    carrier: GridCarrier,
    points: NDArray[np.float32],
    *,
    steps: int = STEPS,
    device: torch.device | None = None,
    seed: int = 0,
    cancel: CancelCheck | None = None,
) -> Generator[FitProgress, None, GridCarrier]:
    """Improve a flow; yields now and then, returns the better one.

    Args:
        carrier: carries the sphere about onto the cloud.
        points: (N, 3), unit-sphere units, N ≥ 50.
        steps: of the optimiser, at least 1.
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
        start_rate=_RATE,
        weights=Weights(alignment=_ALIGNMENT),
        stages_from_start=(Stage(3, 3, steps, 1, settles=True),),
    )
    seen = thinned(points, _POINTS, seed)
    fit = fit_flow(seen, start=carrier, settings=settings, device=device, seed=seed, cancel=cancel)
    return (yield from fit).carrier
