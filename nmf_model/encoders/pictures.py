"""From pictures with alpha to the image encoder's input, the same in training and in use."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from nmf_model.errors import InputError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def network_input(pictures: Float[Tensor, "B 4 H W"]) -> Float[Tensor, "B 3 H W"]:
    """Lay pictures (red, green, blue, alpha in 0 … 1, not premultiplied) on white and normalise the colours.

    What lies behind the object cannot matter then: all of the background is white.
    """
    colour, alpha = pictures[:, :3], pictures[:, 3:]
    mean = torch.tensor(IMAGENET_MEAN, dtype=pictures.dtype, device=pictures.device)[:, None, None]
    std = torch.tensor(IMAGENET_STD, dtype=pictures.dtype, device=pictures.device)[:, None, None]
    return (colour * alpha + (1 - alpha) - mean) / std


MARGIN = 1.12
"""Half the side of a cut-out, in halves of the longer side of the object's box."""


_AROUND = 0.3
"""Width of what is kept around an object, in its longer sides."""


class CutOut(NamedTuple):
    """Which square of a picture is cut out.

    Attributes:
        centre: (x, y) of its middle, pixels from the upper left corner.
        half: half of its side, pixels.
    """

    centre: tuple[float, float]
    half: float


def _box_of(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return the first row of the object of a mask, the one after its last, and its columns likewise.

    Raises:
        InputError: if the mask is empty.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise InputError("The picture shows no object.")
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def place_cut_out(mask: NDArray[np.bool_], margin: float = MARGIN) -> CutOut:
    """Return the square around the object of a mask (H, W).

    Raises:
        InputError: if the mask is empty.
    """
    top, bottom, left, right = _box_of(mask)
    half = margin * max(bottom - top, right - left) / 2
    return CutOut((float(left + right) / 2, float(top + bottom) / 2), float(half))


def shrunk(
    rgba: NDArray[np.uint8], mask: NDArray[np.bool_], longest: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the part of a large picture around its object, and of its mask, shrunk by a whole number.

    Args:
        rgba: (H, W, 4) colours; if anything is changed, transparent beside the object.
        mask: (H, W), where the object is.
        longest: pixels; an object is shrunk whose longer side has at least twice as many, and pictures that
            have not are left as they are.

    Raises:
        InputError: if the mask is empty.
    """
    from PIL import Image

    top, bottom, left, right = _box_of(mask)
    if max(mask.shape) < 2 * longest:
        return rgba, mask
    box = slice(top, bottom), slice(left, right)
    colours, covered = rgba[box].copy(), mask[box]
    colours[~covered, 3] = 0
    factor = max(covered.shape) // longest
    if factor >= 2:
        share = np.asarray(Image.fromarray(covered.astype(np.uint8) * 255).reduce(factor))
        covered = share >= min(128, int(share.max()))
        colours = np.asarray(Image.fromarray(colours).reduce(factor))
    around = round(_AROUND * max(covered.shape))
    return np.pad(colours, ((around, around), (around, around), (0, 0))), np.pad(covered, around)


def cut_out(
    rgba: NDArray[np.uint8], mask: NDArray[np.bool_], size: int, square: CutOut | None = None
) -> Float[Tensor, "1 4 S S"]:
    """Cut the object out of a picture (H, W, 4), as the network that answers pixels takes it.

    Args:
        rgba: colours with straight alpha.
        mask: (H, W), where the object is.
        size: S, side of the result in pixels.
        square: which part of the picture; None for the one around the object.

    Raises:
        InputError: if the mask is empty.
    """
    from PIL import Image

    square = square or place_cut_out(mask)
    cleared = rgba.copy()
    cleared[..., 3] = np.where(mask, np.maximum(rgba[..., 3], 128), 0)
    (x, y), half = square
    scale = 2 * half / size
    # A box that reaches beyond the picture is filled with nothing, which is what lies around the object.
    moved = Image.fromarray(cleared)
    if scale > 1:
        reduced = (max(1, round(moved.width / scale)), max(1, round(moved.height / scale)))
        moved, x, y = moved.resize(reduced, Image.Resampling.BOX), x / scale, y / scale
        half, scale = half / scale, 1.0
    coefficients = (scale, 0, x - half, 0, scale, y - half)
    cut = moved.transform((size, size), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)
    return torch.from_numpy(np.asarray(cut).copy()).permute(2, 0, 1)[None].float() / 255
