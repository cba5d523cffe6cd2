"""Textures of any size and depth are seen, and of those that cannot be seen it is said why."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import trimesh
from PIL import Image

from nmf_model.io import texture_pictures
from nmf_model.io.materials import Missing
from nmf_model.io.meshes import load_surface
from nmf_model.io.paint import load_paint
from nmf_model.io.points import read_points

BALL = trimesh.creation.icosphere(subdivisions=2)
UV = np.clip(BALL.vertices[:, :2] * 0.45 + 0.5, 0, 1)
RED = (200, 30, 60)


def obj(folder, picture):
    """Write a ball whose one material shows a picture, by its name."""
    (folder / "a.mtl").write_text(f"newmtl skin\nKd 1 1 1\nmap_Kd {picture}\n")
    lines = ["mtllib a.mtl", "usemtl skin", *(f"v {x} {y} {z}" for x, y, z in BALL.vertices)]
    lines += [f"vt {u} {v}" for u, v in UV]
    lines += ["f " + " ".join(f"{corner}/{corner}" for corner in face) for face in BALL.faces + 1]
    (folder / "a.obj").write_text("\n".join(lines) + "\n")
    return folder / "a.obj"


def glb(folder, picture, parts=1):
    material = trimesh.visual.material.PBRMaterial(name="skin", baseColorTexture=picture)
    scene = trimesh.Scene()
    for number in range(parts):
        visual = trimesh.visual.TextureVisuals(uv=UV, material=material)
        part = trimesh.Trimesh(BALL.vertices + 3 * number, BALL.faces, visual=visual, process=False)
        scene.add_geometry(part)
    scene.export(folder / "a.glb")
    return folder / "a.glb"


def halves(size):
    """A picture, left red and right white."""
    picture = Image.new("RGB", (size, size), "white")
    picture.paste(RED, (0, 0, size // 2, size))
    return picture


def assert_halves(cloud):
    left = cloud.points[:, 0] < -0.1
    assert np.abs(cloud.colors[left].astype(int) - RED).max() <= 8
    assert cloud.colors[cloud.points[:, 0] > 0.1].min() >= 247


@pytest.mark.parametrize("kind", ["png", "jpg", "glb"])
def test_textures_larger_than_the_picture_library_opens_are_seen(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)  # 16k x 16k pixels are beyond the real limit
    monkeypatch.setattr(texture_pictures, "LARGEST_SIDE", 100)
    if kind == "glb":
        path = glb(tmp_path, halves(640))
    else:
        halves(640).save(tmp_path / f"skin.{kind}")
        path = obj(tmp_path, f"skin.{kind}")
    assert_halves(read_points(path))
    paint = load_paint(path, load_surface(path), Missing())
    assert paint is not None
    assert max(paint.textures[0].shape) <= 100
    assert Image.MAX_IMAGE_PIXELS == 10_000


def test_what_is_too_large_to_be_decoded_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(texture_pictures, "MOST_PIXELS", 40_000)
    halves(640).save(tmp_path / "skin.png")
    cloud = read_points(obj(tmp_path, "skin.png"))
    [note] = [note for note in cloud.notes if "skin.png" in note]
    assert "640 x 640 pixels, more than can be read" in note


@pytest.mark.parametrize("mode", ["I;16", "I", "L", "P", "CMYK", "RGBA"])
def test_every_depth_and_kind_of_picture_is_seen_as_it_is(tmp_path, mode):
    grey, name = (120, 120, 120), "skin.tif" if mode == "CMYK" else "skin.png"
    if mode.startswith("I"):
        picture = Image.fromarray(np.full((16, 16), 120 * 257, np.uint16 if mode == "I;16" else np.int32))
    else:
        picture = Image.new("RGB", (16, 16), grey)
        picture = picture.quantize(8) if mode == "P" else picture.convert(mode)
    picture.save(tmp_path / name)
    cloud = read_points(obj(tmp_path, name))
    assert np.abs(cloud.colors.astype(int) - grey).max() <= 2


@pytest.mark.parametrize("bytes_left", [300, 0.5])
def test_a_damaged_texture_is_said(tmp_path, bytes_left):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "skin.jpg")
    whole = (tmp_path / "skin.jpg").read_bytes()
    kept = bytes_left if bytes_left > 1 else int(bytes_left * len(whole))
    (tmp_path / "skin.jpg").write_bytes(whole[:kept])
    cloud = read_points(obj(tmp_path, "skin.jpg"))
    [note] = [note for note in cloud.notes if "skin.jpg" in note]
    assert "is not shown" in note


def test_a_picture_beside_a_gltf_file_that_is_none_is_said(tmp_path):
    glb(tmp_path, halves(64))
    trimesh.load_scene(tmp_path / "a.glb", process=False).export(tmp_path / "a.gltf")
    tree = json.loads((tmp_path / "a.gltf").read_text())
    tree["images"][0] = {"uri": "my%20skin.png"}
    (tmp_path / "a.gltf").write_text(json.dumps(tree))
    halves(64).save(tmp_path / "my skin.png")
    assert_halves(read_points(tmp_path / "a.gltf"))
    shutil.copy(tmp_path / "a.gltf", tmp_path / "my skin.png")
    [note] = [note for note in read_points(tmp_path / "a.gltf").notes if "my skin.png" in note]
    assert "no picture that can be read" in note


def test_a_texture_of_many_parts_is_kept_once(tmp_path):
    path = glb(tmp_path, halves(64), parts=3)
    paint = load_paint(path, load_surface(path), Missing())
    assert paint is not None
    assert len(paint.textures) == 1
    assert len(paint.faces) == 3 * len(BALL.faces)
    assert (paint.texture == 0).all()


def test_a_texture_that_a_ply_file_names_is_seen_or_said(tmp_path):
    material = trimesh.visual.material.SimpleMaterial(image=halves(64))
    visual = trimesh.visual.TextureVisuals(uv=UV, material=material)
    data = trimesh.Trimesh(BALL.vertices, BALL.faces, visual=visual, process=False).export(file_type="ply")
    name = b"comment TextureFile my skin.png\nelement vertex"
    (tmp_path / "a.ply").write_bytes(data.replace(b"element vertex", name, 1))
    halves(64).save(tmp_path / "my skin.png")
    cloud = read_points(tmp_path / "a.ply")
    assert_halves(cloud)
    assert not any("my skin.png" in note for note in cloud.notes)
    (tmp_path / "my skin.png").write_bytes(b"no picture")
    [note] = [note for note in read_points(tmp_path / "a.ply").notes if "my skin.png" in note]
    assert "no picture that can be read" in note
    (tmp_path / "my skin.png").unlink()
    [note] = [note for note in read_points(tmp_path / "a.ply").notes if "my skin.png" in note]
    assert "was not found" in note
