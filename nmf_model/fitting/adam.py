"""Adam for the grids of a fit, each with its own rate, by the function that torch's own optimiser calls.

``torch.optim.Adam`` imports torch's compiler when it is made, which takes more than a second.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam

_BETAS = (0.9, 0.99)
_EPS = 1e-8


class Adam:
    """Adam as in ``torch.optim.Adam(fused=True)`` with betas 0.9 and 0.99, step by step the same numbers.

    Attributes:
        rates: the learning rate of each tensor; may be changed between steps.
    """

    def __init__(self, tensors: Sequence[Tensor], rates: Sequence[float]) -> None:
        self._tensors = list(tensors)
        self.rates = list(rates)
        self._means = [torch.zeros_like(t) for t in self._tensors]
        self._squares = [torch.zeros_like(t) for t in self._tensors]
        self._steps = [torch.zeros((), dtype=torch.float32, device=t.device) for t in self._tensors]

    @torch.no_grad()
    def step(self) -> None:
        """Move every tensor that has a gradient; the others keep their state too."""
        for k, tensor in enumerate(self._tensors):
            if tensor.grad is None:
                continue
            adam(
                [tensor],
                [tensor.grad],
                [self._means[k]],
                [self._squares[k]],
                [],
                [self._steps[k]],
                fused=True,
                amsgrad=False,
                beta1=_BETAS[0],
                beta2=_BETAS[1],
                lr=self.rates[k],
                weight_decay=0.0,
                eps=_EPS,
                maximize=False,
            )
