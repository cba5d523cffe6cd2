from __future__ import annotations

import pytest
import torch

from nmf_model.config import FlowConfig, SolverConfig
from nmf_model.flow.block import FlowBlock
from nmf_model.flow.dynamics import Dynamics

TIGHT = SolverConfig("rk4", steps=16)
FLOW = FlowConfig(
    width=24, blocks=2, latent_size=6, integration_time=0.5, activation="tanh", rescale_hidden=8
)


def config(**changes):
    return FlowConfig(**{**vars(FLOW), **changes})


def make(kind, settings=FLOW, gain=2.0):
    """A part with weights larger than at the start, so that it bends space visibly."""
    torch.manual_seed(1)
    part = kind(settings).double()
    with torch.no_grad():
        for parameter in part.parameters():
            parameter *= gain
    return part


def points(count=40, batch=2):
    return torch.randn(batch, count, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def codes(batch=2, size=6):
    return torch.randn(batch, size, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("code_bias", [False, True])
@pytest.mark.parametrize("layers", [0, 2])
def test_velocity_equals_the_written_formula(code_bias, layers):
    dynamics = make(Dynamics, config(code_bias=code_bias, hidden_layers=layers))
    x, code = points(), codes()
    actual = dynamics(x, dynamics.condition(code))
    for b in range(2):
        for v in range(5):
            h = dynamics.first.weight @ x[b, v] + dynamics.first.bias
            if code_bias:
                h = h + dynamics.bias.weight @ code[b]
            h = torch.tanh(h) * torch.tanh(dynamics.gain.weight @ code[b] + dynamics.gain.bias)
            for layer in dynamics.hidden:
                h = torch.tanh(layer.weight @ h + layer.bias) + h
            expected = torch.tanh(dynamics.last.weight @ h + dynamics.last.bias)
            assert torch.allclose(actual[b, v], expected, atol=1e-12)


def test_low_precision_layers_leave_the_state_in_full_precision():
    dynamics = make(Dynamics).float()
    x, code = points().float(), codes().float()
    with torch.autocast("cpu", torch.bfloat16):
        low = dynamics(x, dynamics.condition(code))
    full = dynamics(x, dynamics.condition(code))
    assert low.dtype == torch.float32
    assert 0 < (low - full).abs().max() < 0.1


@pytest.mark.parametrize("solver", [TIGHT, SolverConfig(rtol=1e-7, atol=1e-7)], ids=lambda s: s.method)
def test_inverse_undoes_the_block(solver):
    block, x, code = make(FlowBlock), points(), codes()
    there = block(x, code, solver)
    back = block.inv(there.vertices, code, solver)
    assert (there.vertices - x).abs().max() > 0.1, "the block hardly moves anything"
    assert torch.allclose(back.vertices, x, rtol=0, atol=1e-4)
    assert there.nfe > 0
    assert back.nfe > 0


@pytest.mark.parametrize("activation", ["tanh", "relu", "softplus"])
def test_jacobian_determinant_is_positive(activation):
    """The flow of a Lipschitz velocity keeps orientation everywhere."""
    block, code = make(FlowBlock, config(activation=activation)), codes(1)

    def move(point):
        return block(point.reshape(1, 1, 3), code, TIGHT).vertices.reshape(3)

    jacobians = torch.stack([torch.autograd.functional.jacobian(move, point) for point in points(8, 1)[0]])
    determinants = torch.linalg.det(jacobians)
    assert (determinants > 0).all()
    assert (determinants - 1).abs().max() > 0.05, "a flow that keeps all volumes tests nothing"


def test_shapes_of_a_batch_do_not_touch_each_other_on_a_fixed_grid():
    block, x, code = make(FlowBlock), points(), codes()
    together = block(x, code, TIGHT).vertices
    alone = torch.cat([block(x[b : b + 1], code[b : b + 1], TIGHT).vertices for b in range(2)])
    assert torch.allclose(together, alone, atol=1e-12)


def test_vertices_do_not_touch_each_other():
    block, x, code = make(FlowBlock), points(), codes()
    assert torch.allclose(
        block(x[:, 7:9], code, TIGHT).vertices, block(x, code, TIGHT).vertices[:, 7:9], atol=1e-12
    )
