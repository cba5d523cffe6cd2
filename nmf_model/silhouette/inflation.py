"""Inflate a silhouette into a rounded body, symmetric front and back.

The height field follows Poisson's equation ``∇²h = -2`` inside the outline with ``h = 0`` on it, and the
surface is ``z = ±sqrt(h)``: for a straight limb of half-width r this is the circle ``z² = r² - x²``, and
for a disc of radius r a lens of half-thickness 0.71 r, so broad bodies do not become balls.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nmf_model.geometry.normals import face_areas
from nmf_model.silhouette.height import solve_height
from nmf_model.silhouette.mask_clean import clean
from nmf_model.silhouette.outline import MaskFrame
from nmf_model.silhouette.sheet import Sheet, sheet_of
from nmf_model.types import Mesh, PointCloud


def inflate(mask: NDArray[np.bool_], *, points: int = 6000, seed: int) -> PointCloud:
    """Sample the inflated body of a mask evenly by area.

    Args:
        mask: (H, W) bool; its biggest part is taken and its holes are filled, and the notes say so.
        points: how many points to draw.
        seed: makes the draw reproducible.

    Returns:
        ``points`` points in the frame of ``outline.MaskFrame``: x right, y up, z towards the viewer,
        the longer side of the mask's box 2 units. Front and back mirror each other exactly; points on
        the outline itself, as dense as elsewhere, keep the silhouette.

    Raises:
        InputError: the mask is empty.
    """
    solid, notes = clean(mask)
    sheet = sheet_of(solid, MaskFrame.of(solid))
    front = _front(sheet)
    rng = np.random.default_rng(seed)
    rim = _rim_points(sheet, front, points, rng)
    half = _surface_points(front, sheet.faces, (points - len(rim)) // 2, rng)
    back = half * (1.0, 1.0, -1.0)
    return PointCloud(np.concatenate([half, back, rim]), name="silhouette", notes=notes)


def inflated_mesh(mask: NDArray[np.bool_]) -> Mesh:
    """Build the closed surface that ``inflate`` samples, outward oriented, in the same frame."""
    solid, _ = clean(mask)
    sheet = sheet_of(solid, MaskFrame.of(solid))
    front = _front(sheet)
    inner = np.flatnonzero(~sheet.on_rim)
    mirror = np.arange(len(front))
    mirror[inner] = len(front) + np.arange(len(inner))
    vertices = np.concatenate([front, front[inner] * (1.0, 1.0, -1.0)])
    return Mesh(vertices, np.concatenate([sheet.faces, mirror[sheet.faces][:, ::-1]]))


def _front(sheet: Sheet) -> NDArray[np.float64]:
    """Lift the flat sheet to the front half of the body: (V, 3), z = 0 on the rim."""
    height = solve_height(sheet)
    return np.column_stack([sheet.positions, np.sqrt(height.clip(0.0))])


def _rim_points(
    sheet: Sheet, front: NDArray[np.float64], points: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw points on the outline, spaced as the surface points will be, and leave an even number."""
    start, end = front[sheet.rim_edges[:, 0]], front[sheet.rim_edges[:, 1]]
    lengths = np.linalg.norm(end - start, axis=1)
    spacing = np.sqrt(2.0 * face_areas(front, sheet.faces).sum() / points)
    count = min(round(lengths.sum() / spacing), points // 4)
    count += (points - count) % 2
    chosen, along = _stratified(lengths, count, rng)
    drawn: NDArray[np.float64] = start[chosen] + along[:, None] * (end - start)[chosen]
    return drawn


def _surface_points(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], count: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw ``count`` points uniformly by area, stratified over the faces in their order."""
    chosen, _ = _stratified(face_areas(vertices, faces), count, rng)
    u, v = rng.random((2, count, 1))
    u = np.sqrt(u)
    a, b, c = (vertices[faces[chosen, k]] for k in range(3))
    drawn: NDArray[np.float64] = (1 - u) * a + u * (1 - v) * b + u * v * c
    return drawn


def _stratified(
    weights: NDArray[np.float64], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Draw ``count`` indices in proportion to weights, one from each equal slice of the total.

    Returns:
        (count,) indices and (count,) positions 0..1 within each index's share.
    """
    total = np.cumsum(weights)
    drawn = (np.arange(count) + rng.random(count)) / max(count, 1) * total[-1]
    chosen = np.searchsorted(total, drawn, side="right").clip(max=len(weights) - 1)
    within = 1.0 - (total[chosen] - drawn) / weights[chosen].clip(min=np.finfo(float).tiny)
    return chosen, within.clip(0.0, 1.0)
