"""Procedural shapes in the batches: the right share, the same however the run is cut up."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nmf_model.data.pack import write_points
from nmf_model.data.packed import read_packed_points
from nmf_model.data.synthetic import SyntheticShapes
from nmf_model.training.batches import CloudBatches
from nmf_model.training.devices import SingleDevice
from nmf_model.training.loop import train
from nmf_model.training.procedural import ProceduralShapes, is_procedural
from nmf_model.training.run_dir import RunDir
from nmf_model.training.settings import AugmentConfig, TrainingConfig, load_run_config
from nmf_model.training.tasks import autoencoder_task

CPU = SingleDevice(torch.device("cpu"))
MARK = 5


def batches(share: float, rank: int = 0, world: int = 1, workers: int = 0) -> CloudBatches:
    """Real shapes are all points on one axis, which no procedural shape is."""
    config = TrainingConfig(
        batch_size=8, synthetic_share=share, data_workers=workers, input_points=16, fewest_points=16,
        target_points=32, samples=8, augment=AugmentConfig(axis_scale=1.0, mirror=False),
    )  # fmt: skip
    points = torch.zeros(MARK, 64, 3)
    points[:, :, 0] = torch.linspace(-1, 1, 64)
    normals = torch.tensor([0.0, 1.0, 0.0]).expand_as(points)
    return CloudBatches(points, config, torch.Generator().manual_seed(0), rank, world, normals)


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.3, 2), (0.5, 4), (1.0, 8)])
def test_a_batch_has_the_share_and_it_is_spread_evenly(share, count):
    made = is_procedural(8, share)
    assert made.sum() == count
    assert abs(int(made[:4].sum()) - count / 2) <= 0.5
    batch = batches(share).draw(3)
    drawn = batch.targets
    is_real = drawn[:, :, 1:].abs().amax(dim=(1, 2)) == 0
    assert torch.equal(~is_real, made)
    assert torch.allclose(batch.normals.norm(dim=2), torch.ones(8, 32))
    assert (batch.normals[is_real] == torch.tensor([0.0, 1.0, 0.0])).all()
    assert drawn.norm(dim=2).amax() <= 1 + 1e-5


def test_two_processes_together_see_the_batch_of_one():
    whole = batches(0.6)
    halves = [batches(0.6, rank, 2) for rank in range(2)]
    for step in range(3):
        together = [torch.cat(parts) for parts in zip(*(half.draw(step) for half in halves), strict=True)]
        assert all(torch.equal(a, b) for a, b in zip(whole.draw(step), together, strict=True))


def test_workers_make_the_same_shapes_ahead_of_time_from_any_step():
    alone = ProceduralShapes(range(1, 3), 3, 64, 7, workers=0)
    ahead = ProceduralShapes(range(1, 3), 3, 64, 7, workers=1)
    for step in (4, 5, 9):
        assert torch.equal(ahead.at(step), alone.at(step))
    assert not torch.equal(alone.at(4), alone.at(5))


def test_a_run_with_procedural_shapes_resumes_exactly(config_file, packed, tmp_path):
    def run(out, steps, resume):
        overrides = [f"training.steps={steps}", "training.synthetic_share=0.5", "training.schedule=published"]
        task = autoencoder_task(load_run_config(config_file, overrides), [packed], CPU)
        train(task, RunDir(tmp_path / out), CPU, resume=resume, max_minutes=None)

    run("whole", 4, False)
    run("parts", 2, False)
    run("parts", 4, True)
    whole, parts = (RunDir(tmp_path / name).latest() for name in ("whole", "parts"))
    assert all(torch.equal(tensor, parts.tensors[name]) for name, tensor in whole.tensors.items())


def test_a_pool_trains_like_any_packed_set(tmp_path):
    write_points(tmp_path / "pool.npz", SyntheticShapes(2, 0, 64), 64)
    stored = read_packed_points(tmp_path / "pool.npz")
    assert stored.points.shape == (2, 64, 3)
    assert np.linalg.norm(stored.points, axis=2).max() <= 1 + 1e-4
