"""Certificates of tetrahedral meshes: true by other readers and exact fractions, and false if tampered."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import combinations, permutations

import meshio
import numpy as np
import pytest
import trimesh

from nmf_app.__main__ import main
from nmf_app.checking import spoken
from nmf_model import solid as solids
from nmf_model.certificate import Origin, certificate_path, file_sha256
from nmf_model.errors import InputError
from nmf_model.export import export_reconstruction
from nmf_model.geometry.ball import ball
from nmf_model.geometry.template import icosphere
from nmf_model.geometry.tetrahedra import boundary_faces
from nmf_model.io.notes import read_note
from nmf_model.io.solids import read_solid, write_solid
from nmf_model.io.suffixes import SOLID_SUFFIXES
from nmf_model.types import Mesh, Normalization, Reconstruction, TetMesh, Trajectory
from nmf_model.verify import verify
from tests.support import command_line
from tests.support.disks import contents

ORIGIN = Origin("scan.ply", "ef" * 32, 1, "cpu")
FRAME = Normalization(np.array([445_000.0, 5_412_000.0, 310.0]), 2.5)


class Stretching:
    """A flow that stretches space along the axes, as it should be seen by a solid."""

    def carry(self, points, *, steps=8, since=0.0, until=1.0, cancel=None):
        stretch = np.array([1.0, 0.7, 0.5])
        return np.asarray(points, dtype=np.float64) * stretch**until / stretch**since


def result(vertices=None):
    template, carrier = icosphere(1), Stretching()
    vertices = FRAME.to_file(carrier.carry(template.vertices)) if vertices is None else vertices
    still = Trajectory(template.vertices[None], template.faces, np.zeros(1), np.zeros(1, np.int64))
    mesh = Mesh(vertices, template.faces, template.vertices)
    return Reconstruction(mesh, still, FRAME, vertices, "fit", 1.5, 9, 7, carrier=carrier)


@pytest.fixture(params=SOLID_SUFFIXES)
def path(request, tmp_path):
    target = tmp_path / f"a{request.param}"
    export_reconstruction(result(), target, ORIGIN)
    return target


def bad(path):
    found = verify(path)
    assert not found.passed
    assert main(["--verify", str(path), "--quiet"]) == 3
    return [line.text for line in (*found.mesh_lines, *found.certificate_lines) if not line.good]


def exact_sign(corners):
    """The sign of a tetrahedron's volume in rational arithmetic."""
    a, b, c, d = ([Fraction(float(x)) for x in corner] for corner in corners)
    u, v, w = ([x - y for x, y in zip(corner, a, strict=True)] for corner in (b, c, d))
    volume = sum(
        u[i] * v[j] * w[k] * (1 if (i, j, k) in ((0, 1, 2), (1, 2, 0), (2, 0, 1)) else -1)
        for i, j, k in permutations(range(3))
    )
    return (volume > 0) - (volume < 0)


def smallest_angle(corners):
    """The smallest dihedral angle of a tetrahedron, from the normals of its faces."""
    normals = []
    for k in range(4):
        a, b, c = np.delete(corners, k, axis=0)
        normal = np.cross(b - a, c - a)
        normal *= -np.sign(normal @ (corners[k] - a))
        normals.append(normal / np.linalg.norm(normal))
    return min(180 - np.degrees(np.arccos(one @ other)) for one, other in combinations(normals, 2))


def test_it_is_written_in_the_file_and_beside_it_and_verifies(path):
    found = verify(path)
    assert found.passed
    assert len(found.certificate_lines) == 2
    assert found.mesh_lines[-1].text == "No inverted tetrahedra"
    beside, inside = json.loads(certificate_path(path).read_text()), json.loads(read_note(path))
    assert beside["certified"] is inside["certified"] is True
    assert beside["statement"].endswith("no doubled vertices; no inverted tetrahedra.")
    assert beside["file_sha256"] == file_sha256(path)
    assert beside["report"]["inverted_tetrahedra"] == 0
    assert beside["report"]["tetrahedra"] == len(read_solid(path).tetrahedra)
    assert {file.name for file in path.parent.iterdir()} == {path.name, f"{path.name}.certificate.json"}
    assert main(["--verify", str(path), "--quiet"]) == 0
    lines = spoken(found, False)
    assert lines[0].startswith(f"{path}: sound ({found.solid.tetrahedra:,} tetrahedra, 80 faces around them)")
    assert any("smallest dihedral angle" in line for line in lines)


