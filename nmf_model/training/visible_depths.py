"""How far away an object's front and back are behind each cell of a picture, read off its points."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

_SAME_SHEET = 0.1
"""Points of a cell whose depths differ by no more lie on the same sheet; halves of a picture's side."""


def front_and_back(seen: Float[Tensor, "B P 3"], cells: int) -> Float[Tensor, "B C C 2"]:
    """Return the mean depths of the farthest and of the nearest sheet behind each of C × C cells.

    Args:
        seen: points, x and y where the picture (−1 … 1, y up) shows them, z towards the viewer.
        cells: C.

    Returns:
        back and front; NaN where no point is seen.
    """
    cell, depth = _cell_of(seen, cells), seen[..., 2]
    return torch.stack([-_nearest_sheet(-depth, cell, cells), _nearest_sheet(depth, cell, cells)], dim=-1)


def _cell_of(seen: Tensor, cells: int) -> Tensor:
    """Return (B, P) the cell of each point, row by row; C² for points beyond the picture."""
    column = ((seen[..., 0] + 1) / 2 * cells).floor().long()
    row = ((1 - seen[..., 1]) / 2 * cells).floor().long()
    beyond = (column < 0) | (column >= cells) | (row < 0) | (row >= cells)
    return torch.where(beyond, cells**2, row * cells + column)


def _nearest_sheet(depth: Tensor, cell: Tensor, cells: int) -> Float[Tensor, "B C C"]:
    """Return the mean depth of the points of each cell that are about as near as its nearest."""
    empty = depth.new_full((len(depth), cells**2 + 1), -torch.inf)
    nearest = empty.scatter_reduce(1, cell, depth, "amax")
    belongs = (depth >= nearest.gather(1, cell) - _SAME_SHEET).to(depth.dtype)
    count = torch.zeros_like(empty).scatter_add(1, cell, belongs)
    total = torch.zeros_like(empty).scatter_add(1, cell, belongs * depth)
    mean: Tensor = (total / count)[:, :-1].unflatten(1, (cells, cells))
    return mean
