"""A flow without a code, for one shape: its velocity is stored on nested grids instead of in a network.

A multilayer perceptron costs some 33,000 multiplications for one velocity of one vertex; interpolating
a grid costs 24. Per second of fitting that is worth more than the network's compactness, and a change in
one place leaves the others alone. What a network gives for free, smoothness, is asked for explicitly:
``lipschitz_excess`` keeps the velocity's gradient bounded, so that the few steps taken while fitting
follow the true flow, and the flow stays injective.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

EXTENT = 1.3
"""Half the side of the cube that the grids span, in unit-sphere units; outside, the border's value holds."""


class GridFlow(nn.Module):
    """``blocks`` autonomous ODEs in sequence, each running for unit time.

    The velocity of a block is the sum of trilinear grids with ``resolutions`` nodes along each side.
    Every resolution but the first must be twice the one before less one, so that each coarse grid is
    represented exactly on the next finer one and the sum is a single grid.

    Args:
        blocks: K, number of ODEs.
        resolutions: R of each grid, coarse to fine, for example (5, 9, 17).
    """

    def __init__(self, blocks: int, resolutions: Sequence[int]) -> None:
        super().__init__()
        for coarse, fine in itertools.pairwise(resolutions):
            if fine != 2 * coarse - 1:
                raise ValueError(f"resolution {fine} does not refine {coarse}: it must be {2 * coarse - 1}")
        self.blocks = blocks
        self.resolutions = tuple(resolutions)
        self.grids = nn.ParameterList(
            nn.Parameter(torch.zeros(blocks, 3, size, size, size)) for size in resolutions
        )

    def begin_from(self, fields: Float[Tensor, "K 3 R R R"]) -> None:
        """Take over another flow of as many blocks, as far as the finest grid can hold its velocities.

        Raises:
            ValueError: if it has another number of blocks.
        """
        if len(fields) != self.blocks:
            raise ValueError(f"a flow of {len(fields)} blocks cannot start one of {self.blocks}")
        finest = self.grids[-1]
        with torch.no_grad():
            for grid in self.grids:
                grid.zero_()
            finest.copy_(F.interpolate(fields, finest.shape[2:], mode="trilinear", align_corners=True))

    def fields(self, depth: int | None = None) -> Float[Tensor, "K 3 R R R"]:
        """Return the velocities of all blocks on the finest of the first ``depth`` grids (default all)."""
        total: Tensor = self.grids[0]
        for grid in list(self.grids)[1:depth]:
            total = grid + F.interpolate(total, size=grid.shape[2:], mode="trilinear", align_corners=True)
        return total


def velocity(field: Float[Tensor, "3 R R R"], x: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """Interpolate one block's velocity at the positions ``x`` (unit-sphere units, last axis xyz)."""
    samples = F.grid_sample(
        field[None],
        (x / EXTENT).reshape(1, 1, 1, -1, 3),
        mode="bilinear",
        padding_mode="border",
        align_corners=True,
    )
    return samples.reshape(3, -1).t().reshape(x.shape)


def flow_midpoint(
    x: Float[Tensor, "V 3"], fields: Float[Tensor, "K 3 R R R"], steps: int
) -> Float[Tensor, "V 3"]:
    """Carry ``x`` through all blocks by the midpoint rule, ``steps`` steps each: the fit's inner loop.

    The same rule as torchdiffeq's ``midpoint``, without its bookkeeping, which would cost more than the
    interpolation itself. Results that leave a fit are integrated by ``flow.solver`` instead.
    """
    step = 1.0 / steps
    for field in fields:
        for _ in range(steps):
            x = x + step * velocity(field, x + 0.5 * step * velocity(field, x))
    return x


def lipschitz_excess(fields: Float[Tensor, "K 3 R R R"], bound: float) -> Float[Tensor, ""]:
    """Return the mean over all cells of max(0, |∇v|² − bound²), with the Frobenius norm of ∇v.

    Zero exactly if no cell's forward differences exceed the bound (per unit time and unit-sphere unit).
    """
    return F.relu(_gradient_norms(fields) - bound**2).mean()


def gradient_energy(fields: Float[Tensor, "K 3 R R R"]) -> Float[Tensor, ""]:
    """Return the mean over all cells of |∇v|²: zero for a translation, small for a smooth flow."""
    return _gradient_norms(fields).mean()


def roughness_and_excess(
    fields: Float[Tensor, "K 3 R R R"], bound: float
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Return ``gradient_energy`` and ``lipschitz_excess``, for little more than the price of one."""
    norms = _gradient_norms(fields)
    return norms.mean(), F.relu(norms - bound**2).mean()


def lipschitz_bound(fields: Float[Tensor, "K 3 R R R"]) -> float:
    """Return a bound on |∇v| everywhere, over all blocks.

    Within a cell each partial derivative is a mean of the differences along the cell's four edges in that
    direction, so the largest of each bound the Frobenius norm, and that the operator norm.
    """
    spacing = 2 * EXTENT / (fields.shape[-1] - 1)
    total: Tensor | float = 0.0
    for axis in (2, 3, 4):
        along = (fields.double().diff(dim=axis) / spacing).square().sum(dim=1)
        for other in {1, 2, 3} - {axis - 1}:
            size = along.shape[other] - 1
            along = torch.maximum(along.narrow(other, 0, size), along.narrow(other, 1, size))
        total = total + along
    return float(torch.as_tensor(total).max().sqrt())


def _gradient_norms(fields: Tensor) -> Tensor:
    """Return |∇v|² of each cell, (K, R-1, R-1, R-1)."""
    size = fields.shape[-1]
    spacing = 2 * EXTENT / (size - 1)
    inner = slice(0, size - 1)
    corner = fields[:, :, inner, inner, inner]
    along_z = fields[:, :, 1:, inner, inner] - corner
    along_y = fields[:, :, inner, 1:, inner] - corner
    along_x = fields[:, :, inner, inner, 1:] - corner
    squares = along_x.square() + along_y.square() + along_z.square()
    return squares.sum(dim=1) / spacing**2
