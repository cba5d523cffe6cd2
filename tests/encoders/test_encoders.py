from __future__ import annotations

import pytest
import torch

from nmf_model.config import EncoderConfig, ImageEncoderConfig
from nmf_model.encoders.image import ImageEncoder, ResNet18
from nmf_model.encoders.pointnet import PointNet


@pytest.fixture(scope="module")
def pointnet():
    torch.manual_seed(0)
    net = PointNet(EncoderConfig(channels=(16, 24), head=(20,)), 12)
    net(torch.randn(8, 100, 3))  # in training mode: gives batch norm statistics of its own
    return net.eval()


def test_code_does_not_depend_on_the_order_of_the_points(pointnet):
    cloud = torch.randn(2, 300, 3)
    assert torch.allclose(pointnet(cloud), pointnet(cloud[:, torch.randperm(300)]), atol=1e-6)


def test_code_does_not_depend_on_repeated_points_or_batch_mates(pointnet):
    cloud = torch.randn(3, 50, 3)
    assert torch.allclose(pointnet(cloud), pointnet(torch.cat([cloud, cloud[:, :20]], dim=1)), atol=1e-6)
    assert torch.allclose(pointnet(cloud)[:1], pointnet(cloud[:1]), atol=1e-6)


def test_code_depends_on_the_shape(pointnet):
    cloud = torch.randn(1, 300, 3)
    assert (pointnet(cloud) - pointnet(cloud * torch.tensor([2.0, 1, 1]))).abs().max() > 1e-3


def test_codes_can_be_negative(pointnet):
    assert pointnet(torch.randn(20, 60, 3)).min() < 0


def test_one_cloud_is_enough_in_eval_mode(pointnet):
    assert pointnet(torch.randn(1, 2500, 3)).shape == (1, 12)


def test_every_weight_of_the_pointnet_has_a_gradient():
    net = PointNet(EncoderConfig(channels=(16, 24), head=(20,)), 12)
    weights = torch.linspace(-1, 1, 12)
    (net(torch.randn(6, 80, 3)) ** 2 * weights).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    assert all(
        p.grad.abs().max() > 0 for name, p in net.named_parameters() if "norms" in name or "weight" in name
    )


def test_image_encoder_answers_a_centred_cloud_and_learns_everywhere():
    torch.manual_seed(0)
    net = ImageEncoder(ImageEncoderConfig(features=30, hidden=(16,), points=64))
    points = net(torch.randn(3, 3, 64, 48))
    assert points.shape == (3, 64, 3)
    assert points.mean(dim=1).abs().max() < 1e-6
    (points**2).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


def test_resnet_has_the_known_size_and_stage_names():
    """ImageNet's ResNet-18 has 11,689,512 parameters; it divides a picture's side by 32."""
    net = ResNet18(1000)
    assert sum(p.numel() for p in net.parameters()) == 11_689_512
    assert {name.split(".")[0] for name, _ in net.named_parameters()} == {
        "conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "fc",
    }  # fmt: skip
    assert "layer2.0.downsample.0.weight" in net.state_dict()
    assert "layer1.0.downsample.0.weight" not in net.state_dict()
