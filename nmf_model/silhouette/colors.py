"""The colours of a picture, carried to what was made of its object.

What faces the viewer has the colours that are seen there. Nobody saw the far side; it gets those of the same
line of sight, as if the object were painted through.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nmf_model.encoders.pictures import shrunk
from nmf_model.geometry.cameras import turned
from nmf_model.silhouette.outline import MaskFrame
from nmf_model.silhouette.viewing import seen_places
from nmf_model.types import ShapeImage

_LARGEST = 512
"""Pixels of the object's longer side that are kept at least, if it has so many: a texture shows no more."""
_OPAQUE = 128
_RIM = 0.03
"""Width of the rim, where colours are mixed with the background's, in halves of the object's longer side."""


@dataclass(frozen=True)
class PictureColors:
    """Colours of places in space.

    Attributes:
        rgb: (H, W, 3) uint8, the object and what is around it; beside its inner part, the colour of its
            nearest pixel.
        frame: of the object's mask, in pixels of ``rgb``.
        in_perspective: whether the picture was taken from nearby; else from afar.
        view: (3, 3), the rotation from the frame of the places to the viewer's.
        scale: units of the places, in those of the mask's frame.
    """

    rgb: NDArray[np.uint8]
    frame: MaskFrame
    in_perspective: bool
    view: NDArray[np.float64]
    scale: float = 1.0

    @classmethod
    def of(cls, image: ShapeImage, view: NDArray[np.float64], *, in_perspective: bool) -> PictureColors:
        """Take the colours of a picture whose mask is known and not empty."""
        assert image.mask is not None
        rgba, mask = shrunk(image.rgba, image.mask, _LARGEST)
        frame = MaskFrame.of(mask)
        opaque = mask & (rgba[..., 3] >= _OPAQUE)  # holes that were filled have no colours of their own
        inner = _without_rim(opaque if opaque.any() else mask, max(1, round(_RIM * frame.pixels_per_unit)))
        rows, columns = ndimage.distance_transform_edt(~inner, return_distances=False, return_indices=True)
        return cls(rgba[rows, columns, :3], frame, in_perspective, view)

    @property
    def pixel_count(self) -> int:
        """See ``Coloring``."""
        return self.rgb[..., 0].size

    def at(self, places: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Return the colours (N, 3) of places (N, 3)."""
        height, width = self.rgb.shape[:2]
        column, row = np.floor(self.pixels(places)).astype(np.int64).T
        colors: NDArray[np.uint8] = self.rgb[row.clip(0, height - 1), column.clip(0, width - 1)]
        return colors

    def pixels(self, places: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return where in ``rgb`` places (N, 3) are seen: (N, 2), columns and rows from its upper left."""
        local = turned(places, self.view) / self.scale
        seen = seen_places(local) if self.in_perspective else local
        return self.frame.to_pixels(seen[:, :2])

    def scaled(self, factor: float) -> PictureColors:
        """Return the same for places whose coordinates are ``factor`` times as large."""
        return replace(self, scale=self.scale * factor)


def _without_rim(mask: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Return a mask without its rim, but with all of what is too thin to have anything else."""
    inner = ndimage.binary_erosion(mask, iterations=width)
    thick = ndimage.binary_dilation(inner, iterations=2 * width)
    left: NDArray[np.bool_] = inner | (mask & ~thick)
    return left
