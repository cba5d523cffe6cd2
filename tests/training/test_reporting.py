"""What a run leaves to look at: numbers, meshes, pictures, and what it tells other services."""

from __future__ import annotations

import json
import sys
import types

import numpy as np
import pytest
import torch
from PIL import Image

from nmf_model.data.contact_sheet import TILE, draw_tile, write_sheet
from nmf_model.errors import InputError
from nmf_model.io.meshes import read_mesh
from nmf_model.quality import inspect_mesh
from nmf_model.training.devices import SingleDevice
from nmf_model.training.loop import train
from nmf_model.training.run_dir import RunDir
from nmf_model.training.settings import load_run_config
from nmf_model.training.tasks import autoencoder_task
from nmf_model.training.trackers import CometAccount

CPU = SingleDevice(torch.device("cpu"))
STEPS = ("training.steps=4", "training.validate_every=2")


def run(config_file, packed, out, comet=None, resume=False, steps=STEPS):
    task = autoencoder_task(load_run_config(config_file, steps), [packed], CPU)
    return train(task, RunDir(out), CPU, resume=resume, max_minutes=None, comet=comet)


def test_each_validation_leaves_sound_meshes_and_a_sheet_and_all_numbers(config_file, packed, tmp_path):
    run(config_file, packed, tmp_path / "run")
    folders = sorted((tmp_path / "run" / "samples").iterdir())
    assert [folder.name for folder in folders] == ["step-00000002", "step-00000004"]
    for folder in folders:
        assert sorted(path.name for path in folder.iterdir()) == ["00.ply", "01.ply", "sheet.png"]
        report = inspect_mesh(read_mesh(folder / "01.ply"))
        assert (report.vertices, report.euler_characteristic, report.watertight) == (42, 2, True)
        with Image.open(folder / "sheet.png") as sheet:
            assert sheet.size == (6 * TILE, TILE)
            tiles = np.asarray(sheet).reshape(TILE, 6, TILE, 3).swapaxes(0, 1)
        assert all((tile < 250).any(axis=2).mean() > 0.02 for tile in tiles)
    records = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [r["kind"] for r in records] == ["train", "train", "validation"] * 2
    assert records[0].keys() >= {
        "loss",
        "chamfer_1",
        "chamfer_2",
        "learning_rate",
        "nfe",
        "shapes_per_second",
    }
    lines = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    assert len(lines) == 1 + len(records)
    boards = list((tmp_path / "run" / "tensorboard").iterdir())
    assert boards[0].stat().st_size > 1000


def test_boards_forget_what_a_killed_run_said_after_its_checkpoint(config_file, packed, tmp_path):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run(config_file, packed, tmp_path / "run")
    (folder,) = (tmp_path / "run" / "tensorboard").iterdir()
    (checkpoint,) = (tmp_path / "run" / "checkpoints").iterdir()
    state = json.loads((checkpoint / "state.json").read_text())
    (checkpoint / "state.json").write_text(json.dumps(state | {"step": 2}))  # as if killed after step 4
    checkpoint.rename(checkpoint.with_name("step-00000002"))
    run(config_file, packed, tmp_path / "run", resume=True)
    board = event_accumulator.EventAccumulator(str(folder.parent)).Reload()
    steps = [event.step for event in board.Scalars("validation/validation_chamfer_l2")]
    assert steps == [2, 4]


class _Experiment:
    def __init__(self, told: dict, key: str) -> None:
        self._told, self._key = told, key

    def get_key(self) -> str:
        return self._key

    def log_parameters(self, values: dict) -> None:
        self._told["parameters"] = values

    def log_metrics(self, values: dict, step: int) -> None:
        self._told["metrics"].append((step, values))

    def log_image(self, path: str, name: str, step: int) -> None:
        self._told["images"].append((step, name, path))

    def end(self) -> None:
        self._told["ended"] += 1


def test_comet_is_told_everything_and_goes_on_in_the_same_experiment(
    config_file, packed, tmp_path, monkeypatch
):
    """The service itself cannot be reached from a test; its client is replaced, nothing else."""
    told = {"metrics": [], "images": [], "started": [], "ended": 0}

    def start(**given):
        told["started"].append(given)
        return _Experiment(told, given["experiment_key"] or "0123456789abcdef" * 2)

    monkeypatch.setitem(sys.modules, "comet_ml", types.SimpleNamespace(start=start))
    account = CometAccount("SECRET", "space")
    run(config_file, packed, tmp_path / "run", account)
    run(config_file, packed, tmp_path / "run", account, resume=True, steps=("training.steps=5",))
    first, second = told["started"]
    assert (first["api_key"], first["workspace"], first["experiment_key"]) == ("SECRET", "space", None)
    assert second["experiment_key"] == "0123456789abcdef" * 2
    assert [step for step, values in told["metrics"] if "train/loss" in values] == [1, 2, 3, 4, 5]
    assert [step for step, *_ in told["images"]] == [2, 4, 5]
    assert told["parameters"]["training"]["batch_size"] == 4
    assert told["ended"] == 2
    stored = [path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert not any(b"SECRET" in content for content in stored)


def test_no_more_samples_are_written_than_shapes_are_measured(config_file, packed, tmp_path):
    run(config_file, packed, tmp_path / "run", steps=(*STEPS, "training.validation_shapes=1"))
    folders = sorted((tmp_path / "run" / "samples").iterdir())
    assert [sorted(path.name for path in folder.iterdir()) for folder in folders] == [
        ["00.ply", "sheet.png"]
    ] * 2


def test_comet_without_its_package_is_one_sentence(config_file, packed, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "comet_ml", None)
    with pytest.raises(InputError, match="pip install comet_ml"):
        run(config_file, packed, tmp_path / "run", CometAccount("K"))


def test_tiles_show_the_nearer_side_and_sheets_fill_up(tmp_path):
    rng = np.random.default_rng(0)
    sphere = rng.normal(size=(20_000, 3))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    tile = draw_tile(sphere * 0.9, sphere)
    shown = (tile < 250).any(axis=2)
    assert shown.mean() == pytest.approx(np.pi * (0.9 * 0.48) ** 2, rel=0.1)
    # Lit from above and in front: no dark spot of the far side shines through.
    assert tile[20:40, 50:62].min() > 150
    bare = draw_tile(sphere * 0.9)
    assert bare[56, 56, 0] < bare[56, 10, 0]
    write_sheet(tmp_path / "sheet.png", [tile] * 5, 3)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (3 * TILE, 2 * TILE)
        assert np.asarray(sheet)[TILE:, 2 * TILE :].min() == 255
