"""The frame of a cloud: its surface's, whatever strays a scan brought along."""

from __future__ import annotations

import numpy as np
import pytest

from nmf_model.geometry.normalization import normalize
from nmf_model.geometry.outliers import find_outliers


def ball(count, radius=3.0, centre=(100.0, -50.0, 7.0)):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(count, 3))
    return radius * points / np.linalg.norm(points, axis=1, keepdims=True) + centre


def test_the_frame_of_a_ball_is_the_ball():
    frame = normalize(ball(4_000))
    assert frame.scale == pytest.approx(3.0, rel=0.01)
    assert frame.offset == pytest.approx([100, -50, 7], abs=0.03)


@pytest.mark.parametrize("count", [2_000, 80_000])
@pytest.mark.parametrize(("strays", "reach"), [(1, 5_000.0), (40, 20.0), (40, 1e6)])
def test_strays_far_away_do_not_shrink_the_object(count, strays, reach):
    rng = np.random.default_rng(1)
    surface = ball(count)
    far = rng.uniform(-reach, reach, size=(strays, 3))
    frame = normalize(np.concatenate([far[: strays // 2], surface, far[strays // 2 :]]))
    assert frame.scale == pytest.approx(3.0, rel=0.03)
    assert frame.offset == pytest.approx([100, -50, 7], abs=0.1)


def test_strays_nearby_do_not_change_the_frame_at_all():
    surface = ball(4_000)
    near = surface[:2] + [[0.3, 0, 0], [0, 0.2, 0]]
    cloud = np.concatenate([surface, near])
    low, high = np.quantile(cloud, [0.0005, 0.9995], axis=0)
    assert np.array_equal(normalize(cloud).offset, (low + high) / 2)


def test_a_part_that_is_far_away_belongs_to_the_object():
    arm = ball(300, 0.5, (120.0, -50.0, 7.0))
    frame = normalize(np.concatenate([ball(3_000), arm]))
    assert frame.scale > 10


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["sphere", "box"])
def test_a_random_sampling_of_a_surface_has_no_strays_and_what_is_beside_it_is_one(name, seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(20_000, 3))
    if name == "sphere":
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    else:
        points = rng.uniform(-1, 1, (20_000, 3))
        side = rng.integers(0, 3, len(points))
        points[np.arange(len(points)), side] = np.sign(points[np.arange(len(points)), side])
    assert not find_outliers(points).any()
    spacing = np.sqrt((4 * np.pi if name == "sphere" else 24) / len(points))
    strays = rng.normal(size=(40, 3))
    largest = np.abs(strays).max(axis=1) if name == "box" else np.linalg.norm(strays, axis=1)
    strays *= ((1 + 6 * spacing) / largest)[:, None]
    found = find_outliers(np.concatenate([points, strays]))
    assert found[-40:].all()
    assert not found[:-40].any()
