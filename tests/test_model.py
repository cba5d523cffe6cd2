from __future__ import annotations

import pytest
import torch

from nmf_model.config import EncoderConfig, FlowConfig, ImageEncoderConfig, ModelConfig, SolverConfig
from nmf_model.errors import InputError
from nmf_model.model import NeuralMeshFlow


def make(adjoint=False, image=None):
    torch.manual_seed(0)
    return NeuralMeshFlow(
        ModelConfig(
            EncoderConfig(channels=(16,), head=(16,)),
            FlowConfig(width=16, blocks=2, latent_size=8, rescale_hidden=8),
            SolverConfig("rk4", steps=2, adjoint=adjoint),
            image,
            template_level=1,
        )
    )


@pytest.mark.parametrize("adjoint", [False, True])
def test_every_parameter_encoder_included_has_a_gradient(adjoint):
    model = make(adjoint)
    outputs = model(torch.randn(4, 60, 3))
    sum((x[:, :, 0] ** 2 + x[:, :, 1].sin() + x[:, :, 2]).square().sum() for x in outputs.vertices).backward()
    untouched = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    # A bias before batch norm is cancelled by it: its gradient is rounding noise, possibly zero.
    assert not [name for name in untouched if not name.endswith("bias")]
    assert all(p.grad is not None for p in model.parameters())


def test_a_step_along_the_gradient_lowers_the_loss():
    model, points = make(), torch.randn(4, 60, 3)

    def loss():
        return sum((x - 0.1).square().mean() for x in model(points).vertices)

    before = loss()
    before.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.05 * parameter.grad
    assert loss() < before


def test_a_given_template_replaces_the_configured_one():
    model = make().eval()
    points = torch.randn(1, 60, 3)
    assert model(points).vertices[-1].shape == (1, 42, 3)
    own = torch.tensor(model.template.vertices)
    assert torch.equal(model(points, own).vertices[-1], model(points).vertices[-1])
    assert model(points, own[:10]).vertices[-1].shape == (1, 10, 3)


def test_pictures_need_a_picture_branch():
    with pytest.raises(InputError, match="no picture branch"):
        make().image_points(torch.zeros(1, 3, 32, 32))
    branch = make(image=ImageEncoderConfig(features=10, hidden=(8,), points=20)).eval()
    assert branch.image_points(torch.zeros(1, 3, 32, 32)).shape == (1, 20, 3)
