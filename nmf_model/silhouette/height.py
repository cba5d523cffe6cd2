"""Solve Poisson's equation for the height over a silhouette."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import linalg

from nmf_model.silhouette.sheet import Sheet

_SOURCE = 2.0
"""With this source term the cross-section of a straight limb is a circle."""
_NEAREST = 0.02
"""Outlines closer to a node than this share of the spacing would only spoil the conditioning."""


def solve_height(sheet: Sheet) -> NDArray[np.float64]:
    """Return (V,) heights, units²: ``∇²h = -2`` at the nodes inside, 0 on the rim.

    Links cut by the outline are shortened to their true length, so limbs a few nodes wide are round
    too (Gibou et al. 2002: symmetric and second-order accurate).
    """
    inside = sheet.inside
    number = np.full(inside.shape, -1)
    count = int(inside.sum())
    number[inside] = np.arange(count)
    diagonal = np.zeros(count)
    entries = []
    for axis in (0, 1):
        for direction in (-1, 1):
            neighbour = np.roll(number, direction, axis)[inside]
            joined = neighbour >= 0
            outer = np.roll(sheet.level, direction, axis)[inside]
            diagonal += np.where(joined, 1.0, 1.0 / _distance(sheet.level[inside], outer))
            entries.append(np.stack([np.flatnonzero(joined), neighbour[joined]]))
    rows, columns = np.concatenate([*entries, np.tile(np.arange(count), (2, 1))], axis=1)
    values = np.concatenate([np.full(len(rows) - count, -1.0), diagonal])
    matrix = sparse.csc_matrix((values, (rows, columns)), shape=(count, count))
    right = np.full(count, _SOURCE * sheet.spacing**2)
    solved = linalg.spsolve(matrix, right, permc_spec="MMD_AT_PLUS_A")
    return np.concatenate([solved, np.zeros(len(sheet.positions) - count)])


def _distance(inner: NDArray[np.float64], outer: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where the outline crosses the link from a node inside to one outside, as a share of the link."""
    drop = np.where(outer < inner, inner - outer, 1.0)
    share: NDArray[np.float64] = ((inner - 0.5) / drop).clip(_NEAREST, 1.0)
    return share
