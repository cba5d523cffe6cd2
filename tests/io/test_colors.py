"""Colours of clouds and meshes, in whatever numbers a file has them: all of it tells which, not its start."""

from __future__ import annotations

import json
import struct
import tracemalloc

import laspy
import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from nmf_model.io import las, ply, text
from nmf_model.io.collect import CHUNK_ROWS
from nmf_model.io.materials import Missing
from nmf_model.io.meshes import load_surface
from nmf_model.io.paint import load_paint
from nmf_model.io.points import read_points
from nmf_model.io.text import LINES_AT_ONCE
from nmf_model.io.writers import write_glb
from nmf_model.types import Mesh

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(200, 3))
COLORS = RNG.integers(0, 256, (200, 3), dtype=np.uint8)
COLORS[0] = 255
PURE = 255 * RNG.integers(0, 2, (200, 3), dtype=np.uint8)
NUMPY = {
    "uchar": "u1",
    "short": "i2",
    "ushort": "u2",
    "int": "i4",
    "uint": "u4",
    "float": "f4",
    "double": "f8",
}


def ply_bytes(points, colors, kind, order, faces=()):
    """A PLY file with colours of one type; text where ``order`` is empty."""
    name = {"": "ascii", "<": "binary_little_endian", ">": "binary_big_endian"}[order]
    head = f"ply\nformat {name} 1.0\nelement vertex {len(points)}\n"
    head += "".join(f"property double {axis}\n" for axis in "xyz")
    head += "".join(f"property {kind} {name}\n" for name in ("red", "green", "blue"))
    head += f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    values = colors.astype(NUMPY[kind])
    if not order:
        rows = zip(points.tolist(), values.tolist(), strict=True)
        body = "".join(" ".join(map(repr, [*point, *color])) + "\n" for point, color in rows)
        return (head + body + "".join("3 {} {} {}\n".format(*face) for face in faces)).encode()
    table = np.zeros(len(points), [("p", f"{order}f8", 3), ("c", order + NUMPY[kind], 3)])
    table["p"], table["c"] = points, values
    corners = np.zeros(len(faces), [("n", "u1"), ("f", f"{order}i4", 3)])
    corners["n"], corners["f"] = 3, np.reshape(faces, (-1, 3))
    return head.encode() + table.tobytes() + corners.tobytes()


WIDE = COLORS.astype(np.int64)
OPAQUE_WIDE = np.c_[WIDE, np.full(200, 255)]
IN_PLY = {
    "bytes": ("uchar", WIDE, COLORS),
    **{f"0..255 as {kind}": (kind, WIDE, COLORS) for kind in NUMPY},
    **{f"0..1 as {kind}": (kind, PURE // 255, PURE) for kind in NUMPY if kind != "uchar"},
    **{f"16 bits as {kind}": (kind, WIDE * 257, COLORS) for kind in ("ushort", "int", "uint", "double")},
    "16 bits, shifted": ("ushort", WIDE << 8, COLORS),
    "32 bits": ("uint", WIDE << 24, COLORS),
    "31 bits": ("int", WIDE << 23, COLORS),
    "fractions": ("float", WIDE / 255, COLORS),
    "long fractions": ("double", WIDE / 255, COLORS),
    "a little beyond 1": ("float", WIDE / 255 * np.where(WIDE == 255, 1.01, 1), COLORS),
}  # fmt: skip


@pytest.mark.parametrize("order", ["", "<", ">"])
@pytest.mark.parametrize("name", IN_PLY)
def test_colors_of_any_ply_type_are_read(tmp_path, name, order):
    kind, values, wanted = IN_PLY[name]
    (tmp_path / "cloud.ply").write_bytes(ply_bytes(POINTS, values, kind, order))
    cloud = read_points(tmp_path / "cloud.ply")
    np.testing.assert_array_equal(cloud.points, POINTS)
    np.testing.assert_array_equal(cloud.colors, wanted)
    assert cloud.colors.dtype == np.uint8
    faces = [(k, k + 1, k + 2) for k in range(0, 198, 3)]
    (tmp_path / "mesh.ply").write_bytes(ply_bytes(POINTS, values, kind, order, faces))
    np.testing.assert_array_equal(load_surface(tmp_path / "mesh.ply").colors, wanted)


def test_numbers_too_large_for_a_color_are_none(tmp_path):
    values = COLORS / 255
    values[7, 1] = 70_000
    (tmp_path / "a.ply").write_bytes(ply_bytes(POINTS, values, "double", "<"))
    assert read_points(tmp_path / "a.ply").colors is None


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, -2.0])
def test_one_odd_number_does_not_darken_the_others(tmp_path, odd):
    values = COLORS / 255
    values[7, 1] = odd
    (tmp_path / "a.ply").write_bytes(ply_bytes(POINTS, values, "double", "<"))
    wanted = COLORS.copy()
    wanted[7, 1] = 255 if odd == np.inf else 0
    np.testing.assert_array_equal(read_points(tmp_path / "a.ply").colors, wanted)


