"""PLY files whose vertices have lists of differing lengths among their numbers."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from nmf_model.io.meshes import load_surface
from nmf_model.io.points import read_points
from tests.support.refusals import refusal

BALL = trimesh.creation.icosphere(2)
FACES = np.array(BALL.faces, dtype=np.int64)
KINDS = {"x": "f8", "y": "f8", "z": "f8", "red": "u1", "green": "u1", "blue": "u1"}
NAMES = {"f8": "double", "u1": "uchar", "u2": "ushort", "i4": "int"}
FORMATS = {"": "ascii", "<": "binary_little_endian", ">": "binary_big_endian"}


def ply_bytes(order, properties, lists, colors, faces):
    """A PLY file of a ball; ``properties`` are names in KINDS, or (type of count, type) of lists."""
    head = f"ply\nformat {FORMATS[order]} 1.0\nelement vertex {len(BALL.vertices)}\n"
    for number, prop in enumerate(properties):
        kind = NAMES[KINDS[prop]] if prop in KINDS else " ".join(["list", *(NAMES[kind] for kind in prop)])
        head += f"property {kind} {prop if prop in KINDS else f'list{number}'}\n"
    head += f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    rows = []
    for row, (place, color) in enumerate(zip(BALL.vertices.tolist(), colors.tolist(), strict=True)):
        values = dict(zip(KINDS, [*place, *color], strict=True))
        for number, prop in enumerate(properties):
            if prop in KINDS:
                rows.append((values[prop], KINDS[prop]))
            else:
                length = lists[(row + number) % len(lists)]
                rows += [(length, prop[0]), *((k, prop[1]) for k in range(length))]
        rows.append(None)
    for face in faces.tolist():
        rows += [(3, "u1"), *((corner, "i4") for corner in face), None]
    if order:
        return head.encode() + b"".join(
            np.array(cell[0], order + cell[1]).tobytes() for cell in rows if cell is not None
        )
    return head.encode() + "".join("\n" if cell is None else f"{cell[0]!r} " for cell in rows).encode()


@given(
    order=st.sampled_from(list(FORMATS)),
    properties=st.permutations([*KINDS, ("u1", "i4"), ("u2", "f8")]),
    lists=st.lists(st.integers(0, 4), min_size=1, max_size=5),
    faces=st.sampled_from([FACES, FACES[:0]]),
)
@settings(max_examples=40, deadline=None)
def test_vertices_are_read_wherever_their_lists_stand(order, properties, lists, faces, tmp_path_factory):
    path = tmp_path_factory.mktemp("any") / "a.ply"
    colors = np.random.default_rng(0).integers(1, 256, BALL.vertices.shape, dtype=np.uint8)
    path.write_bytes(ply_bytes(order, properties, lists, colors, faces))
    surface = load_surface(path)
    np.testing.assert_array_equal(surface.vertices, BALL.vertices)
    np.testing.assert_array_equal(surface.colors, colors)
    np.testing.assert_array_equal(surface.faces, faces)
    if len(faces) == 0:
        cloud = read_points(path)
        np.testing.assert_array_equal(cloud.points, BALL.vertices)
        np.testing.assert_array_equal(cloud.colors, colors)


@pytest.mark.parametrize("order", list(FORMATS))
def test_lists_that_reach_beyond_the_file_are_truncated(tmp_path, order):
    colors = np.zeros(BALL.vertices.shape, dtype=np.uint8)
    data = ply_bytes(order, [("u1", "i4"), *KINDS], [2], colors, FACES[:0])
    for length in range(len(data) - 40, len(data), 7):
        (tmp_path / "a.ply").write_bytes(data[:length])
        if order or length < len(data) - 7:
            assert "truncated" in refusal(read_points, tmp_path / "a.ply")
