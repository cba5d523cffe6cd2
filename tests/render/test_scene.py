"""What is drawn, checked in pixels of an off-screen plotter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv
from PIL import Image

from nmf_app import resources
from nmf_app.session import Drape, Shading, Theme
from nmf_app.widgets.scene import Scene
from nmf_model.geometry.atlas import make_atlas
from nmf_model.geometry.template import icosphere
from nmf_model.repair import CloudColors
from nmf_model.texture import bake
from nmf_model.types import Mesh

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def plotter():
    plotter = pv.Plotter(off_screen=True, window_size=[200, 200])
    yield plotter
    plotter.close()


@pytest.fixture
def scene(plotter):
    scene = Scene(plotter)
    scene.set_colours(resources.palette(Theme.LIGHT))
    return scene


def pixels(plotter):
    plotter.render()
    return np.asarray(plotter.screenshot(return_img=True)).astype(int)


def covered(plotter, scene):
    """How many pixels the surface covers."""
    shown = pixels(plotter)
    scene.hide_mesh()
    return int((np.abs(shown - pixels(plotter)).sum(axis=-1) > 12).sum())


def test_a_frame_changes_the_picture_and_moves_the_same_mesh(plotter, scene):
    sphere = icosphere(3)
    scene.set_mesh(sphere.vertices, sphere.faces)
    before, mesh = pixels(plotter), scene._mesh
    scene.set_mesh(sphere.vertices * np.float32(0.5), sphere.faces)
    assert scene._mesh is mesh
    assert (pixels(plotter) != before).any()


def test_half_the_radius_covers_a_quarter_of_the_pixels(plotter, scene):
    sphere = icosphere(4)
    scene.set_mesh(sphere.vertices * np.float32(0.8), sphere.faces)
    large = covered(plotter, scene)
    scene.set_mesh(sphere.vertices * np.float32(0.4), sphere.faces)
    assert 0.2 < covered(plotter, scene) / large < 0.3


def test_new_faces_swap_the_mesh(plotter, scene):
    coarse, fine = icosphere(1), icosphere(3)
    scene.set_mesh(coarse.vertices, coarse.faces)
    scene.set_mesh(fine.vertices, fine.faces)
    assert scene._mesh.n_points == len(fine.vertices)
    assert scene._mesh.n_cells == len(fine.faces)


def test_the_scene_keeps_no_hold_of_a_frame(scene):
    """A frame's array belongs to the trajectory: drawing must never write into it."""
    sphere = icosphere(2)
    first, second = sphere.vertices.copy(), sphere.vertices * np.float32(0.5)
    scene.set_mesh(first, sphere.faces)
    scene.set_mesh(second, sphere.faces)
    np.testing.assert_array_equal(first, sphere.vertices)


def test_each_shading_looks_different(plotter, scene):
    sphere = icosphere(2)
    scene.set_mesh(sphere.vertices, sphere.faces)
    seen = []
    for shading in Shading:
        scene.set_shading(shading)
        seen.append(pixels(plotter).tobytes())
    assert len(set(seen)) == len(Shading)


def test_points_can_be_hidden_shown_and_replaced(plotter, scene):
    empty = pixels(plotter)
    scene.set_points(icosphere(2).vertices)
    with_points = pixels(plotter)
    assert (with_points != empty).any()
    scene.show_points(False)
    np.testing.assert_array_equal(pixels(plotter), empty)
    scene.set_points(icosphere(1).vertices)
    np.testing.assert_array_equal(pixels(plotter), empty)
    scene.show_points(True)
    assert (pixels(plotter) != empty).any()
    scene.set_points(np.empty((0, 3), dtype=np.float32))
    np.testing.assert_array_equal(pixels(plotter), empty)


def test_themes_colour_the_background(plotter, scene):
    light = pixels(plotter).mean()
    scene.set_colours(resources.palette(Theme.DARK))
    assert pixels(plotter).mean() < light - 80


