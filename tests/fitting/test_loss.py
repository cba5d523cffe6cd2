import torch

from nmf_model.fitting.loss import SIDEWAYS, directed_residual, squared_distances
from nmf_model.geometry.surface import draw_samples


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


def unit_square():
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], requires_grad=True)
    return vertices, torch.tensor([[0, 1, 2], [0, 2, 3]])


def test_points_beyond_a_rim_are_as_far_as_the_rim_however_few_the_samples():
    vertices, faces = unit_square()
    samples = draw_samples(vertices, faces, torch.rand(3, 40, generator=torch.Generator().manual_seed(0)))
    points = torch.tensor([[1.02, 0.5, 0.0], [0.5, -0.01, 0.0], [1.03, 1.04, 0.0], [0.3, 0.6, 0.07]])
    distances = squared_distances(points, samples, vertices, faces)
    assert torch.allclose(distances.sqrt(), torch.tensor([0.02, 0.01, 0.05, 0.07]), atol=1e-5)


def test_a_rim_is_pulled_to_its_points_and_nothing_else_is():
    vertices, faces = unit_square()
    samples = draw_samples(vertices, faces, torch.rand(3, 200, generator=torch.Generator().manual_seed(0)))
    squared_distances(torch.tensor([[1.02, 0.5, 0.0]]), samples, vertices, faces).sum().backward()
    pull = -vertices.grad
    assert torch.allclose(pull[[1, 2]], torch.tensor([[0.02, 0.0, 0.0]]).expand(2, 3), atol=1e-5)
    assert torch.equal(pull[[0, 3]], torch.zeros(2, 3))
