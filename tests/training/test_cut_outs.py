"""Training pairs of cut-outs and clouds: a point lies where the picture shows it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from nmf_model.encoders.pixel_points import with_perspective
from nmf_model.geometry.cameras import camera_rotation
from nmf_model.training.cut_outs import DISTANCE, cut, damaged, recoloured

SIZE = 64


def bar(count: int = 4000) -> torch.Tensor:
    """Points of a slanted bar, so that no mirroring or turning leaves it as it is."""
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (count, 3)) * (0.9, 0.12, 0.2)
    points[:, 1] += 0.4 * points[:, 0]
    return torch.from_numpy(points.astype(np.float32))


def drawn(points: torch.Tensor, rotation: np.ndarray, size: int = 96) -> torch.Tensor:
    """Draw points as the renderings' camera sees them, as RGBA in 0 ... 1, splatted over three pixels."""
    centre = (points.amin(0) + points.amax(0)) / 2
    radius = (points.amax(0) - points.amin(0)).norm() / 2
    seen = ((points - centre) / radius).double().numpy() @ rotation.T
    flat = seen[:, :2] / (DISTANCE - seen[:, 2:]) / np.tan(np.radians(17))
    columns = ((flat[:, 0] + 1) / 2 * size).astype(int)
    rows = ((1 - flat[:, 1]) / 2 * size).astype(int)
    image = torch.zeros(4, size, size)
    for down in (-1, 0, 1):
        for across in (-1, 0, 1):
            image[:, rows + down, columns + across] = 1.0
    return image


@pytest.mark.parametrize(
    "random",
    [
        None,
        (0.3, 0.1, 0.9, 0.9, 0.5, 0.5),
        (0.9, 0.6, 0.2, 0.1, 0.5, 0.5),
        (0.5, 0.5, 0.5, 0.9, 1.0, 0.0),
        (0.5, 0.6, 0.4, 0.1, 0.0, 1.0),
    ],
)
@pytest.mark.parametrize("angles", [(0.0, 0.4), (3.3, 0.5), (-0.5, 0.35)])
def test_points_lie_on_the_object_of_the_cut_out(random, angles):
    points, rotation = bar(), camera_rotation(*angles)
    pictures = drawn(points, rotation)[None]
    numbers = None if random is None else torch.tensor([random])
    batch = cut(pictures, points[None], torch.tensor(rotation[None], dtype=torch.float32), SIZE, numbers)
    seen = with_perspective(batch.targets)[0]
    columns = ((seen[:, 0] + 1) / 2 * SIZE).long().clamp(0, SIZE - 1)
    rows = ((1 - seen[:, 1]) / 2 * SIZE).long().clamp(0, SIZE - 1)
    on_object = batch.inputs[0, 3, rows, columns] > 0.1
    assert on_object.float().mean() > 0.97
    # The bar's ends are not mirror images: a wrong sign of x would leave the object.
    mirrored = batch.inputs[0, 3, rows, SIZE - 1 - columns] > 0.1
    assert mirrored.float().mean() < 0.8


@pytest.mark.parametrize("stretch", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("tilt", [0.0, 0.5, 1.0])
def test_a_changed_object_is_as_large_in_its_cut_out_as_before(stretch, tilt):
    points, rotation = bar(), camera_rotation(0.7, 0.4)
    numbers = torch.tensor([[0.5, 0.5, 0.5, 1.0, stretch, tilt]])
    batch = cut(
        drawn(points, rotation)[None], points[None], torch.tensor(rotation[None]).float(), SIZE, numbers
    )
    seen = with_perspective(batch.targets)[0, :, :2]
    larger = (seen.amax(dim=0) - seen.amin(dim=0)).amax() / 2
    assert 0.84 / 1.16 < larger <= 1.005 / 1.16  # 1.16: the margin that 0.5 stands for


def test_the_shape_is_kept_up_to_size():
    points, rotation = bar(), camera_rotation(0.7, 0.4)
    batch = cut(drawn(points, rotation)[None], points[None], torch.tensor(rotation[None]).float(), SIZE)
    placed = batch.targets[0]
    turned = (points - points.mean(0)).double() @ torch.tensor(rotation.T)
    scale = (placed - placed.mean(0)).norm() / turned.norm()
    apart = (placed - placed.mean(0)) / scale - turned.float()
    assert apart.norm(dim=1).mean() < 0.06  # an assumed distance of the viewer stands for the true one


@pytest.mark.parametrize("numbers", [None, (0.5, 0.5, 0.5, 0.1, 0.9, 0.8), (0.2, 0.6, 0.4, 0.9, 0.1, 0.0)])
def test_the_upright_is_where_upright_edges_of_the_object_point(numbers):
    points, rotation = bar(), camera_rotation(0.7, 0.4)
    raised = torch.cat([points, points + torch.tensor([0.0, 1e-3, 0.0])])
    batch = cut(
        drawn(points, rotation)[None],
        raised[None],
        torch.tensor(rotation[None]).float(),
        SIZE,
        None if numbers is None else torch.tensor([numbers]),
    )
    below, above = batch.targets[0].double().split(len(points))
    expected = torch.nn.functional.normalize((above - below).mean(dim=0), dim=0)
    assert torch.dot(expected, batch.up[0].double()) > math.cos(0.06)  # the assumed distance is not the true
    assert batch.up[0].norm().item() == pytest.approx(1)


def test_changes_of_light_and_outline_stay_pictures():
    pictures = torch.rand(12, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    pictures[:, 3] = 0
    pictures[:, 3, 5:28, 9:24] = 1
    random = torch.rand(12, 6, generator=torch.Generator().manual_seed(1))
    random[:3, 0], random[3:6, 0], random[6:, 0] = 0.05, 0.25, 0.9
    changed = damaged(recoloured(pictures, random[:, :5]), random)
    assert changed.min() >= 0
    assert changed.max() <= 1
    grown = changed[:, 3] - pictures[:, 3]
    assert (grown[:3] >= 0).all()
    assert grown[:3].sum() > 0
    assert (grown[3:6] <= 0).all()
    assert grown[3:6].sum() < 0
    assert torch.equal(changed[6:, 3], pictures[6:, 3])


def test_an_outline_is_made_narrower_only_where_no_part_of_it_goes():
    pictures = torch.zeros(2, 4, 32, 32)
    pictures[:, 3, 12:20, 12:20] = 1
    pictures[0, 3, 15:17, 2:30] = 1  # a thin rod through a block
    random = torch.full((2, 6), 0.25)
    rod, block = damaged(pictures, random)[:, 3]
    assert torch.equal(rod, pictures[0, 3])
    assert block.sum() == 36
