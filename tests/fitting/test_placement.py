import numpy as np
import torch

from nmf_model.fitting.placement import even_out
from nmf_model.geometry.template import icosphere


def areas(vertices, faces):
    a, b, c = vertices[faces].transpose(1, 0, 2)
    return np.linalg.norm(np.cross(b - a, c - a), axis=1)


def club(sphere):
    """A ball with one long limb: the cap above z = 0.8 is drawn out to z = 6."""
    limb = (sphere[:, 2:] - 0.8).clamp_min(0) * 26
    return sphere + limb * torch.tensor([0.0, 0.0, 1.0])


def test_faces_become_more_even_and_none_turns_over():
    template = icosphere(3)
    placed = even_out(template, club)
    before, after = (areas(club(torch.tensor(t.vertices)).numpy(), t.faces) for t in (template, placed))
    assert after.std() / after.mean() < 0.6 * before.std() / before.mean()
    assert placed.faces is template.faces
    assert np.allclose(np.linalg.norm(placed.vertices, axis=1), 1, atol=1e-6)
    assert (np.linalg.det(placed.vertices[placed.faces].astype(np.float64)) > 0).all()


def test_an_even_sphere_stays_nearly_where_it_is():
    template = icosphere(2)
    placed = even_out(template, lambda sphere: sphere)
    assert np.abs(placed.vertices - template.vertices).max() < 0.1
