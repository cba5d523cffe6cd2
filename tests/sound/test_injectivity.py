"""Proofs and tests of a numerical flow's being one to one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nmf_model.flow.carrier import GridCarrier
from nmf_model.flow.grid import EXTENT, lipschitz_bound, velocity
from nmf_model.geometry.template import icosphere
from nmf_model.sound.injectivity import MOST_STEPS, jacobians, settle_steps

from .conftest import Coarse, FoldedBall, WavyPlate

SPHERE = icosphere(2).vertices.astype(np.float64)


def random_fields(strength, seed=0, blocks=2, size=5):
    generator = torch.Generator().manual_seed(seed)
    return strength * torch.randn(blocks, 3, size, size, size, generator=generator)


@pytest.mark.parametrize("seed", range(4))
def test_the_bound_holds_for_every_pair_of_points(seed):
    fields = random_fields(1.0, seed).double()
    bound = lipschitz_bound(fields)
    generator = torch.Generator().manual_seed(seed)
    start = (2 * torch.rand(20_000, 3, generator=generator, dtype=torch.float64) - 1) * 1.2 * EXTENT
    other = start + 0.05 * torch.randn(20_000, 3, generator=generator, dtype=torch.float64)
    steepest = max(
        float(
            (
                (velocity(field, start) - velocity(field, other)).norm(dim=1) / (start - other).norm(dim=1)
            ).max()
        )
        for field in fields
    )
    assert 0.3 * bound < steepest <= bound


def test_the_bound_of_a_linear_field_is_its_norm():
    along = torch.linspace(-EXTENT, EXTENT, 5, dtype=torch.float64)
    z, y, x = torch.meshgrid(along, along, along, indexing="ij")
    field = torch.stack([2 * x, -y, 3 * z])[None]
    assert lipschitz_bound(field) == pytest.approx((4 + 1 + 9) ** 0.5)


@pytest.mark.parametrize("seed", range(3))
def test_a_proved_step_brings_no_two_points_together(seed):
    fields = random_fields(1.0, seed, blocks=1).double()
    bound = 0.6
    carrier = GridCarrier(fields * bound / lipschitz_bound(fields), np.zeros(3, dtype=np.float32), 1.0)
    assert carrier.injective_steps() == 1
    rng = np.random.default_rng(seed)
    start = rng.uniform(-1.2, 1.2, (20_000, 3))
    other = start + rng.normal(scale=0.02, size=start.shape)
    apart = np.linalg.norm(carrier.carry(start, steps=1) - carrier.carry(other, steps=1), axis=1)
    assert (apart / np.linalg.norm(start - other, axis=1)).min() >= 1 - bound - bound**2 / 2


def test_steps_rise_with_the_bound_and_never_break_it():
    for factor in (0.1, 1.0, 3.0, 10.0):
        fields = random_fields(factor)
        steps = GridCarrier(fields, np.zeros(3, dtype=np.float32), 0.5).injective_steps()
        reached = lipschitz_bound(fields) / steps
        assert reached + reached**2 / 2 < 1
        fewer = lipschitz_bound(fields) / max(steps - 1, 1e-9)
        assert fewer + fewer**2 / 2 >= 1


def test_few_steps_fold_a_steep_flow_and_many_do_not():
    carrier = GridCarrier(random_fields(2.0), np.zeros(3, dtype=np.float32), 0.5)
    points = np.random.default_rng(0).uniform(-0.6, 0.6, (2000, 3))
    assert (jacobians(carrier, points, 1) <= 0).any()
    solve = settle_steps(carrier, SPHERE)
    assert solve.is_proved
    assert solve.steps == max(8, carrier.injective_steps()) > 1


def test_a_flow_without_a_proof_is_tightened_until_it_no_longer_folds():
    solve = settle_steps(Coarse(), SPHERE)
    assert solve.steps == 32
    assert solve.folds == 0
    assert not solve.is_proved


def test_a_flow_that_always_folds_is_found_out():
    solve = settle_steps(FoldedBall(), SPHERE)
    assert solve.steps == MOST_STEPS
    assert 0.3 * len(SPHERE) < solve.folds < 0.7 * len(SPHERE)


def test_the_jacobian_is_the_volume_ratio():
    assert jacobians(WavyPlate(0.02), SPHERE, 8) == pytest.approx(0.02, rel=1e-4)