def test_reset_brings_the_camera_back(plotter, scene):
    sphere = icosphere(2)
    scene.set_mesh(sphere.vertices * np.float32([1, 0.5, 0.7]), sphere.faces)
    before = pixels(plotter)
    plotter.camera.Azimuth(70)
    plotter.camera.Zoom(0.5)
    assert (pixels(plotter) != before).any()
    scene.reset_camera()
    np.testing.assert_array_equal(pixels(plotter), before)


@pytest.mark.parametrize("viewer", [(0, 0, 1), (0, 0.5, 0.75**0.5), (0.6, 0, -0.8), (0, 1, 0)])
def test_a_picture_is_looked_at_nearly_from_where_it_was_taken_until_something_else_is_shown(
    plotter, scene, viewer
):
    def degrees_off(direction):
        return np.degrees(np.arccos(np.dot(direction, plotter.camera.position) / 4))

    scene.look_from(viewer)
    assert 1 < degrees_off(viewer) < 12
    assert abs(np.dot(plotter.camera.up, plotter.camera.position)) < 3.99  # else there is no upright in it
    plotter.camera.Azimuth(70)
    scene.reset_camera()
    assert degrees_off(viewer) < 12
    scene.look_from(None)
    assert degrees_off((0, 0, 1)) > 25


def test_both_themes_name_the_same_colours():
    colours = json.loads((resources.root() / "style" / "palette.json").read_text())
    assert colours["light"].keys() == colours["dark"].keys()


@pytest.mark.parametrize("theme", list(Theme))
def test_text_is_readable_on_its_ground(theme):
    colours = resources.palette(theme)
    for ink, ground in [
        ("text", "window"), ("text", "surface"), ("muted", "surface"), ("muted", "window"),
        ("good", "surface"), ("bad", "surface"), ("accent_text", "accent"), ("accent", "surface"),
    ]:  # fmt: skip
        assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)


