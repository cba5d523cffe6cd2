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


def test_extents_compare_how_far_clouds_reach_and_nothing_else():
    axes = torch.cat([torch.eye(3), -torch.eye(3)]).double()
    first = torch.tensor([[[1.0, 0, 0], [-2.0, 0, 0], [0, 0.5, 0], [0, 0, 0]]]).double()
    # Reaches (x, y, z, -x, -y, -z) are (1, .5, 0, 2, 0, 0) and (1.5, .5, 0, 2, 0, .25).
    second = torch.tensor([[[1.5, 0, 0], [-2.0, 0, 0], [1, 0.5, 0], [0, 0, -0.25]]]).double()
    found = losses.extent_disagreement(first, second, axes)
    assert found.tolist() == pytest.approx([(0.5**2 + 0.25**2) / 6])
    within = torch.cat([second, 0.3 * second, second.mean(dim=1, keepdim=True)], dim=1)
    assert torch.equal(losses.extent_disagreement(first, within, axes), found)
    moving = first.requires_grad_()
    losses.extent_disagreement(moving, second, axes).sum().backward()
    # Along x only the tip that is too short is drawn on.
    assert moving.grad[0, :, 0].tolist() == pytest.approx([2 * -0.5 / 6, 0, 0, 0])


def test_empty_and_undefined_clouds_are_refused():
    good = torch.zeros(1, 2, 3)
    with pytest.raises(InputError, match="at least one point"):
        losses.chamfer(good, torch.zeros(1, 0, 3))
    with pytest.raises(InputError, match="finite"):
        losses.chamfer(good * torch.nan, good)
