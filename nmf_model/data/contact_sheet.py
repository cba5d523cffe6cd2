"""Pictures of shapes as shaded points, by numpy and Pillow alone: they must work where nothing else does."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmf_model.io.atomic import write_atomically

TILE = 112
"""Side of a tile in pixels."""
_TURN, _RISE = 0.6, 0.4
"""Where the viewer stands, in radians: to the right of the front (z), and above."""
_LIGHT = np.array([0.3, 0.6, 0.74])


def draw_tile(
    points: NDArray[np.floating], normals: NDArray[np.floating] | None = None, size: int = TILE
) -> NDArray[np.uint8]:
    """Draw points (N, 3) of the unit ball, y up, on white, nearer ones over farther ones.

    Args:
        points: what to draw.
        normals: (N, 3), unit, outward; without them nearness is the shade.
        size: side in pixels.

    Returns:
        (size, size, 3) uint8.
    """
    view = _view()
    seen = points @ view.T
    if normals is None:
        shade = 150 - 90 * np.clip(seen[:, 2], -1, 1)
    else:
        facing = normals @ view.T
        front = facing[:, 2] > -0.05
        seen, shade = seen[front], 60 + 180 * np.clip(facing[front] @ _LIGHT, 0, 1)
    spread = np.arange(2 if len(points) > 8000 else 3)
    column = np.floor((seen[:, 0] * 0.48 + 0.5) * size).astype(int)[:, None, None] + spread
    row = np.floor((0.5 - seen[:, 1] * 0.48) * size).astype(int)[:, None, None] + spread[:, None]
    column, row, depth, value = (
        part.ravel()
        for part in np.broadcast_arrays(column, row, seen[:, 2, None, None], shade[:, None, None])
    )
    order = np.argsort(depth, kind="stable")
    column, row = (np.clip(part[order], 0, size - 1) for part in (column, row))
    tile = np.full((size, size, 3), 255, dtype=np.uint8)
    tile[row, column] = value[order, None].astype(np.uint8)
    return tile


def write_sheet(path: Path, tiles: Sequence[NDArray[np.uint8]], columns: int) -> None:
    """Write tiles of one size as a PNG, row by row, the last row filled up with white."""
    from PIL import Image

    filled = [*tiles, *[np.full_like(tiles[0], 255)] * (-len(tiles) % columns)]
    rows = [np.concatenate(filled[a : a + columns], axis=1) for a in range(0, len(filled), columns)]
    stream = io.BytesIO()
    Image.fromarray(np.concatenate(rows)).save(stream, "PNG", optimize=True)
    write_atomically(path, lambda file: file.write(stream.getvalue()))


def _view() -> NDArray[np.float64]:
    """Return (3, 3), from upright coordinates to those of the picture: right, up, towards the viewer."""
    cos_turn, sin_turn, cos_rise, sin_rise = np.cos(_TURN), np.sin(_TURN), np.cos(_RISE), np.sin(_RISE)
    yaw = np.array([[cos_turn, 0, -sin_turn], [0, 1, 0], [sin_turn, 0, cos_turn]])
    pitch = np.array([[1, 0, 0], [0, cos_rise, -sin_rise], [0, sin_rise, cos_rise]])
    view: NDArray[np.float64] = pitch @ yaw
    return view
