"""Two real processes that exchange gradients by gloo train as one does."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from nmf_model.training.devices import SingleDevice
from nmf_model.training.loop import train
from nmf_model.training.run_dir import RunDir
from nmf_model.training.settings import load_run_config
from nmf_model.training.tasks import autoencoder_task
from tests.support import command_line

OVERRIDES = ("training.steps=4", "training.synthetic_share=0.5", "training.sample_shapes=1")


def test_two_processes_give_the_losses_and_weights_of_one(config_file, packed, tmp_path):
    out = tmp_path / "two"
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        str(command_line.ROOT / "training_cli.py"), "train", "ae", "--config", str(config_file),
        "--packed", str(packed), "--out", str(out), "--device", "cpu",
    ]  # fmt: skip
    command += [word for setting in OVERRIDES for word in ("--set", setting)]
    process = subprocess.run(
        command, cwd=tmp_path, env=command_line.environment(tmp_path), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr[-3000:]
    cpu = SingleDevice(torch.device("cpu"))
    task = autoencoder_task(load_run_config(config_file, OVERRIDES), [packed], cpu)
    train(task, RunDir(tmp_path / "one"), cpu, resume=False, max_minutes=None)
    one, two = RunDir(tmp_path / "one"), RunDir(out)
    for name in ("loss", "validation_chamfer_l2", "gradient_norm", "chamfer_1", "chamfer_2"):
        values = [[r[name] for r in run.records() if name in r] for run in (one, two)]
        assert len(values[0]) >= 2
        assert values[1] == pytest.approx(values[0], rel=1e-4)
    single, double = one.latest().tensors, two.latest().tensors
    assert single.keys() == double.keys()
    for name, tensor in single.items():
        if not name.startswith("model/") or not name.endswith(".weight"):
            # Batch norm takes the biases before it away again: their gradient is rounding error, which Adam
            # scales up; running means follow them.
            continue
        assert torch.allclose(tensor.double(), double[name].double(), rtol=1e-3, atol=1e-5), name
