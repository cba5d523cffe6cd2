from __future__ import annotations

import math

import numpy as np
import pytest

from nmf_model.geometry.cameras import camera_direction, camera_rotation, turned, view_of_upright

ANGLES = [(0.0, 0.0), (0.7, 0.4), (-2.0, -0.9), (3.1, 1.2), (5.9, 0.5)]


@pytest.mark.parametrize(("azimuth", "elevation"), ANGLES)
def test_it_is_a_rotation_that_puts_the_viewer_in_front_and_the_sky_above(azimuth, elevation):
    rotation = camera_rotation(azimuth, elevation)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-15)
    assert np.linalg.det(rotation) == pytest.approx(1)
    np.testing.assert_allclose(rotation @ camera_direction(azimuth, elevation), [0, 0, 1], atol=1e-15)
    sky = rotation @ [0, 1, 0]
    assert sky[0] == pytest.approx(0, abs=1e-15)
    assert sky[1] == pytest.approx(math.cos(elevation))


@pytest.mark.parametrize(("azimuth", "elevation"), ANGLES)
def test_it_equals_the_look_at_construction(azimuth, elevation):
    across = math.cos(elevation)
    towards_viewer = np.array(
        [across * math.sin(azimuth), math.sin(elevation), across * math.cos(azimuth)],
    )
    right = np.cross([0, 1, 0], towards_viewer)
    right /= np.linalg.norm(right)
    expected = np.stack([right, np.cross(towards_viewer, right), towards_viewer])
    np.testing.assert_allclose(camera_rotation(azimuth, elevation), expected, atol=1e-14)


def test_hand_computed_views():
    np.testing.assert_array_equal(camera_rotation(0, 0), np.eye(3))
    # From the right side, +x comes towards the viewer and the front (+z) points left.
    side = camera_rotation(math.pi / 2, 0)
    np.testing.assert_allclose(side @ [1, 0, 0], [0, 0, 1], atol=1e-15)
    np.testing.assert_allclose(side @ [0, 0, 1], [-1, 0, 0], atol=1e-15)
    # From above, what is up comes towards the viewer and the front points down in the picture.
    above = camera_rotation(0, math.pi / 2)
    np.testing.assert_allclose(above @ [0, 1, 0], [0, 0, 1], atol=1e-15)
    np.testing.assert_allclose(above @ [0, 0, 1], [0, -1, 0], atol=1e-15)


@pytest.mark.parametrize("elevation", [-1.2, 0.0, 0.45, math.pi / 2])
def test_the_upright_tells_the_camera_up_to_its_azimuth(elevation):
    rotation = camera_rotation(0.0, elevation)
    np.testing.assert_allclose(view_of_upright(rotation[:, 1]), rotation, atol=1e-15)
    # Another azimuth has the same upright: the view differs by a turn about the vertical.
    np.testing.assert_allclose(view_of_upright(camera_rotation(2.1, elevation)[:, 1]), rotation, atol=1e-14)


@pytest.mark.parametrize(
    "up", [(0.2, 3.0, -1.0), (1, 0, 0), (-2, 0, 0), (0, 0, -1), (0.0, -1.0, 0.1), (1, 1e-9, 0)]
)
def test_a_view_is_a_rotation_that_brings_the_vertical_to_the_upright(up):
    view = view_of_upright(np.array(up, dtype=float))
    np.testing.assert_allclose(view @ view.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(view) == pytest.approx(1)
    (seen,) = turned(np.array([[0.0, 2.0, 0.0]]), view)
    np.testing.assert_allclose(seen, 2 * np.array(up) / np.linalg.norm(up), atol=1e-9)


def test_the_renderer_draws_what_the_rotation_says():
    pytest.importorskip("vtkmodules")
    from nmf_model.data.render import DISTANCE, FIELD_OF_VIEW, render_views
    from nmf_model.geometry.template import icosphere
    from nmf_model.types import Mesh

    ball = icosphere(1)
    place = np.array([0.5, -0.2, 0.6])
    mesh = Mesh(0.05 * ball.vertices.astype(float) + place, ball.faces)
    size = 96
    cameras = np.array([[0.3, 0.4], [2.2, 0.5], [4.4, -0.3]])
    pictures = render_views(mesh, cameras, size=size).images
    for picture, (azimuth, elevation) in zip(pictures, cameras, strict=True):
        x, y, z = camera_rotation(azimuth, elevation) @ place
        focal = size / 2 / math.tan(math.radians(FIELD_OF_VIEW) / 2)
        rows, columns = np.nonzero(picture[..., 3] > 128)
        seen = np.array([columns.mean(), rows.mean()]) + 0.5
        drawn = np.array([size / 2 + focal * x / (DISTANCE - z), size / 2 - focal * y / (DISTANCE - z)])
        np.testing.assert_allclose(seen, drawn, atol=0.6)
