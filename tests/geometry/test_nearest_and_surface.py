import numpy as np
import torch
import trimesh

from nmf_model.geometry.nearest import NearestPoints
from nmf_model.geometry.surface import closest_weights, draw_samples
from nmf_model.geometry.template import icosphere


def test_nearest_equals_brute_force():
    generator = torch.Generator().manual_seed(0)
    points, queries = torch.rand(300, 3, generator=generator), torch.rand(200, 3, generator=generator)
    expected = torch.cdist(queries, points).argmin(dim=1)
    for is_transient in (False, True):
        assert torch.equal(NearestPoints(points, is_transient=is_transient)(queries), expected)


def test_samples_lie_on_their_faces_and_are_uniform_by_area():
    template = icosphere(1)
    vertices = torch.tensor(template.vertices * (2.0, 1.0, 0.5), dtype=torch.float32, requires_grad=True)
    faces = torch.tensor(template.faces)
    samples = draw_samples(vertices, faces, uniform(20_000))
    corners = vertices[faces[samples.faces]].detach()
    heights = ((samples.points.detach() - corners[:, 0]) * samples.normals[samples.faces]).sum(dim=1)
    assert heights.abs().max() < 1e-5
    areas = np.linalg.norm(np.cross(*_edges(vertices.detach().numpy(), template.faces)), axis=1) / 2
    counts = np.bincount(samples.faces.numpy(), minlength=len(faces))
    # Stratified: each face's count is its share, up to the stratum at either end.
    assert np.abs(counts - 20_000 * areas / areas.sum()).max() <= 2
    assert np.isclose(samples.area.item(), areas.sum(), rtol=1e-5)
    samples.points.sum().backward()
    assert (vertices.grad.abs().sum(dim=1) > 0).all()


def uniform(count):
    return torch.rand(3, count, generator=torch.Generator().manual_seed(0))


def _edges(vertices, faces):
    a, b, c = vertices[faces].transpose(1, 0, 2)
    return b - a, c - a


def test_weighted_means_have_the_gradient_of_the_mean_over_the_surface():
    """Of two equal triangles at heights 0 and 1, growing the upper one raises the mean height."""
    vertices = torch.tensor(
        [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [0, 1, 1]],
        dtype=torch.float32,
        requires_grad=True,
    )
    samples = draw_samples(vertices, torch.tensor([[0, 1, 2], [3, 4, 5]]), uniform(4000))
    heights = samples.points[:, 2].detach()
    mean = (samples.weights * heights).sum() / samples.weights.sum()
    assert torch.isclose(mean, torch.tensor(0.5), atol=1e-3)
    mean.backward()
    # The mean is A1 / (A0 + A1); moving corner 4 by dx changes A1 by dx / 2 from 1 / 2.
    assert torch.isclose(vertices.grad[4, 0], torch.tensor(0.25), atol=2e-3)
    assert torch.isclose(vertices.grad[1, 0], torch.tensor(-0.25), atol=2e-3)


def test_several_nearest_are_those_of_all_distances_in_their_order():
    generator = torch.Generator().manual_seed(1)
    points, queries = torch.randn(200, 3, generator=generator), torch.randn(50, 3, generator=generator)
    expected = torch.cdist(queries, points).argsort(dim=1)[:, :4]
    assert torch.equal(NearestPoints(points).several(queries, 4), expected)


def test_closest_weights_agree_with_trimesh_everywhere_around_triangles():
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(5000, 3, generator=generator, dtype=torch.float64)
    corners = torch.randn(5000, 3, 3, generator=generator, dtype=torch.float64)
    weights = closest_weights(points, corners)
    places = (weights[..., None] * corners).sum(dim=-2)
    assert np.allclose(places, trimesh.triangles.closest_point(corners.numpy(), points.numpy()), atol=1e-12)
    assert weights.min() >= 0
    assert torch.allclose(weights.sum(dim=-1), torch.ones(5000, dtype=torch.float64), atol=1e-12)


def test_closest_weights_of_a_triangle_that_is_a_segment_or_a_point():
    segment = torch.tensor([[0.0, 0, 0], [2, 0, 0], [1, 0, 0]], dtype=torch.float64)
    place = closest_weights(torch.tensor([1.5, 1, 0], dtype=torch.float64), segment) @ segment
    assert torch.allclose(place, torch.tensor([1.5, 0, 0], dtype=torch.float64))
    spot = torch.ones(3, 3, dtype=torch.float64)
    weights = closest_weights(torch.zeros(3, dtype=torch.float64), spot)
    assert torch.allclose(weights @ spot, torch.ones(3, dtype=torch.float64))
