"""The compiled objective against the one that says what it means, by automatic differentiation."""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nmf_model.fitting.compiled import objective, parallel
from nmf_model.fitting.compiled.grids import refine, refine_back
from nmf_model.fitting.compiled.objective import CompiledObjective
from nmf_model.fitting.objective import TorchObjective, Trial, Weights
from nmf_model.fitting.target import build_target
from nmf_model.flow.grid import GridFlow
from nmf_model.geometry.nearest import NearestPoints
from nmf_model.geometry.template import icosphere
from tests.fitting.conftest import box_surface

CPU = torch.device("cpu")
PARTS = ("urgency", "alignment", "tension", "evenness", "smoothness", "lipschitz")


def only(part=None, **more):
    """Weights of one part, or of all."""
    every = dict(zip(PARTS, (4.0, 0.3, 0.02, 0.03, 0.05, 0.4), strict=True))
    weights = {name: every[name] if part in (None, name) else 0.0 for name in PARTS}
    return Weights(**weights, lipschitz_bound=0.3, **more)


def wild_flow(blocks=2, resolutions=(3, 5, 9), dtype=torch.float32):
    """A flow that carries some vertices out of the grids' cube, where velocities stop changing."""
    generator = torch.Generator().manual_seed(1)
    flow = GridFlow(blocks, resolutions).to(dtype)
    with torch.no_grad():
        for scale, grid in zip((0.5, 0.2, 0.1), flow.grids, strict=True):
            grid.copy_(scale * torch.randn(grid.shape, generator=generator))
    return flow


def trial(level=2, samples=700, chosen=None, dtype=torch.float32):
    generator = torch.Generator().manual_seed(2)
    template = icosphere(level)
    return Trial(
        torch.tensor(template.vertices, dtype=dtype) + 0.2,
        torch.tensor(template.faces),
        3,
        torch.rand(3, samples, generator=generator),
        chosen,
    )


@pytest.fixture(scope="module")
def target():
    points = box_surface(800, (0.7, 0.5, 0.2)).astype(np.float32)
    return build_target(points, CPU)


def exact(target):
    """The target in double precision, for the answer that rounding is measured against."""
    doubled = {name: getattr(target, name).double() for name in ("points", "normals", "spacing", "planarity")}
    return target.__class__(**{**target.__dict__, **doubled, "nearest": NearestPoints(doubled["points"])})


def answers(target, weights, depth=3, level=2, chosen=None):
    """Value, surface and gradients of both."""
    found = []
    for kind, aim, dtype in (
        (TorchObjective, exact(target), torch.float64),
        (CompiledObjective, target, torch.float32),
    ):
        flow = wild_flow(dtype=dtype)
        evaluation = kind(aim, weights).evaluate(flow, depth, trial(level, chosen=chosen, dtype=dtype))
        found.append((evaluation, [grid.grad for grid in flow.grids]))
    return found


@pytest.mark.parametrize("part", [None, *PARTS])
def test_value_surface_and_gradient_are_those_of_torch(target, part):
    (true, slopes), (ours, own) = answers(target, only(part))
    assert ours.loss == pytest.approx(true.loss, rel=1e-5)
    assert torch.allclose(ours.vertices.double(), true.vertices, atol=1e-5)
    for expected, got in zip(slopes, own, strict=True):
        assert got.shape == expected.shape
        assert (got.double() - expected).norm() < 1e-3 * expected.norm()


@pytest.mark.parametrize("level", [2, 4])
def test_some_of_the_points_and_some_of_the_grids(target, level):
    """Level 4 is flowed in parts."""
    chosen = torch.arange(0, 800, 3)
    (true, slopes), (ours, own) = answers(target, only(), depth=2, level=level, chosen=chosen)
    assert ours.loss == pytest.approx(true.loss, rel=1e-5)
    for expected, got in zip(slopes[:2], own[:2], strict=True):
        assert (got.double() - expected).norm() < 1e-3 * expected.norm()
    assert slopes[2] is own[2] is None


def test_threads_change_nothing(target, monkeypatch):
    def evaluated():
        flow = wild_flow()
        evaluation = CompiledObjective(target, only()).evaluate(flow, 3, trial(level=4))
        return evaluation, [grid.grad for grid in flow.grids]

    monkeypatch.setattr(objective, "side_by_side", lambda calls: [call() for call in calls])
    alone = evaluated()
    monkeypatch.setattr(objective, "side_by_side", parallel.side_by_side)
    monkeypatch.setattr(parallel, "_pool", lambda: parallel.ThreadPoolExecutor(3))
    together = evaluated()
    assert alone[0].loss == together[0].loss
    assert torch.equal(alone[0].vertices, together[0].vertices)
    assert all(torch.equal(a, b) for a, b in zip(alone[1], together[1], strict=True))


def test_an_error_in_a_thread_reaches_the_caller(monkeypatch):
    monkeypatch.setattr(parallel, "_pool", lambda: parallel.ThreadPoolExecutor(1))

    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        parallel.side_by_side([int, fail])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_has_threads_of_its_own(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    parallel._pool.cache_clear()
    assert parallel.side_by_side([int, int]) == [0, 0]
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as forked:
        assert forked.submit(parallel.side_by_side, [int, int]).result(timeout=30) == [0, 0]
    parallel._pool.cache_clear()


def test_refining_is_linear_interpolation_and_its_gradient_the_transpose():
    rng = np.random.default_rng(0)
    coarse, slopes = rng.normal(size=(2, 4, 4, 4, 3)), rng.normal(size=(2, 7, 7, 7, 3))
    fine = refine(coarse)
    moved = torch.from_numpy(np.moveaxis(coarse, 4, 1))
    expected = F.interpolate(moved, size=(7, 7, 7), mode="trilinear", align_corners=True).numpy()
    assert np.allclose(np.moveaxis(fine, 4, 1), expected)
    assert np.vdot(fine, slopes) == pytest.approx(np.vdot(coarse, refine_back(slopes)))
