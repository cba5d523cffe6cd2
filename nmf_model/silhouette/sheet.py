"""A flat triangulation of a silhouette on a regular grid, cut exactly at the outline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nmf_model.silhouette.mask_clean import clean
from nmf_model.silhouette.outline import MaskFrame

GRID = 256
"""Grid steps along the longer side of the mask's box."""
_MARGIN = 2
_LEVEL = 0.5
_KEPT_SHARE = 0.93
_LEAST_BLUR = 0.35
"""Pixels; a single pixel survives this."""


@dataclass(frozen=True)
class Sheet:
    """The inside of an outline as triangles; the first vertices are the grid nodes inside.

    Attributes:
        inside: (R, C) bool, grid nodes inside the outline, row 0 on top.
        level: (R, C) float64, how much of a node's surroundings is object; the outline is at 0.5.
        spacing: distance of neighbouring nodes, units.
        positions: (V, 2) float64, x and y, units: nodes inside in row order, then the rim.
        faces: (F, 3) int64, counter-clockwise seen from +z.
        rim_edges: (E, 2) int64, the outline as vertex pairs.
    """

    inside: NDArray[np.bool_]
    level: NDArray[np.float64]
    spacing: float
    positions: NDArray[np.float64]
    faces: NDArray[np.int64]
    rim_edges: NDArray[np.int64]

    @property
    def on_rim(self) -> NDArray[np.bool_]:
        """(V,) bool: vertices on the outline."""
        return np.arange(len(self.positions)) >= int(self.inside.sum())


def sheet_of(mask: NDArray[np.bool_], frame: MaskFrame) -> Sheet:
    """Triangulate a solid (H, W) mask at ``GRID`` steps along its longer side, in units of its frame."""
    step = 2.0 * frame.pixels_per_unit / GRID
    columns, rows = _grid_lines(mask, frame, step)
    level = _sample_level(mask, rows, columns, step)
    inside, _ = clean(level > _LEVEL)
    level = np.where(inside, level.clip(_LEVEL + 1e-3), level.clip(max=_LEVEL - 1e-3))
    nodes = frame.to_space(np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2))
    positions, faces, rim_edges = _cut(nodes, level.ravel(), _grid_triangles(level.shape))
    return Sheet(inside, level, step / frame.pixels_per_unit, positions, faces, rim_edges)


def _grid_lines(
    mask: NDArray[np.bool_], frame: MaskFrame, step: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Columns and rows of the grid in pixels: centred on the mask's box, a margin around it."""
    lines = []
    for axis, centre in ((0, frame.column), (1, frame.row)):
        covered = np.flatnonzero(mask.any(axis))
        extent = float(covered[-1] - covered[0] + 1)
        count = int(np.ceil(extent / step / 2)) + _MARGIN
        lines.append(np.arange(-count, count + 1, dtype=np.float64) * step + centre)
    return lines[0], lines[1]


def _sample_level(
    mask: NDArray[np.bool_], rows: NDArray[np.float64], columns: NDArray[np.float64], step: float
) -> NDArray[np.float64]:
    """Blur the mask enough to hide its pixel steps, or less where that would lose thin parts; sample it."""
    places = np.meshgrid(rows - 0.5, columns - 0.5, indexing="ij")
    for softness in (max(0.8, 0.5 * step), _LEAST_BLUR):
        pad = int(np.ceil(4 * softness))
        blurred = ndimage.gaussian_filter(np.pad(mask, pad).astype(np.float64), softness)
        level: NDArray[np.float64] = ndimage.map_coordinates(
            blurred, [place + pad for place in places], order=1, mode="constant"
        )
        if np.count_nonzero(level > _LEVEL) * step**2 >= _KEPT_SHARE * mask.sum():
            break
    return level


def _grid_triangles(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Split every grid cell in two, counter-clockwise with y up, diagonals alternating: (F, 3)."""
    index = np.arange(shape[0] * shape[1]).reshape(shape[0], shape[1])
    top_left, top_right = index[:-1, :-1].ravel(), index[:-1, 1:].ravel()
    low_left, low_right = index[1:, :-1].ravel(), index[1:, 1:].ravel()
    falling = np.stack([top_left, low_left, low_right, top_left, low_right, top_right], axis=1)
    rising = np.stack([top_left, low_left, top_right, top_right, low_left, low_right], axis=1)
    odd = (np.add.outer(np.arange(shape[0] - 1), np.arange(shape[1] - 1)) % 2).ravel() == 1
    return np.where(odd[:, None], falling, rising).reshape(-1, 3)


def _cut(
    nodes: NDArray[np.float64], level: NDArray[np.float64], triangles: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Clip triangles at the outline (marching triangles); return positions, faces and rim edges."""
    inside = level > _LEVEL
    count = inside[triangles].sum(1)
    one = _lone_first(triangles[count == 1], inside, True)
    two = _lone_first(triangles[count == 2], inside, False)
    number = np.cumsum(inside) - 1
    ends = np.concatenate([one[:, [0, 1]], one[:, [0, 2]], two[:, [1, 0]], two[:, [2, 0]]])
    pairs, where = np.unique(ends, axis=0, return_inverse=True)
    rim = where.ravel() + int(inside.sum())
    one_a, one_b, two_a, two_b = np.split(rim, np.cumsum([len(one), len(one), len(two)]))
    faces = np.concatenate([
        number[triangles[count == 3]],
        np.column_stack([number[one[:, 0]], one_a, one_b]),
        np.column_stack([number[two[:, 1]], number[two[:, 2]], two_b]),
        np.column_stack([number[two[:, 1]], two_b, two_a]),
    ])  # fmt: skip
    share = (level[pairs[:, 0]] - _LEVEL) / (level[pairs[:, 0]] - level[pairs[:, 1]])
    crossings = nodes[pairs[:, 0]] + share[:, None] * (nodes[pairs[:, 1]] - nodes[pairs[:, 0]])
    rim_edges = np.concatenate([np.column_stack([one_a, one_b]), np.column_stack([two_b, two_a])])
    return np.concatenate([nodes[inside], crossings]), faces, rim_edges


def _lone_first(
    triangles: NDArray[np.int64], inside: NDArray[np.bool_], lone_is_inside: bool
) -> NDArray[np.int64]:
    """Rotate each triangle so that its one node on the other side of the outline comes first."""
    first = (inside[triangles] == lone_is_inside).argmax(1)
    return np.take_along_axis(triangles, (first[:, None] + np.arange(3)) % 3, axis=1)
