"""Where an object is and how big it is: the way from file units to unit-sphere units."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nmf_model.types import Normalization


def normalize(points: NDArray[np.float64]) -> Normalization:
    """Return the similarity that brings a cloud to the unit sphere.

    The centre is that of the bounding box, the radius the largest distance from it of all but the
    farthest few points (a thousandth), so that one stray point cannot shrink the object.
    """
    low, high = np.quantile(points, [0.0005, 0.9995], axis=0)
    centre = (low + high) / 2
    radius = float(np.quantile(np.linalg.norm(points - centre, axis=1), 0.999))
    return Normalization(offset=centre, scale=radius)
