"""The evaluation protocol: how far two surfaces lie apart, measured between points drawn from them.

All functions are symmetric in their two point sets, need no correspondence, and work in whatever frame
the points are in; published numbers use the unit-radius frame and 10,000 points a surface.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from nmf_model.errors import InputError

Floats = NDArray[np.floating]


def chamfer_l2(first: Floats, second: Floats) -> float:
    """Return the mean squared nearest distance of (N, 3) to (M, 3) points *plus* that of (M, 3) to (N, 3).

    The sum, not the mean, of both directions: the convention of the Neural Mesh Flow paper.

    Raises:
        InputError: a point set is empty, not (N, 3), or not finite.
    """
    there, back, _, _ = _nearest_both_ways(first, second)
    return float(np.mean(there**2) + np.mean(back**2))


def f1_score(first: Floats, second: Floats, threshold: float) -> float:
    """Return the F-score: the harmonic mean of the shares of points within ``threshold`` of the other set.

    Args:
        first: (N, 3).
        second: (M, 3).
        threshold: a distance (not squared), in the units of the points; a point exactly there counts.

    Raises:
        InputError: a point set is empty, not (N, 3), or not finite.
    """
    there, back, _, _ = _nearest_both_ways(first, second)
    precision, recall = np.mean(there <= threshold), np.mean(back <= threshold)
    if precision + recall == 0:
        return 0.0
    return float(2 * precision * recall / (precision + recall))


def normal_consistency(first: Floats, first_normals: Floats, second: Floats, second_normals: Floats) -> float:
    """Return the mean |cosine| between the normals of nearest points, averaged over both directions.

    Args:
        first: (N, 3).
        first_normals: (N, 3), unit length; their sign does not matter.
        second: (M, 3).
        second_normals: (M, 3), likewise.

    Raises:
        InputError: a set is empty, of a wrong shape, or not finite.
    """
    if first_normals.shape != first.shape or second_normals.shape != second.shape:
        raise InputError("Every point needs one normal of three numbers.")
    _, _, to_second, to_first = _nearest_both_ways(first, second)
    there = np.abs(np.sum(first_normals * second_normals[to_second], axis=1))
    back = np.abs(np.sum(second_normals * first_normals[to_first], axis=1))
    consistency = float((np.mean(there) + np.mean(back)) / 2)
    if not np.isfinite(consistency):
        raise InputError("The normals to compare contain numbers that are not finite.")
    return consistency


def _nearest_both_ways(
    first: Floats, second: Floats
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return distances first to second (N,), second to first (M,), and the indices of the nearest points."""
    first, second = _checked(first), _checked(second)
    there, to_second = _nearest(first, second)
    back, to_first = _nearest(second, first)
    return there, back, to_second, to_first


def _nearest(
    points: NDArray[np.float64], others: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the distance of each point to its nearest of the others, and the index of that one."""
    distances, indices = cKDTree(others).query(points)
    return np.asarray(distances), np.asarray(indices, dtype=np.int64)


def _checked(points: Floats) -> NDArray[np.float64]:
    if points.ndim != 2 or points.shape[1] != 3 or not len(points):
        raise InputError(f"Points to compare must be (N, 3) with N > 0, not {points.shape}.")
    if not np.isfinite(points).all():
        raise InputError("The points to compare contain numbers that are not finite.")
    return np.asarray(points, dtype=np.float64)
