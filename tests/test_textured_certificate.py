"""Certificates of meshes with a baked texture: true by another reader, and false once tampered with."""

from __future__ import annotations

import errno
import hashlib
import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from PIL import Image

from nmf_app.__main__ import main
from nmf_app.formats import written_files
from nmf_model import texture
from nmf_model.certificate import Origin, certificate_path
from nmf_model.errors import InputError
from nmf_model.geometry.template import icosphere
from nmf_model.io.meshes import SEAM_NOTE, read_joined, read_mesh
from nmf_model.io.notes import read_note
from nmf_model.io.points import read_points
from nmf_model.io.suffixes import TEXTURE_SUFFIXES
from nmf_model.repair import CloudColors
from nmf_model.texture import export_textured
from nmf_model.types import Mesh, Normalization, Reconstruction, Trajectory
from nmf_model.verify import verify
from tests.support.disks import contents, mounted

ORIGIN = Origin("scan.ply", "cd" * 32, 2, "cpu")
CENTRE, HALF = np.array([445_000.0, 5_412_000.0, 310.0]), np.array([3.0, 2.0, 1.0])


def result(level=2):
    ball = icosphere(level)
    vertices = ball.vertices.astype(np.float64) * HALF + CENTRE
    still = Trajectory(ball.vertices[None], ball.faces, np.zeros(1), np.zeros(1, np.int64))
    frame = Normalization(CENTRE, 3.0)
    return Reconstruction(Mesh(vertices, ball.faces, ball.vertices), still, frame, vertices, "fit", 1.5, 9, 7)


def cloud():
    sphere = icosphere(4).vertices.astype(np.float64)
    return CloudColors(sphere * HALF + CENTRE, (127.5 * (sphere + 1)).astype(np.uint8))


@pytest.fixture(params=TEXTURE_SUFFIXES)
def path(request, tmp_path):
    target = tmp_path / f"a{request.param}"
    export_textured(result(), target, cloud(), ORIGIN, chart_size=32)
    return target


def glb_parts(path):
    """The tree and the binary chunk of a GLB file, by the format's own text."""
    data = path.read_bytes()
    length = struct.unpack("<I", data[12:16])[0]
    return json.loads(data[20 : 20 + length]), bytearray(data[28 + length :])


def write_glb(path, tree, chunk):
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    body = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(chunk), b"BIN\0") + chunk
    path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body)


def bytes_of(tree, accessor):
    """Where an accessor's numbers begin in the chunk."""
    view = tree["bufferViews"][tree["accessors"][accessor]["bufferView"]]
    return view.get("byteOffset", 0) + tree["accessors"][accessor].get("byteOffset", 0)


def move_vertex(path, number, by=0.25):
    """Move one vertex as it is stored; of one that a seam repeats the others stay where they are."""
    if path.suffix == ".obj":
        lines = path.read_text().splitlines(keepends=True)
        line = [k for k, words in enumerate(lines) if words.startswith("v ")][number]
        x, y, z = map(float, lines[line].split()[1:])
        lines[line] = f"v {x + by!r} {y!r} {z!r}\n"
        path.write_text("".join(lines))
        return
    tree, chunk = glb_parts(path)
    place = bytes_of(tree, tree["meshes"][0]["primitives"][0]["attributes"]["POSITION"]) + 12 * number
    struct.pack_into("<f", chunk, place, struct.unpack_from("<f", chunk, place)[0] + by)
    write_glb(path, tree, chunk)


def bad(path):
    found = verify(path)
    assert not found.passed
    assert main(["--verify", str(path), "--quiet"]) == 3
    return [line.text for line in (*found.mesh_lines, *found.certificate_lines) if not line.good]


