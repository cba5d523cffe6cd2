from __future__ import annotations

import pytest
import torch

from nmf_model.config import EncoderConfig, FlowConfig, ModelConfig, SolverConfig, VolumeConfig
from nmf_model.flow.mesh_flow import MeshFlow
from nmf_model.geometry.template import icosphere
from nmf_model.model import NeuralMeshFlow
from nmf_model.training.batches import CloudBatch, draw_change, vary_pictures
from nmf_model.training.objective import AutoEncoderObjective, sample_surfaces
from nmf_model.training.settings import AugmentConfig, TrainingConfig
from nmf_model.training.shapes import normalized
from nmf_model.training.unrolled import flow_surfaces

SPHERE = icosphere(2)
TINY = EncoderConfig(channels=(8, 8, 8), head=(8, 8))


@pytest.mark.parametrize("method", ["euler", "midpoint", "rk4"])
@pytest.mark.parametrize("rescale", ["none", "scale", "instance_norm"])
def test_the_unrolled_flow_is_the_flow(method, rescale):
    torch.manual_seed(0)
    config = FlowConfig(width=16, latent_size=8, rescale=rescale, rescale_hidden=8, code_bias=True)
    flow = MeshFlow(config, SolverConfig(method=method, steps=2)).double()
    template, code = torch.tensor(SPHERE.vertices).double(), torch.randn(3, 8).double()
    for mine, true in zip(flow_surfaces(flow, template, code), flow(template, code).vertices, strict=True):
        assert torch.allclose(mine, true, atol=1e-12)


def test_low_precision_inside_leaves_the_state_in_float32_and_close():
    torch.manual_seed(0)
    flow = MeshFlow(FlowConfig(width=64, latent_size=8, rescale="none"), SolverConfig(method="midpoint"))
    template, code = torch.tensor(SPHERE.vertices), torch.randn(2, 8)
    low = flow_surfaces(flow, template, code, low_precision=True)[-1]
    true = flow_surfaces(flow, template, code)[-1]
    assert low.dtype == torch.float32
    assert 0 < (low - true).abs().max() < 5e-3


def test_samples_lie_on_the_surface_by_area_and_move_with_it():
    stretched = torch.tensor(SPHERE.vertices) * torch.tensor([1.0, 1.0, 3.0])
    vertices = torch.stack([torch.tensor(SPHERE.vertices), stretched]).requires_grad_()
    uniform = torch.rand(2, 3, 4000, generator=torch.Generator().manual_seed(0))
    samples = sample_surfaces(vertices, torch.tensor(SPHERE.faces), uniform).points
    radius = (samples / torch.tensor([1.0, 1, 3])[None]).norm(dim=2)[1]
    assert radius.max() <= 1 + 1e-5
    assert samples[0].norm(dim=1).min() > 0.9
    below = (samples[0, :, 2] < 0.5).float().mean().item()  # by Archimedes, three quarters of a sphere's area
    assert below == pytest.approx(0.75, abs=0.03)
    samples.sum().backward()
    assert vertices.grad is not None
    assert vertices.grad.sum().item() == pytest.approx(2 * 4000 * 3, rel=1e-4)


def test_normals_turn_with_the_surface_that_is_changed():
    sphere = torch.nn.functional.normalize(torch.randn(3, 500, 3), dim=2)
    change = draw_change(AugmentConfig(axis_scale=2.0, rotate="any"), 3, torch.Generator().manual_seed(3))
    moved, turned = change.apply(sphere), change.turn(sphere)
    # An ellipsoid x = s M has the implicit form |x M⁻¹|² = 1, whose gradient is its normal.
    inverse = torch.linalg.inv(change.matrices)
    gradient = torch.bmm(torch.bmm(moved, inverse), inverse.transpose(1, 2))
    assert torch.allclose(turned, torch.nn.functional.normalize(gradient, dim=2), atol=1e-5)


