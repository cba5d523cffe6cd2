"""Stray points: those of a scan that belong to no surface."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

_OUTLIER_RATIO = 2.5
"""A point whose neighbours are so many times farther away than *theirs* belongs to no surface ..."""
_NEAREST_RATIO = 2.4
"""... and even the nearest so many: in a random sampling of a surface some point has the one without the
other."""
_STRAY_RATIO = 3.0
"""The same against the distances in the sparsest fifth of the cloud."""


def find_outliers(points: NDArray[np.floating], neighbours: int = 8) -> NDArray[np.bool_]:
    """Return (N,) True for points far from everything.

    A point is judged against its own neighbourhood, so that a sparsely scanned side is kept, and against
    the sparsest fifth of the cloud, so that strays do not excuse each other. At most a fifth of the points
    is ever called outliers; beyond that, or with no more points than neighbours, the cloud is taken as it is.
    """
    if len(points) <= neighbours:
        return np.zeros(len(points), dtype=bool)
    distances, indices = neighbours_of(points, neighbours + 1)
    reach = distances[:, 1:].mean(axis=1)
    around = np.median(reach[indices[:, 1:]], axis=1)
    usual = np.maximum(around, np.median(reach) * 0.5)
    is_outlier = (reach > _OUTLIER_RATIO * usual) & (distances[:, 1] > _NEAREST_RATIO * usual)
    is_outlier |= reach > _STRAY_RATIO * np.quantile(reach, 0.8)
    return is_outlier if is_outlier.mean() <= 0.2 else np.zeros(len(points), dtype=bool)


def neighbours_of(points: NDArray[np.floating], count: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return distances and indices (N, count) of the nearest points, each point itself first."""
    distances, indices = cKDTree(points).query(points, k=count)
    return np.asarray(distances, dtype=np.float64), np.asarray(indices, dtype=np.int64)
