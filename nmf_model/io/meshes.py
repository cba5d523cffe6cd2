"""Read and write triangle meshes without changing them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nmf_model.errors import InputError
from nmf_model.geometry.coincidence import merge_coincident
from nmf_model.io import writers
from nmf_model.io.archive_3mf import DEFAULT_UNIT
from nmf_model.io.atomic import FileGroup
from nmf_model.io.gltf_tree import has_texture_places
from nmf_model.io.notes import carries
from nmf_model.io.obj_off import read_obj, read_off
from nmf_model.io.opening import check_file, reading
from nmf_model.io.ply import read_ply
from nmf_model.io.scenes import read_3mf, read_gltf
from nmf_model.io.stl import read_stl
from nmf_model.io.suffixes import EXPORT_SUFFIXES, MESH_SUFFIXES, listed
from nmf_model.io.surface import Surface
from nmf_model.types import Mesh

_READERS: dict[str, Callable[[Path], Surface]] = {
    ".ply": read_ply, ".obj": read_obj, ".off": read_off, ".stl": read_stl,
    ".glb": read_gltf, ".gltf": read_gltf, ".3mf": read_3mf,
}  # fmt: skip
_WRITERS: dict[str, Callable[[Mesh, BinaryIO, str], None]] = {
    ".obj": writers.write_obj, ".ply": writers.write_ply, ".stl": writers.write_stl,
    ".off": writers.write_off, ".glb": writers.write_glb, ".3mf": writers.write_3mf,
}  # fmt: skip


def load_surface(path: Path) -> Surface:
    """Read vertices and faces of a mesh file; there may be no faces. Errors are those of the parsers."""
    return _READERS[path.suffix.lower()](path)


def read_mesh(path: Path) -> Mesh:
    """Read a mesh exactly as it is in the file.

    Nothing is merged, except the corners of STL that are at exactly the same position, since that
    format does not say which belong together. Scenes are flattened with their transforms. ``unit`` is that of
    a 3MF file; the other formats say none.

    Raises:
        InputError: the file cannot be used; one sentence says why and what to do.
    """

    def read() -> Mesh:
        check_file(path, MESH_SUFFIXES)
        surface = load_surface(path)
        if len(surface.faces) == 0:
            raise InputError(f"{path.name} has points but no faces; choose a file with a surface.")
        return Mesh(surface.vertices, surface.faces, unit=surface.unit)

    return reading(path, read)


STL_NOTE = "STL has no shared vertices: corners at exactly the same position were joined first."
SEAM_NOTE = (
    "GLB repeats vertices along the seams of a texture: those at exactly the same position were joined first."
)


def read_joined(path: Path) -> tuple[Mesh, str]:
    """Read a mesh as it is judged: what its format can only hold in pieces is joined at equal positions.

    Returns:
        the mesh, and a sentence on what was joined, or "" if the mesh is exactly as it is in the file. What
        joins vertices of a mesh that were apart shows as bad joints or collapsed faces.

    Raises:
        InputError: the file cannot be used; one sentence says why and what to do.
    """
    mesh, suffix = read_mesh(path), path.suffix.lower()
    if suffix == ".stl":
        return mesh, STL_NOTE
    if suffix in (".glb", ".gltf") and reading(path, lambda: has_texture_places(path)):
        return Mesh(*merge_coincident(mesh.vertices, mesh.faces)), SEAM_NOTE
    return mesh, ""


def write_mesh(mesh: Mesh, path: Path, note: str = "") -> None:
    """Write a mesh in the format of the suffix, whole or not at all.

    OBJ, PLY, OFF and 3MF keep float64 exactly. GLB rounds to float32 relative to the middle of the
    mesh, STL rounds to float32 relative to the origin. 3MF says the mesh's unit, or millimetres where none
    is known; the other formats have no place for it. The written file is read back and compared
    before it takes its name.

    Args:
        mesh: not empty, finite.
        path: its suffix, one of ``EXPORT_SUFFIXES``, decides the format.
        note: a JSON object as text, to be embedded; STL has no room for it and leaves it out.

    Raises:
        InputError: the file cannot be written here, or the format cannot hold the mesh.
    """
    with FileGroup() as group:
        stage_mesh(group, mesh, path, note)


def stage_mesh(group: FileGroup, mesh: Mesh, path: Path, note: str = "") -> Path:
    """Write a mesh as ``write_mesh`` does, as one of several files; return where it lies until then."""
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise InputError(f"{path} cannot be written; let the name end in {listed(EXPORT_SUFFIXES)}.")
    if len(mesh.faces) == 0 or not np.isfinite(mesh.vertices).all():
        raise InputError(f"{path} was not written because the mesh is empty or has infinite coordinates.")
    return group.write(
        path, lambda stream: write(mesh, stream, note), lambda written: _verify(mesh, note, written, path)
    )


def _verify(mesh: Mesh, note: str, written: Path, target: Path) -> None:
    """Raise InputError unless the file holds mesh and unit, as far as its format can, and the note."""
    surface = reading(written, lambda: load_surface(written))
    suffix = target.suffix.lower()
    if suffix == ".stl":
        with np.errstate(over="ignore"):
            expected = mesh.vertices.astype(np.float32).astype(np.float64)[mesh.faces]
        same = np.array_equal(surface.vertices[surface.faces], expected)
    elif suffix == ".glb":
        tolerance = 1e-6 * float(np.ptp(mesh.vertices, axis=0).max())
        same = np.array_equal(surface.faces, mesh.faces) and np.allclose(
            surface.vertices, mesh.vertices, rtol=1e-14, atol=tolerance
        )
    else:
        same = np.array_equal(surface.faces, mesh.faces) and np.array_equal(surface.vertices, mesh.vertices)
    if suffix == ".3mf":
        same = same and surface.unit == (mesh.unit or DEFAULT_UNIT)
    if note and suffix != ".stl":
        same = same and reading(written, lambda: carries(written, note))
    if not same:
        raise InputError(f"{target} did not hold the mesh when read back; choose another format or folder.")