@pytest.mark.parametrize("suffix", SOLID_SUFFIXES)
@pytest.mark.parametrize("earlier", [True, False])
def test_a_solid_whose_certificate_cannot_be_written_is_not_written_either(tmp_path, suffix, earlier):
    """A name just short enough for a file, with which that of its certificate is too long."""
    path = tmp_path / f"{'a' * 240}{suffix}"
    if earlier:
        export_reconstruction(result(), path)
    files = contents(tmp_path)
    with pytest.raises(InputError, match=r"certificate\.json could not be written: the name is too long"):
        export_reconstruction(result(), path, ORIGIN)
    assert contents(tmp_path) == files


def test_both_formats_certify_the_same_solid(tmp_path):
    hashes = set()
    for suffix in SOLID_SUFFIXES:
        export_reconstruction(result(), tmp_path / f"a{suffix}", ORIGIN)
        hashes.add(json.loads(read_note(tmp_path / f"a{suffix}"))["geometry_sha256"])
    assert len(hashes) == 1


def test_another_reader_and_rational_arithmetic_find_what_the_certificate_says(path):
    mesh, report = meshio.read(path), json.loads(certificate_path(path).read_text())["report"]
    tetrahedra = mesh.cells_dict["tetra"]
    corners = mesh.points[tetrahedra]
    assert report["tetrahedra"] == len(tetrahedra)
    assert report["inverted_tetrahedra"] == sum(exact_sign(four) <= 0 for four in corners) == 0
    owners = Counter(tuple(sorted(face)) for four in tetrahedra.tolist() for face in combinations(four, 3))
    assert max(owners.values()) == 2
    outside = np.array([face for face, count in owners.items() if count == 1])
    assert len(outside) == report["faces"]
    theirs = trimesh.Trimesh(mesh.points - FRAME.offset, outside, process=False)
    theirs.remove_unreferenced_vertices()
    theirs.fix_normals()
    assert theirs.is_watertight
    assert theirs.euler_number == report["euler_characteristic"] == 2
    assert len(theirs.vertices) == report["vertices"]
    assert theirs.volume == pytest.approx(report["solid_volume"], rel=1e-9)
    assert report["volume"] == pytest.approx(report["solid_volume"], rel=1e-9)
    angles = [smallest_angle(four - FRAME.offset) for four in corners]
    assert report["min_dihedral_degrees"] == pytest.approx(min(angles), abs=1e-4)
    assert report["p5_dihedral_degrees"] == pytest.approx(np.percentile(angles, 5), abs=1e-4)


def test_anyone_can_compute_the_hash_of_a_solid_as_the_readme_says(path):
    mesh, certificate = meshio.read(path), json.loads(certificate_path(path).read_text())
    tetrahedra = mesh.cells_dict["tetra"].tolist()
    owners = Counter(frozenset(face) for four in tetrahedra for face in combinations(four, 3))
    outside = [
        face
        for a, b, c, d in tetrahedra
        for face in ((a, c, b), (a, b, d), (b, c, d), (c, a, d))
        if owners[frozenset(face)] == 1
    ]
    faces = sorted(face[face.index(min(face)) :] + face[: face.index(min(face))] for face in outside)
    words = np.array([len(mesh.points), len(tetrahedra), len(faces)], "<i8").tobytes()
    words += mesh.points.astype("<f8").tobytes() + np.array(tetrahedra, "<i8").tobytes()
    words += np.array(faces, "<i8").tobytes()
    assert hashlib.sha256(words).hexdigest() == certificate["geometry_sha256"]


def test_other_readers_see_the_same_with_and_without(path, tmp_path):
    without = tmp_path / f"without{path.suffix}"
    export_reconstruction(result(), without)
    assert read_note(without) is None
    assert not certificate_path(without).exists()
    one, other = meshio.read(path), meshio.read(without)
    np.testing.assert_array_equal(one.points, other.points)
    for kind in other.cells_dict:
        np.testing.assert_array_equal(one.cells_dict[kind], other.cells_dict[kind])
    assert str(one.field_data) == str(other.field_data)
    if path.suffix == ".vtu":
        import pyvista

        grid, plain = pyvista.read(path), pyvista.read(without)
        np.testing.assert_array_equal(grid.points, plain.points)
        np.testing.assert_array_equal(grid.cells, plain.cells)


def test_equal_runs_write_equal_bytes(path, tmp_path):
    export_reconstruction(result(), tmp_path / f"b{path.suffix}", replace(ORIGIN, input_name="other"))
    assert (tmp_path / f"b{path.suffix}").read_bytes() == path.read_bytes()


