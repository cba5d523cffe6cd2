"""From a cloud to a code that keeps its place: features of the points, gathered in the cells of a cube.

A single maximum over all points, as in PointNet, has to squeeze a whole shape through one vector and learns
each arrangement of parts anew. Here a feature stays where its points are and convolutions combine what is
near, so that what was learnt of a leg serves every leg (Peng et al., "Convolutional Occupancy Networks",
ECCV 2020).
"""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nmf_model.config import VolumeConfig
from nmf_model.flow.grid import EXTENT

_GROUPS = 8


class CellPool(nn.Module):
    """Describe points by what lies in each cell of the cube, whatever their order and number.

    Points become features of their place within their fine cell; the largest of each feature is kept; and
    the eight fine cells of a coarse one are merged by one linear layer, far cheaper than convolving them.

    Args:
        config: cells along each side, features of each.
        extra: numbers that come with each point besides its place.
    """

    def __init__(self, config: VolumeConfig, extra: int = 0) -> None:
        super().__init__()
        self.cells, features = config.cells, config.cell_features
        self.describe = nn.Sequential(
            nn.Linear(3 + extra, 2 * features), nn.ReLU(), nn.Linear(2 * features, features), nn.ReLU()
        )
        self.merge = nn.Linear(8 * features, config.width)

    def forward(
        self, points: Float[Tensor, "B N 3"], extra: Float[Tensor, "B N E"] | None = None
    ) -> Float[Tensor, "B W R R R"]:
        """Return the volume, its axes z, y, x, of R = cells / 2 coarse cells along each side."""
        position = (points / EXTENT + 1) * (self.cells / 2)
        # An undefined place must have a cell too, since an index out of bounds tears the process down; its
        # features stay undefined, and with them all that follows.
        cell = position.detach().nan_to_num(0).floor().clamp(0, self.cells - 1)
        local = 2 * (position - cell) - 1
        features = self.describe(local if extra is None else torch.cat([local, extra], dim=2))
        x, y, z = cell.long().unbind(dim=2)
        index = ((z * self.cells + y) * self.cells + x).unsqueeze(2).expand_as(features)
        empty = features.new_zeros(len(points), self.cells**3, features.shape[2])
        fine = empty.scatter_reduce(1, index, features, "amax")
        return cast(Tensor, self.merge(_merged(fine, self.cells))).permute(0, 4, 1, 2, 3)


class ConvLayer(nn.Module):
    """One residual 3×3×3 convolution, with the mean over the volume shown to every cell."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(_GROUPS, width)
        self.conv = nn.Conv3d(width, width, 3, padding=1)
        self.context = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "B W R R R"]) -> Float[Tensor, "B W R R R"]:
        """Add the convolved volume to the volume."""
        h = self.norm(x).relu()
        whole = self.context(h.mean(dim=(2, 3, 4)))
        return cast(Tensor, x + self.conv(h) + whole[:, :, None, None, None])


class Hourglass(nn.Module):
    """Convolutions on the coarse cells and on cells twice as large, so that each cell learns of far ones."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.down = nn.Conv3d(width, 2 * width, 2, stride=2)
        self.within = nn.Sequential(*(ConvLayer(2 * width) for _ in range(layers + 1)))
        self.up = nn.ConvTranspose3d(2 * width, width, 2, stride=2)
        self.after = nn.Sequential(*(ConvLayer(width) for _ in range(layers)))

    def forward(self, x: Float[Tensor, "B W R R R"]) -> Float[Tensor, "B W R R R"]:
        """Return a volume of the same size."""
        return cast(Tensor, self.after(x + self.up(self.within(self.down(x)))))


class VolumeEncoder(nn.Module):
    """Return a code: a small volume of features, as one row of Z = code_channels · (cells / 2)³ numbers.

    For fine blocks a second volume follows, of cells half as large, with what lies in each cell alone: what
    is around it is in the first one, and the blocks themselves look around.
    """

    def __init__(self, config: VolumeConfig) -> None:
        super().__init__()
        side = config.cells // 2
        self.pool = CellPool(config)
        self.place = nn.Parameter(torch.zeros(1, config.width, side, side, side))
        self.body = Hourglass(config.width, config.layers)
        self.code = nn.Conv3d(config.width, config.code_channels, 1)
        self.fine: nn.Sequential | None = None
        if config.fine_blocks:
            narrow = nn.Conv3d(config.fine_width, config.fine_channels, 1)
            self.fine = nn.Sequential(CellPool(config.fine), nn.ReLU(), narrow)

    def forward(self, points: Float[Tensor, "B N 3"]) -> Float[Tensor, "B Z"]:
        """Return one code a cloud."""
        volume = self.body(self.pool(points) + self.place)
        code = cast(Tensor, self.code(volume)).flatten(1)
        return code if self.fine is None else torch.cat([code, self.fine(points).flatten(1)], dim=1)


def _merged(fine: Float[Tensor, "B C3 F"], cells: int) -> Tensor:
    """Return (B, R, R, R, 8 F): the features of the eight fine cells in each coarse one."""
    side = cells // 2
    parts = fine.unflatten(1, (side, 2, side, 2, side, 2))
    merged: Tensor = parts.permute(0, 1, 3, 5, 2, 4, 6, 7).flatten(4)
    return merged
