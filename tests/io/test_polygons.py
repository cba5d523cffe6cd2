"""Polygons of mesh files become triangles inside them, whatever their outline."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmf_app.__main__ import main
from nmf_model.geometry.polygons import cut_polygons, fans
from nmf_model.io.meshes import read_mesh
from nmf_model.io.points import read_points
from nmf_model.quality import inspect_mesh

L_SHAPE = np.array([[2, 1], [1, 1], [1, 2], [0, 2], [0, 0], [2, 0]], dtype=float)
TILT = np.array([[2, -1, 2], [2, 2, -1], [-1, 2, 2]]) / 3


def signed_area(outline):
    x, y = np.asarray(outline).T
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)


def prism(outline, height=1.0):
    """Return vertices and polygons of a prism over a counterclockwise outline, each cap one polygon."""
    n = len(outline)
    vertices = np.r_[np.c_[outline, np.zeros(n)], np.c_[outline, np.full(n, height)]]
    sides = [[i, (i + 1) % n, n + (i + 1) % n, n + i] for i in range(n)]
    return vertices, [[*range(n)][::-1], [*range(n, 2 * n)], *sides]


def obj(vertices, polygons, head=""):
    lines = [f"f {' '.join(f'{v + 1}' for v in polygon)}\n" for polygon in polygons]
    return head + "".join("v {!r} {!r} {!r}\n".format(*row) for row in vertices.tolist()) + "".join(lines)


def off(vertices, polygons):
    lines = [f"{len(polygon)} {' '.join(map(str, polygon))}\n" for polygon in polygons]
    body = "".join("{!r} {!r} {!r}\n".format(*row) for row in vertices.tolist()) + "".join(lines)
    return f"OFF\n{len(vertices)} {len(polygons)} 0\n{body}"


def ply(vertices, polygons, kind="ascii"):
    head = f"ply\nformat {kind} 1.0\nelement vertex {len(vertices)}\n"
    head += "".join(f"property double {axis}\n" for axis in "xyz")
    head += f"element face {len(polygons)}\nproperty list uchar int vertex_indices\nend_header\n"
    if kind == "ascii":
        return head.encode() + off(vertices, polygons).split("\n", 2)[2].encode()
    rows = b"".join(bytes([len(polygon)]) + np.array(polygon, "<i4").tobytes() for polygon in polygons)
    return head.encode() + vertices.astype("<f8").tobytes() + rows


MAKERS = {
    "a.obj": lambda *shape: obj(*shape).encode(),
    "a.off": lambda *shape: off(*shape).encode(),
    "text.ply": ply,
    "binary.ply": lambda *shape: ply(*shape, "binary_little_endian"),
}


def put(folder, name, vertices, polygons):
    (folder / name).write_bytes(MAKERS[name](np.asarray(vertices, dtype=float), polygons))
    return folder / name


def turned(sequence, by):
    return [*sequence[by:], *sequence[:by]]


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("first", range(6))
def test_a_prism_over_an_l_is_sound_and_exact(tmp_path, name, first):
    vertices, (bottom, top, *sides) = prism(L_SHAPE)
    report = inspect_mesh(
        read_mesh(put(tmp_path, name, vertices, [turned(bottom, first), turned(top, first), *sides]))
    )
    assert report.is_sound
    assert (report.area, report.volume) == (14, 3)


@pytest.mark.parametrize("name", MAKERS)
def test_the_command_line_finds_it_sound_and_samples_stay_on_it(tmp_path, name):
    path = put(tmp_path, name, *prism(L_SHAPE))
    assert main(["--verify", str(path), "--quiet"]) == 0
    points = read_points(path).points
    assert not (points[:, :2] > 1 + 1e-9).all(axis=1).any()
    assert (points.min(axis=0) >= 0).all()


@pytest.mark.parametrize(
    ("looks", "color"), [("mtllib a.mtl\nusemtl red\n", ""), ("", " 1 0 0"), ("", " 255 0 0 # red")]
)
def test_samples_of_a_coloured_obj_stay_on_it(tmp_path, looks, color):
    (tmp_path / "a.mtl").write_text("newmtl red\nKd 1 0 0\n")
    vertices, polygons = prism(L_SHAPE)
    text = obj(vertices, polygons, looks).replace("f 1", "# what follows\nf \\\n1")
    if not looks:
        text = "\n".join(line + color if line.startswith("v ") else line for line in text.split("\n"))
    (tmp_path / "a.obj").write_text(text)
    cloud = read_points(tmp_path / "a.obj")
    assert not (cloud.points[:, :2] > 1 + 1e-9).all(axis=1).any()
    assert np.abs(cloud.colors.astype(int) - [255, 0, 0]).max() <= 1


def areas(vertices, triangles):
    """Return the signed areas of triangles as seen along z."""
    a, b, c = (vertices[triangles[:, k], :2] for k in range(3))
    return ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2


def cut(outline, tilt=None):
    """Cut one polygon, lying in a plane of space, and return its triangles."""
    flat = np.asarray(outline, dtype=float)
    places = np.c_[flat, np.zeros(len(flat))]
    places = places if tilt is None else places @ tilt
    return cut_polygons(places, np.arange(len(flat)), np.array([len(flat)]))


def check(outline, triangles):
    """Assert that triangles fill an outline once: of its sense, with its area in sum and its sides."""
    flat = np.c_[np.asarray(outline, dtype=float), np.zeros(len(outline))]
    found, whole = areas(flat, triangles), signed_area(outline)
    assert (found * np.sign(whole) > 0).all()
    assert found.sum() == pytest.approx(whole, rel=1e-9)
    sides = {(a, b) for row in triangles.tolist() for a, b in zip(row, turned(row, 1), strict=True)}
    assert {(k, (k + 1) % len(flat)) for k in range(len(flat))} <= sides
    assert len(sides) == 3 * len(triangles) == 3 * (len(flat) - 2)


@pytest.mark.parametrize("tilt", [None, TILT, np.diag([1.0, 1, -1])[[2, 0, 1]]])
@pytest.mark.parametrize("spikes", [3, 5, 40])
def test_stars(tilt, spikes):
    angle = np.arange(2 * spikes) * np.pi / spikes
    radius = np.where(np.arange(2 * spikes) % 2, 0.3, 1.0)
    star = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    for outline in (star, np.roll(star, 1, axis=0), star[::-1]):
        check(outline, cut(outline, tilt))


@pytest.mark.parametrize("first", range(4))
@pytest.mark.parametrize("sense", [1, -1])
def test_a_concave_quad_is_cut_at_its_inner_corner(first, sense):
    dart = np.array([[0, 0], [2, 1], [0, 2], [0.5, 1]])[::sense]
    outline = np.array(turned(dart.tolist(), first))
    triangles = cut(outline)
    check(outline, triangles)
    inner = np.flatnonzero((outline == [0.5, 1]).all(axis=1))[0]
    assert (triangles == inner).any(axis=1).all()


def untangled(points):
    """Order points into a polygon without crossings, by turning stretches around as long as sides cross."""
    outline, n = list(map(tuple, points)), len(points)

    def left(a, b, c):
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    def crosses(a, b, c, d):
        return left(a, b, c) * left(a, b, d) < 0 and left(c, d, a) * left(c, d, b) < 0

    found = True
    while found:
        found = False
        for i in range(n):
            for j in range(i + 2, n if i else n - 1):
                if crosses(outline[i], outline[i + 1], outline[j], outline[(j + 1) % n]):
                    outline[i + 1 : j + 1] = outline[i + 1 : j + 1][::-1]
                    found = True
    return np.array(outline)


@given(
    seed=st.integers(0, 10**6), size=st.integers(4, 18), tilted=st.booleans(), sense=st.sampled_from([1, -1])
)
@settings(max_examples=120, deadline=None)
def test_random_outlines(seed, size, tilted, sense):
    outline = untangled(np.random.default_rng(seed).random((size, 2)))[::sense]
    check(outline, cut(outline, TILT if tilted else None))


@given(seed=st.integers(0, 10**6), size=st.integers(3, 8), extra=st.integers(1, 6))
@settings(max_examples=80, deadline=None)
def test_corners_on_straight_sides(seed, size, extra):
    rng = np.random.default_rng(seed)
    outline = untangled(rng.permutation(81)[:size][:, None] // [9, 1] % 9 * 8.0)
    if abs(signed_area(outline)) < 8 or touches_itself(outline):
        return
    for _ in range(extra):
        k = rng.integers(len(outline))
        middle = (outline[k] + outline[(k + 1) % len(outline)]) / 2
        outline = np.insert(outline, k + 1, middle, axis=0)
    outline = np.roll(outline, rng.integers(len(outline)), axis=0)
    check(outline, cut(outline))


def touches_itself(outline):
    """Whether a corner lies on a side that is not its own."""
    sides = np.roll(outline, -1, axis=0) - outline
    to = outline[None] - outline[:, None]
    across = sides[:, None, 0] * to[..., 1] - sides[:, None, 1] * to[..., 0]
    along = (sides[:, None] * to).sum(axis=2)
    own = np.eye(len(outline), dtype=bool)
    own |= np.roll(own, 1, axis=1)
    return bool(((across == 0) & (along >= 0) & (along <= (sides**2).sum(axis=1)[:, None]) & ~own).any())


def test_a_corner_named_twice_counts_once(tmp_path):
    vertices, (bottom, top, *sides) = prism(L_SHAPE)
    polygons = [[*bottom, bottom[0]], [top[0], *top], *([a, b, b, c, d] for a, b, c, d in sides)]
    for name in MAKERS:
        report = inspect_mesh(read_mesh(put(tmp_path, name, vertices, polygons)))
        assert (report.is_sound, report.area) == (True, 14), name
    assert read_mesh(put(tmp_path, "a.off", vertices, [[0, 0, 1], [2, 3, 4, 4]])).faces.tolist() == [
        [0, 0, 1], [2, 3, 4],
    ]  # fmt: skip


def test_corners_at_one_place_are_kept_as_the_file_has_them():
    outline = np.array([[2, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2], [0, 0]])
    triangles = cut(outline)
    found = areas(outline, triangles)
    assert sorted(np.unique(triangles)) == [*range(7)]
    assert (found.sum(), np.count_nonzero(found == 0), (found >= 0).all()) == (3, 1, True)


def test_an_outline_that_reaches_its_hole_by_a_seam_is_filled_once():
    outer, inner = [[0, 0], [4, 0], [4, 4], [0, 4]], [[1, 1], [1, 3], [3, 3], [3, 1]]
    outline = np.array([*outer, outer[0], *inner, inner[0]])
    for turn in range(len(outline)):
        round_trip = np.roll(outline, turn, axis=0)
        triangles = cut(round_trip)
        found = areas(round_trip, triangles)
        assert (found.sum(), len(found), (found > 0).all()) == (12, 8, True)
        middles = round_trip[triangles].mean(axis=1)
        assert not ((middles > 1) & (middles < 3)).all(axis=1).any()


def test_outlines_that_cross_themselves_stay_fans():
    angle = np.arange(5) * 4 * np.pi / 5
    for outline in (np.c_[np.cos(angle), np.sin(angle)], [[0, 0], [2, 2], [2, 0], [0, 3]]):
        np.testing.assert_array_equal(cut(outline), fans(np.array([len(outline)])))


def test_convex_outlines_stay_fans():
    angle = np.arange(100) * 2 * np.pi / 100
    np.testing.assert_array_equal(cut(np.c_[np.cos(angle), np.sin(angle)]), fans(np.array([100])))


def test_what_has_no_finite_area_stays_a_fan():
    for corner in (np.nan, np.inf, 1e200):
        outline = L_SHAPE.copy()
        outline[1:3] *= corner
        np.testing.assert_array_equal(cut(outline), fans(np.array([6])))


def test_polygons_of_all_sizes_keep_their_order():
    vertices = np.c_[np.r_[L_SHAPE, L_SHAPE + 5], np.zeros(12)]
    polygons = [[0, 1], [1, 2, 3, 4, 5, 0], [], [0, 1, 2], [6, 7, 8, 9], [9], [7, 8, 9, 10, 11, 6]]
    corners, sizes = np.concatenate(polygons).astype(np.int64), np.array([len(p) for p in polygons])
    found = corners[cut_polygons(vertices, corners, sizes)]
    assert [set(row) <= set(range(6)) for row in found.tolist()] == [True] * 5 + [False] * 6
    one, other = found[:4], found[-4:]
    np.testing.assert_array_equal(one + 6, other)
    assert areas(vertices, one).sum() == 3


@pytest.mark.alone
def test_millions_of_quads_are_cut_at_once():
    n = 1000
    places = np.arange((n + 1) ** 2).reshape(n + 1, n + 1)
    vertices = np.stack([*np.divmod(places.ravel(), n + 1), np.sin(places.ravel())], axis=1).astype(float)
    quads = np.stack([places[:-1, :-1], places[1:, :-1], places[1:, 1:], places[:-1, 1:]], axis=2).ravel()
    start = time.perf_counter()
    found = cut_polygons(vertices, quads, np.full(n * n, 4))
    assert time.perf_counter() - start < 5
    np.testing.assert_array_equal(found, fans(np.full(n * n, 4)))
