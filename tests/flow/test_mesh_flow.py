from __future__ import annotations

import numpy as np
import pytest
import torch

from nmf_model.config import FlowConfig, SolverConfig
from nmf_model.errors import Cancelled, InputError
from nmf_model.flow.mesh_flow import MeshFlow
from nmf_model.flow.rescale import Rescale
from nmf_model.geometry.template import icosphere

RK4 = SolverConfig("rk4", steps=2)
TEMPLATE = torch.tensor(icosphere(1).vertices).double()


def make(solver=RK4, **changes):
    torch.manual_seed(0)
    settings = {
        "width": 16,
        "blocks": 3,
        "latent_size": 5,
        "activation": "tanh",
        "rescale_hidden": 8,
        **changes,
    }
    return MeshFlow(FlowConfig(**settings), solver).double()


def states(flow, frames):
    """The moments of a stream, and their vertices (T, B, V, 3)."""
    moments = list(flow.stream(TEMPLATE, codes(), frames))
    return moments, torch.stack([moment.vertices for moment in moments])


def codes(batch=2, size=5):
    return torch.randn(batch, size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_instance_norm_equals_the_written_formula():
    rescale = Rescale(FlowConfig(latent_size=5, rescale_hidden=8)).double()
    x, code = torch.randn(2, 30, 3, dtype=torch.float64), codes()
    first, _, second = rescale.factor
    factor = torch.sigmoid(second(torch.relu(first(code))))
    expected = torch.stack([(x[b] - x[b].mean(dim=0)) * (1 - factor[b]) for b in range(2)])
    assert torch.allclose(rescale(x, code), expected)


def test_scale_does_not_depend_on_how_densely_the_template_is_sampled():
    """Which the published instance norm does."""
    dense = torch.cat([TEMPLATE, TEMPLATE[:20]])
    for mode, same in (("scale", True), ("instance_norm", False)):
        flow = make(rescale=mode)
        few, many = (
            flow(TEMPLATE, codes()).vertices[-1],
            flow(dense, codes()).vertices[-1][:, : len(TEMPLATE)],
        )
        assert torch.allclose(few, many) == same


@pytest.mark.parametrize("mode", ["instance_norm", "scale", "none"])
def test_an_axis_map_is_undone_by_its_inverse(mode):
    rescale = Rescale(FlowConfig(latent_size=5, rescale_hidden=8, rescale=mode)).double()
    x = torch.randn(2, 30, 3, dtype=torch.float64)
    axis_map = rescale.map(x, codes())
    assert torch.equal(axis_map(x), rescale(x, codes()))
    assert torch.allclose(axis_map.inv(axis_map(x)), x)


@pytest.mark.parametrize("mode", ["instance_norm", "scale", "none"])
@pytest.mark.parametrize("frames", [2, 3, 7, 13, 33])
@pytest.mark.parametrize("solver", [RK4, SolverConfig()], ids=lambda s: s.method)
@torch.no_grad()
def test_a_stream_starts_at_the_template_and_ends_at_the_result(mode, frames, solver):
    flow = make(solver, rescale=mode)
    result = flow(TEMPLATE, codes())
    moments, seen = states(flow, frames)
    assert seen.shape == (frames, 2, len(TEMPLATE), 3)
    assert torch.equal(seen[0], TEMPLATE.expand(2, -1, -1))
    assert torch.equal(seen[-1], result.vertices[-1])
    assert [moment.time for moment in moments] == pytest.approx(np.linspace(0, 3 * 2 * 0.2, frames).tolist())
    blocks, costs = [moment.block for moment in moments], [moment.nfe for moment in moments]
    assert blocks == sorted(blocks)
    assert costs == sorted(costs)
    assert result.nfe <= costs[-1] <= result.nfe + 6


@torch.no_grad()
def test_frames_at_the_end_of_a_block_are_that_blocks_output():
    flow = make()
    moments, seen = states(flow, 13)
    for block, vertices in enumerate(flow(TEMPLATE, codes()).vertices):
        assert torch.equal(seen[4 * (block + 1)], vertices)
        assert moments[4 * (block + 1)].block == block


@torch.no_grad()
def test_a_timeline_shows_no_jumps():
    """Also where a block's rescaling comes in: twice the frames, half the largest movement."""
    flow = make(rescale="instance_norm")
    steps = [states(flow, n)[1].diff(dim=0).abs().max() for n in (61, 121)]
    assert steps[1] < 0.6 * steps[0]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("mode", ["instance_norm", "scale"])
def test_every_parameter_and_the_code_have_a_gradient_and_the_adjoint_agrees(bias, mode):
    gradients = []
    for adjoint in (False, True):
        flow = make(SolverConfig("rk4", steps=8, adjoint=adjoint), rescale=mode, code_bias=bias, blocks=2)
        code = codes().requires_grad_()
        outputs = flow(TEMPLATE, code).vertices
        target = torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64)
        sum(((x - target) ** 2 * (1 + x[..., :1])).sum() for x in outputs).backward()
        gradients.append({"code": code.grad, **{name: p.grad for name, p in flow.named_parameters()}})
    direct, adjoint = gradients
    for name, gradient in direct.items():
        assert gradient.abs().max() > 0, name
        assert torch.allclose(gradient, adjoint[name], rtol=1e-4, atol=1e-4 * gradient.abs().max().item()), (
            name
        )


@torch.no_grad()
def test_a_flow_without_a_code():
    flow = make(latent_size=0, rescale="none")
    outputs = flow(TEMPLATE, torch.zeros(1, 0, dtype=torch.float64))
    assert outputs.vertices[-1].shape == (1, len(TEMPLATE), 3)
    assert not torch.allclose(outputs.vertices[-1][0], TEMPLATE, atol=1e-3)


def test_cancel_and_bad_frame_counts():
    with pytest.raises(Cancelled):
        make()(TEMPLATE, codes(), cancel=lambda: True)
    with pytest.raises(InputError, match="at least 2"):
        states(make(), 1)
