"""Random points of a surface, and a random part of given ones."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nmf_model.geometry.normals import face_areas

Number = TypeVar("Number", bound=np.number)


def sample_surface(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Draw points uniformly by area.

    Args:
        vertices: (V, 3), file units.
        faces: (F, 3).
        count: how many samples, S.
        rng: the only source of randomness, so a seed makes the result reproducible.

    Returns:
        (S, 3) samples in file units and (S,) the face each one lies on.

    Raises:
        ValueError: the surface has no finite, positive area.
    """
    cumulative = np.cumsum(face_areas(vertices, faces))
    if len(cumulative) == 0 or not np.isfinite(cumulative[-1]) or cumulative[-1] <= 0:
        raise ValueError("the surface has no finite, positive area")
    face_index = np.searchsorted(cumulative, rng.random(count) * cumulative[-1], side="right")
    u, v = rng.random((2, count, 1))
    # Reflecting the far half of the parallelogram keeps the density uniform on the triangle.
    beyond = u + v > 1
    u, v = np.where(beyond, 1 - u, u), np.where(beyond, 1 - v, v)
    a, b, c = (vertices[faces[face_index, corner]] for corner in range(3))
    return a + u * (b - a) + v * (c - a), face_index.astype(np.int64)


def thinned(points: NDArray[Number], count: int, seed: int) -> NDArray[Number]:
    """Return ``count`` of points (N, 3), chosen at random and in their order; all if there are no more."""
    if len(points) <= count:
        return points
    return points[np.sort(np.random.default_rng(seed).choice(len(points), count, replace=False))]
