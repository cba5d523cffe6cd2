"""Whether the points inside a thin mesh are one layer, so that its two sides are not those of the object.

Around points of one surface, as of one side of a solid, a closed mesh can only be a skin; so can it around a
plate thinner than the points are apart. These differ in the points themselves. About a smooth sheet through
a few dozen neighbours, those of a plate's two faces lie half of its thickness to either side and hardly
between; those of one surface lie on the sheet, or about it as noise does, mostly near the middle. Around a
rod or a spike thinner than the neighbourhood there is no sheet: it is nearly as thick as it is wide.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from nmf_model.fitting.sheets import PEAKED, Places, kurtosis_of, sheet_terms, sheets_at, sizes_of
from nmf_model.geometry.normals import face_normals

_ASKED = 1_000
"""Points whose neighbourhoods are looked at."""
_NEIGHBOURS = 32
_REACH = 1.5
"""Both sides of the mesh are looked for up to this many spacings from a point."""
_FACING = 0.5
"""Least cosine between a side's normal and the sheet's."""
_FLAT = 0.25
"""Points that deviate from their sheet by less than this share of the mesh's thickness are one layer; those
of two faces deviate by half of it."""
_UNIFORM = 1.4
"""Deviations as peaked as those of noise are noise if their size is everywhere the same, its upper quartile
up to this many times the lower: else they are the edges and bends of a shape too fine for its points."""
_WIDE = 2.5
"""... and a sheet at least this many times as wide as they scatter about it, by root mean square."""
_MOST = 0.5


def is_one_layer(
    samples: Places, facing: NDArray[np.int64], vertices: Places, faces: NDArray[np.int64],
    points: NDArray[np.floating], spacing: float,
) -> bool:  # fmt: skip
    """Return whether a thin mesh is mostly a skin around points that are one layer.

    Args:
        samples: (S, 3), even on the mesh, and
        facing: (S,) the face that each is on.
        vertices: (V, 3).
        faces: (F, 3).
        points: (N, 3), without strays.
        spacing: how far apart neighbours are.
    """
    sides = face_normals(vertices, faces)[facing]
    count = min(_ASKED, len(points))
    asked = points[np.random.default_rng(0).choice(len(points), count, replace=False)].astype(np.float64)
    frames, widths, sheets, deviations = sheets_at(asked, points, _NEIGHBOURS)
    size = sizes_of(deviations)
    thickness = np.zeros(count)
    for k, near in enumerate(cKDTree(samples).query_ball_point(asked, _REACH * spacing)):
        along = (samples[near] - asked[k]) @ frames[k].T
        height = along[:, 2] - sheet_terms(along[:, 0], along[:, 1]) @ sheets[k]
        turned = sides[near] @ frames[k, 2]
        above, below = height[turned > _FACING], height[turned < -_FACING]
        if len(above) and len(below):
            thickness[k] = abs(above.mean() - below.mean())
    wrapped, flat = thickness > 0, size < _FLAT * thickness
    if wrapped.mean() < _MOST:
        return False
    if flat[wrapped].mean() >= _MOST:
        return True
    rough = wrapped & ~flat
    is_sheet = float(np.median(widths[rough] / size[rough])) > _WIDE
    return is_sheet and _is_noise(size, deviations, rough)


def _is_noise(size: Places, deviations: Places, chosen: NDArray[np.bool_]) -> bool:
    """Return whether deviations (K, N) from K sheets, of these sizes (K,), look like those of one surface."""
    lower, upper = np.quantile(size[chosen], [0.25, 0.75])
    kurtosis = float(np.median(kurtosis_of(deviations[chosen])))
    return bool(upper < _UNIFORM * lower and kurtosis > PEAKED)