def test_colors_of_dropped_points_are_not_judged(tmp_path):
    points, values = POINTS.copy(), WIDE.copy()
    points[3, 2], values[3] = np.nan, 60_000
    (tmp_path / "a.ply").write_bytes(ply_bytes(points, values, "ushort", "<"))
    np.testing.assert_array_equal(read_points(tmp_path / "a.ply").colors, np.delete(COLORS, 3, axis=0))
    faces = [(k, k + 1, k + 2) for k in range(6, 198, 3)]
    (tmp_path / "b.ply").write_bytes(ply_bytes(points, values, "ushort", "<", faces))
    found = load_surface(tmp_path / "b.ply").colors
    np.testing.assert_array_equal(np.delete(found, 3, axis=0), np.delete(COLORS, 3, axis=0))


def write_las(path, points, colors):
    header = laspy.LasHeader(point_format=2, version="1.2")
    header.scales = [1e-6] * 3
    record = laspy.LasData(header)
    record.x, record.y, record.z = points.T
    record.red, record.green, record.blue = colors.T
    record.write(path)


def write_ply(path, points, colors):
    path.write_bytes(ply_bytes(points, colors, "ushort", "<"))


def write_text(path, points, colors):
    rows = zip(points.tolist(), colors.tolist(), strict=True)
    path.write_text("x y z r g b\n" + "".join(" ".join(map(repr, [*p, *c])) + "\n" for p, c in rows))


WRITERS = {"a.las": write_las, "a.laz": write_las, "a.ply": write_ply, "a.txt": write_text}


@given(
    top=st.sampled_from([1, 2, 200, 255, 256, 40_000, 65_535]),
    bright=st.sets(st.integers(0, 199), min_size=1, max_size=3),
    seed=st.integers(0, 99),
)
@settings(max_examples=15, deadline=None)
@pytest.mark.parametrize("name", WRITERS)
def test_the_order_of_a_file_changes_no_color(name, top, bright, seed, tmp_path_factory):
    """Most of a file is dark, and in one order its few bright points come last, in a chunk of their own."""
    rng = np.random.default_rng(seed)
    colors = rng.integers(0, min(top, 200) + 1, (200, 3)) // 2
    colors[list(bright)] = top
    factor = 255 if top == 1 else 1 if top <= 255 else 1 / 256
    with pytest.MonkeyPatch.context() as patch:
        for module, rows in ((las, "CHUNK_ROWS"), (ply, "CHUNK_ROWS"), (text, "LINES_AT_ONCE")):
            patch.setattr(module, rows, 40)
        for order in (np.argsort(colors[:, 0]), np.argsort(-colors[:, 0]), rng.permutation(200)):
            path = tmp_path_factory.mktemp("any") / name
            WRITERS[name](path, POINTS[order], colors[order])
            cloud = read_points(path)
            np.testing.assert_allclose(cloud.points, POINTS[order], atol=1e-6)
            np.testing.assert_array_equal(cloud.colors, np.floor(colors[order] * factor))


