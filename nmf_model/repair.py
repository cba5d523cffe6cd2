"""Repair of a broken mesh by wrapping: its colours on the mesh that replaces it.

The outer surface of the broken mesh is sampled when its file is read (``nmf_model.io.wrapping``), a sphere
flows into the samples like into any cloud, and the colours follow: each vertex takes those nearest to it. So
they do for any coloured cloud.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.io.suffixes import MESH_SUFFIXES
from nmf_model.io.wrapping import nearest_colors
from nmf_model.surface_colors import colors_of_mesh
from nmf_model.types import Coloring, PointCloud, Reconstruction, Source


def painted(result: Reconstruction, source: Source) -> Reconstruction:
    """Give the mesh of a result the colours of the cloud it was made from, if that has any."""
    colors = cloud_colors(source, result.mesh.vertices)
    return result if colors is None else replace(result, mesh=replace(result.mesh, colors=colors))


def cloud_colors(source: Source, places: NDArray[np.float64]) -> NDArray[np.uint8] | None:
    """Return the colours (N, 3) of a cloud's points that are nearest to places; None if it has none."""
    known = coloring_of(source)
    return None if known is None else known.at(places)


@dataclass(frozen=True)
class CloudColors:
    """The colours of a cloud: those of the nearest points.

    Attributes:
        points: (N, 3).
        colors: (N, 3) uint8.
    """

    points: NDArray[np.float64]
    colors: NDArray[np.uint8]

    @property
    def pixel_count(self) -> int:
        """See ``Coloring``."""
        return 0

    def at(self, places: NDArray[np.floating]) -> NDArray[np.uint8]:
        """See ``Coloring``."""
        return nearest_colors(np.asarray(places, dtype=np.float64), self.points, self.colors)

    def scaled(self, factor: float) -> CloudColors:
        """See ``Coloring``."""
        return replace(self, points=self.points * factor)


def coloring_of(source: Source) -> CloudColors | None:
    """Return the colours of a cloud as they are; None for a picture, or a cloud without any."""
    if not isinstance(source, PointCloud) or source.colors is None:
        return None
    return CloudColors(source.points, source.colors)


def dense_colors(source: Source) -> Coloring | None:
    """Return the colours that a texture is baked from; a mesh's file is read again, with its own textures.

    None for a picture, whose colours come with what is made of it.

    Raises:
        InputError: a cloud or mesh has no colours.
    """
    if not isinstance(source, PointCloud):
        return None
    if source.colors is not None and source.path is not None and source.path.suffix.lower() in MESH_SUFFIXES:
        known = colors_of_mesh(source.path)
        if known is not None:
            return known
    if source.colors is None:
        name = source.name if source.path is None else source.path.name
        raise InputError(f"{name} has no colours, so there is nothing to make a texture of.")
    return CloudColors(source.points, source.colors)


def picture_colors(result: Reconstruction) -> Coloring:
    """Return the colours of what was made of a picture.

    Raises:
        InputError: the weights answer in a frame of their own.
    """
    if result.coloring is None:
        raise InputError(
            "These weights do not tell where the picture shows what they make of it, so there are no colours "
            "to make a texture of; leave the texture out."
        )
    return result.coloring
