"""Icospheres: the closed genus-0 surfaces that every flow starts from."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from nmf_model.errors import InputError

MAX_LEVEL = 7
_GOLDEN = (1 + 5**0.5) / 2
_ICOSAHEDRON_VERTICES = np.array(
    [
        (-1, _GOLDEN, 0), (1, _GOLDEN, 0), (-1, -_GOLDEN, 0), (1, -_GOLDEN, 0),
        (0, -1, _GOLDEN), (0, 1, _GOLDEN), (0, -1, -_GOLDEN), (0, 1, -_GOLDEN),
        (_GOLDEN, 0, -1), (_GOLDEN, 0, 1), (-_GOLDEN, 0, -1), (-_GOLDEN, 0, 1),
    ]
)  # fmt: skip
_ICOSAHEDRON_FACES = np.array(
    [
        (0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11),
        (1, 5, 9), (5, 11, 4), (11, 10, 2), (10, 7, 6), (7, 1, 8),
        (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8), (3, 8, 9),
        (4, 9, 5), (2, 4, 11), (6, 2, 10), (8, 6, 7), (9, 8, 1),
    ]
)  # fmt: skip


class Template(NamedTuple):
    """A triangulated unit sphere.

    Attributes:
        vertices: (V, 3) float32, at distance 1 from the origin.
        faces: (F, 3) int64, counter-clockwise seen from outside.
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]


@lru_cache(maxsize=MAX_LEVEL + 1)
def icosphere(level: int) -> Template:
    """Return the icosphere with 10·4^level + 2 vertices and 20·4^level faces.

    The vertices of level k are the first vertices of level k + 1, bit for bit, and face f of level k
    is split into the faces 4f … 4f+3 of level k + 1, so a shape can be refined while it is fitted.
    The arrays are cached and shared: they are read-only, copy them before writing.

    Raises:
        InputError: if the level is not a whole number from 0 to 7.
    """
    if level not in range(MAX_LEVEL + 1):
        raise InputError(f"The template level must be a whole number from 0 to {MAX_LEVEL}, not {level}.")
    vertices, faces = _sphere(int(level))
    rounded = vertices.astype(np.float32)
    rounded.setflags(write=False)
    return Template(rounded, faces)


@lru_cache(maxsize=MAX_LEVEL + 1)
def _sphere(level: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Build a level in float64, so that rounding to float32 happens once and never accumulates."""
    if level == 0:
        vertices, faces = _project(_ICOSAHEDRON_VERTICES), _ICOSAHEDRON_FACES.astype(np.int64)
    else:
        vertices, faces = _subdivide(*_sphere(level - 1))
    faces.setflags(write=False)
    return vertices, faces


def _subdivide(
    vertices: NDArray[np.float64], faces: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Split each triangle into four; the new vertices, one an edge, go to the end."""
    sides = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]], axis=2).reshape(-1, 2)
    edges, edge_of_side = np.unique(sides, axis=0, return_inverse=True)
    ab, bc, ca = (len(vertices) + edge_of_side.reshape(-1, 3)).T
    a, b, c = faces.T
    children = np.stack([(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)])
    midpoints = _project(vertices[edges].sum(axis=1))
    return np.concatenate([vertices, midpoints]), children.transpose(2, 0, 1).reshape(-1, 3)


def _project(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move points along their ray to the unit sphere."""
    projected: NDArray[np.float64] = points / np.linalg.norm(points, axis=1, keepdims=True)
    return projected