def contrast(one, other):
    """WCAG contrast ratio of two #rrggbb colours."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour):
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("of_a_picture", [False, True])
def test_the_animation_process_writes_a_gif_that_moves(tmp_path, of_a_picture):
    sphere = icosphere(2)
    flow = np.stack([sphere.vertices * np.float32([1, 1 - share, 1]) for share in (0, 0.3, 0.6)])
    more = {}
    if of_a_picture:
        more["viewer"] = (0.0, 0.6, 0.8)
        more["drape_picture"] = np.full((4, 4, 3), (255, 0, 0), dtype=np.uint8)
        more["drape_places"] = np.full((len(sphere.vertices), 2), 0.5, dtype=np.float32)
        more["colors"] = np.zeros((len(sphere.vertices), 3), dtype=np.uint8)
    np.savez(tmp_path / "flow.npz", vertices=flow, faces=sphere.faces, **more)
    command = [
        sys.executable,
        "-m",
        "nmf_app.widgets.animation",
        tmp_path / "flow.npz",
        tmp_path / "a.gif",
        "dark",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    fractions = [float(line) for line in done.stdout.split()]
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] < fractions[-1] <= 1
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames > 20
        red, green, blue = np.asarray(gif.convert("RGB")).reshape(-1, 3).T.astype(int)
        assert (red > 2 * np.maximum(green, blue)).any() == of_a_picture
        first = np.asarray(gif.convert("L"))
        gif.seek(gif.n_frames // 2)
        assert (np.asarray(gif.convert("L")) != first).any()


def test_points_are_drawn_in_their_own_colours_only_while_these_are_shown(plotter, scene):
    points = icosphere(3).vertices
    green = np.tile(np.array([0, 255, 0], dtype=np.uint8), (len(points), 1))

    def greens():
        red, shown, blue = pixels(plotter).reshape(-1, 3).T
        return int(((shown > 200) & (np.maximum(red, blue) < 100)).sum())

    scene.set_points(points, green)
    assert greens() > 100
    scene.show_own_colors(False)
    assert greens() == 0
    scene.set_points(points, green)
    assert greens() == 0
    scene.show_own_colors(True)
    assert greens() > 100
    scene.set_points(points)
    assert greens() == 0


def test_a_picture_is_drawn_finer_than_the_vertices_of_its_surface_are(plotter, scene):
    sphere = icosphere(1)
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::4, 0] = stripes[:, 1::4, 0] = 255  # 16 red ones between black ones
    places = ((sphere.vertices[:, :2] + 1) / 2).astype(np.float32)
    dull = np.full((len(places), 3), 40, dtype=np.uint8)

    def changes():
        row = pixels(plotter)[100]
        is_red = (row[:, 0] > 100) & (row[:, 1:].max(axis=1) < 60)
        return int(np.count_nonzero(np.diff(is_red.astype(int))))

    scene.look_from((0, 0, 1))
    scene.set_own_colors(sphere.faces, dull, Drape(stripes, places))
    scene.set_mesh(sphere.vertices, sphere.faces)
    assert changes() >= 24
    scene.set_mesh(sphere.vertices * np.float32(0.5), sphere.faces)
    assert changes() >= 12, "it moves along"
    for hide in (lambda: scene.show_own_colors(False), lambda: scene.set_shading(Shading.WIREFRAME)):
        hide()
        assert changes() == 0
        scene.show_own_colors(True)
        scene.set_shading(Shading.FLAT)
        assert changes() >= 12
    other = icosphere(2)
    scene.set_mesh(other.vertices, other.faces)
    assert changes() == 0, "it belongs to one surface alone"
    scene.set_own_colors(None, None)
    scene.set_mesh(sphere.vertices, sphere.faces)
    assert changes() == 0


def test_baked_colours_are_sharp_where_those_of_vertices_are_mixed(plotter, scene):
    sphere = icosphere(2)
    mesh = Mesh(sphere.vertices.astype(float), sphere.faces, sphere.vertices)
    dense = icosphere(6).vertices
    shades = np.where(np.floor(dense[:, :1] * 4) % 2 == 0, (255, 0, 0), (0, 255, 0)).astype(np.uint8)
    coloring = CloudColors(dense.astype(float), shades)
    atlas = make_atlas(mesh, 128)
    drape = Drape(
        bake(mesh, atlas, coloring, 128), atlas.uv.astype(np.float32), atlas.vertex, atlas.faces
    )  # fmt: skip

    def shares():
        """How much of the view is clearly red or green, and how much a mixture of them."""
        red, green, _ = pixels(plotter).reshape(-1, 3).T
        pure = (np.maximum(red, green) > 60) & (np.minimum(red, green) < 25)
        mixed = (np.minimum(red, green) > 30) & (pixels(plotter).reshape(-1, 3)[:, 2] < 25)
        return pure.mean(), mixed.mean()

    scene.set_own_colors(sphere.faces, coloring.at(mesh.vertices))
    scene.set_mesh(sphere.vertices, sphere.faces)
    smeared = shares()
    scene.set_own_colors(sphere.faces, coloring.at(mesh.vertices), drape)
    sharp = shares()
    assert smeared[1] > 0.1
    assert sharp[1] < smeared[1] / 2, (smeared, sharp)
    assert sharp[0] > 1.2 * smeared[0], (smeared, sharp)
    flat = sphere.vertices * np.float32([1, 0.5, 1])
    scene.set_mesh(flat, sphere.faces)
    assert shares()[0] < 0.7 * sharp[0], "it moves along"
    scene.set_crossings(flat, sphere.faces, np.array([0, 1]))
    scene.set_mesh(sphere.vertices, sphere.faces)
    marked = scene._crossings[1]
    np.testing.assert_array_equal(marked.points, sphere.vertices)
    scene.show_own_colors(False)
    plain = pixels(plotter)
    scene.set_own_colors(None, None)
    assert np.abs(pixels(plotter) - plain).max() <= 2, "seams cannot be seen"
