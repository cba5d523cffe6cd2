"""Nearest neighbours between two clouds, on the CPU by a k-d tree, on a GPU by distances in chunks."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

_CHUNK = 4096


class NearestPoints:
    """Answers, for query points, which of the ``points`` (N, 3) is nearest.

    A CPU tree is built once and can be asked many times: keep one of these for a cloud that stays.

    Args:
        points: (N, 3), finite, N ≥ 1. Gradients are not tracked.
        is_transient: build faster at the price of slower queries, for a cloud asked only once.
    """

    def __init__(self, points: Float[Tensor, "N 3"], *, is_transient: bool = False) -> None:
        self._points = points.detach()
        self._tree = None
        if not self._points.is_cuda:
            balanced = not is_transient
            self._tree = cKDTree(self._points.numpy(), balanced_tree=balanced, compact_nodes=balanced)

    def __call__(self, queries: Float[Tensor, "Q 3"]) -> Int[Tensor, " Q"]:
        """Return the index of the nearest point of each query, (Q,) int64 on the queries' device."""
        return self.several(queries, 1)[:, 0]

    def several(self, queries: Float[Tensor, "Q 3"], count: int) -> Int[Tensor, "Q K"]:
        """Return the indices of the ``count`` nearest points of each query, nearest first; count ≤ N."""
        queries = queries.detach()
        if self._tree is not None:
            found = self._tree.query(queries.numpy(), k=np.arange(1, count + 1))[1]
            return torch.from_numpy(np.asarray(found, dtype=np.int64))
        chunks = torch.split(queries, _CHUNK)
        return torch.cat(
            [torch.cdist(part, self._points).topk(count, dim=1, largest=False).indices for part in chunks]
        )
