"""Repair of a broken mesh by wrapping: its colours on the mesh that replaces it.

The outer surface of the broken mesh is sampled when its file is read (``nmf_model.io.wrapping``), a sphere
flows into the samples like into any cloud, and the colours follow: each vertex takes those nearest to it.
"""

from __future__ import annotations

from dataclasses import replace

from nmf_model.errors import InputError
from nmf_model.io.points import read_points
from nmf_model.io.suffixes import MESH_SUFFIXES
from nmf_model.io.wrapping import nearest_colors
from nmf_model.types import PointCloud, Reconstruction, Source


def painted(result: Reconstruction, source: Source) -> Reconstruction:
    """Give the mesh of a result the colours of the cloud it was made from, if that has any."""
    if not isinstance(source, PointCloud) or source.colors is None:
        return result
    colors = nearest_colors(result.mesh.vertices, source.points, source.colors)
    return replace(result, mesh=replace(result.mesh, colors=colors))


TEXTURE_SAMPLES = 150_000
"""Coloured points that a texture is baked from."""


def dense_colors(source: Source) -> PointCloud:
    """Return the source with as many coloured points as a texture can show; a mesh's file is read again.

    Raises:
        InputError: it has no colours.
    """
    if not isinstance(source, PointCloud) or source.colors is None:
        raise InputError(f"{source.name} has no colours, so there is nothing to make a texture of.")
    if source.path is None or source.path.suffix.lower() not in MESH_SUFFIXES:
        return source
    return read_points(source.path, surface_samples=TEXTURE_SAMPLES)
