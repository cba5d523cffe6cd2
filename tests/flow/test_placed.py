"""Flows that are stretched on their way, along the axes or not, and one seen from another frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nmf_model.flow.carrier import GridCarrier, PlacedCarrier, TurnedCarrier
from nmf_model.geometry.cameras import camera_rotation, turned
from nmf_model.geometry.template import icosphere

TURN = camera_rotation(0.4, 0.6)
SCALE, SHIFT = np.array([1.2, 0.8, 1.05]), np.array([0.1, -0.2, 0.05])


@pytest.fixture
def placed():
    torch.manual_seed(0)
    inner = GridCarrier(0.3 * torch.randn(3, 3, 6, 6, 6), np.zeros(3, dtype=np.float32), 0.5)
    return PlacedCarrier(inner, np.diag(SCALE), SHIFT)


def test_the_end_is_the_stretched_end_and_the_start_the_ball(placed):
    sphere = icosphere(2).vertices
    assert np.allclose(placed.carry(sphere), placed.inner.carry(sphere) * SCALE + SHIFT, atol=1e-12)
    moments = list(placed.moments(sphere, 10))
    assert np.allclose(moments[0].vertices, 0.5 * sphere, atol=1e-7)
    ends = [moment.vertices for moment in placed.inner.moments(sphere, 10)]
    assert np.allclose(moments[-1].vertices, ends[-1] * SCALE + SHIFT, atol=1e-6)
    assert [moment.time for moment in moments] == [moment.time for moment in placed.inner.moments(sphere, 10)]


def test_a_flow_that_is_stopped_and_resumed_is_the_whole_one(placed):
    sphere = icosphere(2).vertices
    halfway = placed.carry(sphere, until=2 / 3)
    assert np.allclose(placed.carry(halfway, since=2 / 3), placed.carry(sphere), atol=1e-9)


def test_the_proof_of_the_inner_flow_holds(placed):
    assert placed.injective_steps() == placed.inner.injective_steps()


def test_a_flow_in_a_turned_frame_is_the_same_flow_turned(placed):
    inner, sphere = placed.inner, icosphere(2).vertices
    flow = TurnedCarrier(inner, TURN)
    expected = turned(inner.carry(turned(sphere, TURN)), TURN.T)
    assert np.allclose(flow.carry(sphere), expected, atol=1e-12)
    halfway = flow.carry(sphere, until=2 / 3)
    assert np.allclose(flow.carry(halfway, since=2 / 3), expected, atol=1e-6)
    moments = list(flow.moments(sphere, 10))
    assert np.allclose(moments[0].vertices, 0.5 * sphere, atol=1e-6)
    assert np.allclose(moments[-1].vertices, expected, atol=1e-5)
    assert (flow.blocks, flow.injective_steps()) == (inner.blocks, inner.injective_steps())


def test_a_flow_can_be_stretched_along_any_direction(placed):
    """As in a frame that is turned so that it is an axis, where the ball is a ball as well."""
    sphere = icosphere(2).vertices
    stretch = TURN.T @ np.diag([8.0, 1.0, 0.1]) @ TURN
    flow = PlacedCarrier(placed.inner, stretch, SHIFT)
    inner = TurnedCarrier(placed.inner, TURN.T)
    seen = TurnedCarrier(PlacedCarrier(inner, np.diag([8.0, 1.0, 0.1]), SHIFT @ TURN.T), TURN)
    assert np.allclose(flow.carry(sphere), seen.carry(sphere), atol=1e-6)
    assert np.allclose(flow.carry(sphere, until=0.5), seen.carry(sphere, until=0.5), atol=1e-6)
    assert flow.injective_steps() == placed.inner.injective_steps()
