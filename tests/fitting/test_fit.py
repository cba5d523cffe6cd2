import itertools

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from nmf_model.errors import Cancelled
from nmf_model.fitting.fit import FitSettings, Stage, fit_flow
from nmf_model.flow.grid import flow_midpoint
from nmf_model.geometry.sampling import sample_surface
from nmf_model.geometry.template import icosphere
from nmf_model.metrics import chamfer_l2
from nmf_model.streams import drain

from .conftest import QUICK, box_surface, ellipsoid, ring


def watch(generator):
    seen = []
    return seen, drain(generator, seen.append)


def surface(fitted, level=3, steps=8):
    sphere = torch.tensor(icosphere(level).vertices * fitted.radius + fitted.centre)
    return flow_midpoint(sphere.float(), fitted.fields, steps).numpy()


@pytest.fixture(scope="module")
def egg():
    """What a quick fit of an ellipsoid showed on its way, and the flow."""
    torch.set_num_threads(1)
    return watch(fit_flow(ellipsoid(1500), settings=QUICK))


def test_a_quick_fit_finds_an_ellipsoid(egg):
    seen, fitted = egg
    level = np.linalg.norm(surface(fitted) / (1.0, 0.6, 0.4), axis=1)
    assert np.abs(level - 1).mean() < 0.05
    fractions = [glimpse.fraction for glimpse in seen]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] < fractions[-1] <= 1


def test_a_ring_is_not_filled_by_a_film():
    """The reason for growing: a sphere shrunk onto a ring would span its opening."""
    _, fitted = watch(fit_flow(ring(2500), settings=QUICK))
    vertices = surface(fitted)
    assert np.hypot(vertices[:, 0], vertices[:, 1]).min() > 0.35
    assert chamfer_l2(vertices, ring(2500, seed=1)) < 0.02


def test_the_same_seed_gives_the_same_flow_and_another_seed_another(egg):
    seen, first = egg
    _, again = watch(fit_flow(ellipsoid(1500), settings=QUICK))
    assert torch.equal(first.fields, again.fields)
    # How another seed's fit begins to differ is enough of it.
    for here, there in zip(seen[:6], fit_flow(ellipsoid(1500), settings=QUICK, seed=4), strict=False):
        assert here.fraction == there.fraction
        differ = not np.array_equal(here.vertices, there.vertices)
    assert differ


def test_a_turned_template_lands_on_the_same_surface(egg):
    """The fit is one of the sphere, not of some of its points."""
    _, fitted = egg
    turned = icosphere(4).vertices[:, [1, 2, 0]] * fitted.radius + fitted.centre
    onto = flow_midpoint(torch.tensor(turned).float(), fitted.fields, 8).numpy()
    level = np.linalg.norm(onto / (1.0, 0.6, 0.4), axis=1)
    assert np.abs(level - 1).mean() < 0.05


def test_cancel_is_answered_at_the_next_step():
    polls = itertools.count()
    with pytest.raises(Cancelled):
        watch(fit_flow(ellipsoid(300), settings=QUICK, cancel=lambda: next(polls) >= 7))
    assert next(polls) == 8


def test_a_thin_plate_is_reached_to_its_rims_and_corners():
    """Rims have few points: in a plain mean square they lose, and the surface stops short of them."""
    points = box_surface(1200, half=(0.8, 0.6, 0.03))
    stages = (Stage(2, 3, 120, 2, grows=True), Stage(3, 3, 160, 3, settles=True))
    _, fitted = watch(fit_flow(points, settings=FitSettings(samples=1200, stages=stages)))
    samples, _ = sample_surface(
        surface(fitted, level=5), icosphere(5).faces, 60_000, np.random.default_rng(0)
    )
    distances = np.asarray(cKDTree(samples).query(points)[0])
    assert np.quantile(distances, 0.99) < 0.02
    assert distances.max() < 0.035
