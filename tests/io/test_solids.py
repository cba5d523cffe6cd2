"""Tetrahedral meshes on disk, read back by other programs' readers."""

from __future__ import annotations

import meshio
import numpy as np
import pytest

from nmf_model.errors import InputError
from nmf_model.geometry.ball import ball
from nmf_model.geometry.template import icosphere
from nmf_model.io.solids import read_solid, write_solid
from nmf_model.io.suffixes import SOLID_SUFFIXES
from nmf_model.types import TetMesh


@pytest.fixture(scope="module")
def solid():
    template = icosphere(1)
    vertices, tetrahedra = ball(template)
    return TetMesh(vertices * 0.1 + (445_000.1, 5_412_000.2, 310.3), tetrahedra, template.faces)


def test_vtk_reads_the_same_tetrahedra(solid, tmp_path):
    import pyvista

    write_solid(solid, tmp_path / "a.vtu")
    grid = pyvista.read(tmp_path / "a.vtu")
    np.testing.assert_array_equal(grid.points, solid.vertices)
    assert set(grid.celltypes) == {10}
    np.testing.assert_array_equal(grid.cells_dict[10], solid.tetrahedra)
    assert grid.compute_cell_sizes()["Volume"].min() > 0


def test_meshio_reads_the_same_tetrahedra_and_groups(solid, tmp_path):
    write_solid(solid, tmp_path / "a.msh")
    mesh = meshio.read(tmp_path / "a.msh")
    np.testing.assert_array_equal(mesh.points, solid.vertices)
    np.testing.assert_array_equal(mesh.cells_dict["tetra"], solid.tetrahedra)
    np.testing.assert_array_equal(mesh.cells_dict["triangle"], solid.boundary)
    assert {name: tuple(group) for name, group in mesh.field_data.items()} == {
        "surface": (1, 2),
        "solid": (2, 3),
    }
    physical = mesh.cell_data_dict["gmsh:physical"]
    assert set(physical["triangle"]) == {1}
    assert set(physical["tetra"]) == {2}
    assert (tmp_path / "a.msh").read_bytes().startswith(b"$MeshFormat\n2.2 1 8\n")


@pytest.mark.parametrize("suffix", SOLID_SUFFIXES)
def test_a_round_trip_is_exact_and_leaves_one_file(solid, suffix, tmp_path):
    path = tmp_path / f"a{suffix.upper()}"
    write_solid(solid, path)
    found = read_solid(path)
    np.testing.assert_array_equal(found.vertices, solid.vertices)
    np.testing.assert_array_equal(found.tetrahedra, solid.tetrahedra)
    assert {*map(frozenset, found.boundary.tolist())} == {*map(frozenset, solid.boundary.tolist())}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", SOLID_SUFFIXES)
def test_a_file_that_is_none_is_refused_in_a_sentence(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"not a mesh at all\n")
    with pytest.raises(InputError, match="a"):
        read_solid(path)
    with pytest.raises(InputError, match="folder"):
        write_solid(
            TetMesh(np.eye(4)[:, :3], np.array([[0, 1, 2, 3]]), np.zeros((0, 3))), tmp_path / "no" / path.name
        )


def test_what_no_format_holds_is_refused(tmp_path):
    empty = TetMesh(np.eye(3), np.zeros((0, 4), dtype=np.int64), np.zeros((0, 3), dtype=np.int64))
    with pytest.raises(InputError, match="empty"):
        write_solid(empty, tmp_path / "a.vtu")
    with pytest.raises(InputError, match=r"\.vtu or \.msh"):
        write_solid(empty, tmp_path / "a.ply")
    assert list(tmp_path.iterdir()) == []
