from __future__ import annotations

import gzip
import os
import struct
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nmf_model.errors import InputError
from nmf_model.io.points import SURFACE_SAMPLES, read_points
from nmf_model.io.source import read_source
from nmf_model.io.suffixes import POINT_SUFFIXES
from tests.io.formats import WRITERS, pcd, tolerance
from tests.support.refusals import refusal

FAST = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def ball(count=200, seed=0):
    points = np.random.default_rng(seed).normal(size=(count, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def fails(path, *words):
    sentence = refusal(read_points, path)
    for word in words:
        assert word in sentence, sentence
    return sentence


def written(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def as_text(points, delimiter=" "):
    return "\n".join(delimiter.join(map(repr, row)) for row in points.tolist()) + "\n"


@st.composite
def clouds(draw):
    count = draw(st.integers(50, 120))
    shape = ball(count, draw(st.integers(0, 1000))) * draw(st.sampled_from([1e-6, 1.0, 1e6]))
    return shape * [1.0, draw(st.floats(0.1, 3)), 1.0] + np.array([1, 9, 0]) * draw(
        st.sampled_from([0.0, 1.0, 5e5])
    )


@pytest.mark.parametrize("name", WRITERS)
@given(points=clouds())
@FAST
def test_any_cloud_reads_back(name, points):
    write, precision = WRITERS[name]
    allowed = tolerance(precision, points)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        write(path, points)
        if allowed > 1e-3 * np.ptp(points, axis=0).max():
            return  # the format cannot hold this cloud
        cloud = read_points(path)
    assert cloud.points.dtype == np.float64
    assert cloud.name == Path(name).stem
    assert cloud.notes == ()
    np.testing.assert_allclose(cloud.points, points, rtol=0, atol=allowed)


def supported(draw_names=sorted(POINT_SUFFIXES)):  # noqa: B008
    return st.sampled_from(draw_names)


@given(
    suffix=supported(),
    content=st.binary(max_size=400) | st.text("0123456789.,-e \nxyz#v f", max_size=400).map(str.encode),
    magic=st.sampled_from(
        [b"", b"ply\nformat ascii 1.0\nelement vertex 9999999999\nproperty float x\n", b"LASF", b"glTF",
         b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"solid a\n", b"VERSION 0.7\nFIELDS x y z\n", b"{", b"OFF\n",
         b"v 1 2 3\nf 1 2 3\n"]
    ),
)  # fmt: skip
@settings(max_examples=400, deadline=None)
@example(suffix=".ply", content=b"ply\nformat ascii 1.0\nelement vertex -1\nend_header\n", magic=b"")
@example(suffix=".ply", content=b"ply\nproperty float x\nend_header\n", magic=b"")
@example(suffix=".pts", content=b"99999999999999999999\n1 2 3\n", magic=b"")
def test_random_bytes_are_an_input_error(suffix, content, magic):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "any" + suffix)
        path.write_bytes(magic + content)
        with pytest.raises(InputError):
            read_points(path)


@pytest.mark.parametrize("name", WRITERS)
@given(
    share=st.floats(0, 0.999), flips=st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 255)), max_size=4)
)
@FAST
def test_damaged_files_never_crash(name, share, flips):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        WRITERS[name][0](path, ball(60))
        data = bytearray(path.read_bytes())
        for place, value in flips:
            data[int(place * len(data))] ^= value
        path.write_bytes(data[: int((1 - share * share) * len(data))] if not flips else data)
        try:
            cloud = read_points(path)
        except InputError:
            return
        assert np.isfinite(cloud.points).all()


@pytest.mark.parametrize(
    "name",
    [n for n in WRITERS if not n.endswith((".xyz", ".txt", ".csv", ".asc", ".obj")) and n != "plain.pts"],
)
def test_truncation_is_noticed(tmp_path, name):
    path = tmp_path / name
    WRITERS[name][0](path, ball(400))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    fails(path)


@pytest.mark.parametrize("name", ["little.ply", "binary.pcd", "compressed.pcd", "cloud.npy", "cloud.las"])
def test_truncation_is_said(tmp_path, name):
    path = tmp_path / name
    WRITERS[name][0](path, ball(400))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    fails(path, "truncated")


def test_missing_lines_are_said(tmp_path):
    body = "".join(as_text(ball()).splitlines(keepends=True)[:150])
    fails(written(tmp_path, "a.pts", "200\n" + body), "truncated", "150 of 200")
    fails(written(tmp_path, "a.off", "OFF\n200 0 0\n" + body), "truncated", "150 of 200")


