"""Take the object from a picture's transparency, without the shadow that was cut out with it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_HALF = 128
_STRONG = 95
"""Percentile of what can be seen at all whose half counts as object, where everything is translucent."""
_FAINTEST = 8
_OPAQUE = 240
_BLACK = 24
_THICK = 2
"""Pixels from its edge that a shadow has at least; the soft edge of a black object has not."""


def alpha_mask(rgba: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return (H, W) where a (H, W, 4) picture is more there than not.

    A picture that is translucent all over, as of a watermark or a window pane, counts where it is at least
    half as opaque as most of it. Black that is seen through, beside something opaque, is a shadow.
    """
    alpha = rgba[..., 3]
    seen = alpha[alpha >= _FAINTEST]
    if not seen.size:
        return np.zeros(alpha.shape, dtype=np.bool_)
    there: NDArray[np.bool_] = alpha >= min(_HALF, float(np.percentile(seen, _STRONG)) / 2)
    opaque = alpha >= _OPAQUE
    if opaque.sum() < 0.5 * there.sum():
        return there
    shadow = there & ~opaque & (rgba[..., :3].max(axis=2) < _BLACK)
    thick = ndimage.binary_erosion(shadow, iterations=_THICK)
    return there & ~ndimage.binary_propagation(thick, mask=shadow)


def without_transparency(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture's colours (H, W, 3), where it is transparent those of the nearest opaque pixel."""
    rows, columns = ndimage.distance_transform_edt(
        rgba[..., 3] < _HALF, return_distances=False, return_indices=True
    )
    filled: NDArray[np.uint8] = rgba[rows, columns, :3]
    return filled