def test_hyphens_in_a_note_break_no_xml(tmp_path):
    template = icosphere(0)
    vertices, tetrahedra = ball(template)
    solid = TetMesh(vertices.astype(float), tetrahedra, template.faces)
    note = json.dumps({"text": "a --> b -- c ---", "sign": -1})
    for suffix in SOLID_SUFFIXES:
        write_solid(solid, tmp_path / f"a{suffix}", note)
        assert json.loads(read_note(tmp_path / f"a{suffix}")) == json.loads(note)
        assert len(meshio.read(tmp_path / f"a{suffix}").cells_dict["tetra"]) == len(tetrahedra)


def inverted(solid):
    tetrahedra = solid.tetrahedra.copy()
    tetrahedra[5] = tetrahedra[5, [1, 0, 2, 3]]
    return replace(solid, tetrahedra=tetrahedra)


def inner_moved(solid):
    """An inner vertex at another place, so near that nothing is inverted."""
    vertices = solid.vertices.copy()
    vertices[-1] += 1e-6
    return replace(solid, vertices=vertices)


def one_missing(solid):
    return replace(solid, tetrahedra=np.delete(solid.tetrahedra, 7, axis=0))


def pulled_through(solid):
    """An inner vertex beyond the boundary."""
    vertices = solid.vertices.copy()
    vertices[-1] = vertices[0] + 3 * (vertices[0] - FRAME.offset)
    return replace(solid, vertices=vertices)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (inverted, "tetrahedra is inverted or flat"),
        (inner_moved, "vertices were moved or tetrahedra changed"),
        (one_missing, "the file has"),
        (pulled_through, "inverted or flat"),
    ],
)
def test_tampering_is_told(path, change, words):
    # The tamperer keeps both certificates.
    write_solid(change(read_solid(path)), path, read_note(path))
    lines = bad(path)
    assert any(words in line for line in lines)
    assert sum("is of another solid" in line for line in lines) == 2


def test_a_turned_face_of_the_surface_group_is_told(tmp_path):
    path = tmp_path / "a.msh"
    export_reconstruction(result(), path, ORIGIN)
    solid = read_solid(path)
    boundary = solid.boundary.copy()
    boundary[3] = boundary[3, ::-1]
    write_solid(replace(solid, boundary=boundary), path, read_note(path))
    assert len(bad(path)) == 2
    certificate_path(path).unlink()
    write_solid(replace(solid, boundary=solid.boundary[1:]), path)
    found = verify(path)
    assert found.passed, "the tetrahedra are as they were"
    assert "The triangles in the file are not the boundary of its tetrahedra." in found.notes


def test_vertices_of_no_tetrahedron_are_told_since_solvers_stop_at_them(tmp_path):
    path = tmp_path / "a.vtu"
    corners, cell = np.eye(4)[:, 1:], np.array([[0, 1, 2, 3]])
    notes = {}
    for idle in (0, 1, 2):
        points = np.concatenate([corners, np.full((idle, 3), 9.0)])
        write_solid(TetMesh(points, cell, boundary_faces(cell)), path)
        found = verify(path)
        assert found.passed
        notes[idle] = [note for note in found.notes if "to no tetrahedron" in note]
    assert notes == {
        0: [],
        1: ["1 vertex belongs to no tetrahedron."],
        2: ["2 vertices belong to no tetrahedron."],
    }


def test_a_forged_certificate_is_told(path):
    inverse = pulled_through(read_solid(path))
    write_solid(inverse, path)
    from nmf_model.certificate import embedded
    from nmf_model.solid_quality import inspect_solid

    honest = embedded(inverse, inspect_solid(inverse), ORIGIN)
    assert honest["certified"] is False
    write_solid(inverse, path, json.dumps({**honest, "certified": True}))
    assert "The certificate in the file calls the solid certified, which it is not" in bad(path)


@pytest.mark.parametrize("suffix", SOLID_SUFFIXES)
def test_a_solid_with_inverted_tetrahedra_is_not_certified(tmp_path, suffix, monkeypatch):
    flow_solid = solids.flow_solid
    monkeypatch.setattr(
        solids, "flow_solid", lambda *args, **options: pulled_through(flow_solid(*args, **options))
    )
    path = tmp_path / f"a{suffix}"
    report = export_reconstruction(result(), path, ORIGIN)
    assert report.is_closed_sphere
    assert report.solid.inverted_tetrahedra > 0
    assert not report.is_sound
    beside = json.loads(certificate_path(path).read_text())
    assert beside["certified"] is False
    count = report.solid.inverted_tetrahedra
    words = f"{count:,} of {report.solid.tetrahedra:,} tetrahedra are inverted or flat"
    assert words in beside["statement"]
    assert words in bad(path)
    assert not any("certificate" in line for line in bad(path)), "which is true of it"