@pytest.mark.parametrize("suffix", sorted(POINT_SUFFIXES))
def test_empty_file(tmp_path, suffix):
    fails(written(tmp_path, "void" + suffix, b""), "is empty")


@pytest.mark.parametrize("suffix", [".ply", ".xyz", ".npz", ".stl", ".las"])
def test_picture_with_the_wrong_ending(tmp_path, suffix):
    fails(written(tmp_path, "photo" + suffix, b"\x89PNG\r\n\x1a\n" + bytes(100)), "PNG picture")


def test_text_where_numbers_belong_names_the_line(tmp_path):
    lines = as_text(ball()).splitlines()
    lines[41] = "0.5 oops 0.25"
    fails(written(tmp_path, "a.xyz", "\n".join(lines)), "line 42", "'oops'")
    commented = ["# made by hand", "", *lines]
    fails(written(tmp_path, "b.txt", "\n".join(commented)), "line 44")
    fails(written(tmp_path, "c.csv", "x,y,z\n" + as_text(ball(), ",") + "1,2,z\n"), "line 202", "'z'")
    fails(written(tmp_path, "d.obj", "v 0 0 0\nv 0 zero 0\n"), "line 2")
    fails(written(tmp_path, "e.xyz", as_text(ball()) + "1 2\n"), "line 201")


def test_line_number_beyond_the_first_block(tmp_path):
    lines = ["0.5 0.25 0.125"] * 70_000
    lines[69_998] = "0.5 0.25 far"
    fails(written(tmp_path, "long.xyz", "\n".join(lines)), "line 69999")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("suffix", [".npy", ".xyz"])
def test_few_bad_rows_are_dropped_and_many_refused(tmp_path, bad, suffix):
    def save(count):
        points = ball(200)
        points[5 : 5 + count, 1] = bad
        path = tmp_path / f"cloud{suffix}"
        if suffix == ".npy":
            np.save(path, points)
        else:
            path.write_text(as_text(points))
        return path, points

    path, points = save(9)
    cloud = read_points(path)
    np.testing.assert_array_equal(cloud.points, points[np.isfinite(points).all(axis=1)])
    assert cloud.notes == ("9 points with NaN or infinite coordinates dropped",)
    fails(save(10)[0], "NaN", "10 of 200")


def test_repeated_points_are_removed_first(tmp_path):
    points = np.concatenate([ball(60), ball(60)[:30]])
    points[0, 0], points[60, 0] = 0.0, -0.0
    np.save(tmp_path / "a.npy", points)
    cloud = read_points(tmp_path / "a.npy")
    np.testing.assert_array_equal(cloud.points, points[:60])
    assert cloud.notes == ("30 repeated points removed",)
    np.save(tmp_path / "c.npy", points[:61])
    assert read_points(tmp_path / "c.npy").notes == ("1 repeated point removed",)
    np.save(tmp_path / "b.npy", np.tile(ball(49), (10, 1)))
    fails(tmp_path / "b.npy", "49 distinct", "50")


@pytest.mark.parametrize("offset", [0.0, 5e6])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_flat_clouds_are_explained(tmp_path, offset, scale):
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    flat, straight = rng.normal(size=(300, 3)) * [1, 1, 0], rng.normal(size=(300, 3)) * [1, 0, 0]
    for name, points, word in (("plane", flat, "on a plane"), ("line", straight, "on a line")):
        np.save(tmp_path / f"{name}.npy", points @ turn * scale + offset)
        fails(tmp_path / f"{name}.npy", word, "depth")
    thin = rng.normal(size=(300, 3)) * [1, 1, 1e-4] @ turn * scale + offset
    np.save(tmp_path / "thin.npy", thin)
    assert len(read_points(tmp_path / "thin.npy").points) == 300


def test_points_at_no_return_s_distance_are_named_and_not_taken_for_a_line(tmp_path):
    points = np.random.default_rng(0).normal(size=(300, 3))
    points[7], points[9] = 1e30, -1e29
    np.save(tmp_path / "scan.npy", points)
    fails(tmp_path / "scan.npy", "2 points a million times as far away", "(1e+30, 1e+30, 1e+30)")


def test_flat_single_precision_cloud_with_offset(tmp_path):
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    flat = (rng.normal(size=(300, 3)) * [1, 1, 0] @ turn * 100 + 5e5).astype(np.float32)
    np.save(tmp_path / "flat.npy", flat)
    fails(tmp_path / "flat.npy", "on a plane")


