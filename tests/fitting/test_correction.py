"""A few steps of the fit that bring a flow nearer to a cloud."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nmf_model.errors import SolverError
from nmf_model.familiarity import misfit
from nmf_model.fitting.correction import correct_flow
from nmf_model.flow.carrier import GridCarrier
from nmf_model.streams import drain

from .conftest import ellipsoid

ORIGIN = np.zeros(3, dtype=np.float32)


@pytest.mark.parametrize("blocks", [1, 3, 9])
def test_a_flow_of_any_number_of_blocks_comes_nearer_and_keeps_them(blocks):
    points = ellipsoid(600)
    still = GridCarrier(torch.zeros(blocks, 3, 17, 17, 17), ORIGIN, 0.6)
    better = drain(correct_flow(still, points, steps=40))
    assert better.blocks == blocks
    assert misfit(better, points) < 0.3 * misfit(still, points)


@pytest.mark.parametrize("value", [float("nan"), 3e38])
def test_a_flow_that_is_no_number_is_a_sentence_not_a_crash(value):
    broken = GridCarrier(torch.full((6, 3, 17, 17, 17), value), ORIGIN, 0.6)
    with pytest.raises(SolverError, match="diverged"):
        drain(correct_flow(broken, ellipsoid(600), steps=2))
