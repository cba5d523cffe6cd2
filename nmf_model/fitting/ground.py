"""The table or floor that was scanned along with an object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_POINTS = 4_000
"""Points that are looked at, at most."""
_TRIALS = 300
_THICK = 0.02
"""Distance from a plane up to which points are on it, unit-sphere units."""
_LEAST_SHARE = 0.2
"""Fewer points on a plane are a base, or a side, rather than what the object stands on ..."""
_LEAST_ABOVE = 0.05
"""... and fewer beside it no object."""
_BELOW = 0.005
"""Share of the points that may lie on the other side of it: a plate has points on its underside."""
_SMALLER = 0.7
"""How far what stands on the ground reaches along it at most, in shares of how far that does."""


def ground_share(points: NDArray[np.floating]) -> float:
    """Return the share of points on a plane as of a table or floor under the rest, 0 if there is none.

    Such a plane holds much of the points, reaches well beyond all others, and has these on one side of it.

    Args:
        points: (N, 3), unit-sphere units, N >= 50.
    """
    random = np.random.default_rng(0)
    chosen = np.asarray(points, dtype=np.float64)
    if len(chosen) > _POINTS:
        chosen = chosen[random.choice(len(chosen), _POINTS, replace=False)]
    height = _heights(chosen, random)
    on_plane = np.abs(height) <= _THICK
    share = float(on_plane.mean())
    above = float((height > _THICK).mean())
    below = float((height < -_THICK).mean())
    if below > above:
        height, above, below = -height, below, above
    if share < _LEAST_SHARE or above < _LEAST_ABOVE or below > _BELOW:
        return 0.0
    reach = [_reach(chosen[part]) for part in (height > _THICK, on_plane)]
    return share if reach[0] <= _SMALLER * reach[1] else 0.0


def _heights(points: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """Return (N,) signed distances from the plane that has the most points (RANSAC)."""
    corners = points[random.integers(0, len(points), (_TRIALS, 3))]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 1e-12)
    heights = points @ normals.T - (corners[:, 0] * normals).sum(axis=1)
    counts = np.where(lengths[:, 0] > 1e-12, (np.abs(heights) <= _THICK).sum(axis=0), 0)
    near = points[np.abs(heights[:, counts.argmax()]) <= _THICK]
    middle = near.mean(axis=0)
    normal = np.linalg.svd(near - middle, full_matrices=False)[2][2]
    result: NDArray[np.float64] = (points - middle) @ normal
    return result


def _reach(points: NDArray[np.float64]) -> float:
    """Return the distance that nearly all points keep from their middle."""
    return float(np.quantile(np.linalg.norm(points - np.median(points, axis=0), axis=1), 0.97))
