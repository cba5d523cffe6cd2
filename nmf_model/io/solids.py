"""Read and write tetrahedral meshes: VTK's XML (.vtu) and Gmsh's binary format, version 2.2 (.msh)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.geometry.tetrahedra import boundary_faces
from nmf_model.io.atomic import FileGroup
from nmf_model.io.notes import carries, in_solid
from nmf_model.io.opening import check_file, reading
from nmf_model.io.solid_kinds import readable_kind, refuse_pieces
from nmf_model.io.suffixes import SOLID_SUFFIXES, listed
from nmf_model.types import TetMesh

_GROUPS = {"surface": (1, 2), "solid": (2, 3)}
"""Names of Gmsh's physical groups, with their number and dimension: what boundary conditions refer to."""

_CORNERS = {"vertex": 1, "line": 2, "triangle": 3, "tetra": 4}
"""What a file of tetrahedra may hold beside them, by meshio's names, and how many corners each has."""


def write_solid(solid: TetMesh, path: Path, note: str = "") -> None:
    """Write a solid in the format of the suffix, whole or not at all; coordinates stay exact.

    A .vtu holds the tetrahedra. A .msh also holds the boundary's triangles, as the group "surface" beside
    the group "solid". The file is read back and compared before it takes its name.

    Args:
        solid: not empty, finite.
        path: its suffix, one of ``SOLID_SUFFIXES``, decides the format.
        note: a JSON object as text, to be embedded.

    Raises:
        InputError: the file cannot be written here, or not in this format.
    """
    with FileGroup() as group:
        stage_solid(group, solid, path, note)


def stage_solid(group: FileGroup, solid: TetMesh, path: Path, note: str = "") -> Path:
    """Write a solid as ``write_solid`` does, as one of several files; return where it lies until then."""
    if path.suffix.lower() not in SOLID_SUFFIXES:
        raise InputError(f"{path} cannot be written; let the name end in {listed(SOLID_SUFFIXES)}.")
    if len(solid.tetrahedra) == 0 or not np.isfinite(solid.vertices).all():
        raise InputError(f"{path} was not written because the solid is empty or has infinite coordinates.")
    return group.write(
        path, lambda stream: _write(solid, path, stream, note), lambda file: _verify(solid, note, file, path)
    )


def read_solid(path: Path) -> TetMesh:
    """Read the tetrahedra of a .vtu or .msh file; the boundary is made from them where the file has none.

    Raises:
        InputError: the file cannot be used, or holds solid cells of another kind.
    """
    return reading(path, lambda: _read(path))


def _read(path: Path) -> TetMesh:
    import meshio

    check_file(path, SOLID_SUFFIXES)
    refuse_pieces(path)
    # Its general reader ends the process where a file is broken.
    read = meshio.gmsh.read if path.suffix.lower() == ".msh" else meshio.vtu.read
    try:
        mesh = read(str(path))
    except Exception as error:
        how = readable_kind(path)
        if how is None:
            raise
        raise InputError(f"{path.name} is of a kind that cannot be read here; save it {how}.") from error
    others = sorted({block.type for block in mesh.cells} - set(_CORNERS))
    if others:
        raise InputError(f"{path.name} holds {_unlike(others)}.")
    vertices = np.asarray(mesh.points, dtype=np.float64).reshape(-1, 3)
    tetrahedra, triangles = (_cells(path, mesh, kind, len(vertices)) for kind in ("tetra", "triangle"))
    if len(tetrahedra) == 0:
        raise InputError(f"{path.name} holds no tetrahedra; choose a file with a solid.")
    return TetMesh(vertices, tetrahedra, triangles if len(triangles) else boundary_faces(tetrahedra))


def _unlike(kinds: list[str]) -> str:
    """Say what cells of these kinds, by meshio's names, are."""
    listing = ", ".join(kinds)
    if any(kind.startswith("tetra") for kind in kinds):
        return f"tetrahedra with more nodes than their corners ({listing}); save it in first order"
    return f"cells other than tetrahedra ({listing})"


def _cells(path: Path, mesh: Any, kind: str, count: int) -> NDArray[np.int64]:
    cells: NDArray[np.int64] = mesh.cells_dict.get(kind, np.zeros((0, _CORNERS[kind]))).astype(np.int64)
    if len(cells) and (cells.min() < 0 or cells.max() >= count):
        raise InputError(
            f"{path.name} has cells that refer to vertices beyond its {count:,}; export it again."
        )
    return cells


def _write(solid: TetMesh, target: Path, stream: BinaryIO, note: str) -> None:
    import meshio

    # meshio writes these formats to a path only.
    with tempfile.TemporaryDirectory(prefix="nmf-") as folder:
        path = Path(folder) / "solid"
        if target.suffix.lower() == ".vtu":
            meshio.vtu.write(path, meshio.Mesh(solid.vertices, [("tetra", solid.tetrahedra)]))
        else:
            meshio.gmsh.write(path, _with_groups(solid), fmt_version="2.2", binary=True)
        stream.write(in_solid(note, path.read_bytes(), target.suffix.lower()))


def _with_groups(solid: TetMesh) -> Any:
    import meshio

    # Gmsh's indices have 32 bits.
    cells: list[tuple[str, Any]] = [
        ("triangle", solid.boundary.astype(np.int32)),
        ("tetra", solid.tetrahedra.astype(np.int32)),
    ]
    tags = [
        np.full(len(block), number, dtype=np.int32)
        for (_, block), (number, _) in zip(cells, _GROUPS.values(), strict=True)
    ]
    return meshio.Mesh(
        solid.vertices,
        cells,
        cell_data={"gmsh:physical": tags, "gmsh:geometrical": tags},
        field_data={name: np.array(group) for name, group in _GROUPS.items()},
    )


def _verify(solid: TetMesh, note: str, written: Path, target: Path) -> None:
    """Raise InputError unless the file holds the solid exactly, and the note."""
    found = read_solid(written)
    same = np.array_equal(found.vertices, solid.vertices) and np.array_equal(
        found.tetrahedra, solid.tetrahedra
    )
    if note:
        same = same and reading(written, lambda: carries(written, note))
    if not same:
        raise InputError(f"{target} did not hold the solid when read back; choose another format or folder.")
