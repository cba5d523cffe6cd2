"""Small pictures of clouds and meshes: by VTK where it can be used, else by plain dots with a depth order."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nmf_model.geometry.cameras import camera_rotation
from nmf_model.geometry.normals import face_normals
from nmf_model.geometry.sampling import sample_surface
from nmf_model.types import Mesh

CAMERA = (math.radians(35), math.radians(25))
"""Azimuth and elevation that everything is drawn from."""
SIZE = 200
_DISTANCE, _FIELD_OF_VIEW = 3.5, math.radians(34)
_DOTS = 60_000
_GREY = (176, 178, 184)
_SCALE_COLORS = np.array([(49, 99, 173), (74, 173, 139), (240, 205, 70), (200, 40, 40)], dtype=np.float64)

Picture = NDArray[np.uint8]
"""(SIZE, SIZE, 4), straight alpha."""


def draw_points(
    points: NDArray[np.float64],
    normals: NDArray[np.float64] | None = None,
    colors: NDArray[np.uint8] | None = None,
    *,
    radius: int = 1,
) -> Picture:
    """Draw (N, 3) points of the unit ball as dots, lit from the camera if they have normals.

    Args:
        points: unit-sphere units, y up.
        normals: (N, 3), of either sign.
        colors: (N, 3) uint8; grey if not given.
        radius: of a dot in pixels.
    """
    seen = points @ camera_rotation(*CAMERA).T
    depth = _DISTANCE - seen[:, 2]
    shown = (
        np.full((len(points), 3), _GREY, dtype=np.float64) if colors is None else colors.astype(np.float64)
    )
    if normals is None:
        light = np.clip(0.85 + 0.3 * seen[:, 2], 0.45, 1.0)
    else:
        light = 0.35 + 0.65 * np.abs((normals @ camera_rotation(*CAMERA).T)[:, 2])
    lit = np.clip(shown * light[:, None], 0, 255).astype(np.uint8)
    focal = SIZE / 2 / math.tan(_FIELD_OF_VIEW / 2)
    column = np.floor(SIZE / 2 + focal * seen[:, 0] / depth).astype(np.int64)
    row = np.floor(SIZE / 2 - focal * seen[:, 1] / depth).astype(np.int64)
    order = np.argsort(-depth, kind="stable")
    return _dots(row[order], column[order], depth[order], lit[order], radius)


def draw_mesh(mesh: Mesh, face_colors: Picture | None = None) -> Picture:
    """Draw a mesh of the unit ball.

    VTK can crash where its graphics are broken: call this in a process of its own, and ``draw_mesh_as_dots``
    if that dies.

    Args:
        mesh: unit-sphere units, y up.
        face_colors: (F, 3) uint8.
    """
    try:
        from nmf_model.data.render import render_views

        picture: Picture = render_views(mesh, np.array([CAMERA]), size=SIZE, face_colors=face_colors).images[
            0
        ]
    except Exception:  # noqa: BLE001  no VTK, no graphics, nothing in sight: dots always work
        return draw_mesh_as_dots(mesh, face_colors)
    return picture


def draw_mesh_as_dots(mesh: Mesh, face_colors: Picture | None = None) -> Picture:
    """Draw a mesh without any graphics library."""
    points, on_face = sample_surface(mesh.vertices, mesh.faces, _DOTS, np.random.default_rng(0))
    colors = None if face_colors is None else face_colors[on_face]
    return draw_points(points, face_normals(mesh.vertices, mesh.faces)[on_face], colors)


def colors_of(distances: NDArray[np.float64], largest: float) -> NDArray[np.uint8]:
    """Return (N, 3) colours of distances: blue at 0, over green and yellow, red from ``largest`` on."""
    position = np.clip(distances / largest, 0, 1) * (len(_SCALE_COLORS) - 1)
    channels = [np.interp(position, range(len(_SCALE_COLORS)), channel) for channel in _SCALE_COLORS.T]
    return np.stack(channels, axis=1).round().astype(np.uint8)


def _dots(
    row: NDArray[np.int64],
    column: NDArray[np.int64],
    depth: NDArray[np.float64],
    colors: NDArray[np.uint8],
    radius: int,
) -> Picture:
    """Paint dots, the farthest first, so that the nearest stay."""
    offsets = [(dy, dx) for dy in range(radius + 1) for dx in range(radius + 1)]
    rows = np.concatenate([row + dy for dy, _ in offsets])
    columns = np.concatenate([column + dx for _, dx in offsets])
    painted = np.concatenate([colors] * len(offsets))
    order = np.argsort(-np.concatenate([depth] * len(offsets)), kind="stable")
    inside = (rows >= 0) & (rows < SIZE) & (columns >= 0) & (columns < SIZE)
    order = order[inside[order]]
    picture = np.zeros((SIZE, SIZE, 4), dtype=np.uint8)
    picture[rows[order], columns[order], :3] = painted[order]
    picture[rows[order], columns[order], 3] = 255
    return picture
