"""Depths of front and back behind the cells of a picture, against shapes of which they are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nmf_model.config import ImageEncoderConfig, ModelConfig
from nmf_model.model import NeuralMeshFlow
from nmf_model.training.batches import PictureBatch
from nmf_model.training.picture_objective import SingleViewObjective
from nmf_model.training.visible_depths import front_and_back

CELLS = 8


def middles():
    """x and y of the middle of each cell, (C, C) each, the uppermost row first."""
    along = (torch.arange(CELLS) + 0.5) * 2 / CELLS - 1
    return along.expand(CELLS, CELLS), -along[:, None].expand(CELLS, CELLS)


def test_a_ball_has_its_front_and_back_where_it_should():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(1, 40_000, 3))
    points *= 0.8 / np.linalg.norm(points, axis=2, keepdims=True)
    depths = front_and_back(torch.tensor(points), CELLS)
    x, y = middles()
    inner = torch.hypot(x, y) < 0.5
    height = (0.64 - x**2 - y**2).clamp_min(0).sqrt()
    assert torch.allclose(depths[0, ..., 1][inner], height[inner].double(), atol=0.03)
    assert torch.allclose(depths[0, ..., 0][inner], -height[inner].double(), atol=0.03)
    assert depths[0, torch.hypot(x, y) > 1.0].isnan().all()


def test_what_lies_between_front_and_back_changes_neither_and_rows_count_downwards():
    seen = torch.tensor(
        [[[-0.9, 0.9, 0.5], [-0.9, 0.9, 0.45], [-0.9, 0.9, 0.1], [-0.9, 0.9, -0.6], [0.9, 0.9, 0.2]]]
    )
    depths = front_and_back(seen, CELLS)
    assert depths[0, 0, 0].tolist() == pytest.approx([-0.6, 0.475])
    assert depths[0, 0, -1].tolist() == pytest.approx([0.2, 0.2])
    assert int((~depths.isnan()).sum()) == 4


def test_points_beyond_the_picture_are_left_out():
    seen = torch.tensor([[[1.2, 0.0, 5.0], [0.0, -1.01, 5.0], [-7.0, 9.0, 5.0]]])
    assert front_and_back(seen, CELLS).isnan().all()


def picture_batch(depths):
    pictures = torch.full((2, 4, 64, 64), 0.5)
    pictures[:, 3, :, :32] = 0
    targets = torch.randn(2, 64, 3, generator=torch.Generator().manual_seed(0)) * 0.3
    return PictureBatch(pictures, targets, depths=depths)


def objective(weight):
    torch.manual_seed(0)
    image = ImageEncoderConfig(kind="pixels", size=64, points=256, depths=4)
    return SingleViewObjective(NeuralMeshFlow(ModelConfig(image=image)), depth_weight=weight)


def test_the_outermost_layers_are_held_to_back_and_front_inside_the_outline_only():
    depths = torch.full((2, 16, 16, 2), torch.nan)
    depths[:, :, 8:, 0], depths[:, :, 8:, 1] = -0.25, 0.5
    depths[:, :, :8] = 1e3  # outside of the outline
    depths[:, 0] = torch.nan  # no point is seen there
    answers = []
    for weight in (0.0, 2.0):
        learner = objective(weight)
        torch.nn.init.zeros_(learner.branch.write.weight)  # so that every cell answers -0.4 ... 0.4
        answers.append(learner(picture_batch(depths)))
    plain, held = answers
    expected = 2.0 * (abs(-0.4 + 0.25) + abs(0.4 - 0.5)) / 2
    assert (held.total - plain.total).item() == pytest.approx(expected)
    assert held.parts.tolist() == pytest.approx([plain.parts.item(), expected / 2.0])


def test_the_layers_learn_the_depths():
    depths = torch.zeros(2, 16, 16, 2)
    depths[..., 0], depths[..., 1] = -0.7, 0.1
    learner, batch = objective(50.0), picture_batch(depths)
    optimizer = torch.optim.Adam(learner.branch.write.parameters(), 0.02)
    for _ in range(40):
        optimizer.zero_grad()
        learner(batch).total.backward()
        optimizer.step()
    seen = learner.branch.layers(batch.inputs).seen[:, :, 8:, :, 2]
    assert seen[..., 0].mean().item() == pytest.approx(-0.7, abs=0.05)
    assert seen[..., -1].mean().item() == pytest.approx(0.1, abs=0.05)
