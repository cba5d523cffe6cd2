from __future__ import annotations

import pytest
import torch

from nmf_model import losses
from nmf_model.errors import InputError


def naive(first, second):
    distances = (first[:, :, None] - second[:, None]).square().sum(dim=3)
    return distances.amin(dim=2).mean(dim=1) + distances.amin(dim=1).mean(dim=1)


def clouds(seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = {"generator": generator, "dtype": torch.float64}
    return torch.randn(3, 40, 3, **shape).requires_grad_(), torch.randn(3, 27, 3, **shape).requires_grad_()


def test_chamfer_and_its_gradients_equal_comparing_all_with_all():
    first, second = clouds()
    ours, oracle = losses.chamfer(first, second), naive(first, second)
    assert torch.allclose(ours, oracle)
    for mine, true in zip(
        torch.autograd.grad(ours.sum(), (first, second)),
        torch.autograd.grad(oracle.sum(), (first, second)),
        strict=True,
    ):
        assert torch.allclose(mine, true)


def test_the_way_of_a_gpu_finds_the_same_neighbours(monkeypatch):
    first, second = (cloud.detach() for cloud in clouds(1))
    by_trees = losses.nearest(first, second)
    monkeypatch.setattr(losses, "MAX_DISTANCES", 2 * 40 * 27)  # two clouds, then one
    for mine, true in zip(losses._nearest_by_distances(first, second), by_trees, strict=True):
        assert torch.equal(mine, true)


def test_the_sum_of_both_directions_is_meant():
    first, second = torch.zeros(1, 1, 3), torch.tensor([[[1.0, 0, 0], [3.0, 0, 0]]])
    assert losses.chamfer(first, second).item() == pytest.approx(1 + (1 + 9) / 2)


def test_empty_and_undefined_clouds_are_refused():
    good = torch.zeros(1, 2, 3)
    with pytest.raises(InputError, match="at least one point"):
        losses.chamfer(good, torch.zeros(1, 0, 3))
    with pytest.raises(InputError, match="finite"):
        losses.chamfer(good * torch.nan, good)