def test_thinning_is_said_uniform_and_the_same_for_any_order(tmp_path):
    points = ball(50_000)
    rng = np.random.default_rng(1)
    np.save(tmp_path / "a.npy", points)
    np.save(tmp_path / "b.npy", points[rng.permutation(len(points))])
    thinned = read_points(tmp_path / "a.npy", max_points=5000, seed=3)
    assert len(thinned.points) == 5000
    assert thinned.notes == ("thinned from 50,000 to 5,000 points",)
    shuffled = read_points(tmp_path / "b.npy", max_points=5000, seed=3)
    np.testing.assert_array_equal(np.sort(thinned.points, axis=0), np.sort(shuffled.points, axis=0))
    other = read_points(tmp_path / "a.npy", max_points=5000, seed=4)
    assert not np.array_equal(thinned.points, other.points)
    octants = np.bincount((thinned.points > 0) @ [1, 2, 4], minlength=8) / 5000
    np.testing.assert_allclose(octants, 1 / 8, atol=0.02)
    # In file order, and from all of the file.
    places = np.flatnonzero(np.isin(points[:, 0], thinned.points[:, 0]))
    np.testing.assert_array_equal(points[places], thinned.points)
    np.testing.assert_allclose(places.mean() / 50_000, 0.5, atol=0.02)


def test_thinning_over_many_blocks(tmp_path):
    points = np.random.default_rng(0).random((900_000, 3)).astype(np.float32)
    np.save(tmp_path / "big.npy", points)
    cloud = read_points(tmp_path / "big.npy", max_points=1000)
    assert cloud.notes == ("thinned from 900,000 to 1,000 points",)
    np.testing.assert_allclose(cloud.points.mean(axis=0), 0.5, atol=0.05)
    places = np.flatnonzero(np.isin(points[:, 0].astype(float), cloud.points[:, 0]))
    np.testing.assert_allclose(places.mean() / 900_000, 0.5, atol=0.05)


def test_mesh_is_sampled_on_its_surface(tmp_path):
    path = written(
        tmp_path, "box.obj",
        "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 0 0 3\nv 1 0 3\nv 1 1 3\nv 0 1 3\n"
        "f 4 3 2 1\nf 5/1 6/2/3 7//4 8\nf 1 2 6 5\nf 2 3 7 6\nf 3 4 8 7\nf -5 -8 -4 -1\n",
    )  # fmt: skip
    cloud = read_points(path)
    assert len(cloud.points) == SURFACE_SAMPLES
    assert "sampled" in cloud.notes[0]
    on_side = np.isclose(cloud.points, [0, 0, 0]) | np.isclose(cloud.points, [1, 1, 3])
    assert on_side.any(axis=1).all()
    np.testing.assert_allclose(on_side[:, 2].mean(), 2 / 14, atol=0.02)


@pytest.mark.parametrize(("bad", "said"), [(1, "1 face"), (2, "2 faces")])
def test_few_faces_without_a_place_are_dropped(tmp_path, bad, said):
    corners = ball(180).reshape(60, 9)
    corners[3 : 3 + bad, 4] = np.nan
    vertices = "v " + as_text(corners.reshape(-1, 3)).strip().replace("\n", "\nv ")
    faces = "".join(f"f {i} {i + 1} {i + 2}\n" for i in range(1, 181, 3))
    cloud = read_points(written(tmp_path, "a.obj", f"{vertices}\n{faces}"))
    assert cloud.notes[0] == f"{said} with NaN or infinite coordinates dropped"
    fails(written(tmp_path, "b.off", "OFF\n1 1 0\n"), "(0 of 1 vertex)")


