"""Noise is told from shape, and fits of noisy points are smooth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nmf_model.fitting.fit import FitSettings, Stage, fit_flow
from nmf_model.fitting.objective import Weights
from nmf_model.fitting.scatter import scatter_of
from nmf_model.geometry.normals import face_areas
from nmf_model.geometry.template import icosphere
from nmf_model.streams import drain

from .conftest import box_surface, ring


def on_ball(count, seed=0):
    directions = np.random.default_rng(seed).normal(size=(count, 3))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def noisy(points, sigma, seed=1):
    noise = np.random.default_rng(seed).normal(scale=sigma, size=points.shape)
    return (points + noise).astype(np.float32)


def rail(count, seed=0):
    """The sides of an I-beam, 170 times as long as wide, whose web is thinner than points are apart."""
    half = [(-3, 0), (-3, 1), (-0.7, 1), (-0.7, 5), (-1.8, 5), (-1.8, 6.5)]
    corners = np.array(half + [(-x, y) for x, y in reversed(half)])
    sides = np.roll(corners, -1, axis=0) - corners
    lengths = np.linalg.norm(sides, axis=1)
    rng = np.random.default_rng(seed)
    side = rng.choice(len(sides), count, p=lengths / lengths.sum())
    across = corners[side] + rng.random((count, 1)) * sides[side]
    return np.column_stack([across, 1000 * rng.random(count)]) / 500


SHAPES = {
    "ball": on_ball,
    "box": lambda count: box_surface(count, (1.0, 0.6, 0.4)),
    "ring": ring,
    "plate": lambda count: box_surface(count, (0.9, 0.6, 0.01)),
    "rail": rail,
    "rod": lambda count: box_surface(count, (1.0, 0.02, 0.02)),
}


@pytest.mark.parametrize("count", [60, 1_000, 5_000, 20_000])
@pytest.mark.parametrize("name", SHAPES)
def test_clean_points_do_not_scatter_however_thin_the_shape(name, count):
    assert scatter_of(SHAPES[name](count)) == 0


@pytest.mark.parametrize("name", ["ball", "box"])
def test_what_is_small_beside_the_spacing_is_no_matter(name):
    assert scatter_of(noisy(SHAPES[name](5_000), 0.005)) == 0


@pytest.mark.parametrize("sigma", [0.03, 0.06])
@pytest.mark.parametrize("count", [5_000, 20_000])
@pytest.mark.parametrize("name", ["ball", "box"])
def test_noise_is_told_and_about_how_much_whatever_the_unit(name, count, sigma):
    points = noisy(SHAPES[name](count), sigma)
    told = scatter_of(points)
    assert 0.5 * sigma < told < 1.1 * sigma
    assert scatter_of(1e4 * points) == pytest.approx(1e4 * told, rel=1e-3)


def test_a_fit_of_noisy_points_does_not_crumple():
    points = noisy(on_ball(4_000), 0.06)
    settings = FitSettings(samples=1500, stages=(Stage(3, 3, 80, 2, grows=True), Stage(3, 3, 120, 2)))
    sphere = icosphere(4)

    def area(settings):
        carrier = drain(fit_flow(points, settings=settings)).carrier
        return face_areas(carrier.carry(sphere.vertices), sphere.faces).sum() / (4 * np.pi)

    assert area(settings) == pytest.approx(1, abs=0.06)
    # What it would be otherwise, or the settings could not crumple anything.
    assert area(replace(settings, heeds_scatter=False)) > 1.15


def test_weights_of_clean_points_are_left_alone():
    assert Weights().for_scatter(0.0) == Weights()
