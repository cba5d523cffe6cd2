from __future__ import annotations

import re
import tempfile
import time
import uuid
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmf_model.errors import InputError
from nmf_model.geometry.tetrahedra import boundary_faces
from nmf_model.io.meshes import read_mesh, write_mesh
from nmf_model.io.points import read_points
from nmf_model.io.solids import write_solid
from nmf_model.io.suffixes import EXPORT_SUFFIXES, MESH_SUFFIXES, OUTPUT_SUFFIXES, SOLID_SUFFIXES
from nmf_model.quality import inspect_mesh
from nmf_model.types import Mesh, TetMesh
from tests.support.refusals import refusal

EXACT = (".obj", ".ply", ".off", ".3mf")


def sphere(level=2, scale=1.0, offset=0.0):
    import trimesh

    ball = trimesh.creation.icosphere(level)
    vertices = np.array(ball.vertices) * [1, 2, 0.5] * scale + offset
    return Mesh(vertices, np.array(ball.faces, dtype=np.int64))


@pytest.mark.parametrize("suffix", EXPORT_SUFFIXES)
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
@pytest.mark.parametrize("offset", [0.0, np.array([448_262.1, 5_411_932.7, 311.3])], ids=["origin", "utm"])
def test_round_trip(tmp_path, suffix, scale, offset):
    mesh = sphere(2, scale, offset)
    write_mesh(mesh, tmp_path / f"mesh{suffix}")
    found = read_mesh(tmp_path / f"mesh{suffix}")
    assert found.vertices.dtype == np.float64
    assert found.faces.dtype == np.int64
    if suffix in EXACT:
        np.testing.assert_array_equal(found.vertices, mesh.vertices)
        np.testing.assert_array_equal(found.faces, mesh.faces)
    elif suffix == ".glb":
        rounding = 1e-6 * scale + 1e-15 * np.abs(mesh.vertices).max()
        np.testing.assert_allclose(found.vertices, mesh.vertices, rtol=0, atol=rounding)
        np.testing.assert_array_equal(found.faces, mesh.faces)
    else:
        expected = mesh.vertices.astype(np.float32).astype(float)[mesh.faces]
        np.testing.assert_array_equal(found.vertices[found.faces], expected)
        assert len(np.unique(found.vertices, axis=0)) == len(found.vertices)
    assert [entry.name for entry in tmp_path.iterdir()] == [f"mesh{suffix}"]


@pytest.mark.parametrize("suffix", EXPORT_SUFFIXES)
def test_a_sound_mesh_is_sound_when_read_back(tmp_path, suffix):
    write_mesh(sphere(3), tmp_path / f"mesh{suffix}")
    assert inspect_mesh(read_mesh(tmp_path / f"mesh{suffix}")).is_sound


@pytest.mark.parametrize("suffix", EXPORT_SUFFIXES)
def test_other_programs_read_it(tmp_path, suffix):
    import trimesh

    mesh = sphere(2)
    write_mesh(mesh, tmp_path / f"mesh{suffix}")
    other = trimesh.load_mesh(tmp_path / f"mesh{suffix}")
    assert other.is_watertight
    assert other.faces.shape == mesh.faces.shape
    # OFF as trimesh reads it, and float32 formats, are the coarsest.
    np.testing.assert_allclose(
        np.sort(other.triangles_center, 0), np.sort(mesh.vertices[mesh.faces].mean(1), 0), atol=1e-6
    )
    assert other.volume > 0


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".off", ".glb", ".3mf"])
def test_nothing_is_merged_or_dropped(tmp_path, suffix):
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1], [9, 9, 9]], dtype=float)
    faces = np.array([[0, 1, 2], [3, 4, 1], [0, 1, 2], [0, 0, 1], [5, 1, 2]])
    write_mesh(Mesh(vertices, faces), tmp_path / f"mesh{suffix}")
    found = read_mesh(tmp_path / f"mesh{suffix}")
    np.testing.assert_array_equal(found.faces, faces)
    np.testing.assert_allclose(found.vertices, vertices, atol=1e-6)


def test_stl_joins_equal_positions_only(tmp_path):
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [-0.0, 0, 0], [1e-30, 0, 0]])
    write_mesh(Mesh(vertices, np.array([[0, 1, 2], [3, 2, 1], [4, 1, 2]])), tmp_path / "a.stl")
    found = read_mesh(tmp_path / "a.stl")
    np.testing.assert_array_equal(found.faces, [[0, 1, 2], [0, 2, 1], [3, 1, 2]])


def test_text_stl(tmp_path):
    import trimesh

    path = tmp_path / "a.stl"
    trimesh.creation.box().export(path, file_type="stl_ascii")
    assert inspect_mesh(read_mesh(path)).is_sound
    path.write_text("\n".join(path.read_text().splitlines()[:-9]))
    with pytest.raises(InputError, match="truncated"):
        read_mesh(path)


