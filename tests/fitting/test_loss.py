import torch

from nmf_model.fitting.loss import SIDEWAYS, directed_residual


def residuals(residual, planarity=1.0, spacing=0.1):
    r = torch.tensor([residual], dtype=torch.float64, requires_grad=True)
    normal = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)
    value = directed_residual(r, normal, *torch.tensor([[spacing], [planarity]], dtype=torch.float64))
    value.sum().backward()
    return value.item(), r.grad[0]


def test_along_the_normal_everything_counts():
    value, gradient = residuals((0.0, 0.0, 0.05))
    assert abs(value - 0.0025) < 1e-12
    assert torch.allclose(gradient, torch.tensor([0.0, 0.0, 0.1], dtype=torch.float64))


def test_sideways_within_the_spacing_little_counts():
    assert abs(residuals((0.05, 0.0, 0.0))[0] - SIDEWAYS * 0.0025) < 1e-12


def test_sideways_beyond_the_spacing_the_excess_counts():
    assert abs(residuals((0.3, 0.0, 0.0))[0] - ((0.09 - 0.01) + SIDEWAYS * 0.01)) < 1e-8


def test_where_nothing_is_planar_it_is_the_squared_distance():
    assert abs(residuals((0.03, 0.04, 0.0), planarity=0.0)[0] - 0.0025) < 1e-12
