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


_FLAT, _AMID = 0.35, 0.6
"""Neighbours are a sheet around a point if they are so much thinner than wide, and their mean is nearer than
this share of their mean distance ..."""
_MOST, _PASSES = 0.5, 4
"""... and more than this share of them are so too, or not sparse, in so many passes."""


def find_outliers(points: NDArray[np.floating], neighbours: int = 8) -> NDArray[np.bool_]:
    """Return (N,) True for points far from everything.

    A point is judged against its own neighbourhood, so that a sparsely scanned side is kept, and against
    the sparsest fifth of the cloud, so that strays do not excuse each other; what lies on one sheet with its
    neighbours excuses itself, as a side of far fewer points than all others does. At most a fifth of the
    points is ever called outliers; beyond that, or with no more points than neighbours, the cloud is taken
    as it is.
    """
    if len(points) <= neighbours:
        return np.zeros(len(points), dtype=bool)
    distances, indices = neighbours_of(points, neighbours + 1)
    reach = distances[:, 1:].mean(axis=1)
    around = np.median(reach[indices[:, 1:]], axis=1)
    usual = np.maximum(around, np.median(reach) * 0.5)
    is_outlier = (reach > _OUTLIER_RATIO * usual) & (distances[:, 1] > _NEAREST_RATIO * usual)
    is_sparse = reach > _STRAY_RATIO * np.quantile(reach, 0.8)
    is_outlier |= is_sparse & ~_are_on_sheets(points, indices, reach, is_sparse)
    return is_outlier if is_outlier.mean() <= 0.2 else np.zeros(len(points), dtype=bool)


def _are_on_sheets(
    points: NDArray[np.floating],
    indices: NDArray[np.int64],
    reach: NDArray[np.float64],
    asked: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Return (N,) True for those of the asked points that are amid a sheet, as their neighbours are.

    Where a sheet bends sharply, only the neighbours are on one.
    """
    around = points[indices[asked]].astype(np.float64)
    aside = np.linalg.norm(around[:, 1:].mean(axis=1) - around[:, 0], axis=1)
    spread = np.linalg.svd(around - around.mean(axis=1, keepdims=True), compute_uv=False)
    amid = aside < _AMID * reach[asked]
    likely = ~asked
    likely[asked] = amid & (spread[:, 2] < _FLAT * spread[:, 1])
    for _ in range(_PASSES):
        likely[asked] = amid & (likely[indices[asked, 1:]].mean(axis=1) > _MOST)
    return likely & asked


def neighbours_of(points: NDArray[np.floating], count: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return distances and indices (N, count) of the nearest points, each point itself first."""
    distances, indices = cKDTree(points).query(points, k=count)
    return np.asarray(distances, dtype=np.float64), np.asarray(indices, dtype=np.int64)
