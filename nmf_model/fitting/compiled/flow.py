"""The midpoint rule through grids of velocities, and its gradient; ``flow.grid.flow_midpoint`` says what."""

from __future__ import annotations

import numpy as np

from nmf_model.fitting.compiled.jit import Floats, Scalar, compiled
from nmf_model.flow.grid import EXTENT

_EXTENT = np.float32(EXTENT)


@compiled
def _place(value: Scalar, cells: int) -> tuple[int, Scalar, Scalar]:
    """Return the cell of a coordinate, the place within it, 0 … 1, and the derivative of that place."""
    per_unit = np.float32(cells) / (np.float32(2.0) * _EXTENT)
    scaled = (value + _EXTENT) * per_unit
    if scaled <= 0:
        return 0, np.float32(0.0), np.float32(0.0)
    if scaled >= cells:
        return cells - 1, np.float32(1.0), np.float32(0.0)
    cell = int(scaled)
    return cell, scaled - np.float32(cell), per_unit


@compiled
def _velocity(field: Floats, x: Scalar, y: Scalar, z: Scalar) -> tuple[Scalar, Scalar, Scalar]:
    """Interpolate a field (R, R, R, 3), its axes z, y, x, at a point."""
    cells = field.shape[0] - 1
    i, u, _ = _place(x, cells)
    j, v, _ = _place(y, cells)
    k, w, _ = _place(z, cells)
    one = np.float32(1.0)
    vx, vy, vz = np.float32(0.0), np.float32(0.0), np.float32(0.0)
    for dk in range(2):
        wk = w if dk else one - w
        for dj in range(2):
            wkj = wk * (v if dj else one - v)
            near, far = field[k + dk, j + dj, i], field[k + dk, j + dj, i + 1]
            a, b = wkj * (one - u), wkj * u
            vx += a * near[0] + b * far[0]
            vy += a * near[1] + b * far[1]
            vz += a * near[2] + b * far[2]
    return vx, vy, vz


@compiled
def _back(
    field: Floats, slope: Floats, x: Scalar, y: Scalar, z: Scalar, gx: Scalar, gy: Scalar, gz: Scalar
) -> tuple[Scalar, Scalar, Scalar]:
    """Take the gradient of a velocity back: to the field, added to ``slope``, and to the point, returned."""
    cells = field.shape[0] - 1
    i, u, du = _place(x, cells)
    j, v, dv = _place(y, cells)
    k, w, dw = _place(z, cells)
    one = np.float32(1.0)
    along_u, along_v, along_w = np.float32(0.0), np.float32(0.0), np.float32(0.0)
    for dk in range(2):
        wk = w if dk else one - w
        for dj in range(2):
            vj = v if dj else one - v
            near, far = field[k + dk, j + dj, i], field[k + dk, j + dj, i + 1]
            at_near = near[0] * gx + near[1] * gy + near[2] * gz
            at_far = far[0] * gx + far[1] * gy + far[2] * gz
            between = (one - u) * at_near + u * at_far
            along_u += wk * vj * (at_far - at_near)
            along_v += wk * between if dj else -wk * between
            along_w += vj * between if dk else -vj * between
            a, b = wk * vj * (one - u), wk * vj * u
            slope_near, slope_far = slope[k + dk, j + dj, i], slope[k + dk, j + dj, i + 1]
            slope_near[0] += a * gx
            slope_near[1] += a * gy
            slope_near[2] += a * gz
            slope_far[0] += b * gx
            slope_far[1] += b * gy
            slope_far[2] += b * gz
    return along_u * du, along_v * dv, along_w * dw


@compiled
def forward(start: Floats, fields: Floats, steps: int) -> tuple[Floats, Floats]:
    """Carry points through all blocks.

    Args:
        start: (V, 3).
        fields: (K, R, R, R, 3).
        steps: of each block.

    Returns:
        (V, 3) where they arrive, and (K, V, steps, 2, 3) where velocities were asked for.
    """
    blocks, count = len(fields), len(start)
    asked = np.empty((blocks, count, steps, 2, 3), np.float32)
    x = start.copy()
    step = np.float32(1.0) / np.float32(steps)
    half = np.float32(0.5) * step
    for block in range(blocks):
        field = fields[block]
        for point in range(count):
            px, py, pz = x[point, 0], x[point, 1], x[point, 2]
            for number in range(steps):
                at = asked[block, point, number]
                at[0, 0], at[0, 1], at[0, 2] = px, py, pz
                vx, vy, vz = _velocity(field, px, py, pz)
                mx, my, mz = px + half * vx, py + half * vy, pz + half * vz
                at[1, 0], at[1, 1], at[1, 2] = mx, my, mz
                vx, vy, vz = _velocity(field, mx, my, mz)
                px, py, pz = px + step * vx, py + step * vy, pz + step * vz
            x[point, 0], x[point, 1], x[point, 2] = px, py, pz
    return x, asked


@compiled
def backward(slopes: Floats, asked: Floats, fields: Floats) -> Floats:
    """Return the gradient by the fields, (K, R, R, R, 3).

    Args:
        slopes: (V, 3), the gradient by where the points arrive.
        asked: see ``forward``.
        fields: (K, R, R, R, 3).
    """
    blocks, count, steps = asked.shape[:3]
    found = np.zeros_like(fields)
    g = slopes.copy()
    step = np.float32(1.0) / np.float32(steps)
    half = np.float32(0.5) * step
    for block in range(blocks - 1, -1, -1):
        field, slope = fields[block], found[block]
        for point in range(count):
            gx, gy, gz = g[point, 0], g[point, 1], g[point, 2]
            for number in range(steps - 1, -1, -1):
                at = asked[block, point, number]
                mx, my, mz = _back(
                    field, slope, at[1, 0], at[1, 1], at[1, 2], step * gx, step * gy, step * gz
                )
                px, py, pz = _back(
                    field, slope, at[0, 0], at[0, 1], at[0, 2], half * mx, half * my, half * mz
                )
                gx, gy, gz = gx + mx + px, gy + my + py, gz + mz + pz
            g[point, 0], g[point, 1], g[point, 2] = gx, gy, gz
    return found
