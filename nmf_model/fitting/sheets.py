"""Smooth sheets through the neighbours of places in a cloud, and how these deviate from them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

PEAKED = 2.5
"""Kurtosis of deviations from which they are noise: of two faces up to 2.2, of noise 2.6 and more."""

Places = NDArray[np.float64]


def sheets_at(
    asked: Places, points: NDArray[np.floating], neighbours: int
) -> tuple[Places, Places, Places, Places]:
    """Return of a quadric through the neighbours of each of K places: axes, widths, terms, deviations.

    The width is that along the shorter axis of the sheet, the root mean square of the neighbours' places.
    """
    near = cKDTree(points).query(asked, k=min(neighbours, len(points)))[1]
    around = points[near].astype(np.float64)
    _, spreads, frames = np.linalg.svd(around - around.mean(axis=1, keepdims=True), full_matrices=False)
    widths = spreads[:, 1] / np.sqrt(around.shape[1])
    along = np.einsum("kni,kji->knj", around - asked[:, None], frames)
    terms = sheet_terms(along[..., 0], along[..., 1])
    sheets = np.einsum("ktn,kn->kt", np.linalg.pinv(terms), along[..., 2])
    return frames, widths, sheets, along[..., 2] - np.einsum("knt,kt->kn", terms, sheets)


def sheet_terms(x: Places, y: Places) -> Places:
    """Return what a sheet's terms are multiplied with at places on its axes, one more axis of six."""
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)


def sizes_of(deviations: Places) -> Places:
    """Return the standard deviation (K,) that deviations (K, N) from sheets of six terms speak for."""
    sizes: Places = np.sqrt(np.square(deviations).sum(axis=1) / (deviations.shape[1] - 6))
    return sizes


def kurtosis_of(deviations: Places) -> Places:
    """Return the kurtosis (K,) of deviations (K, N): 3 if they are normally distributed."""
    squares = np.square(deviations)
    kurtosis: Places = np.square(squares).mean(axis=1) / np.maximum(np.square(squares.mean(axis=1)), 1e-30)
    return kurtosis
