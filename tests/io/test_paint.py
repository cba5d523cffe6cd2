"""Colours of materials and textures as their formats say that they are seen."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from PIL import Image

from nmf_model.io.materials import Missing
from nmf_model.io.meshes import load_surface
from nmf_model.io.paint import load_paint


def square(path, material, uv=((0, 0), (1, 0), (1, 1), (0, 1))) -> np.ndarray:
    """Write a unit square with texture coordinates and return its painted colours on a grid of places."""
    corners = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
    visual = trimesh.visual.TextureVisuals(uv=np.array(uv, dtype=float), material=material)
    trimesh.Trimesh(corners, [[0, 1, 2], [0, 2, 3]], visual=visual, process=False).export(path)
    paint = load_paint(path, load_surface(path), Missing())
    x, y = np.meshgrid(np.linspace(0, 1, 21), np.linspace(0, 1, 21))
    places = np.stack([x.ravel(), y.ravel(), np.zeros(441)], axis=1)
    return paint.at(places, (places[:, 1] > places[:, 0]).astype(int)).reshape(21, 21, 3)


def plain(color) -> Image.Image:
    return Image.new("RGB", (8, 8), color)


@pytest.mark.parametrize("factor", [0.0, 0.4, 1.0])
def test_a_factor_of_gltf_multiplies_the_light_of_its_texture(factor, tmp_path):
    material = trimesh.visual.material.PBRMaterial(
        baseColorTexture=plain((200, 90, 10)), baseColorFactor=[factor, factor, factor, 1.0]
    )
    seen = square(tmp_path / "a.glb", material)
    light = ((np.array([200, 90, 10]) / 255 + 0.055) / 1.055) ** 2.4
    light[2] = 10 / 255 / 12.92  # below the bend of the curve
    expected = np.where(light * factor <= 0.0031308, 12.92 * light * factor,
                        1.055 * np.maximum(light * factor, 1e-9) ** (1 / 2.4) - 0.055)  # fmt: skip
    assert np.abs(seen - 255 * expected).max() < 2  # trimesh keeps factors in bytes
    assert np.array_equal(seen[0, 0], [200, 90, 10]) == (factor == 1)


def test_a_factor_of_gltf_without_a_texture_is_light_too(tmp_path):
    material = trimesh.visual.material.PBRMaterial(baseColorFactor=[0.2140, 1.0, 0.0, 1.0])
    seen = square(tmp_path / "a.glb", material)
    assert np.abs(seen - np.array([127.5, 255, 0])).max() < 1.5


def test_a_face_that_ends_at_the_picture_s_edge_shows_nothing_from_beyond(tmp_path):
    half = np.zeros((16, 16, 3), dtype=np.uint8)
    half[:, 8:] = 255  # black on the left, white on the right
    material = trimesh.visual.material.SimpleMaterial(image=Image.fromarray(half))
    seen = square(tmp_path / "once.obj", material)
    assert (seen[:, 0] == 0).all()
    assert (seen[:, -1] == 255).all()


def test_a_face_that_reaches_beyond_shows_the_picture_again(tmp_path):
    half = np.zeros((16, 16, 3), dtype=np.uint8)
    half[:, 8:] = 255
    material = trimesh.visual.material.SimpleMaterial(image=Image.fromarray(half))
    seen = square(tmp_path / "twice.obj", material, uv=((0, 0), (2, 0), (2, 1), (0, 1)))
    assert (seen[:, [2, 12]] == 0).all()
    assert (seen[:, [8, 18]] == 255).all()