def write_tetrahedra(path, points, tetrahedra, **more):
    cells = [("tetra", np.array(tetrahedra, dtype=np.int32)), *more.items()]
    meshio.Mesh(np.array(points, dtype=float), cells).write(path)
    return path


APEXES = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0.2, 0.2, 2]]


def test_one_tetrahedron_of_another_program_is_sound_and_its_mirror_image_is_not(tmp_path):
    path = write_tetrahedra(tmp_path / "one.vtu", APEXES[:4], [[0, 1, 2, 3]])
    found = verify(path)
    assert found.passed
    assert found.solid.solid_volume == pytest.approx(1 / 6)
    assert found.report.vertices == 4
    assert "There is no certificate for this file; its solid was checked all the same." in found.notes
    write_tetrahedra(path, APEXES[:4], [[0, 2, 1, 3]])
    assert "1 of 1 tetrahedra is inverted or flat" in bad(path)


def test_tetrahedra_on_one_side_of_a_face_are_no_sound_solid(tmp_path):
    """Each is positive, and the faces that only one of them has form a closed surface: yet they overlap."""
    path = write_tetrahedra(tmp_path / "two.vtu", APEXES, [[0, 1, 2, 3], [0, 1, 2, 4]])
    assert verify(path).solid.inverted_tetrahedra == 0
    assert any("bad joint" in line for line in bad(path))


def test_a_solid_of_other_cells_is_refused_in_a_sentence(tmp_path, capsys):
    corners = [[x, y, z] for z in (0, 1) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))]
    path = write_tetrahedra(
        tmp_path / "mixed.vtu", [*corners, [0, 0, -1]], [[0, 3, 1, 8]], hexahedron=np.arange(8)[None]
    )
    assert main(["--verify", str(path)]) == 2
    assert "cells other than tetrahedra (hexahedron)" in capsys.readouterr().err
    meshio.Mesh(np.eye(3), [("triangle", [[0, 1, 2]])]).write(tmp_path / "flat.vtu")
    with pytest.raises(InputError, match=r"flat\.vtu holds no tetrahedra"):
        verify(tmp_path / "flat.vtu")
    nan = [*APEXES[:3], [0, 0, np.nan]]
    with pytest.raises(InputError, match="NaN"):
        verify(write_tetrahedra(tmp_path / "nan.vtu", nan, [[0, 1, 2, 3]]))
    with pytest.raises(InputError, match="beyond its 4"):
        verify(write_tetrahedra(tmp_path / "far.vtu", APEXES[:4], [[0, 1, 2, 9]]))


def test_damaged_files_are_one_sentence(path, capsys):
    data = path.read_bytes()
    certificate_path(path).unlink()
    for broken in (data[: len(data) // 2], data[:40], b"", b"\x00" * 500):
        path.write_bytes(broken)
        assert main(["--verify", str(path)]) == 2
        captured = capsys.readouterr()
        assert (captured.out, len(captured.err.splitlines())) == ("", 1)
        assert path.name in captured.err


def test_faces_cancel_between_neighbours_only():
    """Any set of tetrahedra of a ball: what is left are the faces that one alone has, seen from outside."""
    rng = np.random.default_rng(0)
    vertices, tetrahedra = ball(icosphere(1))
    for share in (0.05, 0.4, 0.9):
        chosen = tetrahedra[rng.random(len(tetrahedra)) < share]
        sides = Counter()
        for four in chosen.tolist():
            middle = vertices[four].mean(axis=0)
            for a, b, c in combinations(four, 3):
                normal = np.cross(vertices[b] - vertices[a], vertices[c] - vertices[a])
                outward = (a, b, c) if normal @ (vertices[a] - middle) > 0 else (a, c, b)
                turn = outward.index(min(outward))
                sides[outward[turn:] + outward[:turn]] += 1
        alone = {face for face in sides if (face[0], face[2], face[1]) not in sides}
        found = boundary_faces(chosen).tolist()
        assert len(found) == len(alone)
        assert {tuple(face) for face in found} == alone


def test_verify_does_not_wait_for_torch(path):
    script = path.parent / "loaded.py"
    script.write_text(
        "import sys\nfrom nmf_app.__main__ import main\ncode = main(sys.argv[1:])\n"
        "print({'torch', 'trimesh', 'PySide6', 'vtk'} & set(sys.modules))\nsys.exit(code)\n"
    )
    outcome = command_line.run(path.parent, "--verify", path.name, "--quiet", script=script)
    assert (outcome.code, outcome.out) == (0, "set()\n"), outcome.err
