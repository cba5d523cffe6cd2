"""Read a point cloud from any supported file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from nmf_model.io.arrays import read_npy, read_npz
from nmf_model.io.collect import CHUNK_ROWS, Chunk, PointCollector
from nmf_model.io.las import read_las
from nmf_model.io.meshes import load_surface
from nmf_model.io.opening import check_file, reading
from nmf_model.io.pcd import read_pcd
from nmf_model.io.ply import read_ply_points
from nmf_model.io.ply_header import open_ply
from nmf_model.io.suffixes import MESH_SUFFIXES, POINT_SUFFIXES, TEXT_SUFFIXES
from nmf_model.io.surface import Surface
from nmf_model.io.text import read_text
from nmf_model.io.wrapping import sample_outside
from nmf_model.types import PointCloud

SURFACE_SAMPLES = 20_000
"""Points drawn on a mesh."""

_READERS: dict[str, Callable[[Path], Iterator[Chunk]]] = {
    ".npy": read_npy, ".npz": read_npz, ".pcd": read_pcd, ".las": read_las, ".laz": read_las,
    **dict.fromkeys(TEXT_SUFFIXES, read_text),
}  # fmt: skip


def read_points(
    path: Path, *, max_points: int = 200_000, seed: int = 0, surface_samples: int = SURFACE_SAMPLES
) -> PointCloud:
    """Read a cloud, or sample the outer surface of a mesh uniformly by area, with its colours.

    Memory stays bounded for files of many millions of points. Repeated points and, if they are few,
    points without finite coordinates are dropped; ``notes`` of the result says so.

    Args:
        path: any file whose suffix is in ``POINT_SUFFIXES``.
        max_points: larger clouds are thinned to this many, each distinct point equally likely to stay.
        seed: of the thinning and the sampling.
        surface_samples: how many points are drawn on a mesh.

    Raises:
        InputError: the file cannot be used; one sentence says why and what to do.
    """
    return reading(path, lambda: _read(path, max_points, seed, surface_samples))


def _read(path: Path, max_points: int, seed: int, surface_samples: int) -> PointCloud:
    check_file(path, POINT_SUFFIXES)
    suffix = path.suffix.lower()
    if suffix not in MESH_SUFFIXES:
        return _collected(path, _READERS[suffix](path), max_points, seed)
    if suffix == ".ply" and not (ply := open_ply(path)).has_faces:
        return _collected(path, read_ply_points(ply), max_points, seed)
    surface = load_surface(path)
    if len(surface.faces) == 0:
        return replace(_collected(path, _pieces(surface), max_points, seed), unit=surface.unit)
    wrapped = sample_outside(path, surface, min(surface_samples, max_points), seed)
    collector = PointCollector(max_points, seed)
    collector.add(Chunk(wrapped.points, wrapped.colors))
    # A material may be black.
    cloud = collector.finish(path, wrapped.notes, black=True)
    return replace(cloud, surface=wrapped.surface, unit=surface.unit)


def _collected(path: Path, chunks: Iterable[Chunk], max_points: int, seed: int) -> PointCloud:
    collector = PointCollector(max_points, seed)
    for chunk in chunks:
        collector.add(chunk)
    return collector.finish(path)


def _pieces(surface: Surface) -> Iterator[Chunk]:
    for first in range(0, len(surface.vertices), CHUNK_ROWS):
        rows = slice(first, first + CHUNK_ROWS)
        yield Chunk(surface.vertices[rows], None if surface.colors is None else surface.colors[rows])
