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
from tests.support.refusals import refusal


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


def parametric(solid, path):
    """A sound MSH file of version 4.1 with flags of parametric coordinates, which meshio does not read."""
    meshio.gmsh.write(path, meshio.Mesh(solid.vertices, [("tetra", solid.tetrahedra)]), "4.1", binary=False)
    text = path.read_text()
    head, nodes = text.split("$Nodes\n")
    totals, block, rest = nodes.split("\n", 2)
    dimension, tag, _, count = block.split()
    path.write_text(f"{head}$Nodes\n{totals}\n{dimension} {tag} 1 {count}\n{rest}")


def packed(solid, path):
    """A sound VTU file by VTK, in a compression that meshio does not read."""
    import pyvista
    from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridWriter

    writer = vtkXMLUnstructuredGridWriter()
    writer.SetInputData(pyvista.UnstructuredGrid({10: solid.tetrahedra}, solid.vertices))
    writer.SetFileName(str(path))
    writer.SetCompressorTypeToLZ4()
    writer.Write()


@pytest.mark.parametrize(
    ("name", "write", "how"),
    [("a.msh", parametric, "in version 2.2, without parametric coordinates"),
     ("a.vtu", packed, "without compression, or compressed with zlib")],
)  # fmt: skip
def test_a_sound_file_that_cannot_be_read_is_not_called_damaged(solid, tmp_path, name, write, how):
    path = tmp_path / name
    write(solid, path)
    assert refusal(read_solid, path) == f"{name} is of a kind that cannot be read here; save it {how}."
    path.write_bytes(path.read_bytes()[:-300])
    assert "is damaged" in refusal(read_solid, path)


def test_a_damaged_file_of_a_kind_that_can_be_read_is_not_told_to_be_saved_as_that_kind(solid, tmp_path):
    vtu, msh = tmp_path / "a.vtu", tmp_path / "a.msh"
    for path, count in ((vtu, b'NumberOfCells="'), (msh, b"$Elements\n")):
        write_solid(solid, path)
        path.write_bytes(path.read_bytes().replace(count, count + b"9", 1))
        assert "is damaged" in refusal(read_solid, path)


def several_pieces(path, *solids):
    """A VTU file by VTK's own text, with one piece for each solid, as parallel programs write."""
    import pyvista
    from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridWriter

    texts = []
    for solid in solids:
        writer = vtkXMLUnstructuredGridWriter()
        writer.SetInputData(pyvista.UnstructuredGrid({10: solid.tetrahedra}, solid.vertices))
        writer.SetDataModeToAscii()
        writer.WriteToOutputStringOn()
        writer.Write()
        texts.append(writer.GetOutputString())
    pieces = [text[text.index("<Piece") : text.index("</UnstructuredGrid>")] for text in texts]
    head, tail = texts[0].split(pieces[0])
    path.write_text(head + "".join(pieces) + tail)


def test_a_vtu_of_several_pieces_is_refused_since_only_the_last_would_be_measured(solid, tmp_path):
    import pyvista

    path = tmp_path / "a.vtu"
    inverted = TetMesh(solid.vertices, solid.tetrahedra[:, [0, 2, 1, 3]], solid.boundary)
    several_pieces(path, inverted, solid)
    assert pyvista.read(path).n_cells == 2 * len(solid.tetrahedra)
    assert refusal(read_solid, path).startswith("a.vtu holds 2 pieces, which share no points; join them")
    several_pieces(path, solid)
    np.testing.assert_array_equal(read_solid(path).tetrahedra, solid.tetrahedra)


def test_pieces_in_front_of_raw_data_are_counted(solid, tmp_path):
    import pyvista
    from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridWriter

    path = tmp_path / "a.vtu"
    writer = vtkXMLUnstructuredGridWriter()
    writer.SetInputData(pyvista.UnstructuredGrid({10: solid.tetrahedra}, solid.vertices))
    writer.SetDataModeToAppended()
    writer.EncodeAppendedDataOff()
    writer.SetFileName(str(path))
    for pieces in (1, 2):
        writer.SetNumberOfPieces(pieces)
        writer.Write()
        if pieces == 1:
            np.testing.assert_array_equal(read_solid(path).tetrahedra, solid.tetrahedra)
    assert "holds 2 pieces" in refusal(read_solid, path)


@pytest.mark.parametrize("suffix", SOLID_SUFFIXES)
def test_tetrahedra_of_second_order_are_called_so(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    corners = np.eye(4)[:, 1:]
    ends = np.array([(0, 1), (1, 2), (0, 2), (0, 3), (1, 3), (2, 3)])
    points = np.concatenate([corners, corners[ends].mean(axis=1)])
    mesh = meshio.Mesh(points, [("tetra10", np.arange(10, dtype=np.int32)[None])])
    meshio.write(path, mesh, "vtu" if suffix == ".vtu" else "gmsh22")
    assert refusal(read_solid, path) == (
        f"a{suffix} holds tetrahedra with more nodes than their corners (tetra10); save it in first order."
    )


def test_what_no_format_holds_is_refused(tmp_path):
    empty = TetMesh(np.eye(3), np.zeros((0, 4), dtype=np.int64), np.zeros((0, 3), dtype=np.int64))
    with pytest.raises(InputError, match="empty"):
        write_solid(empty, tmp_path / "a.vtu")
    with pytest.raises(InputError, match=r"\.vtu or \.msh"):
        write_solid(empty, tmp_path / "a.ply")
    assert list(tmp_path.iterdir()) == []
