"""Separate an object from a plain background: one colour, a soft gradient or a vignette."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nmf_model.silhouette.mask_shadow import without_shadow

_CLOSE = 12.0
"""Colour steps (of 255, largest channel) that compression and soft light add to a plain background."""
_LOOSEST = 26.0
_PLAIN_SHARE = 0.72
"""Share of the border that must fit the background; the object may touch the rest."""
_SIDE_SHARE = 0.25
_MAX_GRADIENT = 150.0
_ROUNDS = 12
_HALO = 2
"""Pixels by which smoothing and compression swell what differs from the background."""


class PlainMask(NamedTuple):
    """An object before a plain background.

    Attributes:
        object: (H, W), where it is.
        with_shadow: (H, W), the same with the soft shadow that it casts.
        background: (H, W, 3), the colours that the background has, also behind the object, 0..255.
    """

    object: NDArray[np.bool_]
    with_shadow: NDArray[np.bool_]
    background: NDArray[np.float32]


def plain_mask(rgb: NDArray[np.uint8]) -> PlainMask | None:
    """Mark what is not background on a (H, W, 3) picture, or return None if its border is not plain.

    A quadratic colour model is fitted to the border robustly; if the border follows it, everything
    close to the model is background, whether or not it is connected to the border: the gaps are
    holes of the object.
    """
    colours = ndimage.uniform_filter(rgb.astype(np.float32), (3, 3, 1))
    border = _border(rgb.shape[:2])
    terms = _terms(rgb.shape[:2])
    model = _fit(terms[border], colours[border])
    away = _distance(colours, terms, model)
    tolerance = _tolerance(away[border])
    if not _is_plain(away, border, tolerance, terms, model):
        return None
    connected = _connected_to(border, away <= tolerance)
    model = _fit(*_thinned(terms[connected], colours[connected]))
    away = np.minimum(away, _distance(colours, terms, model))
    sharp = _distance(rgb.astype(np.float32), terms, model)
    thing = _trimmed(_object(away <= tolerance, border), sharp)
    background = terms @ model
    return PlainMask(without_shadow(rgb, background, thing), thing, background)


def _border(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """(H, W) True on the outermost 1.5 % of the picture, two pixels at least."""
    width = max(2, round(0.015 * min(shape)))
    border = np.ones(shape, dtype=np.bool_)
    border[width:-width, width:-width] = False
    return border


def _terms(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """(H, W, 6) quadratic polynomial terms of the position, each coordinate in -1..1."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, n, dtype=np.float32) for n in shape), indexing="ij")
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)


def _fit(terms: NDArray[np.float32], colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fit (6, 3) coefficients by reweighting: pixels far from the model stop counting."""
    away = np.abs(colours - np.median(colours, axis=0)).max(1)
    model = np.zeros((terms.shape[1], colours.shape[1]), dtype=np.float32)
    for _ in range(_ROUNDS):
        weights = 1.0 / (1.0 + (away / _CLOSE) ** 2)
        weighted = terms * weights[:, None]
        # A touch of damping keeps one-sided borders from bending the model.
        normal = weighted.T @ terms + 1e-4 * len(terms) * np.diag([0, 1, 1, 1, 1, 1])
        model = np.linalg.solve(normal, weighted.T @ colours).astype(np.float32)
        away = np.abs(colours - terms @ model).max(1)
    return model


def _distance(
    colours: NDArray[np.float32], terms: NDArray[np.float32], model: NDArray[np.float32]
) -> NDArray[np.float32]:
    away: NDArray[np.float32] = np.abs(colours - terms @ model).max(-1)
    return away


def _tolerance(away: NDArray[np.float32]) -> float:
    """Allow three times the spread seen on the border, within sensible limits."""
    return float(np.clip(6.0 + 3.0 * 1.4826 * np.median(away), _CLOSE, _LOOSEST))


def _is_plain(
    away: NDArray[np.float32],
    border: NDArray[np.bool_],
    tolerance: float,
    terms: NDArray[np.float32],
    model: NDArray[np.float32],
) -> bool:
    """Whether the border follows the model, on three sides at least, without a strong gradient."""
    fits = away <= tolerance
    sides = [(fits & border)[part].sum() / border[part].sum() for part in _sides(border.shape)]
    span = float(np.ptp(terms[border] @ model, axis=0).max())
    return bool(
        fits[border].mean() >= _PLAIN_SHARE
        and sorted(sides)[1] >= _PLAIN_SHARE
        and min(sides) >= _SIDE_SHARE
        and span <= _MAX_GRADIENT
    )


def _sides(shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    width = max(2, round(0.015 * min(shape)))
    every = slice(None)
    return [
        (slice(0, width), every),
        (slice(-width, None), every),
        (every, slice(0, width)),
        (every, slice(-width, None)),
    ]


def _connected_to(border: NDArray[np.bool_], region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    filled: NDArray[np.bool_] = ndimage.binary_propagation(region & border, mask=region)
    return filled


def _thinned(
    terms: NDArray[np.float32], colours: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    step = max(1, len(terms) // 20_000)
    return terms[::step], colours[::step]


def _object(close: NDArray[np.bool_], border: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Drop specks of noise from what is not close to the background; keep only sizeable gaps in it."""
    outside = _connected_to(border, close)
    gaps = ndimage.binary_opening(close & ~outside, iterations=3)
    thing = ~outside & ~gaps
    labels, _ = ndimage.label(thing)
    areas = np.bincount(labels.ravel())
    large: NDArray[np.bool_] = (areas >= max(12, 1e-4 * close.size))[labels] & thing
    return large


def _trimmed(thing: NDArray[np.bool_], away: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Take the halo off: along the outline, what has less than half the contrast beside it is no object."""
    rim = thing & ~ndimage.binary_erosion(thing, iterations=_HALO, border_value=1)
    beside = ndimage.maximum_filter(np.where(thing, away, 0.0), 2 * _HALO + 1)
    trimmed: NDArray[np.bool_] = thing & ~(rim & (away < 0.5 * beside))
    return trimmed
