"""Headers of PLY and PCD as other programs write them."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from nmf_model.io.meshes import read_mesh
from nmf_model.io.source import read_source
from tests.io.formats import lzf_compress
from tests.support.refusals import refusal

BALL = trimesh.creation.icosphere(2)
POINTS, FACES = np.array(BALL.vertices), np.array(BALL.faces)
COLORS = np.random.default_rng(0).integers(2, 256, POINTS.shape)
NAMES = ("x", "y", "z", "red", "green", "blue")
ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}


def ply(kind, end="\n", names=NAMES, magic="ply", strips=None):
    """A coloured ball; with ``strips`` its faces are these corners, with -1 between, in strips."""
    lines = [magic, f"format {kind} 1.0", f"element vertex {len(POINTS)}"]
    lines += [f"property {'double' if column < 3 else 'uchar'} {name}" for column, name in enumerate(names)]
    lists = FACES.tolist() if strips is None else [strips]
    lines += [f"element {'face' if strips is None else 'tristrips'} {len(lists)}"]
    lines += ["property list int int vertex_indices", "end_header", ""]
    rows = [(*place, *color) for place, color in zip(POINTS.tolist(), COLORS.tolist(), strict=True)]
    if kind == "ascii":
        text = [" ".join(map(repr, row)) for row in rows]
        text += [" ".join(map(str, (len(corners), *corners))) for corners in lists]
        return (end.join(lines) + end.join(text) + end).encode()
    order = ORDERS[kind]
    fields = np.dtype([(str(k), order + "f8" if k < 3 else "u1") for k in range(6)])
    body = np.array(rows, fields).tobytes()
    body += b"".join(np.array([len(corners), *corners], order + "i4").tobytes() for corners in lists)
    return end.join(lines).encode() + body


def check_ball(path):
    mesh, cloud = read_mesh(path), read_source(path)
    np.testing.assert_array_equal(mesh.vertices, POINTS)
    np.testing.assert_array_equal(np.sort(mesh.faces, axis=1), np.sort(FACES, axis=1))
    assert np.isclose(trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).volume, BALL.volume)
    assert cloud.colors is not None
    assert len(np.unique(cloud.colors, axis=0)) > 100


@pytest.mark.parametrize("kind", ORDERS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("names", [NAMES, tuple(name.title() for name in NAMES)])
def test_ply_in_capitals_and_with_any_ends_of_lines(tmp_path, kind, end, names):
    path = tmp_path / "a.ply"
    path.write_bytes(ply(kind, end, names, "PLY" if names[0] == "X" else "ply"))
    check_ball(path)


@pytest.mark.parametrize("kind", ORDERS)
def test_strips_of_ply_are_faces(tmp_path, kind):
    # A strip of one triangle for each face, but the first two: one strip of both.
    first = FACES[0].tolist()
    joined = next(k for k in range(1, len(FACES)) if {*first[1:]} < {*FACES[k].tolist()})
    corners = [*first, *({*FACES[joined].tolist()} - {*first})]
    for k in range(1, len(FACES)):
        if k != joined:
            corners += [-1, *FACES[k].tolist()]
    path = tmp_path / "a.ply"
    path.write_bytes(ply(kind, strips=corners))
    mesh = read_mesh(path)
    assert {tuple(sorted(face)) for face in mesh.faces.tolist()} == {tuple(sorted(f)) for f in FACES.tolist()}
    body = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert body.is_winding_consistent
    assert np.isclose(body.volume, BALL.volume)
    assert read_source(path).surface is not None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"double z", b"double w", "does not say which values of its vertices are x, y and z"),
        (b"vertex_indices", b"vertex_numbers", "does not say which vertices its faces have"),
    ],
)
def test_what_a_ply_header_lacks_is_said(tmp_path, old, new, words):
    path = tmp_path / "a.ply"
    path.write_bytes(ply("ascii").replace(old, new))
    assert words in refusal(read_source, path)


def pcd(data, fields, kind, colors, end="\n"):
    size, letter = kind[1], {"u": "U", "i": "I", "f": "F"}[kind[0]]
    head = end.join(
        ["# .PCD v0.7", "VERSION 0.7", f"FIELDS {fields}", f"SIZE 8 8 8 {size} {size} {size}"]
        + [f"TYPE F F F {letter} {letter} {letter}", "COUNT 1 1 1 1 1 1", f"WIDTH {len(POINTS)}", "HEIGHT 1"]
        + [f"POINTS {len(POINTS)}", f"DATA {data}", ""]
    ).encode()
    rows = [(*place, *color) for place, color in zip(POINTS.tolist(), colors.tolist(), strict=True)]
    if data == "ascii":
        return head + "".join(" ".join(map(repr, row)) + end for row in rows).encode()
    table = np.array(rows, np.dtype([(str(k), "<f8" if k < 3 else f"<{kind}") for k in range(6)]))
    if data == "binary":
        return head + table.tobytes()
    raw = b"".join(np.ascontiguousarray(table[name]).tobytes() for name in table.dtype.names)
    packed = lzf_compress(raw)
    return head + np.array([len(packed), len(raw)], "<u4").tobytes() + packed


@pytest.mark.parametrize("data", ["ascii", "binary", "binary_compressed"])
@pytest.mark.parametrize("fields", ["x y z r g b", "X Y Z Red Green Blue"])
@pytest.mark.parametrize(("kind", "scale"), [("u1", 1), ("u2", 257), ("f4", 1), ("f4", 1 / 255)])
def test_colors_of_pcd_in_fields_of_their_own(tmp_path, data, fields, kind, scale):
    path = tmp_path / "a.pcd"
    path.write_bytes(pcd(data, fields, kind, (COLORS * scale).astype(kind)))
    cloud = read_source(path)
    np.testing.assert_array_equal(cloud.points, POINTS)
    np.testing.assert_array_equal(cloud.colors, COLORS)


@pytest.mark.parametrize("data", ["ascii", "binary"])
@pytest.mark.parametrize("end", ["\r", "\r\n"])
def test_pcd_with_any_ends_of_lines(tmp_path, data, end):
    path = tmp_path / "a.pcd"
    path.write_bytes(pcd(data, "x y z r g b", "u1", COLORS.astype("u1"), end))
    cloud = read_source(path)
    np.testing.assert_array_equal(cloud.points, POINTS)
    np.testing.assert_array_equal(cloud.colors, COLORS)


def test_what_is_wrong_with_a_pcd_header_is_said(tmp_path):
    path = tmp_path / "a.pcd"
    whole = pcd("binary", "x y z r g b", "u1", COLORS.astype("u1"))
    path.write_bytes(whole.replace(b"x y z", b"x y w"))
    assert "does not say which of its fields are x, y and z" in refusal(read_source, path)
    path.write_bytes(whole[:60])
    assert "truncated" in refusal(read_source, path)
