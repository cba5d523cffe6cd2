"""Take the soft shadow off that an object casts on a plain background."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_DARKEST = 0.3
"""Share of the background's light that a shadow leaves at least."""
_OFF_COLOUR = 9.0
"""Steps (of 255, largest channel) by which a shadow may differ from the background made darker."""
_STEEPEST = 28.0
"""Steps by which light may change along a hundredth of the picture's side within a soft shadow."""
_STEP = 0.1
"""Share of the light by which the last of a shadow, next to the object, may differ from what is beside it."""
_MOST = 0.7
"""Share of what differs from the background that may be shadow; more is the object itself."""


def without_shadow(
    rgb: NDArray[np.uint8], background: NDArray[np.float32], thing: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return what differs from a background, without soft shadows on it.

    A shadow is the background's colour made darker, and fades into it; an object, though it may be as grey,
    begins at an edge. So whatever can be reached from the background without crossing an edge, through
    colours that a shadow can have, is no object.

    Args:
        rgb: (H, W, 3), the picture.
        background: (H, W, 3), what would be seen there without the object, 0..255.
        thing: (H, W), where the picture differs from that.
    """
    side = max(thing.shape)
    softness = max(1.0, side / 300)
    smooth = ndimage.gaussian_filter(rgb.astype(np.float32), (softness, softness, 0))
    light, shaded = _shaded(smooth, background)
    slope = np.hypot(*np.gradient(smooth, axis=(0, 1))).max(axis=2) * side / 100
    outside = ~thing
    passable = outside | (shaded & (slope <= _STEEPEST))
    reached = ndimage.binary_propagation(outside, mask=passable)
    # Smoothing makes an edge of what lies next to the object; there the picture itself is looked at.
    near, places = ndimage.distance_transform_edt(~reached, return_indices=True)
    sharp, sharply_shaded = _shaded(ndimage.uniform_filter(rgb.astype(np.float32), (3, 3, 1)), background)
    alike = np.abs(sharp - light[tuple(places)]) <= _STEP
    reached |= sharply_shaded & alike & (near <= 3 * softness + 1)
    left: NDArray[np.bool_] = thing & ~reached
    return left if left.sum() >= (1 - _MOST) * thing.sum() else thing


def may_be_shadow(rgb: NDArray[np.uint8], background: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return (H, W) where a picture (H, W, 3) has the colours of its background made darker."""
    return _shaded(ndimage.uniform_filter(rgb.astype(np.float32), (3, 3, 1)), background)[1]


def _shaded(
    colours: NDArray[np.float32], background: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the share of the background's light in each colour, and whether a shadow can look so."""
    light = (colours * background).sum(axis=2) / np.maximum(np.square(background).sum(axis=2), 1.0)
    off = np.abs(colours - light[..., None] * background).max(axis=2)
    return light, (light >= _DARKEST) & (light <= 1) & (off <= _OFF_COLOUR)
