"""Where a mask lies in space, and how well a mesh seen from the front covers it.

The frame of a mask: x right, y up, z towards the viewer, the centre of the mask's box at the origin and the
box's longer side 2 units long. Pixel (row, column) covers the square around its centre.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.silhouette.mask_clean import clean
from nmf_model.types import Mesh

_CANDIDATES_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class MaskFrame:
    """The similarity between pixels and the frame above.

    Attributes:
        column, row: centre of the mask's box, in pixels from the picture's upper left corner.
        pixels_per_unit: half the box's longer side.
    """

    column: float
    row: float
    pixels_per_unit: float

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> MaskFrame:
        """Measure the box of a (H, W) mask; raises InputError if nothing is set."""
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if not rows.size:
            raise InputError("The mask is empty: mark the object on the picture first.")
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        longer = max(bottom - top, right - left)
        return cls(float(left + right) / 2, float(top + bottom) / 2, float(longer) / 2)

    def to_space(self, pixels: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map (N, 2) column, row positions to (N, 2) x, y."""
        flat = np.asarray(pixels, dtype=np.float64) - (self.column, self.row)
        return flat * (1.0, -1.0) / self.pixels_per_unit

    def to_pixels(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map (N, 2) x, y to (N, 2) column, row positions: the inverse of ``to_space``."""
        flat = np.asarray(points, dtype=np.float64) * (1.0, -1.0)
        return flat * self.pixels_per_unit + (self.column, self.row)


def outline_iou(mesh: Mesh, mask: NDArray[np.bool_]) -> float:
    """Compare the outline of a mesh seen from +z with the object of a mask.

    Args:
        mesh: in the frame of the mask, as ``inflate`` makes it.
        mask: (H, W) bool; cleaned first as ``inflate`` does, so holes count as object.

    Returns:
        Intersection over union, 0..1, counted in pixels whose centres are covered; what sticks out of
        the picture counts as union.
    """
    solid, _ = clean(mask)
    frame = MaskFrame.of(solid)
    pad = max(solid.shape) // 4
    solid = np.pad(solid, pad)
    corners = frame.to_pixels(mesh.vertices[:, :2]) + pad
    seen = rasterise(corners[mesh.faces], solid.shape)
    return float((seen & solid).sum() / (seen | solid).sum())


def rasterise(triangles: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Mark the pixels whose centres lie in any of (F, 3, 2) triangles of column, row positions."""
    height, width = shape
    seen = np.zeros((height, width), dtype=np.bool_)
    low = np.ceil(triangles.min(1) - 0.5).clip(0).astype(np.int64)
    high = np.floor(triangles.max(1) - 0.5).clip(max=(width - 1, height - 1)).astype(np.int64)
    spans = (high - low + 1).clip(0)
    for chosen in _chunks(spans.prod(1)):
        rows, columns = _covered(triangles[chosen], low[chosen], spans[chosen])
        seen[rows, columns] = True
    return seen


def _chunks(sizes: NDArray[np.int64]) -> Iterator[slice]:
    """Cut a list of triangles where their candidate pixels add up to the memory allowed."""
    batch = np.cumsum(sizes) // _CANDIDATES_AT_ONCE
    cuts = np.flatnonzero(np.diff(batch)) + 1
    edges = [0, *cuts.tolist(), len(sizes)]
    yield from (slice(start, stop) for start, stop in pairwise(edges))


def _covered(
    triangles: NDArray[np.float64], low: NDArray[np.int64], spans: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Test every pixel centre of every triangle's box; return rows and columns of those inside."""
    sizes = spans.prod(1)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    index = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    width = spans[owner, 0]
    columns = low[owner, 0] + index % width
    rows = low[owner, 1] + index // width
    sides = np.stack([_side(triangles, owner, k, columns, rows) for k in range(3)])
    inside = (sides >= 0).all(0) | (sides <= 0).all(0)
    return rows[inside], columns[inside]


def _side(
    triangles: NDArray[np.float64],
    owner: NDArray[np.int64],
    corner: int,
    columns: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Signed area that each pixel centre spans with one side of its triangle."""
    start = triangles[:, corner]
    along = triangles[:, (corner + 1) % 3] - start
    across = (rows + 0.5 - start[owner, 1]) * along[owner, 0]
    result: NDArray[np.float64] = across - (columns + 0.5 - start[owner, 0]) * along[owner, 1]
    return result
