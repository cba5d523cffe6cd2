"""The velocity field that moves the vertices, given a code."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from nmf_model.config import Activation, FlowConfig

_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "elu": functional.elu,
    "gelu": functional.gelu,
    "leaky_relu": functional.leaky_relu,
    "silu": functional.silu,
    "softplus": functional.softplus,
    "tanh": torch.tanh,
}


class Conditioning(NamedTuple):
    """What a code does to the velocity; the same for all vertices and times, so found once per solve.

    Attributes:
        gain: (B, 1, H) factors in (-1, 1) on the first layer's output, or None without a code.
        bias: (B, 1, H) added to the first layer's own bias, or None where the code adds none.
    """

    gain: Float[Tensor, "B 1 H"] | None
    bias: Float[Tensor, "B 1 H"] | None

    def tensors(self) -> tuple[Tensor, ...]:
        """Return those that there are: the adjoint must be told of them."""
        return tuple(tensor for tensor in self if tensor is not None)


class Dynamics(nn.Module):
    """An autonomous velocity f(x | code) in (-1, 1)³, Lipschitz in x, hence an invertible flow.

    With activation σ and code c (Gupta & Chandraker 2020, figure 3)::

        h = σ(W₁ x + b₁ [+ B c]) · tanh(C c)
        h = σ(Wᵢ h + bᵢ) + h            once per hidden layer
        f = tanh(W₄ h + b₄)
    """

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        width, latent_size = config.width, config.latent_size
        self.first = nn.Linear(3, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(config.hidden_layers))
        self.last = nn.Linear(width, 3)
        self.gain = nn.Linear(latent_size, width) if latent_size else None
        self.bias = nn.Linear(latent_size, width, bias=False) if config.code_bias else None
        self._activation = _ACTIVATIONS[config.activation]

    def condition(self, code: Float[Tensor, "B Z"]) -> Conditioning:
        """Reduce a code to what the velocity needs of it."""
        gain = None if self.gain is None else torch.tanh(self.gain(code)).unsqueeze(1)
        bias = None if self.bias is None else self.bias(code).unsqueeze(1)
        return Conditioning(gain, bias)

    def forward(self, x: Float[Tensor, "B V 3"], conditioning: Conditioning) -> Float[Tensor, "B V 3"]:
        """Return each vertex's velocity, in unit-sphere units per unit of time and the dtype of ``x``."""
        # Under autocast the layers work in low precision; the state must not.
        return self.leave(self.deepen(self.enter(x, conditioning))).to(x.dtype)

    def enter(self, x: Float[Tensor, "B V 3"], conditioning: Conditioning) -> Float[Tensor, "B V H"]:
        """Apply the first layer and what the code does to it."""
        gain, bias = conditioning
        h = self.first(x)
        h = self._activation(h if bias is None else h + bias)
        return h if gain is None else h * gain

    def deepen(self, h: Float[Tensor, "B V H"]) -> Float[Tensor, "B V H"]:
        """Apply the hidden layers, which take nearly all of the time."""
        for layer in self.hidden:
            h = self._activation(layer(h)) + h
        return h

    def leave(self, h: Float[Tensor, "B V H"]) -> Float[Tensor, "B V 3"]:
        """Apply the last layer."""
        return torch.tanh(self.last(h))

    def velocity_parameters(self) -> tuple[nn.Parameter, ...]:
        """Return the weights used within ``forward``; those of ``condition`` act through its result."""
        return (*self.first.parameters(), *self.hidden.parameters(), *self.last.parameters())
