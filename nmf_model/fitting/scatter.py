"""How far the points of a cloud scatter about the surface that they show, if that is too far to follow them.

A scan that is a little rough is fitted well by any smooth surface between its points. Where they scatter by
a good part of their own spacing, one that goes to every point is a crumpled paper. Deviations from a smooth
sheet through a few neighbours tell such noise, if they are there everywhere: those of edges, bends and parts
too fine for the points are nothing on the plain parts beside them. The two faces of a plate thinner than
the spacing deviate everywhere too, but by one and the same distance: they have no peak in the middle. And
however finely a clean surface is folded, as a rail's profile, nearest points lie on one sheet: they get more
with the square of the distance, those of a noisy one nearly with its cube.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nmf_model.fitting.sheets import PEAKED, kurtosis_of, sheets_at, sizes_of
from nmf_model.geometry.outliers import neighbours_of

_FEWEST = 800
"""Points of which deviations tell noise from shape."""
_ASKED = 500
"""Places whose neighbourhoods are looked at."""
_NEAR, _PEAKS = 16, 32
"""Neighbours from which deviations are taken, and their distribution."""
_EVERYWHERE = 0.1
_ROUGH = 0.3
"""Share of the spacing by which the points of all but a tenth of a noisy cloud deviate at least: noise of
about half of the spacing does, from where surfaces crumple. Of clean clouds, trees and radiators do, whose
leaves and fins are too fine for the points."""
_NEAREST, _FLAT = 4, 2.5
"""Of so many nearest points the dimension is told, which is less on sheets: 2, or a little more where sheets
are nearer than points, and 2.7 and more where the points deviate so much."""
_WIDER = (32, 128, 512)
"""Neighbours of which the first so many make a sheet clearly wider than thick; its thickness is told."""
_SHEET = 1.2
_TYPICAL = 0.25
"""Where parts are thin, sheets are too thick; this quantile of their thickness is told."""


def scatter_of(points: NDArray[np.floating]) -> float:
    """Return the standard deviation of noise that points (N, 3) have, in their units; 0 if it is no matter.

    For clouds of few points the answer is 0 too. Noise so large that hardly a surface is left is told as
    less than it is.
    """
    if len(points) < _FEWEST:
        return 0.0
    asked = points[np.random.default_rng(0).choice(len(points), _ASKED, replace=False)].astype(np.float64)
    distances = neighbours_of(points, 7)[0][:, 1:]
    if _dimension(distances[:, :_NEAREST]) < _FLAT:
        return 0.0
    spacing = distances.mean(axis=1)
    *_, deviations = sheets_at(asked, points, _NEAR)
    rough = np.quantile(sizes_of(deviations), _EVERYWHERE) > _ROUGH * np.median(spacing)
    if not rough or np.median(kurtosis_of(sheets_at(asked, points, _PEAKS)[3])) < PEAKED:
        return 0.0
    for neighbours in _WIDER:
        if 4 * neighbours > len(points):
            break
        _, widths, _, deviations = sheets_at(asked, points, neighbours)
        sizes = sizes_of(deviations)
        if np.median(widths / np.maximum(sizes, 1e-12)) > _SHEET:
            break
    return float(np.quantile(sizes, _TYPICAL))


def _dimension(distances: NDArray[np.float64]) -> float:
    """Return the likeliest d for which the numbers of points within r grow as r^d (Levina and Bickel).

    Args:
        distances: (N, K) to the K nearest points of each, rising.
    """
    apart = distances[distances[:, 0] > 0]
    logs = np.log(apart[:, -1:] / apart[:, :-1])
    # Points at equal distances, as on a grid, tell no dimension.
    return float(1 / logs.mean()) if logs.any() else np.inf
