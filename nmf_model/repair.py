"""Repair of a broken mesh by wrapping: its colours on the mesh that replaces it.

The outer surface of the broken mesh is sampled when its file is read (``nmf_model.io.wrapping``), a sphere
flows into the samples like into any cloud, and the colours follow: each vertex takes those nearest to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.io.points import read_points
from nmf_model.io.suffixes import MESH_SUFFIXES
from nmf_model.io.wrapping import nearest_colors
from nmf_model.types import Coloring, PointCloud, Reconstruction, Source


def painted(result: Reconstruction, source: Source) -> Reconstruction:
    """Give the mesh of a result the colours of the cloud it was made from, if that has any."""
    if not isinstance(source, PointCloud) or source.colors is None:
        return result
    colors = nearest_colors(result.mesh.vertices, source.points, source.colors)
    return replace(result, mesh=replace(result.mesh, colors=colors))


TEXTURE_SAMPLES = 150_000
"""Coloured points that a texture is baked from."""


@dataclass(frozen=True)
class CloudColors:
    """The colours of a cloud: those of the nearest points.

    Attributes:
        points: (N, 3).
        colors: (N, 3) uint8.
    """

    points: NDArray[np.float64]
    colors: NDArray[np.uint8]

    def at(self, places: NDArray[np.floating]) -> NDArray[np.uint8]:
        """See ``Coloring``."""
        return nearest_colors(np.asarray(places, dtype=np.float64), self.points, self.colors)

    def scaled(self, factor: float) -> CloudColors:
        """See ``Coloring``."""
        return replace(self, points=self.points * factor)


def check_colors(source: Source) -> None:
    """Raise InputError if a source has no colours that a texture could be baked from."""
    if isinstance(source, PointCloud) and source.colors is None:
        raise InputError(f"{source.name} has no colours, so there is nothing to make a texture of.")


def texture_colors(source: Source, result: Reconstruction) -> Coloring:
    """Return what a texture is baked from, in the units of the source; a mesh's file is read again, densely.

    Raises:
        InputError: there are no colours.
    """
    check_colors(source)
    if not isinstance(source, PointCloud):
        if result.coloring is None:
            raise InputError(
                f"These weights do not tell where {source.name} shows what they make of it, so there "
                "are no colours to make a texture of."
            )
        return result.coloring
    if source.path is not None and source.path.suffix.lower() in MESH_SUFFIXES:
        source = read_points(source.path, surface_samples=TEXTURE_SAMPLES)
    assert source.colors is not None
    return CloudColors(source.points, source.colors)
