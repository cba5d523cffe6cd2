"""The finished flow of one shape as a map of space: what refinement, solids and certificates work with.

A mesh is only the image of one template. The map itself carries any point of the unit ball, so a template
can be refined where its image needs it, and a ball of tetrahedra can take the sphere's place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmf_model.errors import Cancelled
from nmf_model.flow.grid import lipschitz_bound, velocity
from nmf_model.types import CancelCheck, Carrier

__all__ = ["DEFAULT_STEPS", "Carrier", "GridCarrier"]

DEFAULT_STEPS = 8
"""Midpoint steps per block of a final flow. The fit bounds the velocity's gradient and varies its own steps,
so that more steps or a higher order move no vertex by more than about a hundredth of the object's radius."""


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

    def injective_steps(self) -> int:
        """Return how many steps per block make the solver's map one to one: a proof, not an estimate.

        A midpoint step moves x by h·v(x + h/2·v(x)), which changes by at most hL·(1 + hL/2) per unit of x
        if L bounds the velocity's gradient. Below 1 no two points can meet, and that is hL < √3 − 1.
        """
        return max(1, math.ceil(lipschitz_bound(self.fields) / (math.sqrt(3) - 1) * (1 + 1e-6)))


def _through(field: Tensor, x: Tensor, span: float, steps: int, cancel: CancelCheck | None) -> Tensor:
    step = span / steps
    for _ in range(steps):
        if cancel is not None and cancel():
            raise Cancelled("The flow was cancelled.")
        x = x + step * velocity(field, x + 0.5 * step * velocity(field, x))
    return x
