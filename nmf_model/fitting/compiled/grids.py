"""Nested grids and what is asked of their velocities; ``flow.grid`` says what.

Fields are (K, R, R, R, 3) here, axes z, y, x: the three components of a velocity lie side by side.
"""

from __future__ import annotations

import numpy as np

from nmf_model.fitting.compiled.jit import Floats, Scalar, compiled
from nmf_model.flow.grid import EXTENT


def refine(coarse: Floats) -> Floats:
    """Return (K, 2R - 1, 2R - 1, 2R - 1, 3): the same field on a grid with a node between any two."""
    for axis in (1, 2, 3):
        coarse = _refined(coarse, axis)
    return coarse


def refine_back(slopes: Floats) -> Floats:
    """Take a gradient by ``refine``'s result back to its argument."""
    for axis in (3, 2, 1):
        slopes = _refined_back(slopes, axis)
    return slopes


@compiled
def regularity(fields: Floats, smoothness: Scalar, lipschitz: Scalar, bound: Scalar) -> tuple[Scalar, Floats]:
    """Return smoothness · ``gradient_energy`` + lipschitz · ``lipschitz_excess`` and its gradient."""
    blocks, size = fields.shape[0], fields.shape[1]
    per_unit = np.float32((size - 1) / (2 * EXTENT)) ** 2
    limit = np.float32(bound) ** 2
    share = 1.0 / (blocks * (size - 1) ** 3)
    even, steep = np.float32(smoothness * share), np.float32(lipschitz * share)
    found = np.zeros_like(fields)
    energy: Scalar = 0.0
    excess: Scalar = 0.0
    for block in range(blocks):
        field, slope = fields[block], found[block]
        for k in range(size - 1):
            for j in range(size - 1):
                for i in range(size - 1):
                    square = np.float32(0.0)
                    for c in range(3):
                        here = field[k, j, i, c]
                        square += (field[k + 1, j, i, c] - here) ** 2
                        square += (field[k, j + 1, i, c] - here) ** 2
                        square += (field[k, j, i + 1, c] - here) ** 2
                    square *= per_unit
                    energy += square
                    weight = even
                    if square > limit:
                        excess += square - limit
                        weight += steep
                    weight *= np.float32(2.0) * per_unit
                    for c in range(3):
                        here = field[k, j, i, c]
                        dz = weight * (field[k + 1, j, i, c] - here)
                        dy = weight * (field[k, j + 1, i, c] - here)
                        dx = weight * (field[k, j, i + 1, c] - here)
                        slope[k + 1, j, i, c] += dz
                        slope[k, j + 1, i, c] += dy
                        slope[k, j, i + 1, c] += dx
                        slope[k, j, i, c] -= dz + dy + dx
    return (smoothness * energy + lipschitz * excess) * share, found


def _refined(coarse: Floats, axis: int) -> Floats:
    shape = list(coarse.shape)
    shape[axis] = 2 * shape[axis] - 1
    fine = np.empty(shape, coarse.dtype)
    at, a = fine.swapaxes(0, axis), coarse.swapaxes(0, axis)
    at[0::2] = a
    np.add(a[:-1], a[1:], out=at[1::2])
    at[1::2] *= 0.5
    return fine


def _refined_back(slopes: Floats, axis: int) -> Floats:
    at = slopes.swapaxes(0, axis)
    found = np.ascontiguousarray(slopes.take(range(0, slopes.shape[axis], 2), axis))
    a = found.swapaxes(0, axis)
    halves = 0.5 * at[1::2]
    a[:-1] += halves
    a[1:] += halves
    return found
