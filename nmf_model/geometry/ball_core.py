"""The inside of a ball of tetrahedra: points that grow sparser inwards, joined by Delaunay's rule."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

_GROWTH = 0.8
"""How much longer edges may get per unit of depth."""
_CLEARANCE = 0.55
"""No point lies nearer to the surface than this, times the length of edges there."""
_JITTER = 0.05
"""Points of a grid have many equally good Delaunay triangulations, flat tetrahedra among them; displaced by
this share of an edge they have one."""
_SMALLEST_CELL = 2.0**-9


def fill(sites: Points, spacing: NDArray[np.float64], rng: np.random.Generator) -> Points:
    """Return (P, 3) points inside the unit sphere, about as far apart as edges should be there.

    They are the corners and the middles of the cells of an octree: a body-centred cubic lattice where the
    cells are equal, whose Delaunay tetrahedra are all alike and good.

    Args:
        sites: (V, 3) on the unit sphere.
        spacing: (V,) length of edges there; should differ between neighbours by less than their distance.
        rng: the source of the displacement.
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(sites)
    centres, size = np.zeros((1, 3)), 2.0
    found, sizes = [], []
    while len(centres):
        inside = np.linalg.norm(centres, axis=1) < 1 + size
        centres = centres[inside]
        coarse = size > 1.4 * _wanted(tree, spacing, centres)
        leaves = centres if size <= _SMALLEST_CELL else centres[~coarse]
        found.append(np.concatenate([leaves, _corners(leaves, size)]))
        sizes.append(np.full(len(found[-1]), size))
        centres = _corners(centres[coarse], size / 2) if size > _SMALLEST_CELL else centres[:0]
        size /= 2
    points = np.concatenate(found)
    _, first = np.unique(np.round(points / (_SMALLEST_CELL / 4)).astype(np.int64), axis=0, return_index=True)
    points, cell = points[first], np.concatenate(sizes)[first]
    points = points + _JITTER * cell[:, None] * rng.uniform(-1, 1, points.shape)
    depth = 1 - np.linalg.norm(points, axis=1)
    points, depth = points[depth > 0], depth[depth > 0]
    chosen: Points = points[depth > _CLEARANCE * _wanted(tree, spacing, points)]
    return chosen


def connect(sites: Points, inner: Points) -> NDArray[np.int64]:
    """Return (T, 4) the Delaunay tetrahedra of sites on the unit sphere and points inside, positive."""
    from scipy.spatial import Delaunay

    points = np.concatenate([sites, inner])
    tetrahedra = Delaunay(points).simplices.astype(np.int64)
    a, b, c, d = (points[tetrahedra[:, corner]] for corner in range(4))
    inverted = np.einsum("ij,ij->i", np.cross(b - a, c - a), d - a) < 0
    tetrahedra[inverted] = tetrahedra[inverted][:, [0, 2, 1, 3]]
    return tetrahedra[(tetrahedra >= len(sites)).any(axis=1)]


def _wanted(tree: object, spacing: NDArray[np.float64], points: Points) -> NDArray[np.float64]:
    distance, nearest = tree.query(points)  # type: ignore[attr-defined]
    wanted: NDArray[np.float64] = spacing[nearest] + _GROWTH * np.maximum(distance - spacing[nearest] / 2, 0)
    return wanted


def _corners(centres: Points, size: float) -> Points:
    offsets = np.stack(np.meshgrid(*[(-0.5, 0.5)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) * size
    corners: Points = (centres[:, None] + offsets).reshape(-1, 3)
    return corners
