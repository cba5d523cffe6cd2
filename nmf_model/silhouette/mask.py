"""Find the object on a picture: by its transparency, by its plain background, or as in a photo."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.silhouette.mask_alpha import alpha_mask, without_transparency
from nmf_model.silhouette.mask_clean import clean, smooth
from nmf_model.silhouette.mask_photo import photo_mask
from nmf_model.silhouette.mask_plain import plain_mask
from nmf_model.types import ShapeImage

_CUT_OUT = "transparency"
_LEAST_SHARE = 0.002
_MOST_SHARE = 0.985
_SHADOW = "A soft shadow beside the object was taken for none of it."
_FILLS = "The object reaches all edges of the picture; if it goes on beyond them, that is missing."
_TOLD_SHADOW = 0.03
"""Share of the object beyond which its shadow is told."""
_EDGE = 2
"""Pixels along the picture's edges that count as its edge, one in a picture of fewer than `_SMALL`."""
_SMALL = 128
_REACHED = 0.04
"""Share of an edge that an object covers which seems to go on beyond it."""
_OPPOSITE = (("left", "right"), ("upper", "lower"))


def find_mask(image: ShapeImage) -> ShapeImage:
    """Return a copy of a picture with ``mask`` and ``mask_source`` set and notes on what was cleaned.

    The mask is one connected part without holes. Transparency is used if the file has any, else a
    plain background, else the ways of ``mask_photo``.

    Raises:
        InputError: no object stands out, the object fills the picture, or the background needs the
            ``photo`` extra that is not installed.
    """
    raw, source, told = _raw_mask(image)
    solid, notes = clean(raw)
    notes = told + notes
    solid, _ = clean(smooth(solid))
    _check_area(solid, image)
    notes += _beyond_the_edge(solid, was_cut_out=source == _CUT_OUT)
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
    shadow = float((plain.with_shadow & ~plain.object).sum() / max(1, plain.object.sum()))
    return plain.object, "plain background", (_SHADOW,) if shadow > _TOLD_SHADOW else ()


def _beyond_the_edge(mask: NDArray[np.bool_], *, was_cut_out: bool) -> tuple[str, ...]:
    """Say where the picture seems to cut the object off.

    What was cut out and touches two opposite edges was trimmed there.
    """
    width = _EDGE if min(mask.shape) >= _SMALL else 1
    edges = {
        "left": mask[:, :width].any(axis=1),
        "right": mask[:, -width:].any(axis=1),
        "upper": mask[:width].any(axis=0),
        "lower": mask[-width:].any(axis=0),
    }
    touched = {name for name, places in edges.items() if places.any()}
    trimmed = [pair for pair in _OPPOSITE if was_cut_out and touched.issuperset(pair)]
    reached = [
        name
        for name, places in edges.items()
        if places.mean() > _REACHED and not any(name in pair for pair in trimmed)
    ]
    if not reached:
        return ()
    if len(touched) == len(edges):
        return (_FILLS,)
    names = " and ".join([", ".join(reached[:-1]), reached[-1]] if len(reached) > 1 else reached)
    return (f"The object reaches the picture's {names} edge; what goes on beyond it is missing.",)


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
