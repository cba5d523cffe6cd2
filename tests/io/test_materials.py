"""What an OBJ names for its looks and is not there is said, and no colour is made up for it."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from PIL import Image

from nmf_model.io.points import read_points

SPHERE = trimesh.creation.icosphere(subdivisions=2)


def write(folder, *, colors=False, head="mtllib my looks.mtl\nusemtl skin\n"):
    lines = [head]
    for number, (x, y, z) in enumerate(SPHERE.vertices):
        lines.append(f"v {x} {y} {z}" + (f" {number % 2} 0.5 0" if colors else "") + "\n")
    lines += ["vt 0.1 0.1\nvt 0.9 0.1\nvt 0.1 0.9\n"]
    lines += [f"f {a}/1 {b}/2 {c}/3\n" for a, b, c in SPHERE.faces + 1]
    (folder / "a.obj").write_text("".join(lines))
    return folder / "a.obj"


def told(cloud):
    return [note for note in cloud.notes if "was not found" in note]


def test_a_missing_material_file_is_said_and_nothing_is_painted(tmp_path):
    cloud = read_points(write(tmp_path))
    assert told(cloud) == [
        "The material file my looks.mtl that the file names was not found, so its colours are not complete."
    ]
    assert cloud.colors is None


def test_colours_of_vertices_stay_without_the_material_file(tmp_path):
    cloud = read_points(write(tmp_path, colors=True, head="mtllib gone.mtl\n"))
    assert len(told(cloud)) == 1
    assert cloud.colors is not None
    assert np.ptp(cloud.colors[:, 0]) > 100


@pytest.mark.parametrize(
    "line",
    [
        "map_Kd skin colour.png",
        "map_Kd -s 1 1 1 skin.png",
        "map_Kd -clamp on -mm 0.0 1.0 -o 0.0 0 -bm 1e0 skin colour.png",
        "MAP_KD -blendu OFF -S 1.000000 1.000000 1.000000 -imfchan r skin.png",
    ],
)
def test_a_missing_texture_is_said_and_one_that_is_there_is_used(tmp_path, line):
    (tmp_path / "my looks.mtl").write_text(f"newmtl skin\nKd 1 1 1\n{line}\n")
    name = "skin colour.png" if "colour" in line else "skin.png"
    cloud = read_points(write(tmp_path))
    assert told(cloud) == [
        f"The texture {name} that the file names was not found, so its colours are not complete."
    ]
    Image.new("RGB", (8, 8), (200, 30, 60)).save(tmp_path / name)
    cloud = read_points(tmp_path / "a.obj")
    assert told(cloud) == []
    assert np.abs(cloud.colors.astype(int) - [200, 30, 60]).max() <= 1


@pytest.mark.parametrize("move", ["-s 2 2 1", "-o 0.25 0 0", "-clamp on -t 0 0.5"])
def test_a_texture_that_its_material_moves_is_said_not_to_be_shown(tmp_path, move):
    (tmp_path / "my looks.mtl").write_text(f"newmtl skin\nKd 1 1 1\nmap_Kd {move} skin.png\n")
    Image.new("RGB", (8, 8), (200, 30, 60)).save(tmp_path / "skin.png")
    cloud = read_points(write(tmp_path))
    [note] = [note for note in cloud.notes if "skin.png" in note]
    assert "shifted or scaled" in note
    assert cloud.colors is None or not (cloud.colors == [200, 30, 60]).all(axis=1).any()


def looks(folder, line, **files):
    """Write an OBJ whose looks are named by a line, and material files; return what is read."""
    for name, content in files.items():
        (folder / f"{name.replace('_', ' ')}.mtl").write_text(content)
    return read_points(write(folder, head=f"{line}\nusemtl skin\n"))


RED, BLUE = "newmtl skin\nKd 1 0 0\n", "newmtl other\nKd 0 0 1\n"


@pytest.mark.parametrize(
    "line",
    ["mtllib b.mtl a.mtl", "mtllib a.mtl b.mtl", "mtllib b.mtl\nmtllib a.mtl", "mtllib b.mtl my looks.mtl"],
)
def test_several_material_files_are_all_read(tmp_path, line):
    cloud = looks(tmp_path, line, a=RED, b=BLUE, **({"my_looks": RED} if "my" in line else {}))
    assert told(cloud) == []
    assert np.abs(cloud.colors.astype(int) - [255, 0, 0]).max() <= 1


def test_of_several_material_files_the_missing_one_is_named(tmp_path):
    cloud = looks(tmp_path, "mtllib a.mtl my other.MTL", a=RED)
    assert told(cloud) == [
        "The material file my other.MTL that the file names was not found, so its colours are not complete."
    ]


@pytest.mark.parametrize("line", ["\tmap_Kd skin.png", "  map_Kd  skin.png", "map_kd\tskin.png"])
def test_textures_in_indented_lines_are_seen(tmp_path, line):
    material = f"newmtl skin\n\tKd 1 1 1\n{line}\n"
    assert told(looks(tmp_path, "mtllib a.mtl", a=material)) == [
        "The texture skin.png that the file names was not found, so its colours are not complete."
    ]
    Image.new("RGB", (8, 8), (200, 30, 60)).save(tmp_path / "skin.png")
    cloud = read_points(tmp_path / "a.obj")
    assert told(cloud) == []
    assert np.abs(cloud.colors.astype(int) - [200, 30, 60]).max() <= 1


@pytest.mark.parametrize(
    "name", ["textures\\skin.png", "textures/skin.png", "textures\\my skin.png", "skin.png"]
)
@pytest.mark.parametrize("material", ["a.mtl", "looks\\a.mtl", "looks/a.mtl"])
@pytest.mark.parametrize("beside", ["material", "obj"])
def test_names_are_found_with_either_slash_beside_the_material_or_the_obj(tmp_path, name, material, beside):
    """What is not said to be missing is shown."""
    place = tmp_path / material.replace("\\", "/")
    texture = (place.parent if beside == "material" else tmp_path) / name.replace("\\", "/")
    for folder in (place.parent, texture.parent):
        folder.mkdir(exist_ok=True)
    place.write_text(f"newmtl skin\nKd 1 1 1\nmap_Kd {name}\n")
    path = write(tmp_path, head=f"mtllib {material}\nusemtl skin\n")
    assert told(read_points(path)) == [
        f"The texture {name} that the file names was not found, so its colours are not complete."
    ]
    Image.new("RGB", (8, 8), (200, 30, 60)).save(texture)
    cloud = read_points(path)
    assert told(cloud) == []
    assert np.abs(cloud.colors.astype(int) - [200, 30, 60]).max() <= 1


def test_a_texture_that_is_not_shown_is_said_wherever_it_lies(tmp_path):
    (tmp_path / "in").mkdir()
    Image.new("RGB", (8, 8), (200, 30, 60)).save(tmp_path / "skin.png")
    (tmp_path / "in" / "my looks.mtl").write_text("newmtl skin\nKd 1 1 1\nmap_Kd ../skin.png\n")
    cloud = read_points(write(tmp_path / "in"))
    shown = cloud.colors is not None and np.abs(cloud.colors.astype(int) - [200, 30, 60]).max() <= 1
    assert bool(told(cloud)) is not shown
