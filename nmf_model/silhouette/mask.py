"""Find the object on a picture: by its transparency, by its plain background, or as in a photo."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.silhouette.mask_alpha import alpha_mask, without_transparency
from nmf_model.silhouette.mask_clean import clean, smooth
from nmf_model.silhouette.mask_edges import beyond_the_edge
from nmf_model.silhouette.mask_photo import BY_NETWORK, network_saliency, photo_mask
from nmf_model.silhouette.mask_plain import plain_mask
from nmf_model.silhouette.mask_second import better_mask
from nmf_model.silhouette.mask_shadow import may_be_shadow
from nmf_model.types import ShapeImage

_CUT_OUT = "transparency"
_LEAST_SHARE = 0.002
_MOST_SHARE = 0.985
_SHADOW = "A shadow beside the object was taken for none of it."
_TOLD_SHADOW = 0.03
"""Share of the object beyond which its shadow is told."""


def find_mask(image: ShapeImage) -> ShapeImage:
    """Return a copy of a picture with ``mask`` and ``mask_source`` set and notes on what was cleaned.

    The mask is one connected part without holes. Transparency is used if the file has any, else a
    plain background, of which ``mask_second`` asks the network where that is installed, else the
    ways of ``mask_photo``.

    Raises:
        InputError: no object stands out, the object fills the picture, or the background needs the
            ``photo`` extra that is not installed.
    """
    raw, source, told = _raw_mask(image)
    solid, notes = clean(raw)
    notes = told + notes
    solid, _ = clean(smooth(solid))
    _check_area(solid, image)
    notes += beyond_the_edge(solid, was_cut_out=source == _CUT_OUT)
    return replace(image, mask=solid, mask_source=source, notes=image.notes + notes)


def _raw_mask(image: ShapeImage) -> tuple[NDArray[np.bool_], str, tuple[str, ...]]:
    """Return the mask, where it is from, and what is to be said of it."""
    if not image.has_alpha:
        return _by_colours(image.rgba[..., :3], _label(image))
    there = alpha_mask(image.rgba)
    if there.mean() > _MOST_SHARE:  # nothing but the rounded corners of a screenshot is transparent
        found = _by_colours(without_transparency(image.rgba), _label(image))
        if found[0].any():
            return found
    return there, _CUT_OUT, ()


def _by_colours(rgb: NDArray[np.uint8], label: str) -> tuple[NDArray[np.bool_], str, tuple[str, ...]]:
    plain = plain_mask(rgb)
    if plain is None:
        return *photo_mask(rgb, label), ()
    thing, source = plain.object, "plain background"
    saliency = network_saliency(rgb)
    better = None if saliency is None else better_mask(rgb, plain, saliency)
    if better is not None:
        thing, source = better, BY_NETWORK
    beside, least = plain.with_shadow & ~thing, _TOLD_SHADOW * max(1, int(thing.sum()))
    told = beside.sum() > least and (beside & may_be_shadow(rgb, plain.background)).sum() > least
    return thing, source, (_SHADOW,) if told else ()


def _check_area(mask: NDArray[np.bool_], image: ShapeImage) -> None:
    share = float(mask.mean())
    if share < _LEAST_SHARE:
        raise InputError(
            f"{_label(image)} shows no object: use a picture where one object stands out from its background."
        )
    if share > _MOST_SHARE:
        raise InputError(
            f"{_label(image)} is filled by the object: use a picture with some background all around it."
        )


def _label(image: ShapeImage) -> str:
    return image.path.name if image.path else image.name
