"""Whether an object is drawn rather than seen: flat colours without shading tell nothing of its shape."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmf_model.encoders.pictures import place_cut_out
from nmf_model.geometry.sampling import thinned

_LOOKED_AT = 50_000
"""Pixels that are looked at; those of a photo are many more."""
_RIM = 0.04
"""Width of the rim, where colours are mixed with the background's, in halves of the cut-out's side."""
_SAME_COLOUR = 6
"""Levels by which one colour may vary, as compression makes it."""
_ONE = 0.98
"""Share of an object that is of one colour from which it counts as drawn."""
_FEW = 4
_FEW_SHARE = 0.95
"""Share of an object that is of ``_FEW`` colours from which it counts as drawn, if two of them are no shades
of each other. It cannot be as large, since colours are mixed along their borders."""
_SEEN = 0.05
"""Share of an object from which a colour counts as one of two."""
_DARK = 64
"""Level below which a colour is too dark to tell it from a shade."""
_OTHER_HUE = 0.1
"""Difference in the share of red, green or blue from which two colours are no shades of each other."""


class _Color(NamedTuple):
    """A colour (3,), 0 … 255, and what share of the object it has."""

    level: NDArray[np.float64]
    share: float


def why_drawn(rgba: NDArray[np.uint8], mask: NDArray[np.bool_]) -> str:
    """Say how an object is coloured that is drawn in one or few flat colours; "" for any other.

    A flat face of a body in the light has one colour too, but its other faces have lighter and darker shades
    of it; a drawing has colours that are no shades of each other.

    Args:
        rgba: (H, W, 4) colours.
        mask: (H, W), where the object is, not empty.
    """
    colors = _flat_colors(thinned(_inner(rgba, mask), _LOOKED_AT, seed=0).astype(np.int16))
    if colors[0].share >= _ONE:
        return "one colour"
    if sum(color.share for color in colors) < _FEW_SHARE:
        return ""
    seen = [c.level for c in colors if c.share >= _SEEN and c.level.max() >= _DARK]
    hues = [level / level.sum() for level in seen]
    return "few flat colours" if len(hues) > 1 and np.ptp(hues, axis=0).max() >= _OTHER_HUE else ""


def _inner(rgba: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the colours (N, 3) of the object's pixels, its rim aside."""
    from scipy import ndimage

    rim = max(1, round(_RIM * place_cut_out(mask).half))
    inner = ndimage.binary_erosion(mask, iterations=rim)
    return rgba[..., :3][inner if inner.any() else mask]


def _flat_colors(pixels: NDArray[np.int16]) -> list[_Color]:
    """Return at most ``_FEW`` colours, the most common first, with all pixels that are nearly of it."""
    found: list[_Color] = []
    rest = pixels
    while len(rest) and len(found) < _FEW:
        coarse = rest // 8 @ np.array([1024, 32, 1], dtype=np.int16)
        level = np.median(rest[coarse == np.bincount(coarse).argmax()], axis=0)
        is_near = np.abs(rest - level).max(axis=1) <= _SAME_COLOUR
        found.append(_Color(level, float(is_near.sum()) / len(pixels)))
        rest = rest[~is_near]
    return found
