"""The evaluation protocol: how far two surfaces lie apart, measured between points drawn from them.

All functions are symmetric in their two point sets, need no correspondence, and work in whatever frame
the points are in; published numbers use the unit-radius frame and 10,000 points a surface. Who needs
several of them asks ``nearest_pairs`` once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from nmf_model.errors import InputError

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class NearestPairs:
    """Each point of two sets with its nearest of the other set: all measures follow from it.

    Attributes:
        there: (N,) distances of the first set's points to the second set.
        back: (M,) distances of the second set's points to the first set.
        to_second: (N,) indices of the nearest points in the second set.
        to_first: (M,) indices of the nearest points in the first set.
    """

    there: NDArray[np.float64]
    back: NDArray[np.float64]
    to_second: NDArray[np.int64]
    to_first: NDArray[np.int64]

    @property
    def chamfer_l2(self) -> float:
        """See ``chamfer_l2``."""
        return float(np.mean(self.there**2) + np.mean(self.back**2))

    def f1_score(self, threshold: float) -> float:
        """See ``f1_score``."""
        precision, recall = np.mean(self.there <= threshold), np.mean(self.back <= threshold)
        if precision + recall == 0:
            return 0.0
        return float(2 * precision * recall / (precision + recall))

    def normal_consistency(self, first_normals: Floats, second_normals: Floats) -> float:
        """See ``normal_consistency``."""
        if first_normals.shape != (len(self.there), 3) or second_normals.shape != (len(self.back), 3):
            raise InputError("Every point needs one normal of three numbers.")
        there = np.abs(np.sum(first_normals * second_normals[self.to_second], axis=1))
        back = np.abs(np.sum(second_normals * first_normals[self.to_first], axis=1))
        consistency = float((np.mean(there) + np.mean(back)) / 2)
        if not np.isfinite(consistency):
            raise InputError("The normals to compare contain numbers that are not finite.")
        return consistency


def nearest_pairs(first: Floats, second: Floats) -> NearestPairs:
    """Find for each of (N, 3) and (M, 3) points the nearest one of the other set.

    Raises:
        InputError: a point set is empty, not (N, 3), or not finite.
    """
    first, second = _checked(first), _checked(second)
    there, to_second = _nearest(first, second)
    back, to_first = _nearest(second, first)
    return NearestPairs(there, back, to_second, to_first)


def chamfer_l2(first: Floats, second: Floats) -> float:
    """Return the mean squared nearest distance of (N, 3) to (M, 3) points *plus* that of (M, 3) to (N, 3).

    The sum, not the mean, of both directions: the convention of the Neural Mesh Flow paper.

    Raises:
        InputError: a point set is empty, not (N, 3), or not finite.
    """
    return nearest_pairs(first, second).chamfer_l2


def f1_score(first: Floats, second: Floats, threshold: float) -> float:
    """Return the F-score: the harmonic mean of the shares of points within ``threshold`` of the other set.

    Args:
        first: (N, 3).
        second: (M, 3).
        threshold: a distance (not squared), in the units of the points; a point exactly there counts.

    Raises:
        InputError: a point set is empty, not (N, 3), or not finite.
    """
    return nearest_pairs(first, second).f1_score(threshold)


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
    return nearest_pairs(first, second).normal_consistency(first_normals, second_normals)


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
