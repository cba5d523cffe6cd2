"""Ask the network for salient objects whether what differs from a plain background is the object.

What lies before a plain background is found by its colour, with a finer outline than a small network has.
But colour misleads where the floor differs from the wall, where a shadow has an edge, and where the object is
as bright as what is behind it. There, and only there, the network's answer is taken.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nmf_model.silhouette.mask_clean import clean
from nmf_model.silhouette.mask_edges import OPPOSITE, cut_edges
from nmf_model.silhouette.mask_plain import PlainMask
from nmf_model.silhouette.mask_shadow import may_be_shadow

_SLACK = 0.012
"""Share of the picture's side by which two outlines of one object may differ."""
_DIFFERENT = 0.03
"""Share of the object from which on a difference is one."""
_LEAST = 64
"""Pixels of an object's shorter side below which the network sees too little of it."""
_SURE, _UNSURE = 0.9, 0.1
_MOST_UNSURE = 0.1
"""Share of the network's object of which it may be unsure beyond the outline."""
_MOST_SHADOW = 0.45
"""Share of what differs from the background that an object's shadow may be."""
_LIKE_SHADOW = 0.8
_SEEN = 1.6
"""How many times as much as the border what the colours missed must differ from the background."""
_UPRIGHT = 0.985
"""Share of its box that a framed picture fills."""


def better_mask(
    rgb: NDArray[np.uint8], plain: PlainMask, saliency: NDArray[np.float32]
) -> NDArray[np.bool_] | None:
    """Return the network's mask where it tells the object better than the plain background does, else None.

    Args:
        rgb: (H, W, 3), the picture.
        plain: what differs from its background.
        saliency: (H, W), 0..1, high where the network sees an object.
    """
    ours, _ = clean(plain.object)
    seen, _ = clean(saliency > 0.5)
    slack = max(1, round(_SLACK * max(ours.shape)))
    if not _is_sure(saliency, seen, slack):
        return None
    extra = _without_hairs(ours & ~_grown(seen, slack))
    missing = _without_hairs(seen & ~_grown(ours, slack))
    least = _DIFFERENT * max(1, int(seen.sum()))
    if max(extra.sum(), missing.sum()) < least:
        return None
    refused = extra.sum() >= least and not _is_no_object(extra, ours, rgb, plain)
    unseen = missing.sum() >= least and not _differs(missing, rgb, plain)
    return None if refused or unseen else saliency > 0.5


def _is_sure(saliency: NDArray[np.float32], seen: NDArray[np.bool_], slack: int) -> bool:
    """Whether the network sees one object, inside the picture, large enough, and with a clear outline."""
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not rows.size or min(np.ptp(rows), np.ptp(columns)) + 1 < _LEAST or cut_edges(seen):
        return False
    outline = _grown(seen, slack) & ~ndimage.binary_erosion(seen, iterations=slack)
    unsure = (saliency > _UNSURE) & (saliency < _SURE) & ~outline
    return bool(unsure.sum() <= _MOST_UNSURE * seen.sum())


def _is_no_object(
    extra: NDArray[np.bool_], ours: NDArray[np.bool_], rgb: NDArray[np.uint8], plain: PlainMask
) -> bool:
    """Whether what the network leaves out is a floor, the rest of a framed picture, or a shadow."""
    cut = set(cut_edges(ours))
    if any(cut.issuperset(pair) for pair in OPPOSITE):
        return True
    rows, columns = np.flatnonzero(ours.any(axis=1)), np.flatnonzero(ours.any(axis=0))
    if ours.sum() >= _UPRIGHT * (np.ptp(rows) + 1) * (np.ptp(columns) + 1):
        return True
    shaded = may_be_shadow(rgb, plain.background)[extra].mean() >= _LIKE_SHADOW
    return bool(shaded and extra.sum() <= _MOST_SHADOW * ours.sum())


def _differs(missing: NDArray[np.bool_], rgb: NDArray[np.uint8], plain: PlainMask) -> bool:
    """Whether there is anything to be seen: a gap between two limbs is as plain as the border."""
    away = np.abs(rgb.astype(np.float32) - plain.background).max(axis=2)
    return bool(away[missing].mean() >= _SEEN * away[~_grown(missing | plain.with_shadow, 8)].mean() + 1)


def _grown(mask: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    grown: NDArray[np.bool_] = ndimage.distance_transform_edt(~mask) <= steps
    return grown


def _without_hairs(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    opened: NDArray[np.bool_] = ndimage.binary_opening(mask, iterations=2)
    return opened
