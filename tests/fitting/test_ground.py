"""The table that was scanned along: told where there is one, and not where a flat side is the object's."""

from __future__ import annotations

import numpy as np
import pytest

from nmf_model.findings import notes_of
from nmf_model.fitting.findings import findings_in, findings_of
from nmf_model.fitting.ground import ground_share
from nmf_model.geometry.cameras import camera_rotation
from nmf_model.geometry.normalization import normalize
from nmf_model.geometry.template import icosphere
from nmf_model.types import PointCloud


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def ball(rng, count, radius=0.3):
    points = rng.normal(size=(count, 3))
    return radius * points / np.linalg.norm(points, axis=1, keepdims=True)


def plane(rng, count, half=1.0):
    return np.stack([*rng.uniform(-half, half, (2, count)), np.zeros(count)], axis=1)


def box(rng, count, sides):
    points = rng.uniform(-1, 1, (count, 3))
    areas = np.array([sides[1] * sides[2], sides[0] * sides[2], sides[0] * sides[1]])
    axis = rng.choice(3, count, p=areas / areas.sum())
    points[np.arange(count), axis] = rng.choice([-1, 1], count)
    return points * sides


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("noise", [0.0, 0.004])
def test_what_stands_on_a_table_however_it_is_turned(rng, sign, noise):
    thing, table = ball(rng, 1200) + [0.2, 0.1, 0.31 * sign], plane(rng, 1800)
    points = np.concatenate([thing, table]) @ camera_rotation(0.4, 0.9)
    points += rng.normal(0, noise, points.shape)
    cloud = PointCloud(500 + 80 * points)
    found = findings_in(cloud)
    assert found.ground == pytest.approx(0.6, abs=0.03)
    (note,) = [note for note in notes_of(found) if "plane" in note]
    assert note.startswith(f"{100 * found.ground:.0f} % of the points lie on one plane")


def objects(rng):
    top = box(rng, 2000, (1, 1, 0.03)) + [0, 0, 0.6]
    legs = [box(rng, 300, (0.05, 0.05, 0.6)) + [x, y, 0] for x in (-0.9, 0.9) for y in (-0.9, 0.9)]
    base = box(rng, 1500, (0.8, 0.8, 0.05))
    return {
        "ball": ball(rng, 3000),
        "box": box(rng, 3000, (1, 0.7, 0.4)),
        "slab": box(rng, 3000, (1, 1, 0.06)),
        "table": np.concatenate([top, *legs]),
        "statue on a base": np.concatenate([base, ball(rng, 1500) + [0, 0, 0.35]]),
        "plane alone": plane(rng, 3000),
        "half a ball": ball(rng, 3000)[:, [0, 1, 2]] * [1, 1, 0.5],
    }


@pytest.mark.parametrize("name", list(objects(np.random.default_rng(0))))
def test_flat_sides_of_an_object_are_no_ground(rng, name):
    points = objects(rng)[name]
    assert ground_share(normalize(points).to_unit(points)) == 0


def test_few_and_coinciding_points_have_none(rng):
    assert ground_share(np.repeat(rng.normal(size=(2, 3)), 30, axis=0)) == 0
    assert findings_of(icosphere(1).vertices[:42].repeat(2, axis=0)).ground == 0
