import torch

from nmf_model.fitting.tension import dirichlet_energy, unevenness
from nmf_model.geometry.template import icosphere


def triangle(*corners):
    return torch.tensor(corners, dtype=torch.float64), torch.tensor([[0, 1, 2]])


def test_the_energy_of_an_equilateral_triangle_is_its_area_and_of_others_more():
    vertices, faces = triangle((0, 0, 0), (2, 0, 0), (1, 3**0.5, 0))
    assert torch.allclose(dirichlet_energy(vertices, faces), torch.tensor(3**0.5, dtype=torch.float64))
    sliver, faces = triangle((0, 0, 0), (4, 0, 0), (2, 3**0.5 / 2, 0))  # the same area
    assert dirichlet_energy(sliver, faces) > 2 * 3**0.5


def test_unevenness_is_one_for_equal_faces_whatever_their_size():
    template = icosphere(0)
    vertices, faces = torch.tensor(template.vertices), torch.tensor(template.faces)
    for size in (1.0, 0.1):
        assert torch.allclose(unevenness(size * vertices, faces), torch.tensor(1.0), atol=1e-5)
    stretched = vertices.clone()
    stretched[0] *= 3
    assert unevenness(stretched, faces) > 1.3
