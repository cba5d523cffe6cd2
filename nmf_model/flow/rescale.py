"""The code-conditioned shrinking of the axes that the paper calls instance normalisation."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nmf_model.config import FlowConfig


class AxisMap(NamedTuple):
    """The map x ↦ (x − centre) · factor.

    Attributes:
        centre: (B, 1, 3), unit-sphere units.
        factor: (B, 1, 3), > 0, so the map is invertible and keeps orientation.
    """

    centre: Float[Tensor, "B 1 3"]
    factor: Float[Tensor, "B 1 3"]

    def __call__(self, x: Float[Tensor, "B V 3"]) -> Float[Tensor, "B V 3"]:
        """Apply the map."""
        return (x - self.centre) * self.factor

    def inv(self, y: Float[Tensor, "B V 3"]) -> Float[Tensor, "B V 3"]:
        """Undo the map."""
        return y / self.factor + self.centre


class Rescale(nn.Module):
    """Shrink each axis by a factor of the code in (0, 1): x ↦ (x − mean) · (1 − sigmoid(MLP(code))).

    Mode "scale" leaves out the mean, whose value depends on how densely the template is sampled;
    mode "none" is the identity and has no weights.
    """

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.mode = config.rescale
        if self.mode != "none":
            self.factor = nn.Sequential(
                nn.Linear(config.latent_size, config.rescale_hidden),
                nn.ReLU(),
                nn.Linear(config.rescale_hidden, 3),
            )

    def forward(self, x: Float[Tensor, "B V 3"], code: Float[Tensor, "B Z"]) -> Float[Tensor, "B V 3"]:
        """Return the vertices rescaled, those of each shape by its own code."""
        return x if self.mode == "none" else self.map(x, code)(x)

    def map(self, x: Float[Tensor, "B V 3"], code: Float[Tensor, "B Z"]) -> AxisMap:
        """Return what ``forward`` does to these vertices, as a map that can be inverted."""
        if self.mode == "none":
            return AxisMap(torch.zeros_like(x[:, :1]), torch.ones_like(x[:, :1]))
        factor = 1 - torch.sigmoid(cast(Tensor, self.factor(code)))
        centred = self.mode == "instance_norm"
        centre = x.mean(dim=1, keepdim=True) if centred else torch.zeros_like(x[:, :1])
        return AxisMap(centre, factor.to(x.dtype).unsqueeze(1))