@pytest.mark.parametrize("suffix", [".glb", ".gltf", ".3mf"])
def test_scene_is_flattened_with_its_transforms(tmp_path, suffix):
    import trimesh

    scene = trimesh.Scene()
    turned = trimesh.transformations.rotation_matrix(0.7, [1, 2, 3], [0, 0, 1])
    turned[:3, 3] += 5
    mirrored = np.diag([-1.0, 1, 1, 1])
    box = trimesh.creation.box()
    for name, matrix in (("a", turned), ("b", mirrored)):
        scene.add_geometry(box, node_name=name, geom_name="box", transform=matrix)
    path = tmp_path / f"scene{suffix}"
    if suffix == ".gltf":
        for name, data in scene.export(file_type="gltf").items():
            (tmp_path / name.replace("model.gltf", path.name)).write_bytes(data)
    else:
        path.write_bytes(scene.export(file_type=suffix[1:]))
    found = read_mesh(path)
    report = inspect_mesh(found)
    assert (report.components, report.faces) == (2, 24)
    assert report.watertight
    assert report.volume == pytest.approx(2, rel=1e-6)
    middles = [found.vertices[:8].mean(axis=0), found.vertices[8:].mean(axis=0)]
    expected = [turned[:3, 3], np.zeros(3)]
    np.testing.assert_allclose(sorted(map(tuple, middles)), sorted(map(tuple, expected)), atol=1e-6)


def test_polygons_become_triangles(tmp_path):
    corners = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0.5, 0.5, 1]]
    faces = [[3, 2, 1, 0], [0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]]
    body = "".join("{} {} {}\n".format(*p) for p in corners)
    lists = "".join(f"{len(f)} {' '.join(map(str, f))}\n" for f in faces)
    (tmp_path / "a.off").write_text(f"OFF\n# pyramid\n5 5 0\n{body}{lists}")
    head = "ply\nformat {} 1.0\nelement vertex 5\n" + "".join(f"property double {a}\n" for a in "xyz")
    head += "element face 5\nproperty uchar flag\nproperty list uchar int vertex_index\nend_header\n"
    flagged = "".join("7 " + line + "\n" for line in lists.splitlines())
    (tmp_path / "b.ply").write_text(head.format("ascii") + body + flagged)
    binary = np.array(corners, dtype=">f8").tobytes()
    for face in faces:
        binary += bytes([7, len(face)]) + np.array(face, dtype=">i4").tobytes()
    (tmp_path / "c.ply").write_bytes(head.format("binary_big_endian").encode() + binary)
    obj = "".join("v {} {} {}\n".format(*p) for p in corners)
    obj += "vt 0 0\n" + "".join("f " + " ".join(f"{v + 1}/1" for v in f) + "\n" for f in faces[:-1])
    (tmp_path / "d.obj").write_text(obj + "f 4/1 \\\n 1/1 -1/1\n")
    for name in ("a.off", "b.ply", "c.ply", "d.obj"):
        found = read_mesh(tmp_path / name)
        assert found.faces.tolist()[0] == [3, 2, 1]
        report = inspect_mesh(found)
        assert report.is_sound, name
        assert report.volume == pytest.approx(1 / 3)


@pytest.mark.parametrize("name", ["a.ply", "a.obj", "a.off", "a.stl", "a.glb", "a.3mf"])
@given(
    share=st.floats(0, 0.999), flips=st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 255)), max_size=4)
)
@settings(max_examples=15, deadline=None)
def test_damaged_meshes_never_crash(name, share, flips):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        write_mesh(sphere(1), path)
        data = bytearray(path.read_bytes())
        for place, value in flips:
            data[int(place * len(data))] ^= value
        path.write_bytes(data if flips else data[: int(share * len(data))])
        try:
            mesh = read_mesh(path)
        except InputError:
            return
        assert mesh.faces.min() >= 0
        assert mesh.faces.max() < len(mesh.vertices)


@pytest.mark.parametrize("suffix", sorted(MESH_SUFFIXES))
@given(content=st.binary(max_size=300))
@settings(max_examples=20, deadline=None)
def test_random_bytes_are_an_input_error(suffix, content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "any" + suffix)
        path.write_bytes(content)
        with pytest.raises(InputError, match="any"):
            read_mesh(path)


def test_faces_beyond_the_vertices(tmp_path):
    path = tmp_path / "a.off"
    path.write_text("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 3\n")
    with pytest.raises(InputError, match=r"a\.off has faces"):
        read_mesh(path)


def test_points_are_not_a_mesh(tmp_path):
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\n")
    with pytest.raises(InputError, match="no faces"):
        read_mesh(tmp_path / "a.obj")


def test_what_cannot_be_written(tmp_path):
    mesh = sphere(0)
    with pytest.raises(InputError, match=r"\.obj, \.ply, \.stl, \.off, \.glb or \.3mf"):
        write_mesh(mesh, tmp_path / "a.blend")
    broken = Mesh(mesh.vertices * np.nan, mesh.faces)
    with pytest.raises(InputError, match="infinite"):
        write_mesh(broken, tmp_path / "a.ply")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", OUTPUT_SUFFIXES)
