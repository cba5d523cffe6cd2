import numpy as np
import torch

from nmf_model.geometry.nearest import NearestPoints
from nmf_model.geometry.surface import draw_samples
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
    samples = draw_samples(vertices, faces, 20_000, torch.Generator().manual_seed(0))
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


def test_one_seed_one_sequence():
    template = icosphere(2)
    vertices, faces = torch.tensor(template.vertices), torch.tensor(template.faces)
    first, again = (draw_samples(vertices, faces, 50, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first.points, again.points)


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
    samples = draw_samples(vertices, torch.tensor([[0, 1, 2], [3, 4, 5]]), 4000, torch.Generator())
    heights = samples.points[:, 2].detach()
    mean = (samples.weights * heights).sum() / samples.weights.sum()
    assert torch.isclose(mean, torch.tensor(0.5), atol=1e-3)
    mean.backward()
    # The mean is A1 / (A0 + A1); moving corner 4 by dx changes A1 by dx / 2 from 1 / 2.
    assert torch.isclose(vertices.grad[4, 0], torch.tensor(0.25), atol=2e-3)
    assert torch.isclose(vertices.grad[1, 0], torch.tensor(-0.25), atol=2e-3)
