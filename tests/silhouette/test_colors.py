"""The colours of a picture, carried into space and into files."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from main import main
from nmf_app import work
from nmf_app.ports import ExportChoice
from nmf_app.session import Outcome
from nmf_model import found_flow, reconstruct
from nmf_model.certificate import Origin
from nmf_model.encoders.pictures import MARGIN
from nmf_model.encoders.pixel_points import VIEW_DISTANCE
from nmf_model.errors import InputError
from nmf_model.export import export_reconstruction
from nmf_model.fitting.fit import fit_flow
from nmf_model.geometry.cameras import camera_rotation
from nmf_model.io.source import read_source
from nmf_model.quality import inspect_mesh
from nmf_model.repair import painted, picture_colors
from nmf_model.silhouette.colors import PictureColors
from nmf_model.silhouette.outline import MaskFrame
from nmf_model.texture import export_textured
from nmf_model.types import ReconstructionRequest, ShapeImage
from tests.fitting.conftest import QUICK

RED, BLUE, GREEN = (250, 10, 20), (15, 30, 240), (0, 255, 0)


@pytest.fixture
def flag() -> ShapeImage:
    """A red and blue box, 120 x 60 pixels, with a green rim of two pixels on green."""
    rgba = np.full((100, 200, 4), (*GREEN, 255), dtype=np.uint8)
    mask = np.zeros((100, 200), dtype=bool)
    mask[20:80, 40:160] = True
    rgba[22:78, 42:100, :3] = RED
    rgba[22:78, 100:158, :3] = BLUE
    return ShapeImage(rgba, mask=mask)


@pytest.fixture
def grid() -> np.ndarray:
    """Places within the box, (N, 3), on both sides and in the middle; none where the colours change."""
    across, up, deep = np.linspace(-1, 1, 30), np.linspace(-0.5, 0.5, 15), np.array([-0.6, 0.0, 0.6])
    return np.stack(np.meshgrid(across, up, deep, indexing="ij"), axis=-1).reshape(-1, 3)


def test_seen_from_afar_all_along_a_line_of_sight_has_the_colour_that_is_seen(flag, grid):
    colors = PictureColors.of(flag, np.eye(3), in_perspective=False).at(grid)
    assert np.array_equal(colors, np.where(grid[:, :1] < 0, RED, BLUE))


def test_a_hole_that_was_filled_has_the_colours_around_it_and_not_those_of_nothing(flag, grid):
    flag.rgba[40:60, 60:90] = (*GREEN, 0)
    colors = PictureColors.of(flag, np.eye(3), in_perspective=False).at(grid)
    assert np.array_equal(colors, np.where(grid[:, :1] < 0, RED, BLUE))
    flag.rgba[..., 3] = 40  # glass all over is no hole
    pale = PictureColors.of(flag, np.eye(3), in_perspective=False).at(grid)
    assert (pale == GREEN).all(axis=1).any()


def test_the_rim_s_colours_are_those_of_the_background_and_not_taken(flag):
    frame = MaskFrame.of(flag.mask)
    corners = np.column_stack(
        [frame.to_space(np.array([[40.5, 20.5], [159.5, 79.5], [5.0, 50.0]])), [0, 0, 0]]
    )
    colors = PictureColors.of(flag, np.eye(3), in_perspective=False).at(corners)
    assert colors.tolist() == [list(RED), list(BLUE), list(RED)]


def test_seen_from_nearby_what_is_nearer_is_seen_farther_out(flag):
    flag.rgba[:, 130:, :3] = GREEN  # from x = 0.5 on
    coloring = PictureColors.of(flag, np.eye(3), in_perspective=True)
    x = np.full(3, 0.46)
    z = np.array([0.0, 0.6, -0.6])
    seen = x / (1 - z / MARGIN / VIEW_DISTANCE)
    assert (seen > 0.5).tolist() == [False, True, False]
    colors = coloring.at(np.column_stack([x, np.zeros(3), z]))
    assert colors.tolist() == [list(BLUE), list(GREEN), list(BLUE)]


def test_other_units_change_nothing(flag, grid):
    coloring = PictureColors.of(flag, np.eye(3), in_perspective=True)
    assert np.array_equal(coloring.scaled(25.4).at(grid * 25.4), coloring.at(grid))


@pytest.mark.parametrize("in_perspective", [True, False])
def test_what_stands_upright_has_the_colours_that_are_seen_from_the_viewer(flag, grid, in_perspective):
    view = camera_rotation(0.3, 0.5)
    plain = PictureColors.of(flag, np.eye(3), in_perspective=in_perspective)
    turned = PictureColors.of(flag, view, in_perspective=in_perspective)
    assert np.array_equal(turned.scaled(2.0).at(2 * grid @ view), plain.at(grid))


@pytest.fixture
def flag_file(flag, tmp_path) -> Path:
    rgba = flag.rgba.copy()
    rgba[..., 3] = np.where(flag.mask, 255, 0)
    Image.fromarray(rgba).save(tmp_path / "flag.png")
    return tmp_path / "flag.png"


def test_a_picture_s_colours_reach_the_vertices_and_the_texture_of_its_inflated_outline(
    flag_file, monkeypatch
):
    """With a short fit of the outline; the rest is real."""
    monkeypatch.setattr(found_flow, "fit_flow", partial(fit_flow, settings=QUICK))
    image = read_source(flag_file)
    result = painted(reconstruct.run(ReconstructionRequest(image, "silhouette", level=4)), image)
    export_reconstruction(result, flag_file.with_suffix(".ply"), Origin())
    require_painted_vertices(flag_file.with_suffix(".ply"))
    export_textured(result, flag_file.with_suffix(".glb"), picture_colors(result), Origin())
    require_painted_texture(flag_file.with_suffix(".glb"))


def test_a_picture_s_colours_reach_vertices_and_textures_of_the_command_line(flag_file):
    asked = [str(flag_file), "--method", "network", "--level", "4", "--quiet"]
    assert main([*asked, "--output", str(flag_file.with_suffix(".ply"))]) == 0
    require_painted_vertices(flag_file.with_suffix(".ply"))
    assert main([*asked, "--output", str(flag_file.with_suffix(".glb")), "--texture"]) == 0
    require_painted_texture(flag_file.with_suffix(".glb"))


def require_painted_vertices(path: Path) -> None:
    mesh = trimesh.load_mesh(path, process=False)
    plain = np.abs(mesh.vertices[:, 0]) > 0.1
    wanted = np.where(mesh.vertices[:, :1] < 0, RED, BLUE)
    assert plain.mean() > 0.6
    assert np.array_equal(mesh.visual.vertex_colors[plain, :3], wanted[plain])


def require_painted_texture(path: Path) -> None:
    assert main(["--verify", str(path), "--quiet"]) == 0
    (part,) = trimesh.load_scene(path, process=False).geometry.values()
    shown = part.visual.to_color().vertex_colors[:, :3].astype(int)
    plain = np.abs(part.vertices[:, 0]) > 0.1
    wanted = np.where(part.vertices[:, :1] < 0, RED, BLUE)
    assert np.abs(shown - wanted)[plain].max() <= 3


def test_what_is_nothing_but_rim_keeps_its_colours():
    rgba = np.full((200, 120, 4), (*RED, 255), dtype=np.uint8)
    mask = np.zeros((200, 120), dtype=bool)
    mask[:120, 10:110] = True
    mask[120:, 58:62] = True  # a thin leg
    rgba[122:, :, :3] = BLUE
    places = np.column_stack(
        [MaskFrame.of(mask).to_space(np.array([[60.0, 180.0], [60.0, 60.0]])), np.zeros(2)]
    )
    colors = PictureColors.of(ShapeImage(rgba, mask=mask), np.eye(3), in_perspective=False).at(places)
    assert colors.tolist() == [list(BLUE), list(RED)]


def test_a_texture_from_the_window_has_the_picture_s_colours_in_any_unit(flag, tmp_path):
    rgba = flag.rgba.copy()
    rgba[..., 3] = np.where(flag.mask, 255, 0)
    image = ShapeImage(rgba, has_alpha=True)
    result = reconstruct.run(ReconstructionRequest(image, "network", level=3))
    outcome = Outcome(result, inspect_mesh(result.mesh), Origin())
    path = tmp_path / "flag.glb"
    choice = ExportChoice(path, scale=250.0, with_report=False, with_certificate=False, with_texture=True)
    work.export(outcome, choice, image)(lambda _: None, lambda: False)
    (part,) = trimesh.load_scene(path, process=False).geometry.values()
    shown = part.visual.to_color().vertex_colors[:, :3].astype(int)
    plain = np.abs(part.vertices[:, 0]) > 25
    assert np.ptp(part.vertices[:, 0]) == pytest.approx(500, rel=0.1)
    assert np.abs(shown - np.where(part.vertices[:, :1] < 0, RED, BLUE))[plain].max() <= 3


def test_weights_that_answer_in_a_frame_of_their_own_give_no_texture(flag):
    result = reconstruct.run(ReconstructionRequest(flag, "network", level=2))
    with pytest.raises(InputError, match="leave the texture out"):
        picture_colors(replace(result, coloring=None))