@pytest.mark.parametrize(("name", "rows"), [("a.las", CHUNK_ROWS), ("a.txt", LINES_AT_ONCE)])
def test_a_dark_beginning_as_long_as_a_chunk_does_not_tell(tmp_path, name, rows):
    points = np.random.default_rng(1).random((rows + 100, 3))
    colors = np.zeros(points.shape, dtype=np.int64)
    colors[:, 0] = np.arange(len(points)) % 200
    colors[-50:] = 51_400
    WRITERS[name](tmp_path / name, points, colors)
    cloud = read_points(tmp_path / name, max_points=len(points))
    assert len(cloud.colors) == len(points)
    np.testing.assert_array_equal(cloud.colors, colors // 256)


def test_a_scan_is_read_in_bounded_memory(tmp_path):
    def peak(count):
        rng = np.random.default_rng(2)
        write_las(tmp_path / "a.las", rng.random((count, 3)), rng.integers(0, 65_536, (count, 3)))
        read_points(tmp_path / "a.las", max_points=1000)  # what is imported and made once
        tracemalloc.start()
        cloud = read_points(tmp_path / "a.las", max_points=1000)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(cloud.colors) == 1000
        return most

    assert peak(6 * CHUNK_ROWS) < 1.1 * peak(2 * CHUNK_ROWS)


def as_pcd(points, packed):
    rows = "".join(
        " ".join(map(repr, [*point, value])) + "\n" for point, value in zip(points, packed, strict=True)
    )
    head = "VERSION 0.7\nFIELDS x y z rgb\nSIZE 8 8 8 4\nTYPE F F F U\nCOUNT 1 1 1 1\n"
    return f"{head}WIDTH {len(points)}\nHEIGHT 1\nPOINTS {len(points)}\nDATA ascii\n{rows}"


def write_pcd(path, points, colors):
    path.write_text(as_pcd(points.tolist(), (colors @ [1 << 16, 1 << 8, 1]).tolist()))


@pytest.mark.parametrize("bright", [0, 1, 200])
@pytest.mark.parametrize("name", [*WRITERS, "a.pcd", "a.obj", "a.glb"])
def test_colors_that_are_all_zero_are_none(tmp_path, name, bright):
    """As scanners without a camera leave them; a single number that is not is a colour."""
    colors = np.zeros((200, 3), dtype=int)
    colors[-1, 2] = bright
    writers = WRITERS | {
        "a.pcd": write_pcd,
        "a.obj": lambda path, points, colors: path.write_text(obj_text(points, colors)),
        "a.glb": lambda path, points, colors: write_gltf(path, points, colors.astype(np.uint8)),
    }
    writers[name](tmp_path / name, POINTS, colors)
    cloud = read_points(tmp_path / name)
    assert (cloud.colors is not None) == (bright > 0)
    assert bright == 0 or np.count_nonzero(cloud.colors) == 1


@pytest.mark.parametrize("order", ["", "<", ">"])
@pytest.mark.parametrize("kind", ["uchar", "ushort", "float"])
def test_a_mesh_in_ply_whose_colors_are_all_zero_has_none(tmp_path, kind, order):
    faces = [(k, k + 1, k + 2) for k in range(0, 198, 3)]
    colors = np.zeros((200, 3), dtype=int)
    for bright in (0, 1):
        colors[7, 1] = bright
        (tmp_path / "a.ply").write_bytes(ply_bytes(POINTS, colors, kind, order, faces))
        cloud = read_points(tmp_path / "a.ply", surface_samples=100)
        assert (cloud.colors is not None) == (bright > 0)


def test_a_black_material_is_black(tmp_path):
    (tmp_path / "a.mtl").write_text("newmtl coal\nKd 0 0 0\n")
    ball = trimesh.creation.icosphere(2)
    faces = "".join("f {} {} {}\n".format(*face) for face in ball.faces + 1)
    places = "".join("v {} {} {}\n".format(*place) for place in ball.vertices)
    (tmp_path / "a.obj").write_text(f"mtllib a.mtl\n{places}usemtl coal\n{faces}")
    assert (read_points(tmp_path / "a.obj", surface_samples=500).colors == 0).all()


def obj_text(points, colors, rest=""):
    rows = zip(points.tolist(), colors.tolist(), strict=True)
    return "".join("v " + " ".join(map(repr, [*point, *color])) + rest + "\n" for point, color in rows)


@pytest.mark.parametrize(
    ("colors", "rest", "wanted"),
    [(COLORS / 255, "", COLORS), ((COLORS / 255).round(4), "", COLORS), (WIDE, "", COLORS),
     (COLORS / 255, " 1.0", COLORS), (PURE // 255, "", PURE), (WIDE * 257, "", COLORS)],
    ids=["fractions", "few digits", "bytes", "with alpha", "pure", "16 bits"],
)  # fmt: skip
def test_a_cloud_in_obj_keeps_its_colors(tmp_path, colors, rest, wanted):
    (tmp_path / "a.obj").write_text(obj_text(POINTS, colors, rest))
    cloud = read_points(tmp_path / "a.obj")
    np.testing.assert_array_equal(cloud.points, POINTS)
    np.testing.assert_array_equal(cloud.colors, wanted)


def test_what_follows_a_vertex_in_obj_without_being_a_color_is_passed_over(tmp_path):
    whole = obj_text(POINTS, COLORS / 255)
    for name, content in {
        "normals.obj": obj_text(POINTS, POINTS),
        "weights.obj": obj_text(POINTS, COLORS[:, :1] / 255),
        "one bare.obj": whole + "v 1 2 3\n",
        "one short.obj": whole + "v 1 2 3 0.5\n",
        "one wordy.obj": whole + "v 1 2 3 red green blue\n",
    }.items():
        (tmp_path / name).write_text(content)
        cloud = read_points(tmp_path / name)
        np.testing.assert_array_equal(cloud.points[:200], POINTS)
        assert cloud.colors is None, name


def obj_ball(colors, looks=""):
    """The text of a ball with three numbers for each of its (V, 3) vertices behind the place of that."""
    ball = trimesh.creation.icosphere(2)
    faces = "".join("f {} {} {}\n".format(*face) for face in ball.faces + 1)
    return obj_text(np.array(ball.vertices), colors(np.array(ball.vertices))) + looks + faces


@pytest.mark.parametrize("looks", ["", "mtllib a.mtl\nusemtl plain\n", "mtllib gone.mtl\nusemtl plain\n"])
@pytest.mark.parametrize("factor", [1 / 255, 1, 257], ids=["fractions", "bytes", "16 bits"])
def test_a_mesh_in_obj_keeps_its_colors(tmp_path, factor, looks):
    (tmp_path / "a.mtl").write_text("newmtl plain\nKd 1 1 1\n")
    text = obj_ball(lambda at: (127.5 * (at + 1)).astype(int) * factor, looks)
    (tmp_path / "a.obj").write_text(text)
    cloud = read_points(tmp_path / "a.obj", surface_samples=2000)
    assert np.abs(cloud.colors - 127.5 * (cloud.points + 1)).max() < 3


@pytest.mark.parametrize("colors", [lambda at: at, lambda at: 0 * at, lambda at: 1e6 * (at + 2)])
def test_numbers_behind_the_vertices_of_a_mesh_in_obj_need_not_be_colors(tmp_path, colors):
    (tmp_path / "a.obj").write_text(obj_ball(colors))
    assert read_points(tmp_path / "a.obj", surface_samples=500).colors is None


OFF_KINDS = {
    "COFF": lambda at, color: [*at, *color, 1],
    "coff": lambda at, color: [*at, *color],
    "CNOFF": lambda at, color: [*at, *at, *color, 0.5],
    "STCNOFF": lambda at, color: [*at, *at, *color, 1, 0.25, 0.75],
}
"""What stands behind the places of vertices: normals, colours, places in a texture."""


@pytest.mark.parametrize("factor", [1 / 255, 1], ids=["fractions", "bytes"])
@pytest.mark.parametrize("kind", OFF_KINDS)
@pytest.mark.parametrize("faces", [[], [(k, k + 1, k + 2) for k in range(0, 198, 3)]], ids=["cloud", "mesh"])
def test_colors_of_vertices_in_off_are_read(tmp_path, kind, factor, faces):
    rows = [
        OFF_KINDS[kind](at, color)
        for at, color in zip(POINTS.tolist(), (WIDE * factor).tolist(), strict=True)
    ]
    rows += [[3, *face] for face in faces]
    text = f"{kind}\n200 {len(faces)} 0\n" + "".join(" ".join(map(repr, row)) + "\n" for row in rows)
    (tmp_path / "a.off").write_text(text)
    surface = load_surface(tmp_path / "a.off")
    np.testing.assert_array_equal(surface.vertices, POINTS)
    np.testing.assert_array_equal(surface.colors, COLORS)
    (tmp_path / "b.off").write_text(text.replace(kind, "OFF", 1))
    assert load_surface(tmp_path / "b.off").colors is None


@pytest.mark.parametrize("name", ["colors", "Colours", "rgb", "vertex_colors"])
@pytest.mark.parametrize(
    "values", [COLORS, WIDE, COLORS / 255, (COLORS / 255).astype("f4"), WIDE * 257, OPAQUE_WIDE, WIDE.T],
    ids=["bytes", "whole numbers", "fractions", "single", "16 bits", "with alpha", "in columns"],
)  # fmt: skip
def test_colors_in_npz_are_read(tmp_path, name, values):
    for points in ("positions", "mine"):
        np.savez(tmp_path / "a.npz", **{points: POINTS, name: values})
        cloud = read_points(tmp_path / "a.npz")
        np.testing.assert_array_equal(cloud.points, POINTS)
        np.testing.assert_array_equal(cloud.colors, COLORS)


@pytest.mark.parametrize("values", [COLORS[1:], POINTS, np.zeros(9), np.zeros((200, 2))])
def test_arrays_in_npz_that_are_no_colors_of_the_points_are_passed_over(tmp_path, values):
    np.savez(tmp_path / "a.npz", points=POINTS, colors=values)
    assert read_points(tmp_path / "a.npz").colors is None


GLTF_TYPES = {"u1": 5121, "u2": 5123, "u4": 5125, "f4": 5126}


def gltf_parts(points, colors, transform=None, faces=None):
    """The tree and the buffer of a glTF file with one part: points, or triangles, with a colour each."""
    pieces = [points.astype("<f4"), *([] if colors is None else [colors])]
    pieces += [] if faces is None else [faces.ravel().astype("<u4")]
    views, accessors, buffer = [], [], b""
    for piece in pieces:
        views.append({"buffer": 0, "byteOffset": len(buffer), "byteLength": piece.nbytes})
        kind = GLTF_TYPES[piece.dtype.str[1:]]
        accessors.append(
            {"bufferView": len(views) - 1, "componentType": kind, "normalized": kind in (5121, 5123),
             "count": len(piece), "type": "SCALAR" if piece.ndim == 1 else f"VEC{piece.shape[1]}"}
        )  # fmt: skip
        buffer += piece.tobytes()
        buffer += bytes(-len(buffer) % 4)
    part = {"attributes": {"POSITION": 0}, "mode": 0 if faces is None else 4}
    if colors is not None:
        part["attributes"]["COLOR_0"] = 1
    if faces is not None:
        part["indices"] = len(pieces) - 1
    node = {"mesh": 0} if transform is None else {"mesh": 0, "matrix": transform.T.ravel().tolist()}
    tree = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [node],
        "meshes": [{"primitives": [part]}], "buffers": [{"byteLength": len(buffer)}],
        "bufferViews": views, "accessors": accessors,
    }  # fmt: skip
    return tree, buffer


def write_gltf(path, *parts, **more):
    tree, buffer = gltf_parts(*parts, **more)
    if path.suffix == ".gltf":
        path.with_suffix(".bin").write_bytes(buffer)
        tree["buffers"][0]["uri"] = path.with_suffix(".bin").name
        path.write_text(json.dumps(tree))
        return
    head = json.dumps(tree).encode()
    head += b" " * (-len(head) % 4)
    body = (
        struct.pack("<I4s", len(head), b"JSON") + head + struct.pack("<I4s", len(buffer), b"BIN\0") + buffer
    )
    path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body)


OPAQUE = np.c_[COLORS, np.full(200, 255, np.uint8)]


def curve(light):
    """The sRGB values of amounts of light, 0..1, as IEC 61966-2-1 has them."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


AMOUNTS = np.where(OPAQUE <= 10, OPAQUE / 255 / 12.92, ((OPAQUE / 255 + 0.055) / 1.055) ** 2.4)
AMOUNTS[:, 3] = 1
IN_GLTF = {
    "bytes": (AMOUNTS * 255).round().astype(np.uint8),
    "fractions": AMOUNTS[:, :3].astype("<f4"),
    "fractions with alpha": AMOUNTS.astype("<f4"),
    "16 bits": (AMOUNTS * 65535).round().astype("<u2"),
    "16 bits, transparent": (AMOUNTS * [65535, 65535, 65535, 0]).round().astype("<u2"),
}
"""The same colours, which glTF keeps as amounts of light."""


def colors_of_gltf(name):
    """What is seen of a part of IN_GLTF: a byte of light is coarse where it is dark."""
    return (255 * curve(IN_GLTF["bytes"][:, :3] / 255)).round() if name == "bytes" else COLORS


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
@pytest.mark.parametrize("name", IN_GLTF)
def test_a_cloud_in_gltf_keeps_its_colors(tmp_path, name, suffix):
    transform = trimesh.transformations.rotation_matrix(0.7, [1, 2, 3], [0, 0, 1])
    write_gltf(tmp_path / f"a{suffix}", POINTS, IN_GLTF[name], transform)
    cloud = read_points(tmp_path / f"a{suffix}")
    np.testing.assert_allclose(cloud.points, trimesh.transform_points(POINTS, transform), atol=1e-6)
    np.testing.assert_array_equal(cloud.colors, colors_of_gltf(name))


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
@pytest.mark.parametrize("name", ["bytes", "fractions", "16 bits"])
def test_a_mesh_in_gltf_keeps_its_colors(tmp_path, name, suffix):
    path, faces = tmp_path / f"a{suffix}", np.arange(198).reshape(-1, 3)
    write_gltf(path, POINTS, IN_GLTF[name], faces=faces)
    surface = load_surface(path)
    paint = load_paint(path, surface, Missing())
    np.testing.assert_array_equal(paint.corners, colors_of_gltf(name)[faces])
    np.testing.assert_array_equal(paint.vertices, surface.vertices)


def scene_of(*parts):
    scene = trimesh.Scene()
    for number, part in enumerate(parts):
        matrix = np.eye(4)
        matrix[:3, 3] = 10.0 * number
        scene.add_geometry(part, transform=matrix)
    return scene


def test_a_scene_of_several_clouds_keeps_the_colors_if_all_have_some(tmp_path):
    one, other = (trimesh.PointCloud(POINTS[k::2], colors=OPAQUE[k::2]) for k in (0, 1))
    (tmp_path / "a.glb").write_bytes(scene_of(one, other).export(file_type="glb"))
    cloud = read_points(tmp_path / "a.glb")
    first = cloud.points[:, 0] + cloud.points[:, 1] + cloud.points[:, 2] < 15
    np.testing.assert_array_equal(cloud.colors[first], COLORS[0::2])
    np.testing.assert_array_equal(cloud.colors[~first], COLORS[1::2])
    (tmp_path / "b.glb").write_bytes(scene_of(one, trimesh.PointCloud(POINTS[1::2])).export(file_type="glb"))
    assert read_points(tmp_path / "b.glb").colors is None
    assert len(read_points(tmp_path / "b.glb").points) == 200


def test_a_scene_with_faces_has_the_colors_of_its_faces(tmp_path):
    ball = trimesh.creation.icosphere(2)
    ball.visual.vertex_colors = [200, 100, 50, 255]
    cloud = trimesh.PointCloud(POINTS, colors=OPAQUE)
    (tmp_path / "a.glb").write_bytes(scene_of(ball, cloud).export(file_type="glb"))
    found = read_points(tmp_path / "a.glb", surface_samples=500)
    assert (found.colors == [200, 100, 50]).all()


def test_bytes_that_trimesh_wrote_are_srgb(tmp_path):
    """It does not turn them into light; what other programs write is light."""
    ball = trimesh.creation.icosphere(2)
    ball.visual.vertex_colors = [100, 150, 200, 255]
    ball.export(tmp_path / "a.glb")
    surface = load_surface(tmp_path / "a.glb")
    paint = load_paint(tmp_path / "a.glb", surface, Missing())
    assert (paint.corners == [100, 150, 200]).all()


def test_colors_of_a_glb_are_light_on_a_dull_surface(tmp_path):
    """Read by hand: as any viewer reads it, with every colour of 8 bits restored."""
    ball = trimesh.creation.icosphere(3)
    shades = RNG.integers(0, 256, (len(ball.vertices), 3), dtype=np.uint8)
    shades[:256] = np.arange(256, dtype=np.uint8)[:, None]
    with (tmp_path / "a.glb").open("wb") as stream:
        write_glb(Mesh(np.array(ball.vertices), np.array(ball.faces), colors=shades), stream)
    data = (tmp_path / "a.glb").read_bytes()
    length = int.from_bytes(data[12:16], "little")
    tree = json.loads(data[20 : 20 + length])
    part = tree["meshes"][0]["primitives"][0]
    assert tree["materials"][part["material"]]["pbrMetallicRoughness"]["metallicFactor"] == 0
    accessor = tree["accessors"][part["attributes"]["COLOR_0"]]
    assert (accessor["componentType"], accessor["type"], "normalized" in accessor) == (5126, "VEC3", False)
    assert not any(name.startswith("_") for name in part["attributes"])
    view = tree["bufferViews"][accessor["bufferView"]]
    start = 20 + length + 8 + view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    light = np.frombuffer(data, "<f4", 3 * len(shades), start).reshape(-1, 3)
    np.testing.assert_array_equal((255 * curve(light.astype(float))).round(), shades)
    paint = load_paint(tmp_path / "a.glb", load_surface(tmp_path / "a.glb"), Missing())
    np.testing.assert_array_equal(paint.corners, shades[ball.faces])


def test_a_glb_without_colors_is_not_said_to_have_any(tmp_path):
    ball = trimesh.creation.icosphere(1)
    with (tmp_path / "a.glb").open("wb") as stream:
        write_glb(Mesh(np.array(ball.vertices), np.array(ball.faces)), stream)
    assert load_paint(tmp_path / "a.glb", load_surface(tmp_path / "a.glb"), Missing()) is None


def test_a_broken_color_does_not_cost_the_shape(tmp_path):
    tree, buffer = gltf_parts(POINTS, IN_GLTF["16 bits"])
    tree["accessors"][1]["count"] = 10
    (tmp_path / "a.bin").write_bytes(buffer)
    tree["buffers"][0]["uri"] = "a.bin"
    (tmp_path / "a.gltf").write_text(json.dumps(tree))
    cloud = read_points(tmp_path / "a.gltf")
    np.testing.assert_allclose(cloud.points, POINTS, atol=1e-6)
    assert cloud.colors is None
