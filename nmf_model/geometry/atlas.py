"""Texture coordinates of what came from a sphere.

The sphere is cut along the edges of a cube: each face of the mesh belongs to the cube side its middle looks
to, and each side is one chart, flattened stereographically (angles are kept, and faces that reach over an
edge of the cube stay whole). The charts lie in two rows of three. No triangle crosses a seam. Only the sphere
decides, so meshes with the same places on it have the same coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.types import Mesh

CHART = 384
"""Side of a chart, pixels, if not said otherwise; the picture is three charts wide and two high."""
_GUTTER = 4
"""Pixels between a chart's content and its border, so that neighbours do not bleed into each other.

Larger charts have as much more, so that the coordinates stay the same.
"""


@dataclass(frozen=True)
class Atlas:
    """Where the faces of a mesh lie in the picture.

    Attributes:
        vertex: (W,) int64: the mesh's vertex behind each place of the picture; seams repeat some.
        uv: (W, 2) float64 in 0..1, the origin at the picture's lower left.
        faces: (F, 3) int64, the mesh's faces in terms of the places.
    """

    vertex: NDArray[np.int64]
    uv: NDArray[np.float64]
    faces: NDArray[np.int64]


def make_atlas(mesh: Mesh, chart_size: int = CHART) -> Atlas:
    """Lay a mesh that came from the sphere out in six charts.

    Raises:
        InputError: the mesh does not know its sphere.
    """
    if mesh.sphere is None:
        raise InputError("This mesh did not come from a sphere, so it has no texture coordinates.")
    sphere = mesh.sphere.astype(np.float64)
    middle = sphere[mesh.faces].sum(axis=1)
    axis = np.abs(middle).argmax(axis=1)
    chart = 2 * axis + (np.take_along_axis(middle, axis[:, None], axis=1)[:, 0] < 0)
    keys, place = np.unique(chart[:, None] * len(sphere) + mesh.faces, return_inverse=True)
    chart_of, vertex = keys // len(sphere), keys % len(sphere)
    flat = _stereographic(sphere[vertex], chart_of)
    gutter = _GUTTER * max(1.0, chart_size / CHART)
    inner = chart_size - 2 * gutter
    pixel = (flat / np.abs(flat).max() + 1) / 2 * inner + gutter
    corner = np.stack([chart_of % 3, chart_of // 3], axis=1) * chart_size
    return Atlas(vertex, (pixel + corner) / (3 * chart_size, 2 * chart_size), place.reshape(-1, 3))


def _stereographic(sphere: NDArray[np.float64], chart: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (W, 2) flat places of (W, 3) unit vectors seen along their chart's axis, not mirrored."""
    axis, sign = chart // 2, np.where(chart % 2, -1.0, 1.0)
    rows = np.arange(len(sphere))
    along = sphere[rows, axis] * sign
    right = sphere[rows, (axis + 1) % 3] * sign
    up = sphere[rows, (axis + 2) % 3]
    flat: NDArray[np.float64] = np.stack([right, up], axis=1) / np.maximum(1 + along, 1e-3)[:, None]
    return flat
