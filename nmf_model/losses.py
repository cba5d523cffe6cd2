"""The training objective's distance: chamfer between batches of clouds, without leaving the device."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

from nmf_model.errors import InputError


class NotFiniteError(InputError):
    """Coordinates became infinite or undefined."""


MAX_DISTANCES = 2**28
"""Distances held at once on a GPU: 1 GiB."""


Nearest = tuple[Int[Tensor, "B S"], Int[Tensor, "B T"]]
"""For each point of two batches of clouds the index of the nearest of the other."""


def chamfer(
    first: Float[Tensor, "B S 3"], second: Float[Tensor, "B T 3"], near: Nearest | None = None
) -> Float[Tensor, " B"]:
    """Return chamfer_l2 of each pair: mean squared nearest distance there *plus* back.

    Differentiable in both arguments; which point is nearest is held fixed in the gradient.

    Args:
        first: one cloud of each pair.
        second: the other.
        near: what ``nearest`` answers for the two, if that is known already.

    Raises:
        InputError: if a cloud is empty.
        NotFiniteError: if it is not finite, on a CPU only: a GPU would have to be waited for, and the
            result is not finite there either.
    """
    to_second, to_first = nearest(first, second) if near is None else near
    there = (first - _pick(second, to_second)).square().sum(dim=2).mean(dim=1)
    back = (second - _pick(first, to_first)).square().sum(dim=2).mean(dim=1)
    return there + back


def normal_disagreement(
    first: Float[Tensor, "B S 3"], second: Float[Tensor, "B T 3"], near: Nearest
) -> Float[Tensor, " B"]:
    """Return the mean of 1 - cos² between unit normals of nearest points, both directions averaged.

    Squared, since the sign of a normal need not be known.

    Args:
        first: normals of one cloud of each pair.
        second: of the other.
        near: what ``nearest`` answers for their points.
    """
    there = (first * _pick(second, near[0])).sum(dim=2).square().mean(dim=1)
    back = (second * _pick(first, near[1])).sum(dim=2).square().mean(dim=1)
    return 1 - (there + back) / 2


def extent_disagreement(
    first: Float[Tensor, "B S 3"], second: Float[Tensor, "B T 3"], directions: Float[Tensor, "D 3"]
) -> Float[Tensor, " B"]:
    """Return the mean squared difference of how far two clouds reach in each direction.

    The nearest neighbours of a missed tip are few, so chamfer distances hardly feel it, though it decides how
    large the shape is. What is compared here are the support functions of the two convex hulls.

    Args:
        first: one cloud of each pair; a surface's vertices will do, since nothing of it reaches farther.
        second: the other.
        directions: unit vectors.
    """
    reach_first, reach_second = ((points @ directions.t()).amax(dim=1) for points in (first, second))
    return (reach_first - reach_second).square().mean(dim=1)


@torch.no_grad()
def nearest(first: Float[Tensor, "B S 3"], second: Float[Tensor, "B T 3"]) -> Nearest:
    """Return for each point the index of the nearest of the other cloud, in both directions.

    Raises:
        InputError, NotFiniteError: see ``chamfer``.
    """
    if first.shape[1] == 0 or second.shape[1] == 0:
        raise InputError("The chamfer distance needs at least one point in each cloud.")
    if first.device.type != "cpu":
        return _nearest_by_distances(first, second)
    if not (torch.isfinite(first).all() and torch.isfinite(second).all()):
        raise NotFiniteError("The chamfer distance needs finite coordinates.")
    pairs = [_nearest_by_trees(a, b) for a, b in zip(first.numpy(), second.numpy(), strict=True)]
    there, back = (np.stack(side).astype(np.int64) for side in zip(*pairs, strict=True))
    return torch.from_numpy(there), torch.from_numpy(back)


def _nearest_by_distances(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Compare all with all, a few clouds at a time."""
    shapes = max(1, MAX_DISTANCES // (first.shape[1] * second.shape[1]))
    there, back = [], []
    for a, b in zip(first.split(shapes), second.split(shapes), strict=True):
        # |a - b|² without |a|² and |b|² where they do not change which is smallest would need two
        # matrices; one with both serves both directions.
        squares = a.square().sum(dim=2)[:, :, None] + b.square().sum(dim=2)[:, None, :]
        distances = torch.baddbmm(squares, a, b.transpose(1, 2), alpha=-2)
        there.append(distances.argmin(dim=2))
        back.append(distances.argmin(dim=1))
    return torch.cat(there), torch.cat(back)


def _nearest_by_trees(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    tree_a, tree_b = (cKDTree(points, balanced_tree=False, compact_nodes=False) for points in (a, b))
    return np.asarray(tree_b.query(a)[1]), np.asarray(tree_a.query(b)[1])


def _pick(points: Tensor, index: Tensor) -> Tensor:
    """Return (B, K, 3): the rows of each cloud that its (B, K) index names."""
    return points.gather(1, index.unsqueeze(2).expand(-1, -1, 3))
