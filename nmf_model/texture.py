"""A picture of an object's colours over the sphere that its mesh came from, laid out by ``geometry.atlas``.

Vertices on seams have one place in the picture for every chart that uses them. Only files hold them twice,
and only where the format cannot do otherwise (GLB); the mesh itself stays closed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nmf_model.certificate import Origin, texture_sha256
from nmf_model.errors import InputError
from nmf_model.export import export_surface
from nmf_model.geometry.atlas import CHART, Atlas, make_atlas
from nmf_model.io.atomic import FileGroup
from nmf_model.io.meshes import load_surface
from nmf_model.io.notes import carries
from nmf_model.io.opening import reading
from nmf_model.io.output_formats import texture_files
from nmf_model.io.suffixes import TEXTURE_SUFFIXES, listed
from nmf_model.io.writers import glb_bytes, write_obj
from nmf_model.types import CancelCheck, Coloring, Mesh, QualityReport, Reconstruction

FINE_CHART = 2 * CHART
"""Side of a chart, pixels, where the input's pictures have more than twice as many as the usual picture."""


def bake(mesh: Mesh, atlas: Atlas, coloring: Coloring, chart_size: int = CHART) -> NDArray[np.uint8]:
    """Return the picture, (2C, 3C, 3), row 0 at the top, of the colours on the mesh.

    Each pixel within a face takes the colour of its place on the mesh; those beside the charts repeat the
    nearest pixel of a chart.
    """
    height, width = 2 * chart_size, 3 * chart_size
    row, column, face, weights = _rasterise(atlas.uv[atlas.faces] * (width, height), width, height)
    places = np.einsum("pk,pkc->pc", weights, mesh.vertices[mesh.faces[face]])
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    empty = np.ones((height, width), dtype=bool)
    picture[row, column] = coloring.at(places)
    empty[row, column] = False
    nearest = ndimage.distance_transform_edt(empty, return_distances=False, return_indices=True)
    spread: NDArray[np.uint8] = picture[nearest[0], nearest[1]][::-1]
    return spread


def export_textured(
    result: Reconstruction,
    path: Path,
    coloring: Coloring,
    origin: Origin | None = None,
    chart_size: int | None = None,
    cancel: CancelCheck | None = None,
) -> QualityReport:
    """Write the mesh with a baked texture: GLB with the picture inside, or OBJ with MTL and PNG beside it.

    Args:
        result: the finished job.
        path: ends in one of ``TEXTURE_SUFFIXES``.
        coloring: the input's colours, in the units of the result (``repair.dense_colors`` or
            ``repair.picture_colors``).
        origin: what the mesh was made from; if given, a certificate is embedded and written beside, as
            ``export_reconstruction`` does, which covers the picture as well.
        chart_size: C, pixels: the picture has 3C x 2C; chosen by what the colours hold if None.
        cancel: as of ``export_surface``.

    Returns:
        the report on the file as read back by ``read_joined``.

    Raises:
        InputError: another format, or a file could not be written; older files are as they were.
        Cancelled: if ``cancel`` returned True; likewise.
    """
    if path.suffix.lower() not in TEXTURE_SUFFIXES:
        raise InputError(f"{path} cannot hold a texture; let its name end in {listed(TEXTURE_SUFFIXES)}.")
    chart_size = chart_size or _chart_size(coloring)
    atlas = make_atlas(result.mesh, chart_size)
    picture = bake(result.mesh, atlas, coloring, chart_size)
    mesh = result.mesh

    def stage(group: FileGroup, place: Path, note: str) -> Path:
        if path.suffix.lower() == ".glb":
            return _stage(group, place, mesh, note, lambda f: _write_glb(mesh, atlas, picture, f, note))
        _stage_companions(group, place, picture)
        material = texture_files(place)[0].name
        return _stage(group, place, mesh, note, lambda f: write_obj(mesh, f, note, atlas, material))

    return export_surface(result, path, stage, origin, {"texture_sha256": texture_sha256(picture)}, cancel)


def _chart_size(coloring: Coloring) -> int:
    return FINE_CHART if coloring.pixel_count > 2 * (3 * CHART * 2 * CHART) else CHART


def _stage_companions(group: FileGroup, path: Path, picture: NDArray[np.uint8]) -> None:
    """Write the picture and the material that an OBJ file names, as parts of its group."""
    material, image = texture_files(path)
    group.write(image, lambda stream: _write_png(picture, stream))
    group.write_text(material, f"newmtl surface\nKd 1 1 1\nmap_Kd {image.name}\n")


def _rasterise(
    triangles: NDArray[np.float64], width: int, height: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return row, column, triangle (P,) and weights (P, 3) of the pixel centres in (F, 3, 2) triangles."""
    low = np.floor(triangles.min(axis=1) - 0.5).astype(np.int64).clip(0, (width - 1, height - 1))
    high = np.ceil(triangles.max(axis=1) - 0.5).astype(np.int64).clip(0, (width - 1, height - 1))
    across, down = (high - low + 1).T
    owner = np.repeat(np.arange(len(triangles)), across * down)
    first = np.cumsum(across * down) - across * down
    inside = np.arange(len(owner)) - first[owner]
    column, row = low[owner, 0] + inside % across[owner], low[owner, 1] + inside // across[owner]
    a, b, c = (triangles[owner, corner] for corner in range(3))
    pixel = np.stack([column, row], axis=1) + 0.5
    twice = _cross(b - a, c - a)
    safe = np.where(twice == 0, 1.0, twice)
    v, w = _cross(pixel - a, c - a) / safe, _cross(b - a, pixel - a) / safe
    weights = np.stack([1 - v - w, v, w], axis=1)
    kept = (weights >= -1e-9).all(axis=1) & (twice != 0)
    return row[kept], column[kept], owner[kept], weights[kept]


def _cross(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    product: NDArray[np.float64] = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
    return product


def _stage(group: FileGroup, path: Path, mesh: Mesh, note: str, write: Callable[[BinaryIO], object]) -> Path:
    """Write a file and see that it holds the mesh's triangles, up to the format's rounding, and the note.

    Returns:
        where it lies until its group is complete.
    """

    def verify(written: Path) -> None:
        surface = reading(written, lambda: load_surface(written))
        corners, expected = surface.vertices[surface.faces], mesh.vertices[mesh.faces]
        tolerance = 1e-6 * float(np.ptp(mesh.vertices, axis=0).max())
        same = corners.shape == expected.shape and np.allclose(corners, expected, rtol=1e-14, atol=tolerance)
        if note:
            same = same and reading(written, lambda: carries(written, note))
        if not same:
            raise InputError(f"{path} did not hold the mesh when read back; choose another format or folder.")

    return group.write(path, write, verify)


def _write_png(picture: NDArray[np.uint8], stream: BinaryIO) -> None:
    from PIL import Image

    Image.fromarray(picture).save(stream, format="PNG")


def _write_glb(mesh: Mesh, atlas: Atlas, picture: NDArray[np.uint8], stream: BinaryIO, note: str) -> None:
    from PIL import Image

    stream.write(glb_bytes(mesh, note, atlas, Image.fromarray(picture)))
