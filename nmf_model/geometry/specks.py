"""Specks of a sampled mesh: small pieces apart from all else, as dust in the surface of a CT scan."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

_APART = 3.0
"""Of points thrown on a surface of which each has a square of its own, some are always nearer than this many
sides of such a square."""
_MOST = 0.05
"""More than this share of the points are no specks but what the mesh is made of."""


def find_specks(
    points: NDArray[np.float64], piece: NDArray[np.int64], spacing: float, fewest: int
) -> NDArray[np.bool_]:
    """Return (S,) True for points of pieces that, with all that is near them, have too few points.

    Args:
        points: (S, 3), drawn evenly on a surface.
        piece: (S,) the connected piece that each lies on. A piece holds together however few its points.
        spacing: the side of the square that is each point's share of the surface.
        fewest: points of what is no speck.
    """
    near = cKDTree(points).query_pairs(_APART * spacing, output_type="ndarray")
    _, first, number = np.unique(piece, return_index=True, return_inverse=True)
    one = np.concatenate([near[:, 0], np.arange(len(points))])
    other = np.concatenate([near[:, 1], first[number]])
    links = coo_array((np.ones(len(one), dtype=bool), (one, other)), shape=(len(points),) * 2)
    _, group = connected_components(links, directed=False)
    small: NDArray[np.bool_] = (np.bincount(group) < fewest)[group]
    return small if small.mean() <= _MOST else np.zeros(len(points), dtype=bool)
