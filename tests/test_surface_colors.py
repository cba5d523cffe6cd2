"""Textures are baked as sharply as the input's own are, from its surface and not from points on it."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from PIL import Image

from nmf_model.geometry.atlas import CHART, make_atlas
from nmf_model.geometry.template import icosphere
from nmf_model.repair import CloudColors, dense_colors
from nmf_model.surface_colors import SurfaceColors, colors_of_mesh
from nmf_model.texture import FINE_CHART, export_textured
from nmf_model.types import Mesh, Normalization, PointCloud, Reconstruction, Trajectory

BALL = trimesh.creation.icosphere(subdivisions=4)
RED, BLUE = np.array([220, 20, 40]), np.array([10, 30, 240])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def halves(width, height=64):
    picture = Image.new("RGB", (width, height), tuple(RED))
    picture.paste(tuple(BLUE), (width // 2, 0, width, height))
    return picture


def ball(path, *, picture, hole=False):
    """Write a ball, red where x < 0 and blue elsewhere."""
    faces = BALL.faces[BALL.triangles_center[:, 1] < 0.998] if hole else BALL.faces
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=picture)
    visual = trimesh.visual.TextureVisuals(uv=BALL.vertices[:, :2] * 0.5 + 0.5, material=material)
    trimesh.Trimesh(BALL.vertices, faces, visual=visual, process=False).export(path)
    return path


def beside_the_border(rng, distance=0.002, count=4000):
    """Places near the unit sphere, ``distance`` and more from x = 0."""
    places = rng.normal(size=(count, 3))
    places[:, 0] = 0
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    places *= rng.uniform(0.97, 1.03, (count, 1))
    places[:, 0] = rng.choice([-1, 1], count) * distance * rng.uniform(1, 2, count)
    return places


def test_colours_are_sharper_than_the_samples_are_dense(tmp_path, rng):
    known = colors_of_mesh(ball(tmp_path / "a.glb", picture=halves(2048)))
    assert known is not None
    places = beside_the_border(rng)
    expected = np.where(places[:, :1] < 0, RED, BLUE)

    def wrong(coloring):
        return (np.abs(coloring.at(places).astype(int) - expected).max(axis=1) > 1).mean()

    # Samples lie 0.009 from each other, so that those that are nearest are on both sides.
    assert wrong(CloudColors(known.points, known.colors)) > 0.5
    assert wrong(known) < 0.01
    np.testing.assert_array_equal(known.scaled(32.0).at(places * 32.0), known.at(places))


def test_over_a_hole_are_the_colours_of_its_rim(tmp_path):
    known = colors_of_mesh(ball(tmp_path / "a.glb", picture=halves(64), hole=True))
    assert known is not None
    assert (known.faces < 0).any()
    places = np.array([[-0.02, 1.0, 0.0], [0.02, 1.0, 0.0]])
    found = known.at(places).astype(int)
    assert found[0, 0] > found[0, 2]
    assert found[1, 2] > found[1, 0]
    assert found.max(axis=1).min() > 100  # made of red and blue, not black


def test_what_is_hidden_inside_gives_no_colour(tmp_path, rng):
    outer = trimesh.Trimesh(BALL.vertices, BALL.faces, process=False, vertex_colors=[*BLUE, 255])
    inner = trimesh.Trimesh(BALL.vertices * 0.9, BALL.faces, process=False, vertex_colors=[*RED, 255])
    trimesh.util.concatenate([outer, inner]).export(tmp_path / "a.ply")
    known = colors_of_mesh(tmp_path / "a.ply")
    assert known is not None
    places = rng.normal(size=(500, 3))
    places *= 0.93 / np.linalg.norm(places, axis=1, keepdims=True)
    assert np.abs(known.at(places).astype(int) - BLUE).max() <= 1


def test_points_and_meshes_without_colours_have_none_of_a_surface(tmp_path):
    BALL.export(tmp_path / "plain.stl")
    assert colors_of_mesh(tmp_path / "plain.stl") is None
    shades = np.tile(RED.astype(np.uint8), (len(BALL.vertices), 1))
    trimesh.PointCloud(BALL.vertices, shades).export(tmp_path / "p.ply")
    assert colors_of_mesh(tmp_path / "p.ply") is None
    found = dense_colors(PointCloud(np.array(BALL.vertices), path=tmp_path / "p.ply", colors=shades))
    assert found is not None
    assert (found.at(BALL.vertices[:5]) == RED).all()


@pytest.mark.parametrize(("width", "chart"), [(64, CHART), (2048, FINE_CHART)])
def test_large_textures_become_larger_ones_with_the_same_coordinates(tmp_path, width, chart):
    sphere = icosphere(2)
    mesh = Mesh(sphere.vertices.astype(np.float64), sphere.faces, sphere.vertices)
    still = Trajectory(sphere.vertices[None], sphere.faces, np.zeros(1), np.zeros(1, np.int64))
    done = Reconstruction(mesh, still, Normalization(np.zeros(3), 1.0), mesh.vertices, "fit", 1.0, 1, 0)
    path = ball(tmp_path / "in.glb", picture=halves(width, 1024))
    known = dense_colors(PointCloud(mesh.vertices, path=path, colors=np.zeros(mesh.vertices.shape, np.uint8)))
    assert isinstance(known, SurfaceColors)
    export_textured(done, tmp_path / "out.obj", known)
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (3 * chart, 2 * chart)
    np.testing.assert_allclose(make_atlas(mesh, chart).uv, make_atlas(mesh).uv, rtol=0, atol=1e-12)