def test_it_is_written_in_the_file_and_beside_it_and_verifies(path):
    found = verify(path)
    assert found.passed
    assert [line.text for line in found.certificate_lines] == [
        f"The certificate {place} fits: certified by Neural Mesh Flow 0.1.0"
        for place in ("in the file", f"beside it ({path.name}.certificate.json)")
    ]
    assert (found.report.vertices, found.report.faces) == (162, 320)
    beside, inside = json.loads(certificate_path(path).read_text()), json.loads(read_note(path))
    assert beside["certified"] is inside["certified"] is True
    assert beside["geometry_sha256"] == inside["geometry_sha256"]
    assert beside["file_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert main(["--verify", str(path), "--quiet"]) == 0
    companions = {"a.mtl", "a.png"} if path.suffix == ".obj" else set()
    files = {path.name, f"{path.name}.certificate.json", *companions}
    assert {file.name for file in path.parent.iterdir()} == files


def test_names_inside_an_obj_have_no_blanks(tmp_path):
    """MeshLab and others take a name to end at a blank."""
    path = tmp_path / "my  blue figure.obj"
    export_textured(result(), path, cloud(), ORIGIN, chart_size=32)
    files = {path.name, f"{path.name}.certificate.json", "my__blue_figure.mtl", "my__blue_figure.png"}
    assert {file.name for file in tmp_path.iterdir()} == files
    assert {file.name for file in written_files(path, texture=True, certificate=True)} == files
    lines = [*path.read_text().splitlines(), *(tmp_path / "my__blue_figure.mtl").read_text().splitlines()]
    words = [line.split() for line in lines]
    named = {word[0]: word[1:] for word in words if word[0] in ("mtllib", "map_Kd")}
    assert named == {"mtllib": ["my__blue_figure.mtl"], "map_Kd": ["my__blue_figure.png"]}
    assert verify(path).certified
    shown = read_points(path, surface_samples=500)
    wanted = 127.5 * ((shown.points - CENTRE) / HALF + 1)
    assert np.abs(shown.colors - wanted).mean() < 10


def test_what_was_joined_is_said_in_the_certificate_and_on_checking(path):
    values = json.loads(certificate_path(path).read_text())
    if path.suffix == ".glb":
        assert values["reading"] == SEAM_NOTE
        assert SEAM_NOTE in verify(path).notes
        assert len(read_mesh(path).vertices) > 162, "the file repeats vertices"
    else:
        assert "reading" not in values
        assert len(read_mesh(path).vertices) == 162


def test_another_reader_finds_what_the_certificate_says(path):
    """trimesh, with its vertices joined here by position, and the picture as it decodes it."""
    (part,) = trimesh.load_scene(path, process=False).geometry.values()
    distinct, index = np.unique(np.asarray(part.vertices), axis=0, return_inverse=True)
    theirs = trimesh.Trimesh(distinct, index.ravel()[part.faces], process=False)
    report = json.loads(certificate_path(path).read_text())["report"]
    assert theirs.is_watertight
    assert theirs.is_winding_consistent
    assert theirs.euler_number == report["euler_characteristic"] == 2
    assert theirs.body_count == report["components"] == 1
    assert (len(theirs.vertices), len(theirs.faces)) == (report["vertices"], report["faces"])
    assert theirs.area == pytest.approx(report["area"], rel=1e-6)
    material = part.visual.material
    picture = material.baseColorTexture if path.suffix == ".glb" else material.image
    pixels = np.asarray(picture.convert("RGB"))
    digest = hashlib.sha256(struct.pack("<qq", *pixels.shape[:2]) + pixels.tobytes()).hexdigest()
    assert json.loads(read_note(path))["texture_sha256"] == digest


def test_other_readers_see_the_same_with_and_without(path, tmp_path):
    without = tmp_path / "other" / path.name
    without.parent.mkdir()
    export_textured(result(), without, cloud(), chart_size=32)
    assert read_note(without) is None
    assert not certificate_path(without).exists()
    one, other = (trimesh.load(place, force="mesh", process=False) for place in (path, without))
    np.testing.assert_array_equal(one.vertices, other.vertices)
    np.testing.assert_array_equal(one.faces, other.faces)
    np.testing.assert_array_equal(one.visual.uv, other.visual.uv)


def test_equal_runs_write_equal_bytes(path, tmp_path):
    again = tmp_path / "again" / path.name
    again.parent.mkdir()
    export_textured(result(), again, cloud(), ORIGIN, chart_size=32)
    assert again.read_bytes() == path.read_bytes()


def test_a_moved_vertex_is_told(path):
    corners = trimesh.load(path, force="mesh", process=False).vertices
    _, which, uses = np.unique(corners, axis=0, return_inverse=True, return_counts=True)
    # An OBJ file has every vertex once, and the seams in its texture coordinates.
    on_seam = np.flatnonzero(uses[which] > 1)[:1].tolist() if path.suffix == ".glb" else []
    for number in (0, 1, *on_seam):
        before = path.read_bytes()
        move_vertex(path, number)
        lines = bad(path)
        assert len([line for line in lines if "is of another surface" in line]) == 2
        # A vertex on a seam comes apart from its likes.
        assert any("hole" in line for line in lines) == (number in on_seam)
        path.write_bytes(before)
    assert verify(path).passed


def test_a_missing_face_is_told(path):
    if path.suffix == ".obj":
        lines = path.read_text().splitlines(keepends=True)
        last = max(k for k, words in enumerate(lines) if words.startswith("f "))
        path.write_text("".join(lines[:last] + lines[last + 1 :]))
    else:
        tree, chunk = glb_parts(path)
        tree["accessors"][tree["meshes"][0]["primitives"][0]["indices"]]["count"] -= 3
        write_glb(path, tree, chunk)
    lines = bad(path)
    assert "1 hole (3 open edges)" in lines
    assert (
        sum("it speaks of 162 vertices and 320 faces, the file has 162 and 319" in line for line in lines)
        == 2
    )


def test_another_picture_is_told(path):
    if path.suffix == ".obj":
        picture = path.with_suffix(".png")
        pixels = np.array(Image.open(picture))
        pixels[5, 5, 0] ^= 1
        Image.fromarray(pixels).save(picture)
    else:
        scene = trimesh.load_scene(path, process=False)
        (part,) = scene.geometry.values()
        pixels = np.array(part.visual.material.baseColorTexture.convert("RGB"))
        pixels[5, 5, 0] ^= 1
        part.visual.material.baseColorTexture = Image.fromarray(pixels)
        note = json.loads(read_note(path))
        path.write_bytes(
            scene.export(
                file_type="glb",
                tree_postprocessor=lambda tree: tree["asset"].update(extras={"nmf_certificate": note}),
            )
        )
    lines = bad(path)
    assert len(lines) == 2
    assert all("is of another texture" in line for line in lines)


def test_a_picture_that_was_taken_away_is_told(tmp_path):
    path = tmp_path / "a.obj"
    export_textured(result(), path, cloud(), ORIGIN, chart_size=32)
    path.with_suffix(".png").unlink()
    assert all("is of another texture" in line for line in bad(path))


def test_an_unsound_mesh_is_not_called_certified(tmp_path):
    broken = result()
    broken.mesh.vertices[3] += -2.6 * (broken.mesh.vertices[3] - CENTRE)
    for suffix in TEXTURE_SUFFIXES:
        path = tmp_path / f"a{suffix}"
        report = export_textured(broken, path, cloud(), ORIGIN, chart_size=32)
        assert report.self_intersecting_faces > 0
        assert json.loads(certificate_path(path).read_text())["certified"] is False
        assert bad(path) == [f"{report.self_intersecting_faces} faces cross others"]


def split_box():
    """A box whose faces share no vertices."""
    box = trimesh.creation.box()
    return trimesh.Trimesh(
        np.array(box.triangles).reshape(-1, 3), np.arange(36).reshape(-1, 3), process=False
    )


@pytest.mark.parametrize("textured", [True, False])
def test_only_seams_of_a_texture_excuse_repeated_vertices(tmp_path, textured):
    box = split_box()
    if textured:
        picture = Image.fromarray(np.zeros((4, 4, 3), np.uint8))
        box.visual = trimesh.visual.TextureVisuals(uv=box.vertices[:, :2] + 0.5, image=picture)
    path = tmp_path / "theirs.glb"
    box.export(path)
    found = verify(path)
    assert found.passed == textured
    assert (SEAM_NOTE in found.notes) == textured
    assert (len(read_joined(path)[0].vertices) == 8) == textured
    assert textured or "With the vertices at equal positions joined, this mesh would be sound." in found.notes


def test_joining_hides_no_touching_places(tmp_path):
    """Two boxes that touch along an edge are one bad joint, texture or not."""
    one, other = split_box(), split_box()
    other.vertices += [1.0, 1.0, 0.0]
    both = trimesh.util.concatenate([one, other])
    picture = Image.fromarray(np.zeros((4, 4, 3), np.uint8))
    both.visual = trimesh.visual.TextureVisuals(uv=both.vertices[:, :2], image=picture)
    path = tmp_path / "two.glb"
    both.export(path)
    assert "1 bad joint" in bad(path)


def negative(cloud):
    return replace(cloud, colors=255 - cloud.colors)


def shown(path):
    """The picture of a textured file, as another reader finds it."""
    (part,) = trimesh.load_scene(path, process=False).geometry.values()
    material = part.visual.material
    picture = material.baseColorTexture if path.suffix == ".glb" else material.image
    return np.asarray(picture.convert("RGB"))


def test_a_second_export_replaces_all_of_the_first(path):
    files, picture = contents(path.parent), shown(path)
    export_textured(result(3), path, negative(cloud()), ORIGIN, chart_size=32)
    assert contents(path.parent).keys() == files.keys()
    assert verify(path).passed
    assert verify(path).report.vertices == 642
    # A texture's charts depend on the mesh, but the mean colour of a ball and of its negative do not.
    assert picture.mean() + shown(path).mean() == pytest.approx(255, abs=4)
    assert picture.std() > 20


@pytest.mark.parametrize("origin", [ORIGIN, None])
def test_an_export_that_fails_leaves_the_earlier_one_whole(path, origin, monkeypatch):
    """The mesh is written last of its files; half way through it the disk is full."""
    files, picture = contents(path.parent), shown(path)
    name = "write_obj" if path.suffix == ".obj" else "_write_glb"
    true_writer = getattr(texture, name)
    failed = []

    def write(*arguments):
        true_writer(*arguments)
        at = next(i for i, argument in enumerate(arguments) if hasattr(argument, "truncate"))
        stream, note = arguments[at : at + 2]
        if bool(note) is bool(origin):  # the draft of a certified file has no note yet
            stream.truncate(stream.tell() // 2)
            failed.append(note)
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(texture, name, write)
    with pytest.raises(InputError, match="could not be written: the disk is full"):
        export_textured(result(3), path, negative(cloud()), origin, chart_size=32)
    assert len(failed) == 1
    assert contents(path.parent) == files
    assert verify(path).passed
    np.testing.assert_array_equal(shown(path), picture)


@pytest.mark.parametrize("suffix", TEXTURE_SUFFIXES)
def test_a_disk_that_is_really_full_keeps_the_earlier_export(tmp_path, suffix):
    with mounted(tmp_path / "disk", "size=200k") as disk:
        path = disk / f"a{suffix}"
        export_textured(result(), path, cloud(), ORIGIN, chart_size=32)
        files = contents(disk)
        with pytest.raises(InputError, match="the disk is full"):
            export_textured(result(5), path, negative(cloud()), ORIGIN, chart_size=32)
        assert contents(disk) == files
        assert verify(path).passed


@pytest.mark.parametrize("suffix", TEXTURE_SUFFIXES)
def test_a_certificate_that_cannot_take_its_name_keeps_the_earlier_export(tmp_path, suffix):
    """A name just short enough for a file, with which that of its certificate is too long."""
    path = tmp_path / f"{'a' * 240}{suffix}"
    export_textured(result(), path, cloud(), chart_size=32)
    files = contents(tmp_path)
    with pytest.raises(InputError, match=r"certificate\.json could not be written: the name is too long"):
        export_textured(result(3), path, negative(cloud()), ORIGIN, chart_size=32)
    assert contents(tmp_path) == files
