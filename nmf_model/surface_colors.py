"""The colours of a mesh file at places near its outer surface, as sharp as the file has them."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmf_model.io.meshes import load_surface
from nmf_model.io.opening import reading
from nmf_model.io.paint import Paint, plane_weights
from nmf_model.io.wrapping import Wrapped, nearest_colors, sample_outside

SAMPLES = 150_000
"""Points on the outer surface; between them the surface itself is asked."""
_NEAREST = 6
"""Samples whose faces are compared: the nearest one may lie beyond an edge, where the texture is cut."""
_AT_ONCE = 50_000


@dataclass(frozen=True)
class SurfaceColors:
    """Takes the colour of a place from the nearest point of a mesh that is known to be seen from outside.

    Attributes:
        points: (S, 3), samples of what is seen.
        faces: (S,) the faces of ``paint`` that they lie on, -1 on a patch over a hole.
        colors: (S, 3) uint8, theirs.
        paint: the mesh with its colours.
    """

    points: NDArray[np.float64]
    faces: NDArray[np.int64]
    colors: NDArray[np.uint8]
    paint: Paint

    @property
    def pixel_count(self) -> int:
        """See ``Coloring``."""
        return sum(height * width for height, width, _ in (shown.shape for shown in self.paint.textures))

    def at(self, places: NDArray[np.floating]) -> NDArray[np.uint8]:
        """See ``Coloring``."""
        from scipy.spatial import cKDTree

        tree, found = cKDTree(self.points), []
        for first in range(0, len(places), _AT_ONCE):
            some = np.asarray(places[first : first + _AT_ONCE], dtype=np.float64)
            found.append(self._on_faces(some, tree))
        return np.concatenate(found) if found else np.zeros((0, 3), dtype=np.uint8)

    def scaled(self, factor: float) -> SurfaceColors:
        """See ``Coloring``."""
        paint = replace(self.paint, vertices=self.paint.vertices * factor)
        return replace(self, points=self.points * factor, paint=paint)

    def _on_faces(self, places: NDArray[np.float64], samples: Any) -> NDArray[np.uint8]:
        """Return colours (P, 3) of the nearest points on the faces of the samples, a tree, near to places."""
        _, nearest = samples.query(places)
        faces, on = self.faces[nearest], places.copy()
        # Mostly a place lies above the face of its nearest sample. Else those of the others are compared.
        weights = plane_weights(places, self.paint.vertices[self.paint.faces[faces]])
        rest = np.flatnonzero(~(weights >= 0).all(axis=1) & (faces >= 0))
        if len(rest):
            _, near = samples.query(places[rest], k=np.arange(1, min(_NEAREST, len(self.points)) + 1))
            faces[rest], on[rest] = self._nearest(places[rest], near)
        colors = self.paint.at(on, faces)
        patched = faces < 0
        if patched.any():
            colors[patched] = nearest_colors(places[patched], self.points, self.colors)
        return colors

    def _nearest(
        self, places: NDArray[np.float64], near: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the nearest face (P,) of each place, of those of samples (P, k), and the point there."""
        # Large parts of trimesh have no annotations.
        closest_point: Any = importlib.import_module("trimesh.triangles").closest_point
        faces = self.faces[near]
        triangles = self.paint.vertices[self.paint.faces[faces]].reshape(-1, 3, 3)
        closest = closest_point(triangles, np.repeat(places, near.shape[1], axis=0)).reshape(*near.shape, 3)
        distances = np.where(faces >= 0, np.linalg.norm(closest - places[:, None], axis=2), np.inf)
        rows, best = np.arange(len(places)), distances.argmin(axis=1)
        return faces[rows, best], closest[rows, best]


def colors_of_mesh(path: Path) -> SurfaceColors | None:
    """Read the colours of a mesh file; None if it has none, or no faces.

    Raises:
        InputError: the file cannot be used.
    """
    found = reading(path, lambda: _sampled(path))
    if found is None or found.paint is None or found.colors is None:
        return None
    return SurfaceColors(found.points, found.faces, found.colors, found.paint)


def _sampled(path: Path) -> Wrapped | None:
    surface = load_surface(path)
    return sample_outside(path, surface, SAMPLES, seed=0) if len(surface.faces) else None
