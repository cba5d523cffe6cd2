"""What columns of a text table mean: coordinates with decimal commas, colours, normals, intensities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmf_model.errors import InputError
from nmf_model.io.points import read_points
from nmf_model.io.text import LINES_AT_ONCE
from tests.support.refusals import refusal

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(200, 3))
COLORS = RNG.integers(0, 256, (200, 3), dtype=np.uint8)
NORMALS = POINTS / np.linalg.norm(POINTS, axis=1, keepdims=True)
INTENSITIES = RNG.integers(-2048, 2048, (200, 1))
INTEGERS = RNG.integers(-500, 500, (200, 3))


def rows(*columns, delimiter=" "):
    """Write whole numbers without a point, as the programs do."""
    table = [[value for part in row for value in part.tolist()] for row in zip(*columns, strict=True)]
    return "".join(delimiter.join(map(repr, row)) + "\n" for row in table)


def read(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    return read_points(path)


def refused(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    return refusal(read_points, path)


COLORED = {
    "plain.xyz": rows(POINTS, COLORS),
    "plain.txt": rows(POINTS, COLORS),
    "plain.csv": rows(POINTS, COLORS, delimiter=","),
    "plain.asc": rows(POINTS, COLORS, delimiter="\t"),
    "counted.pts": "200\n" + rows(POINTS, COLORS),
    "intensity.pts": "200\n" + rows(POINTS, INTENSITIES, COLORS),
    "intensity.txt": rows(POINTS, RNG.random((200, 1)), COLORS),
    "byte intensity.pts": rows(POINTS, RNG.integers(0, 256, (200, 1)), COLORS),
    "and normals.txt": rows(POINTS, COLORS, NORMALS),
    "scalar behind.txt": rows(POINTS, COLORS, RNG.normal(size=(200, 1))),
    "label behind.txt": rows(POINTS, COLORS).replace("\n", " chair\n"),
    "written as floats.xyz": rows(POINTS, COLORS.astype(float)),
    "first pixel empty.xyz": "nan nan nan nan nan nan\n" + rows(POINTS, COLORS),
    "commented.txt": "//X Y Z R G B\n" + rows(POINTS, COLORS),
    "words.csv": "x,y,z,Red,Green,Blue\n" + rows(POINTS, COLORS, delimiter=","),
    "coordinates unnamed.csv": "east,north,up,red,green,blue\n" + rows(POINTS, COLORS, delimiter=","),
    "shuffled.csv": "b,z,r,y,x,g\n"
    + rows(COLORS[:, 2:], POINTS[:, 2:], COLORS[:, :1], POINTS[:, 1::-1], COLORS[:, 1:2], delimiter=","),
    "sixteen bits.txt": "# x y z r g b\n" + rows(POINTS, COLORS * np.uint32(257)),
    "of one.txt": "# x y z r g b\n" + rows(POINTS, COLORS / 255),
    "excel.csv": "X;Y;Z;R;G;B\n" + rows(POINTS, COLORS, delimiter=";").replace(".", ","),
}  # fmt: skip


@pytest.mark.parametrize("name", COLORED)
def test_colors_are_read(tmp_path, name):
    cloud = read(tmp_path, name, COLORED[name])
    np.testing.assert_array_equal(cloud.points, POINTS)
    np.testing.assert_array_equal(cloud.colors, COLORS)
    assert cloud.colors.dtype == np.uint8


def changed(values, row, value):
    values = values.astype(float)
    values[row, 1] = value
    return values


FLAGS = RNG.integers(0, 2, (200, 3))
COLORLESS = {
    "bare.xyz": rows(POINTS),
    "normals.xyz": rows(POINTS, NORMALS),
    "normals from upright.xyz": rows(POINTS, np.r_[[[0, 0, 1]], NORMALS[1:]]),
    "normals along axes.xyz": rows(POINTS, np.eye(3, dtype=int)[RNG.integers(0, 3, 200)]),
    "flags.xyz": rows(POINTS, FLAGS),
    "one fraction.xyz": rows(POINTS, changed(COLORS, 199, 2.5)),
    "one negative.xyz": rows(POINTS, changed(COLORS, 199, -1)),
    "one too large.xyz": rows(POINTS, changed(COLORS, 199, 256)),
    "one missing.csv": rows(POINTS, COLORS, delimiter=",") + "3,3,3,,,\n",
    "one word.csv": rows(POINTS, COLORS, delimiter=",") + "3,3,3,1,2,red\n",
    "one short row.xyz": rows(POINTS, COLORS) + "3 3 3\n",
    "five columns.xyz": rows(POINTS, COLORS[:, :2]),
    "named normals.csv": "x,y,z,nx,ny,nz\n" + rows(POINTS, COLORS, delimiter=","),
    "named otherwise.csv": "x,y,z,class,returns,line\n" + rows(POINTS, COLORS, delimiter=","),
    "named, no numbers.csv": "x,y,z,r,g,b\n" + rows(POINTS, delimiter=",").replace("\n", ",a,b,c\n"),
    "named, negative.csv": "x,y,z,r,g,b\n" + rows(POINTS, -1 - FLAGS, delimiter=","),
    "named, beyond the rows.csv": "x,y,z,r,g,b\n" + rows(POINTS, delimiter=","),
}  # fmt: skip


@pytest.mark.parametrize("name", COLORLESS)
def test_other_columns_are_passed_over_quietly(tmp_path, name):
    cloud = read(tmp_path, name, COLORLESS[name])
    np.testing.assert_array_equal(cloud.points[:200], POINTS)
    assert cloud.colors is None
    assert cloud.notes == ()


@given(colors=st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=60, max_size=60))
@settings(max_examples=40, deadline=None)
def test_any_colors_of_a_header_read_back(colors, tmp_path_factory):
    wanted = np.array(colors)
    wanted[0, 0] = 255  # a file with nothing above 1 has colours of 0..1
    cloud = read(
        tmp_path_factory.mktemp("any"), "a.csv", "x,y,z,r,g,b\n" + rows(POINTS[:60], wanted, delimiter=",")
    )
    np.testing.assert_array_equal(cloud.colors, wanted)


def test_missing_named_colors_are_black_as_in_ply(tmp_path):
    table = rows(POINTS, COLORS, delimiter=",").splitlines()
    table[5] = table[5].rsplit(",", 3)[0] + ",,,"
    cloud = read(tmp_path, "a.csv", "x,y,z,r,g,b\n" + "\n".join(table))
    wanted = COLORS.copy()
    wanted[5] = 0
    np.testing.assert_array_equal(cloud.colors, wanted)


def test_colors_of_dropped_points_are_not_judged(tmp_path):
    table = rows(POINTS, COLORS).splitlines()
    table[3] = "nan nan nan -1 nan 0.5"
    cloud = read(tmp_path, "a.xyz", "\n".join(table))
    np.testing.assert_array_equal(cloud.colors, np.delete(COLORS, 3, axis=0))
    assert cloud.notes == ("1 point with NaN or infinite coordinates dropped",)


@pytest.mark.parametrize("head", ["", "x y z r g b\n"])
def test_the_whole_file_decides_on_colors(tmp_path, head):
    points = np.random.default_rng(1).normal(size=(LINES_AT_ONCE + 100, 3))
    black = np.zeros(points.shape, dtype=int)
    late = black.copy()
    late[-1] = 7, 8, 9
    cloud = read(tmp_path, "late.xyz", head + rows(points, late))
    np.testing.assert_array_equal(cloud.colors, late)
    late[-1, 0] = 70_000
    assert read(tmp_path, "none.xyz", head + rows(points, late)).colors is None


def test_bad_coordinates_beside_colors_name_their_line(tmp_path):
    table = rows(POINTS, COLORS).splitlines()
    table[41] = "0.5 oops 0.25 1 2 3"
    assert "'oops' in line 42" in refused(tmp_path, "a.xyz", "\n".join(table))
    table[41] = "0.5"
    assert "1 value in line 42 where 3 belong" in refused(tmp_path, "b.xyz", "\n".join(table))


@pytest.mark.parametrize("delimiter", [";", "\t"])
@pytest.mark.parametrize("head", [(), ("X", "Y", "Z"), ("Punkt", "X", "Y", "Z", "Höhe")])
def test_decimal_commas(tmp_path, delimiter, head):
    others = (RNG.integers(0, 9, (200, 1)), POINTS, RNG.random((200, 1))) if len(head) > 3 else (POINTS,)
    table = rows(*others, delimiter=delimiter).replace(".", ",")
    content = (delimiter.join(head) + "\n" if head else "") + table
    np.testing.assert_array_equal(read(tmp_path, "a.csv", content).points, POINTS)
    quoted = "".join(
        delimiter.join(f'"{field}"' for field in line.split(delimiter)) + "\n"
        for line in content.splitlines()
    )
    np.testing.assert_array_equal(read(tmp_path, "b.csv", quoted).points, POINTS)


def test_decimal_commas_as_excel_writes_them(tmp_path):
    content = "X;Y;Z\n-4,5137;2,1;3,0\n1;1E-3;-,5\n" + rows(POINTS, delimiter=";").replace(".", ",")
    cloud = read(tmp_path, "a.csv", content)
    np.testing.assert_array_equal(cloud.points, np.r_[[[-4.5137, 2.1, 3.0], [1, 1e-3, -0.5]], POINTS])


def test_commas_between_columns_stay_commas(tmp_path):
    for name, delimiter in {"a.csv": ",", "b.csv": ",\t", "c.csv": "\t,", "d.csv": ", "}.items():
        for head in ("", delimiter.join("xyz") + "\n"):
            np.testing.assert_array_equal(
                read(tmp_path, name, head + rows(POINTS, delimiter=delimiter)).points, POINTS
            )


@pytest.mark.parametrize("head", ["", "X;Y;Z\n"])
@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_bad_values_between_decimal_commas_are_quoted_whole(tmp_path, head, delimiter):
    head = head.replace(";", delimiter)
    table = rows(POINTS, delimiter=delimiter).replace(".", ",").splitlines()
    for row in (0, 20):
        for bad in ("oops", "1.234,56", "1,234,567"):
            lines = [*table]
            lines[row] = delimiter.join([bad, "2,1", "3,0"])
            sentence = refused(tmp_path, "a.txt", head + "\n".join(lines))
            assert f"'{bad}' in line {row + 1 + bool(head)} where" in sentence


def test_numbered_rows_of_pandas_between_tabs(tmp_path):
    numbered = rows(np.arange(200)[:, None], POINTS, delimiter="\t")
    np.testing.assert_array_equal(read(tmp_path, "a.txt", "\tx\ty\tz\n" + numbered).points, POINTS)
    indented = "\t\t" + rows(POINTS).strip().replace("\n", "\n\t\t")
    np.testing.assert_array_equal(read(tmp_path, "b.txt", indented).points, POINTS)


OTHERS = RNG.normal(size=(200, 6)) + 50
"""Numbers that are no coordinates."""
IDS = np.arange(200)[:, None]


def table(head, *columns, delimiter=","):
    return head + "\n" + rows(*columns, delimiter=delimiter)


XYZ_HEADS = [
    "X [m],Y [m],Z [m]", "X(m),Y(m),Z(m)", "x[mm],y[mm],z[mm]", '"X","Y","Z"', "Points:0,Points:1,Points:2",
    '"Points:0","Points:1","Points:2"', "Points_0,Points_1,Points_2", "coords_x,coords_y,coords_z",
    "pos_x,pos_y,pos_z", "position_x,position_y,position_z", "Position.X,Position.Y,Position.Z",
    "PosX,PosY,PosZ", "x_coord,y_coord,z_coord", "X Coordinate,Y Coordinate,Z Coordinate",
    "POINT_X,POINT_Y,POINT_Z", "x_m,y_m,z_m", "Easting,Northing,Elevation",
    "easting [m],northing [m],height [m]", "Easting,Northing,Z", "E,N,H", "X,Y,Height [m]",
    "Rechtswert,Hochwert,Höhe", '"Points_m_XYZ:0","Points_m_XYZ:1","Points_m_XYZ:2"',
]  # fmt: skip


@pytest.mark.parametrize("head", XYZ_HEADS)
def test_coordinates_are_found_by_their_names(tmp_path, head):
    before = table("Point ID," + head + ",nx,ny,nz", IDS, POINTS, OTHERS[:, :3])
    behind = table("Normals:0,Normals:1,Normals:2," + head, OTHERS[:, :3], POINTS)
    for name, content in {"a.csv": before, "b.csv": behind, "c.csv": behind.replace(",", ";")}.items():
        cloud = read(tmp_path, name, content)
        np.testing.assert_array_equal(cloud.points, POINTS)
        assert (cloud.colors, cloud.notes) == (None, ())


@pytest.mark.parametrize(
    "head",
    ["//ID X Y Z", "# columns: ID X Y Z", "ID X [m] Y [m] Z [m]", "# id easting northing height",
     "Point ID X (m) Y (m) Z (m)"],
)  # fmt: skip
def test_coordinates_between_blanks_are_found_by_their_names(tmp_path, head):
    np.testing.assert_array_equal(
        read(tmp_path, "a.txt", table(head, IDS, POINTS, delimiter=" ")).points, POINTS
    )


@pytest.mark.parametrize(
    "head",
    ["RGB:0,RGB:1,RGB:2", "Colors_0,Colors_1,Colors_2", "color_r,color_g,color_b",
     "R [0-255],G [0-255],B [0-255]"],
)  # fmt: skip
def test_colors_of_other_programs_are_found_by_their_names(tmp_path, head):
    content = table(
        f"{head},Normals:0,Normals:1,Normals:2,Points:0,Points:1,Points:2", COLORS, OTHERS[:, :3], POINTS
    )
    cloud = read(tmp_path, "a.csv", content)
    np.testing.assert_array_equal(cloud.points, POINTS)
    np.testing.assert_array_equal(cloud.colors, COLORS)


def test_names_that_tell_no_coordinates_are_refused(tmp_path):
    for head in ("Point ID,a,b,c", '"Normals:0","Normals:1","Normals:2",s', ",a,b,c", "id,x,y,d"):
        sentence = refused(tmp_path, "a.csv", table(head, IDS, POINTS))
        assert "call three of them x, y and z in line 1" in sentence
    sentence = refused(tmp_path, "a.txt", "# first\n\n" + table("id a b c", IDS, POINTS, delimiter="\t"))
    assert "columns called id, a, b, c, which" in sentence
    assert "in line 3" in sentence


@pytest.mark.parametrize(
    "head",
    ["a,b,c", "Scan of a cup", "# a scan, made with e, n and z", "# axes are east north up", "a,b,c,",
     "# north is up and east is right"],
)  # fmt: skip
@pytest.mark.parametrize("width", [3, 6])
def test_other_first_lines_leave_the_first_columns(tmp_path, head, width):
    if width == 6 and "," in head and not head.startswith("#"):
        return
    content = table(
        head, POINTS, *([OTHERS[:, :3]] if width == 6 else []), delimiter="," if "," in head else " "
    )
    if head.endswith(","):
        content = content.replace("\n", ",\n").replace(",,", ",")
    np.testing.assert_array_equal(read(tmp_path, "a.txt", content).points, POINTS)


def test_names_behind_a_comment_count_more_than_it(tmp_path):
    content = "# axes: east north up\n" + table("id,x,y,z", IDS, POINTS)
    np.testing.assert_array_equal(read(tmp_path, "a.csv", content).points, POINTS)


def test_rows_shorter_than_their_names_are_said(tmp_path):
    assert "3 values in line 2 where 4 belong" in refused(tmp_path, "a.csv", table("id,x,y,z", POINTS))


@pytest.mark.parametrize("suffix", [".xyz", ".npy"])
def test_rows_of_nothing_but_nan_are_no_defect_however_many(tmp_path, suffix):
    values = np.full((4 * len(POINTS), 3), np.nan)
    values[1::4] = POINTS
    path = tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(path, values)
    else:
        np.savetxt(path, values)
    cloud = read_points(path)
    np.testing.assert_array_equal(cloud.points, POINTS)
    assert cloud.notes == (f"{3 * len(POINTS):,} points with NaN or infinite coordinates dropped",)


def test_points_with_half_a_place_are_a_defect(tmp_path):
    values = np.array(POINTS, dtype=float)
    values[::3, 1] = np.nan
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(InputError, match="remove those"):
        read_points(tmp_path / "a.npy")


@pytest.mark.parametrize("delimiter", [" ", "  ", ", ", "\t "])
def test_decimal_commas_without_semicolons(tmp_path, delimiter):
    content = rows(POINTS, COLORS, delimiter=";").replace(".", ",").replace(";", delimiter)
    cloud = read(tmp_path, "a.asc", content)
    np.testing.assert_array_equal(cloud.points, POINTS)
    np.testing.assert_array_equal(cloud.colors, COLORS)


@pytest.mark.parametrize("values", [INTEGERS, POINTS])
def test_commas_with_blanks_between_columns_stay_commas(tmp_path, values):
    np.testing.assert_array_equal(read(tmp_path, "a.csv", rows(values, delimiter=", ")).points, values)


@pytest.mark.parametrize("delimiter", [" ", ",", ";"])
@pytest.mark.parametrize("first", [0, 1, 1001])
def test_numbers_of_rows_are_no_coordinates(tmp_path, delimiter, first):
    numbers = np.arange(first, first + len(POINTS))[:, None]
    cloud = read(tmp_path, "a.txt", rows(numbers, POINTS, COLORS, delimiter=delimiter))
    np.testing.assert_array_equal(cloud.points, POINTS)
    np.testing.assert_array_equal(cloud.colors, COLORS)


def test_columns_of_an_image_are_coordinates(tmp_path):
    """Its first column counts up as well, but begins anew with each line of pixels."""
    y, x = np.divmod(np.arange(400), 100)
    table = np.stack([x, y, x * y % 7, np.full(400, 9)], axis=1)
    np.testing.assert_array_equal(read(tmp_path, "a.xyz", rows(table)).points, table[:, :3])


def test_each_scan_of_several_has_its_number_of_points(tmp_path):
    parts = [f"{len(part)}\n{rows(part)}" for part in (POINTS[:120], POINTS[120:])]
    np.testing.assert_array_equal(read(tmp_path, "a.pts", "".join(parts)).points, POINTS)
    short = parts[0] + parts[1].replace("80", "90", 1)
    assert "200 of 210 points" in refused(tmp_path, "a.pts", short)
    # A number alone amid a scan is none of its points: as in the rows and columns of .ptx.
    assert "line 2" in refused(tmp_path, "a.pts", "20\n10\n" + rows(POINTS))


def test_names_as_windows_encodes_them(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(("Nr;Rechtswert;Hochwert;Höhe\n" + "".join(
        f"{k};{x};{y};{z}\n" for k, (x, y, z) in enumerate(POINTS.tolist())
    )).encode("cp1252"))  # fmt: skip
    np.testing.assert_array_equal(read_points(path).points, POINTS)


@pytest.mark.parametrize("head", ["lat,lon,alt\n", "ID,Longitude,Latitude,Height\n"])
def test_angles_are_refused(tmp_path, head):
    width = head.count(",") + 1
    table = np.concatenate([POINTS, INTENSITIES], axis=1)[:, :width]
    assert "angles" in refused(tmp_path, "a.csv", head + rows(table, delimiter=","))


def test_colors_as_cloudcompare_calls_fractions(tmp_path):
    cloud = read(tmp_path, "a.txt", "//X Y Z Rf Gf Bf\n200\n" + rows(POINTS, COLORS / 255))
    np.testing.assert_array_equal(cloud.colors, COLORS)


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
@pytest.mark.parametrize("head", ["", "X{0}Y{0}Z\n"])
def test_excel_s_line_on_what_is_between_columns(tmp_path, delimiter, head):
    """Excel needs it to open a file of another country, so that programs write it in front."""
    content = f"sep={delimiter}\n" + head.format(delimiter) + rows(POINTS, delimiter=delimiter)
    np.testing.assert_array_equal(read(tmp_path, "a.csv", content).points, POINTS)