def test_colors(tmp_path):
    points, colors = ball(), np.random.default_rng(0).integers(0, 256, (200, 3), dtype=np.uint8)
    rows = np.zeros(200, [("p", "<f4", 3), ("c", "u1", 3), ("a", "<f8")])
    rows["p"], rows["c"] = points, colors
    head = "ply\nformat binary_little_endian 1.0\nelement vertex 200\n"
    head += "".join(f"property float {a}\n" for a in "xyz")
    head += "property uchar red\nproperty uchar green\nproperty uchar blue\nproperty double q\nend_header\n"
    ply = written(tmp_path, "c.ply", head.encode() + rows.tobytes())
    packed = colors.astype(np.uint32) @ np.array([65536, 256, 1], dtype=np.uint32)
    rows = np.zeros(200, [("p", "<f4", 3), ("pad", "u1", 4), ("rgb", "<u4")])
    rows["p"], rows["rgb"] = points, packed
    head = "VERSION 0.7\nFIELDS x y z _ rgb\nSIZE 4 4 4 1 4\nTYPE F F F U F\nCOUNT 1 1 1 4 1\n"
    head += "WIDTH 200\nHEIGHT 1\nPOINTS 200\nDATA binary\n"
    packed_pcd = written(tmp_path, "c.pcd", head.encode() + rows.tobytes())
    for path in (ply, packed_pcd, _colored_las(tmp_path / "c.las", points, colors)):
        np.testing.assert_array_equal(read_points(path).colors, colors)


def _colored_las(path, points, colors):
    import laspy

    header = laspy.LasHeader(point_format=2, version="1.2")
    header.scales = [1e-6] * 3
    las = laspy.LasData(header)
    las.x, las.y, las.z = points.T
    las.red, las.green, las.blue = (colors.astype(np.uint16) << 8).T
    las.write(path)
    return path


def test_empty_pixels_of_a_depth_image_are_no_defect(tmp_path):
    points = np.concatenate([ball(100), np.full((100, 3), np.nan)]).astype("<f4")
    head = "VERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nWIDTH 20\nHEIGHT 10\nPOINTS 200\nDATA binary\n"
    cloud = read_points(written(tmp_path, "depth.pcd", head.encode() + points.tobytes()))
    np.testing.assert_array_equal(cloud.points, points[:100].astype(float))
    assert cloud.notes == ("100 points with NaN or infinite coordinates dropped",)


@pytest.mark.parametrize("data", ["ascii", "binary", "binary_compressed"])
def test_rows_of_nothing_in_a_list_of_points_are_no_defect_but_half_rows_are(tmp_path, data):
    points = ball(200)
    points[50:150] = np.nan
    path = written(tmp_path, "flat.pcd", pcd(points, data))
    cloud = read_points(path)
    np.testing.assert_array_equal(cloud.points, np.delete(points, range(50, 150), axis=0))
    assert cloud.notes == ("100 points with NaN or infinite coordinates dropped",)
    points[50:150, 0] = 1
    written(tmp_path, "flat.pcd", pcd(points, data))
    fails(path, "NaN or infinite coordinates in 100 of 200 points")


