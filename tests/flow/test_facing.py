"""The places of the sphere, named by where the shape has them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from nmf_model.flow.carrier import GridCarrier
from nmf_model.flow.facing import FacingCarrier, facing
from nmf_model.geometry.template import icosphere

SPHERE = icosphere(2).vertices.astype(np.float64)


@pytest.fixture
def grids():
    torch.manual_seed(0)
    return GridCarrier(0.3 * torch.randn(3, 3, 6, 6, 6), np.full(3, 0.1, dtype=np.float32), 0.5)


def turn(seed):
    return Rotation.random(random_state=seed).as_matrix()


@pytest.mark.parametrize("seed", range(5))
def test_it_hardly_matters_how_the_sphere_was_turned_before(grids, seed):
    # Not exactly, since some places of the sphere stand for all.
    before = facing(FacingCarrier(grids, turn(seed)))
    assert np.abs(before.carry(SPHERE) - facing(grids).carry(SPHERE)).max() < 0.02
    assert np.abs(FacingCarrier(grids, turn(seed)).carry(SPHERE) - grids.carry(SPHERE)).max() > 0.3


@pytest.mark.parametrize("seed", range(5))
def test_no_other_turn_brings_the_places_nearer_to_where_they_look(grids, seed):
    level_3 = icosphere(3).vertices.astype(np.float64)

    def agreement(carrier):
        image = carrier.carry(level_3)
        outward = image - image.mean(axis=0)
        return (level_3 * outward / np.linalg.norm(outward, axis=1, keepdims=True)).sum()

    chosen = facing(grids)
    assert agreement(chosen) >= agreement(FacingCarrier(grids, turn(seed)))
    slight = Rotation.from_rotvec(0.05 * np.random.default_rng(seed).normal(size=3)).as_matrix()
    assert agreement(chosen) > agreement(FacingCarrier(grids, slight @ chosen.turn))


def test_a_turn_mirrors_nothing(grids):
    assert np.linalg.det(facing(grids).turn) == pytest.approx(1)
    mirrored = GridCarrier(grids.fields, grids.centre, -grids.radius)  # its best orthogonal map is none
    assert np.linalg.det(facing(mirrored).turn) == pytest.approx(1)


def test_the_flow_is_the_same_and_so_are_its_parts_and_its_proof(grids):
    flow = facing(grids)
    expected = grids.carry(SPHERE @ flow.turn)
    assert np.array_equal(flow.carry(SPHERE), expected)
    halfway = flow.carry(SPHERE, until=2 / 3)
    assert np.allclose(flow.carry(halfway, since=2 / 3), expected, atol=1e-9)
    moments = list(flow.moments(SPHERE, 10))
    assert np.allclose(moments[0].vertices, 0.5 * SPHERE @ flow.turn + 0.1, atol=1e-6)
    assert np.allclose(moments[-1].vertices, expected, atol=1e-5)
    assert (flow.blocks, flow.injective_steps()) == (grids.blocks, grids.injective_steps())
