"""The flow on grids that a network writes: a diffeomorphism that depends on the code alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from nmf_model.config import FlowConfig, ModelConfig, SolverConfig, VolumeConfig
from nmf_model.encoders.volume import VolumeEncoder
from nmf_model.errors import InputError
from nmf_model.flow.grid import flow_midpoint
from nmf_model.flow.volume import _reference
from nmf_model.geometry.template import icosphere
from nmf_model.model import NeuralMeshFlow

SMALL = VolumeConfig(cells=8, cell_features=8, width=16, code_channels=4, reference_level=2)
FINE = replace(SMALL, fine_blocks=1, fine_width=8, fine_channels=4)
FLOW = FlowConfig(blocks=3, nodes_per_block=2)
SOLVER = SolverConfig(method="midpoint", steps=2)


@pytest.fixture(params=[SMALL, FINE], ids=["coarse", "fine"])
def model(request) -> NeuralMeshFlow:
    torch.manual_seed(0)
    made = NeuralMeshFlow(ModelConfig(flow=FLOW, solver=SOLVER, volume=request.param))
    with torch.no_grad():
        for head in made.flow.heads:
            head.write.weight.mul_(200)  # a fresh network stands nearly still
    return made.eval()


def clouds(count: int = 2, points: int = 300) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    drawn = torch.randn(count, points, 3, generator=generator)
    return drawn / drawn.norm(dim=2, keepdim=True) * torch.tensor([0.9, 0.5, 0.3])


def test_the_code_is_the_same_for_any_order_of_the_points_and_for_repeated_ones(model):
    points = clouds()
    code = model.encode(points)
    assert code.shape == (2, model.config.volume.latent_size)
    shuffled = points[:, torch.randperm(points.shape[1])]
    assert torch.allclose(model.encode(shuffled), code, atol=1e-6)
    assert torch.allclose(model.encode(torch.cat([points, points], dim=1)), code, atol=1e-6)


def test_a_shape_does_not_depend_on_its_batch_mates(model):
    points = clouds(3)
    together = model(points).vertices[-1]
    alone = model(points[1:2]).vertices[-1]
    assert torch.allclose(together[1:2], alone, atol=1e-5)


def test_the_reference_surface_is_the_flow_of_the_reference_template(model):
    code = model.encode(clouds())
    unrolled = model.flow.unroll(code)
    template = torch.tensor(icosphere(SMALL.reference_level).vertices)
    for shape in range(len(code)):
        flowed = flow_midpoint(template * SMALL.radius, model.flow.fields(code)[shape], SMALL.steps)
        assert torch.allclose(flowed, unrolled.surfaces[-1][shape], atol=1e-5)
    assert (unrolled.surfaces[-1] - template * SMALL.radius).norm(dim=2).mean() > 0.02


def test_forward_and_the_carrier_agree(model):
    code = model.encode(clouds(1))
    template = torch.tensor(icosphere(3).vertices)
    with torch.no_grad():
        outputs = model.flow(template, code, SolverConfig(method="midpoint", steps=8))
    results = [vertices[0].numpy() for vertices in outputs.vertices]
    assert len(results) == FLOW.blocks
    assert outputs.nfe == FLOW.blocks * FLOW.nodes_per_block * 8 * 2
    carrier = model.flow.carrier(code)
    moments = list(carrier.moments(template.numpy(), frames=13))
    assert [moment.time for moment in moments] == pytest.approx(list(np.linspace(0, 6, 13)))
    assert np.allclose(moments[0].vertices, template.numpy() * SMALL.radius)
    for block, result in enumerate(results, start=1):
        end = FLOW.nodes_per_block * block
        assert np.allclose(moments[2 * end].vertices, result, atol=1e-5)  # rounding differs by processor
        carried = carrier.carry(template.numpy(), until=end / 6)
        assert np.allclose(carried, result, atol=1e-5)


def test_other_templates_follow_the_same_flow(model):
    code = model.encode(clouds(1))
    coarse, fine = (torch.tensor(icosphere(level).vertices) for level in (2, 4))
    with torch.no_grad():
        one, other = model.flow(coarse, code).vertices[-1], model.flow(fine, code).vertices[-1]
    assert torch.allclose(one[0], other[0, : len(coarse)], atol=1e-6)


def test_a_model_that_has_answered_in_inference_mode_can_be_trained(model):
    _reference.cache_clear()
    with torch.inference_mode():
        model(clouds())
    model.train()
    model.flow.unroll(model.encode(clouds())).surfaces[-1].square().sum().backward()
    assert all(p.grad is not None for p in model.flow.parameters())


def test_every_parameter_gets_a_gradient(model):
    model.train()
    surface = model.flow.unroll(model.encode(clouds())).surfaces[-1]
    (surface * torch.randn(surface.shape, generator=torch.Generator().manual_seed(0))).sum().backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not still


def test_moving_a_cloud_by_whole_cells_moves_what_its_cells_hold():
    torch.manual_seed(0)
    pool = VolumeEncoder(SMALL).pool
    cell = 2 * 1.3 / SMALL.cells
    points = clouds(1) * 0.3
    here, there = pool(points), pool(points + torch.tensor([2 * cell, 0.0, 0.0]))
    assert torch.allclose(here[..., :-1], there[..., 1:], atol=1e-4)


def test_only_fine_blocks_see_what_lies_within_a_coarse_cell():
    torch.manual_seed(0)
    coarse, fine = (
        NeuralMeshFlow(ModelConfig(flow=FLOW, solver=SOLVER, volume=v)).eval() for v in (SMALL, FINE)
    )
    with torch.no_grad():
        for head in (*coarse.flow.heads, *fine.flow.heads):
            head.write.weight.mul_(200)
    fields = fine.flow.unroll(fine.encode(clouds())).fields
    assert [field.shape[-1] for field in fields] == [SMALL.cells + 1] * 4 + [2 * SMALL.cells + 1] * 2
    assert {field.shape[-1] for field in coarse.flow.unroll(coarse.encode(clouds())).fields} == {9}
    # Every second node of a coarse field on the finest grid is its own, and between them it is straight.
    finest = fine.flow.fields(fine.encode(clouds()))
    assert finest.shape == (2, 6, 3, 17, 17, 17)
    for index, field in enumerate(fields[:4]):
        assert torch.allclose(finest[:, index, :, ::2, ::2, ::2], field, atol=1e-6)
        between = (finest[:, index, :, :-2:2] + finest[:, index, :, 2::2]) / 2
        assert torch.allclose(finest[:, index, :, 1::2], between, atol=1e-6)
    # The last block's own nodes are not.
    between = (fields[5][:, :, :-2:2] + fields[5][:, :, 2::2]) / 2
    assert not torch.allclose(fields[5][:, :, 1::2], between, atol=1e-3)


@pytest.mark.parametrize(
    "change", [{"cells": 10}, {"width": 20}, {"radius": 0.0}, {"fine_width": 12}, {"fine_blocks": -1}]
)
def test_settings_that_cannot_work_are_refused(change):
    with pytest.raises(InputError):
        VolumeConfig(**change)


def test_more_fine_blocks_than_blocks_are_refused():
    with pytest.raises(InputError, match=r"'volume\.fine_blocks' must be at most 3"):
        ModelConfig(flow=FLOW, volume=replace(SMALL, fine_blocks=4))
