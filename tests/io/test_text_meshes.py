"""OBJ, OFF and STL in the ways that programs and data sets write them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh

from nmf_model.errors import InputError
from nmf_model.io.meshes import read_mesh
from nmf_model.io.points import read_points
from nmf_model.io.stl import RECORD
from tests.support.refusals import refusal

BALL = trimesh.creation.icosphere(2)
POINTS, FACES = np.array(BALL.vertices), np.array(BALL.faces)


def rows(values, head=""):
    return "".join(head + " ".join(map(repr, row)) + "\n" for row in values)


def off(head):
    counts = f"{len(POINTS)} {len(FACES)} 0"
    return head.format(counts) + "\n" + rows(POINTS.tolist()) + rows(FACES.tolist(), "3 ")


def obj():
    return rows(POINTS.tolist(), "v ") + rows((FACES + 1).tolist(), "f ")


def text_stl():
    loops = (
        f"facet\nouter loop\n{rows(part, 'vertex ')}endloop\nendfacet\n" for part in POINTS[FACES].tolist()
    )
    return f"solid a\n{''.join(loops)}endsolid a\n"


def binary_stl(head=b"", count=320):
    records = np.zeros(len(FACES), RECORD)
    records["corners"] = POINTS[FACES]
    return head.ljust(80, b"\0") + struct.pack("<I", count) + records.tobytes()


@pytest.mark.parametrize("head", ["OFF{}", "OFF {}", "{}", "off\n{}", "# a\n\nOFF # b\n# c\n{}"])
def test_heads_of_off(tmp_path, head):
    path = tmp_path / "a.off"
    path.write_text(off(head))
    mesh = read_mesh(path)
    np.testing.assert_array_equal(mesh.vertices, POINTS)
    np.testing.assert_array_equal(mesh.faces, FACES)


@pytest.mark.parametrize(
    ("head", "words"), [("OFF BINARY\n\0\0\0\x01{}", "binary OFF"), ("nOFF\n3\n{}", "how many coordinates")]
)
def test_kinds_of_off_that_are_not_read_are_named(tmp_path, head, words):
    path = tmp_path / "a.off"
    path.write_text(off(head))
    assert words in refusal(read_mesh, path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize(
    ("name", "text"), [("a.obj", obj()), ("a.off", off("OFF\n{}")), ("a.stl", text_stl())]
)
def test_text_may_begin_with_a_mark(tmp_path, name, text, encoding):
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    path = tmp_path / name
    path.write_bytes((mark + text).encode(encoding))
    mesh = read_mesh(path)
    wanted = POINTS[FACES]
    np.testing.assert_array_equal(mesh.vertices[mesh.faces], wanted)


@pytest.mark.parametrize("head", [b"", b"solid a"])
@pytest.mark.parametrize("count", [0, 300])
def test_an_stl_with_more_faces_than_it_counts_is_refused(tmp_path, head, count):
    path = tmp_path / "a.stl"
    path.write_bytes(binary_stl(head, count))
    assert f"has 320 faces, but its header says {count};" in refusal(read_mesh, path)


def test_what_else_stands_behind_an_stl_is_passed_over(tmp_path):
    path = tmp_path / "a.stl"
    for behind in (bytes(100), b"made by a program of some kind" * 5, b"x" * 7):
        path.write_bytes(binary_stl() + behind)
        assert len(read_mesh(path).faces) == len(FACES)


def test_a_binary_stl_that_begins_like_text_and_ends_early_is_truncated_by_bytes(tmp_path):
    path = tmp_path / "a.stl"
    path.write_bytes(binary_stl(b"solid a")[:8000])
    assert "8,000 of 16,084 bytes" in refusal(read_mesh, path)


def test_the_folder_one_is_in_has_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="is a folder") as caught:
        read_points(Path())
    assert str(caught.value).startswith(str(tmp_path))
