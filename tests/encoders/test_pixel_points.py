"""From cut-outs to clouds: what is inside the outline, and nothing else."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from nmf_model.config import ImageEncoderConfig
from nmf_model.encoders.efficientnet import TAP_CHANNELS, EfficientNetLite0
from nmf_model.encoders.pictures import MARGIN, cut_out, place_cut_out
from nmf_model.encoders.pixel_points import PixelPoints, with_perspective, without_perspective
from nmf_model.errors import InputError

CONFIG = ImageEncoderConfig(kind="pixels", size=64, points=256, depths=2)


@pytest.fixture(scope="module")
def branch() -> PixelPoints:
    torch.manual_seed(0)
    return PixelPoints(CONFIG).eval()


def picture(low: int, high: int) -> torch.Tensor:
    """A grey square on nothing, rows and columns low ... high."""
    made = torch.full((1, 4, 64, 64), 0.5)
    made[:, 3] = 0
    made[:, 3, low:high, low:high] = 1
    return made


def test_features_have_the_sizes_and_channels_that_are_promised():
    features = EfficientNetLite0().eval()(torch.zeros(1, 3, 64, 64))
    assert [tuple(f.shape[1:]) for f in features] == [
        (channels, size, size) for channels, size in zip(TAP_CHANNELS, (16, 8, 4, 2), strict=True)
    ]


def step_by_step(backbone: EfficientNetLite0, x: torch.Tensor) -> torch.Tensor:
    """The coarsest features, by torch's own modules: pad as TensorFlow does, convolve, then norm."""

    def same(conv: torch.nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
        kernel, stride = conv.kernel_size[0], conv.stride[0]
        missing = [max((math.ceil(n / stride) - 1) * stride + kernel - n, 0) for n in x.shape[2:]]
        down, across = missing
        pads = (across // 2, across - across // 2, down // 2, down - down // 2)
        return conv(torch.nn.functional.pad(x, pads))

    x = torch.nn.functional.relu6(backbone.stem_norm(same(backbone.stem, x)))
    for block in backbone.blocks:
        y = x
        if block.expand is not None:
            y = torch.nn.functional.relu6(block.expand_norm(block.expand(y)))
        y = torch.nn.functional.relu6(block.depthwise_norm(same(block.depthwise, y)))
        y = block.project_norm(block.project(y))
        x = x + y if x.shape == y.shape else y
    return x


@pytest.mark.parametrize("size", [64, 112])
def test_norms_folded_into_convolutions_change_neither_answer_nor_gradient(size):
    torch.manual_seed(1)
    backbone = EfficientNetLite0().double().eval()
    for norm in backbone.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.running_mean.normal_(std=0.2)
            norm.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
            torch.nn.init.normal_(norm.bias, std=0.2)
    pictures = torch.rand(2, 3, size, size, dtype=torch.float64) * 2 - 1
    gradients = []
    for answer in (backbone(pictures)[-1], step_by_step(backbone, pictures)):
        backbone.zero_grad()
        answer.square().sum().backward()
        gradients.append([answer.detach(), *(p.grad for p in backbone.parameters())])
    for folded, plain in zip(*gradients, strict=True):
        assert torch.allclose(folded, plain, rtol=1e-9, atol=1e-9 * plain.abs().max())


def test_points_lie_behind_the_object(branch):
    with torch.no_grad():
        points = branch(picture(16, 48))
    assert points.shape == (1, 256, 3)
    seen = with_perspective(points)[0, :, :2]
    # An untrained head moves a point by far less than a cell, an eighth, from its middle.
    assert seen.abs().max() < 0.5 + 1 / 8
    spread = torch.histc(seen[:, 0], 8, -0.5, 0.5)
    assert spread.min() > 0


def test_what_is_behind_transparency_does_not_matter(branch):
    one = picture(16, 48)
    other = one.clone()
    other[:, :3][other[:, 3:].expand(-1, 3, -1, -1) == 0] = 0.9
    with torch.no_grad():
        assert torch.equal(branch(one), branch(other))


def test_the_backbone_keeps_its_statistics_while_training(branch):
    branch.train()
    before = branch.backbone.stem_norm.running_mean.clone()
    branch(picture(8, 60))
    assert torch.equal(before, branch.backbone.stem_norm.running_mean)
    branch.eval()


def test_perspective_is_undone_exactly():
    points = torch.rand(2, 50, 3, dtype=torch.float64) * 2 - 1
    assert torch.allclose(with_perspective(without_perspective(points)), points)
    centred = torch.zeros(1, 1, 3)
    assert torch.equal(without_perspective(centred), centred)


def test_the_object_fills_the_cut_out_wherever_it_lies():
    rgba = np.zeros((200, 300, 4), dtype=np.uint8)
    mask = np.zeros((200, 300), dtype=bool)
    mask[120:180, 240:280] = True
    rgba[mask] = (200, 100, 50, 255)
    square = place_cut_out(mask)
    assert square.centre == (260.0, 150.0)
    assert square.half == pytest.approx(MARGIN * 30)
    cut = cut_out(rgba, mask, 112)[0]
    rows, columns = np.flatnonzero((cut[3] > 0.5).any(1)), np.flatnonzero((cut[3] > 0.5).any(0))
    assert len(rows) == pytest.approx(112 / MARGIN, abs=1)
    assert len(columns) == pytest.approx(112 / MARGIN * 40 / 60, abs=1)
    assert rows[0] + rows[-1] == pytest.approx(111, abs=1)
    inside = cut[:3, 56, 56] * 255
    assert torch.allclose(inside, torch.tensor([200.0, 100.0, 50.0]), atol=1)


def test_an_empty_mask_is_refused():
    with pytest.raises(InputError, match="shows no object"):
        cut_out(np.zeros((10, 10, 4), dtype=np.uint8), np.zeros((10, 10), dtype=bool), 64)
