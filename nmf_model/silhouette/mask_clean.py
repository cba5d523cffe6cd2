"""Make a raw mask the outline of one solid body: one part, no holes, no jaggies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_TOLD_SHARE = 0.002
"""A part or hole smaller than this share of the object is dropped or filled without a word."""
_CRACK = 0.005
"""Share of the picture's side by which parts may be apart that are joined: a limb whose thinnest place was
missed is none of its own."""


def clean(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Keep the biggest connected part of a (H, W) mask and fill its holes.

    Returns:
        The solid mask (all False if nothing was set) and sentences for the user on what was done.
    """
    body, others = _biggest_part(_without_cracks(mask))
    solid: NDArray[np.bool_] = ndimage.binary_fill_holes(body)
    holes = _count_large(solid & ~body, int(solid.sum()))
    return solid, _notes(holes, others)


def smooth(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Round off pixel steps and hairs thinner than about a pixel; limbs of two pixels stay."""
    softness = 1.0 if max(mask.shape) >= 256 else 0.6
    blurred = ndimage.gaussian_filter(mask.astype(np.float32), softness)
    result: NDArray[np.bool_] = blurred > 0.5
    return result


def _without_cracks(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Join the biggest part of a mask with others of some size that only a crack parts from it."""
    labels, areas = _parts(mask)
    told = np.flatnonzero(areas >= _least_told(areas)) + 1
    if len(told) < 2:
        return mask
    steps = max(1, round(_CRACK * max(mask.shape) / 2))
    parts = np.where(np.isin(labels, told), labels, 0)
    square = np.ones((3, 3), dtype=np.bool_)
    closed = ndimage.binary_closing(np.pad(parts > 0, steps), square, steps)[steps:-steps, steps:-steps]
    fillings, count = ndimage.label(closed & (parts == 0), square)
    highest = ndimage.maximum_filter(parts, 3)
    lowest = ndimage.minimum_filter(np.where(parts > 0, parts, labels.max() + 1), 3)
    among = np.arange(1, count + 1)
    apart = ndimage.maximum(highest, fillings, among) > ndimage.minimum(lowest, fillings, among)
    joined: NDArray[np.bool_] = mask | np.isin(fillings, among[np.asarray(apart, dtype=np.bool_)])
    return joined


def _parts(mask: NDArray[np.bool_]) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Return the number of each pixel's 4-connected part, 0 for none, and the area of each."""
    labels, _ = ndimage.label(mask)
    return labels, np.bincount(labels.ravel())[1:]


def _least_told(areas: NDArray[np.integer]) -> float:
    return max(4.0, _TOLD_SHARE * float(areas.max(initial=0)))


def _biggest_part(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], int]:
    """Return the biggest 4-connected part, and how many others are large enough to be told."""
    labels, areas = _parts(mask)
    if len(areas) <= 1:
        return mask.astype(np.bool_), 0
    biggest = int(areas.argmax())
    others = int((np.delete(areas, biggest) >= _least_told(areas)).sum())
    return labels == biggest + 1, others


def _count_large(region: NDArray[np.bool_], body_area: int) -> int:
    labels, _ = ndimage.label(region)
    areas = np.bincount(labels.ravel())[1:]
    return int((areas >= max(4.0, _TOLD_SHARE * body_area)).sum())


def _notes(holes: int, others: int) -> tuple[str, ...]:
    notes = []
    if holes:
        notes.append(
            "1 hole in the outline was filled: a sphere has none."
            if holes == 1
            else f"{holes} holes in the outline were filled: a sphere has none."
        )
    if others:
        parts = "1 other separate part" if others == 1 else f"{others} other separate parts"
        was = "was" if others == 1 else "were"
        notes.append(f"{parts} of the picture {was} left out; crop the picture to what you want.")
    return tuple(notes)
