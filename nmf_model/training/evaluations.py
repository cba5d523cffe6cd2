"""Count evaluations of the velocity where the solver itself decides how many it takes."""

from __future__ import annotations

from typing import Any

from torch import nn

from nmf_model.flow.dynamics import Dynamics


class EvaluationCounter:
    """How many evaluations the last pass through a flow took; those of a backward pass are not counted."""

    def __init__(self, flow: nn.Module) -> None:
        self._running, self._count = False, 0
        flow.register_forward_pre_hook(self._begin)
        flow.register_forward_hook(self._end)
        for module in flow.modules():
            if isinstance(module, Dynamics):
                module.register_forward_pre_hook(self._add)

    def __call__(self) -> int:
        """Return the count."""
        return self._count

    def _begin(self, *_: Any) -> None:
        self._running, self._count = True, 0

    def _add(self, *_: Any) -> None:
        self._count += self._running

    def _end(self, *_: Any) -> None:
        self._running = False