def test_the_weight_of_normals_counts_what_they_disagree_by():
    # A sphere of radius 1 against points of a plane patch around its pole whose normals lie in the plane.
    sphere = torch.tensor(SPHERE.vertices)[None]
    points = torch.tensor([[[0.0, 0, 1.0], [0.02, 0, 1], [0, 0.02, 1]]])
    across, up = torch.tensor([1.0, 0, 0]).expand(1, 3, 3), torch.tensor([0.0, 0, 1]).expand(1, 3, 3)
    batch = CloudBatch(points, points, torch.rand(1, 1, 3, 2000), across)
    config = TrainingConfig(block_weights=(1.0,), normal_weight=0.5)
    model = NeuralMeshFlow(ModelConfig(flow=FlowConfig(blocks=1, width=8, latent_size=8), encoder=TINY))
    objective = AutoEncoderObjective(model, config)
    objective.faces = torch.tensor(SPHERE.faces)

    def loss(normals):
        return objective.compare([sphere], batch._replace(normals=normals)).total.item()

    none = loss(None)
    # Over a sphere the mean of each squared component is 1/3; at the points, its pole, they are 0 and 1.
    assert loss(across) - none == pytest.approx(0.5 * (1 - (1 / 3 + 0) / 2), abs=0.02)
    assert loss(up) - none == pytest.approx(0.5 * (1 - (1 / 3 + 1) / 2), abs=0.02)


def test_the_named_parts_weighed_are_the_loss():
    torch.manual_seed(0)
    flow = FlowConfig(blocks=2, width=8, latent_size=8)
    model = NeuralMeshFlow(ModelConfig(flow=flow, encoder=TINY, volume=VolumeConfig(cells=4)))
    config = TrainingConfig(
        block_weights=(1.0, 3.0),
        normal_weight=0.5,
        extent_weight=3.0,
        smoothness_weight=0.1,
        lipschitz_weight=2.0,
        lipschitz_bound=0.01,
    )
    objective = AutoEncoderObjective(model, config)
    points = torch.nn.functional.normalize(torch.randn(2, 300, 3), dim=2)
    terms = objective(CloudBatch(points, points, torch.rand(2, 2, 3, 400), points))
    named = dict(zip(objective.parts, terms.parts.tolist(), strict=True))
    weights = {"chamfer_1": 0.25, "chamfer_2": 0.75, "normals": 0.5, "extents": 3.0}
    weights |= {"roughness": 0.1, "steepness": 2.0}
    assert list(named) == list(weights)
    assert min(named.values()) > 0
    assert terms.total.item() == pytest.approx(sum(weights[name] * named[name] for name in weights), rel=1e-5)


def test_normalising_brings_the_box_to_the_origin_and_the_farthest_point_to_one():
    points = torch.randn(4, 50, 3) * 7 + 100
    result = normalized(points)
    assert torch.allclose(result.norm(dim=2).amax(dim=1), torch.ones(4))
    assert torch.allclose(result.amin(dim=1), -result.amax(dim=1), atol=1e-4)


@pytest.mark.parametrize("rotate", ["yaw", "any"])
def test_rotations_keep_distances_and_yaw_keeps_up(rotate):
    config = AugmentConfig(axis_scale=1.0, mirror=False, rotate=rotate)
    matrices = draw_change(config, 20, torch.Generator().manual_seed(0)).matrices
    identity = torch.eye(3).expand(20, 3, 3)
    assert torch.allclose(matrices @ matrices.transpose(1, 2), identity, atol=1e-5)
    assert torch.allclose(torch.linalg.det(matrices), torch.ones(20), atol=1e-5)
    assert torch.allclose(matrices[:, 1, 1], torch.ones(20)) == (rotate == "yaw")


def test_a_varied_picture_is_mirrored_when_it_says_so():
    picture = torch.zeros(2, 4, 32, 32)
    picture[:, :, 8:24, 4:14] = 1  # left of the middle
    uniform = torch.full((2, 9), 0.5)
    uniform[0, 3], uniform[1, 3] = 0.1, 0.9
    varied, mirrored = vary_pictures(picture, uniform)
    assert mirrored.tolist() == [True, False]
    columns = (varied[:, 3].sum(dim=1) * torch.arange(32)).sum(dim=1) / varied[:, 3].sum(dim=(1, 2))
    assert columns[0] > 18
    assert columns[1] < 13
