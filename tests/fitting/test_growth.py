import numpy as np
import pytest
import trimesh

from nmf_model.fitting.growth import enclosed_places, plan_growth, solid_cells
from nmf_model.fitting.target import local_frames

from .conftest import box_surface, ellipsoid, ring


def planned(points):
    return plan_growth(points, local_frames(points)[2])


@pytest.mark.parametrize("count", [250, 2500, 20_000])
def test_a_box_is_solid_and_starts_in_the_middle(count):
    points = box_surface(count)
    solid = solid_cells(points, local_frames(points)[2])
    share_of_cube = (2 * 0.7) * (2 * 0.4) * (2 * 0.3) / (2 * 1.15) ** 3
    # Cells up to a cell (or the spacing of a sparse cloud) outside the surface count as solid too.
    assert share_of_cube < solid.mean() < 6 * share_of_cube
    growth = planned(points)
    assert np.all(np.abs(growth.centre[1:]) < 0.15)
    assert 0.12 <= growth.radius <= 0.6


def test_a_ring_is_entered_inside_its_tube_and_followed_both_ways_round():
    points = ring(4000)
    growth = planned(points)
    assert abs(np.hypot(*growth.centre[:2]) - 0.8) < 0.1
    start = np.arctan2(growth.centre[1], growth.centre[0])
    turn = np.angle(np.exp(1j * (np.arctan2(points[:, 1], points[:, 0]) - start)))
    # The order is the angle travelled: never across the opening.
    assert np.corrcoef(np.abs(turn), growth.order)[0, 1] > 0.99
    assert growth.order.min() >= 0
    assert growth.order.max() == 1


def test_the_centre_of_a_solid_is_deeper_than_any_starting_sphere():
    growth = planned(ellipsoid(3000))
    assert np.linalg.norm(growth.centre / (1.0, 0.6, 0.4)) < 0.5


def test_separate_bodies_still_give_every_point_an_order():
    left, right = ellipsoid(800, (0.2, 0.2, 0.2)), ellipsoid(800, (0.2, 0.2, 0.2), seed=1)
    points = np.concatenate([left - (0.7, 0, 0), right + (0.7, 0, 0)]).astype(np.float32)
    order = planned(points).order
    assert np.isfinite(order).all()
    assert ((order >= 0) & (order <= 1)).all()


@pytest.mark.parametrize("fineness", [2, 3])
def test_few_points_enclose_nothing_but_their_inside(fineness):
    """A ball that passes between no points of 162 is too big to pass beside the sphere, too."""
    points = trimesh.creation.icosphere(fineness).vertices.astype(np.float32)
    places = enclosed_places(points, local_frames(points)[2])
    assert len(places) > 0
    assert np.linalg.norm(places, axis=1).max() < 1