@pytest.mark.parametrize("colored", [False, True])
def test_exports_at_different_times_are_equal_bytes(tmp_path, monkeypatch, suffix, colored):
    mesh, note = sphere(2), '{"certificate": [1, 2]}'
    if colored:
        mesh = replace(
            mesh, colors=np.random.default_rng(0).integers(0, 256, mesh.vertices.shape, dtype=np.uint8)
        )
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=float)
    tetrahedra = np.array([[0, 1, 2, 3]])
    solid = TetMesh(corners, tetrahedra, boundary_faces(tetrahedra))
    written, clock = [], time.time()
    for name, passed in (("a", 0), ("b", 987_654_321)):
        monkeypatch.setattr(time, "time", lambda passed=passed: clock + passed)
        path = tmp_path / f"{name}{suffix}"
        if suffix in SOLID_SUFFIXES:
            write_solid(solid, path, note)
        else:
            write_mesh(mesh, path, note)
        written.append(path.read_bytes())
    assert written[0] == written[1]


def test_ids_of_3mf_tell_models_apart(tmp_path):
    ids = []
    for number, scale in enumerate((1.0, 2.0)):
        write_mesh(sphere(1, scale), tmp_path / f"{number}.3mf")
        with zipfile.ZipFile(tmp_path / f"{number}.3mf") as archive:
            found = re.findall(r'UUID="([^"]*)"', archive.read("3D/3dmodel.model").decode())
        assert [str(uuid.UUID(text)) for text in found] == found
        ids += found
    assert len(ids) == len(set(ids)) == 6


def put_gltf(folder, buffer="gltf_buffer_0.bin", named=None):
    import trimesh

    files = trimesh.Scene(trimesh.creation.box()).export(file_type="gltf")
    text = files.pop("model.gltf").decode()
    for name, data in files.items():
        (folder / name.replace("gltf_buffer_0.bin", buffer)).write_bytes(data)
    (folder / "a.gltf").write_text(text.replace("gltf_buffer_0.bin", named or buffer))
    return folder / "a.gltf"


@pytest.mark.parametrize("named", ["my part.bin", "my%20part.bin"])
def test_a_missing_buffer_of_gltf_is_named(tmp_path, named):
    path = put_gltf(tmp_path, "my part.bin", named)
    assert inspect_mesh(read_mesh(path)).is_sound
    assert len(read_points(path).points) > 1000
    (tmp_path / "my part.bin").unlink()
    sentence = "a.gltf needs the file my part.bin, which is not there; copy it along."
    assert refusal(read_mesh, path) == refusal(read_points, path) == sentence


@pytest.mark.parametrize("header", [b"solid made by a program", b"solid\0name", b"solid facet normal"])
@pytest.mark.parametrize("behind", [b"", b"\0", b"some more words\n" * 9])
@pytest.mark.parametrize("pad", [b" ", b"\0"])
def test_binary_stl_that_begins_like_text(tmp_path, header, behind, pad):
    path = tmp_path / "a.stl"
    write_mesh(sphere(1), path)
    data = path.read_bytes()
    path.write_bytes(header.ljust(80, pad) + data[80:] + behind)
    assert inspect_mesh(read_mesh(path)).is_sound


@pytest.mark.parametrize("end", ["endsolid", "ENDSOLID box", "end solid", "  End  Solid box\n\n"])
def test_ends_of_text_stl(tmp_path, end):
    import trimesh

    path = tmp_path / "a.stl"
    trimesh.creation.box().export(path, file_type="stl_ascii")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-1], end]))
    assert inspect_mesh(read_mesh(path)).is_sound
    for wrong in ("end loop", "end", "solid end"):
        path.write_text("\n".join([*lines[:-1], wrong]))
        assert "truncated" in refusal(read_mesh, path)


@pytest.mark.parametrize("kind", ["ascii", "binary_little_endian"])
@pytest.mark.parametrize("length", [4085, 4086, 4087, 4096, 8183, 10_000])
def test_long_comments_of_ply(tmp_path, kind, length):
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype="<f8")
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], dtype="<i4")
    comment = "comment " + ("element face 7 " * 1000)[:length]
    head = f"ply\nformat {kind} 1.0\n{comment}\nelement vertex 4\n"
    head += "".join(f"property double {axis}\n" for axis in "xyz")
    head += "element face 4\nproperty list uchar int vertex_indices\nend_header\n"
    if kind == "ascii":
        rows = [
            " ".join(map(str, row)) for row in [*corners.tolist(), *([3, *face] for face in faces.tolist())]
        ]
        body = ("\n".join(rows) + "\n").encode()
    else:
        body = corners.tobytes() + b"".join(b"\3" + face.tobytes() for face in faces)
    (tmp_path / "a.ply").write_bytes(head.encode() + body)
    assert inspect_mesh(read_mesh(tmp_path / "a.ply")).is_sound