@pytest.mark.parametrize("data", ["ascii", "binary", "binary_compressed"])
@pytest.mark.parametrize("height", [1, 2])
@pytest.mark.parametrize(("bad", "said"), [(1, "1 point"), (2, "2 points")])
def test_pcd_says_what_it_drops_as_text_does(tmp_path, data, height, bad, said):
    points = ball(200)
    points[7 : 7 + bad, 1] = np.nan
    content = pcd(points, data).replace(
        b"WIDTH 200\nHEIGHT 1", b"WIDTH %d\nHEIGHT %d" % (200 // height, height)
    )
    clouds = [
        read_points(written(tmp_path, "a.pcd", content)),
        read_points(written(tmp_path, "a.xyz", as_text(points))),
    ]
    for cloud in clouds:
        np.testing.assert_array_equal(cloud.points, np.delete(points, range(7, 7 + bad), axis=0))
        assert cloud.notes == (f"{said} with NaN or infinite coordinates dropped",)


@pytest.mark.parametrize("key", ["points", "xyz", "vertices", "pos", "positions", "POINTS", "whatever"])
def test_npz_finds_the_points(tmp_path, key):
    extra = {} if key == "whatever" else {"normals": ball(200, 1)}
    np.savez(tmp_path / "a.npz", count=np.array(3), **{key: ball()}, **extra)
    np.testing.assert_array_equal(read_points(tmp_path / "a.npz").points, ball())


def test_npz_that_leaves_it_open(tmp_path):
    np.savez(tmp_path / "a.npz", a=ball(), b=ball())
    fails(tmp_path / "a.npz", "2 arrays", "'points'")
    np.savez(tmp_path / "b.npz", a=np.zeros(9))
    fails(tmp_path / "b.npz", "no arrays")


def test_npy_shapes_and_types(tmp_path):
    path = tmp_path / "a.npy"
    records = np.zeros(200, [("z", "f8"), ("i", "u2"), ("x", "f8"), ("y", "f8")])
    records["x"], records["y"], records["z"] = ball().T
    for array in (ball().T, np.c_[ball(), ball()], records):
        np.save(path, array)
        np.testing.assert_array_equal(read_points(path).points, ball())
    for array in (ball()[:, :2], ball().astype(complex), np.array(["a"] * 60), ball()[None]):
        np.save(path, array)
        fails(path, "rows of x, y and z")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_object_arrays_are_never_unpickled(tmp_path, suffix):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    path = tmp_path / f"bomb{suffix}"
    array = np.array([[Bomb()] * 3] * 60, dtype=object)
    np.save(path, array, allow_pickle=True) if suffix == ".npy" else np.savez(path, points=array)
    fails(path, "Python objects")
    assert not (tmp_path / "exploded").exists()


def test_pickle_named_npy(tmp_path):
    import pickle

    fails(written(tmp_path, "a.npy", pickle.dumps(ball())))


def test_folder_missing_and_unknown(tmp_path):
    (tmp_path / "scans.ply").mkdir()
    fails(tmp_path / "scans.ply", "folder")
    fails(tmp_path / "nowhere.ply", "does not exist")
    fails(written(tmp_path, "a.docx", b"x"), ".docx", ".ply", ".laz")
    fails(written(tmp_path, "README", b"x"), "no file ending")


@pytest.mark.parametrize("ending", [".gz", ".zip", ".7z", ".bz2", ".xz", ".XZ"])
def test_compressed_files_are_to_be_unpacked(tmp_path, ending):
    path = written(tmp_path, "scan.xyz" + ending, gzip.compress(as_text(ball()).encode()))
    for read in (read_points, read_source):
        sentence = refusal(read, path)
        assert "compressed" in sentence
        assert "unpack it first" in sentence
        assert ".ply" not in sentence
    fails(written(tmp_path, "really_packed.xyz", path.read_bytes()), "gzip archive", "unpack it first")


def test_no_permission(tmp_path, monkeypatch):
    path = written(tmp_path, "secret.xyz", as_text(ball()))
    path.chmod(0)
    if os.access(path, os.R_OK):  # the superuser may read everything

        def refuse(*args, **kwargs):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("builtins.open", refuse)
    fails(path, "permissions")


def test_text_oddities(tmp_path):
    table = as_text(ball(), ",")
    quoted = "\n".join(",".join(f'"{x}"' for x in row.split(",")) for row in table.split())
    for name, content in {
        "bom.csv": b"\xef\xbb\xbfX,Y,Z\r\n" + table.replace("\n", "\r\n").encode(),
        "utf16.csv": ("x,y,z\n" + table).encode("utf-16"),
        "cloudcompare.txt": "//X Y Z\n200\n" + as_text(ball()),
        "named.csv": "a name,Y,Z,X\n" + "\n".join(f"7,{y},{z},{x}" for x, y, z in ball().tolist()),
        "unnamed.csv": "first,second,third\n" + table,
        "quoted.csv": quoted,
        "intensity.pts": "200\n" + as_text(np.c_[ball(), np.ones((200, 4))]),
        "indented.xyz": "  # note\n" + as_text(ball()).replace("\n", "  \n\n   "),
    }.items():
        path = written(tmp_path, name, content)
        np.testing.assert_array_equal(read_points(path).points, ball(), err_msg=name)


def test_big_coordinates_that_no_unit_explains(tmp_path):
    np.save(tmp_path / "a.npy", ball() * 1e200)
    fails(tmp_path / "a.npy", "1e+200")


def test_header_that_promises_too_much(tmp_path):
    head = struct.pack("<80xI", 2**32 - 1)
    fails(written(tmp_path, "a.stl", head + bytes(500)), "truncated")


@pytest.mark.parametrize(("suffix", "place"), [(".las", 100), (".laz", 100), (".laz", 227 + 54 + 12)])
def test_las_counts_that_do_not_fit_take_no_time(tmp_path, suffix, place):
    """The number of records, and the size of a compressed block, once cost minutes and gigabytes."""
    path = tmp_path / f"cloud{suffix}"
    WRITERS[path.name][0](path, ball())
    data = bytearray(path.read_bytes())
    data[place + 3] = 0x19
    path.write_bytes(data)
    start = time.process_time()
    if place == 100:
        fails(path, "damaged")
    else:
        assert len(read_points(path).points) == 200
    assert time.process_time() - start < 3
