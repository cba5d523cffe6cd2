"""Where an object is and how big it is: the way from file units to unit-sphere units."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nmf_model.geometry.outliers import find_outliers
from nmf_model.types import Normalization

_SPOILT = 1.1
"""Strays count for nothing where they would make the frame this many times as large."""
_JUDGED = 50_000
"""Of more points than these a random part decides how far the surface reaches."""


def normalize(points: NDArray[np.float64]) -> Normalization:
    """Return the similarity that brings a cloud to the unit sphere.

    The centre is that of the bounding box, the radius the largest distance from it of all but the
    farthest few points (a thousandth), and of all but the stray ones where these lie far outside, so that
    strays cannot shrink the object to a speck.
    """
    whole = _frame_of(points)
    judged = points
    if len(points) > _JUDGED:
        judged = points[np.random.default_rng(0).choice(len(points), _JUDGED, replace=False)]
    is_stray = find_outliers(judged)
    if not is_stray.any():
        return whole
    surface = _frame_of(judged[~is_stray])
    return surface if whole.scale > _SPOILT * surface.scale else whole


def _frame_of(points: NDArray[np.float64]) -> Normalization:
    low, high = np.quantile(points, [0.0005, 0.9995], axis=0)
    centre = (low + high) / 2
    radius = float(np.quantile(np.linalg.norm(points - centre, axis=1), 0.999))
    return Normalization(offset=centre, scale=radius)
