"""PointNet: from a cloud to a code, whatever the order of its points (Qi et al., CVPR 2017)."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn

from nmf_model.config import EncoderConfig


class PointNet(nn.Module):
    """Layers shared by the points, the maximum over the points, then a small network.

    Batch norm follows every layer but the very last. ReLU follows the batch norm, except at the last
    shared layer: its values meet the maximum with their sign. With ``context_after`` = k the maximum over
    the points after layer k also enters layer k + 1, so that a point's features depend on the whole.
    """

    def __init__(self, config: EncoderConfig, latent_size: int) -> None:
        super().__init__()
        shared = (3, *config.channels, latent_size)
        self.point_layers = nn.ModuleList(nn.Conv1d(a, b, 1) for a, b in pairwise(shared))
        self.point_norms = nn.ModuleList(nn.BatchNorm1d(b) for b in shared[1:])
        self.context_after = k = config.context_after
        self.context = nn.Linear(shared[k], shared[k + 1], bias=False) if k else None
        head = (latent_size, *config.head, latent_size)
        self.head_layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(head))
        self.head_norms = nn.ModuleList(nn.BatchNorm1d(b) for b in head[1:-1])

    def forward(self, points: Float[Tensor, "B N 3"]) -> Float[Tensor, "B Z"]:
        """Return one code a cloud.

        In eval mode one cloud is enough; in training mode batch norm needs at least two.
        """
        x = points.transpose(1, 2)
        for index, (layer, norm) in enumerate(zip(self.point_layers, self.point_norms, strict=True)):
            y = layer(x)
            if self.context is not None and index == self.context_after:
                y = y + self.context(x.amax(dim=2)).unsqueeze(2)
            x = norm(y)
            if layer is not self.point_layers[-1]:
                x = x.relu()
        x = x.amax(dim=2)
        for layer, norm in zip(self.head_layers, self.head_norms, strict=False):
            x = norm(layer(x)).relu()
        return cast(Tensor, self.head_layers[-1](x))
