"""Two real processes that exchange gradients by gloo train as one does, and end together."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nmf_model.training import devices
from nmf_model.training.devices import VOTE_SECONDS, SingleDevice, Votes
from nmf_model.training.loop import train
from nmf_model.training.run_dir import RunDir
from nmf_model.training.settings import load_run_config
from nmf_model.training.tasks import autoencoder_task
from tests.support import command_line

OVERRIDES = ("training.steps=4", "training.synthetic_share=0.5", "training.sample_shapes=1")


TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def training(config_file, packed, out, *settings):
    return (
        command_line.ROOT / "training_cli.py", "train", "ae", "--config", config_file, "--packed", packed,
        "--out", out, "--device", "cpu", *(word for setting in settings for word in ("--set", setting)),
    )  # fmt: skip


def start(tmp_path, *words):
    return subprocess.Popen(
        [sys.executable, *map(str, words)], cwd=tmp_path, env=command_line.environment(tmp_path),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_two_processes_give_the_losses_and_weights_of_one(config_file, packed, tmp_path):
    out = tmp_path / "two"
    process = start(tmp_path, *TORCHRUN, *training(config_file, packed, out, *OVERRIDES))
    said, complaints = process.communicate(timeout=200)
    assert process.returncode == 0, complaints[-3000:]
    assert said.count("Finished 4 steps") == 1
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


def test_torchrun_stopped_between_reports_leaves_a_checkpoint_of_the_step_it_reached(
    config_file, packed, tmp_path
):
    rarely = (
        "training.steps=1000000", "training.log_every=1000000", "training.validate_every=1000000",
        "training.checkpoint_minutes=1000",
    )  # fmt: skip
    process = start(tmp_path, *TORCHRUN, *training(config_file, packed, tmp_path / "run", *rarely))
    line = ""
    while "parameters on" not in line:
        line = process.stdout.readline()
        assert line, process.communicate()
    time.sleep(2 * VOTE_SECONDS)
    stopped = time.monotonic()
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[0]
    assert time.monotonic() - stopped < 25  # torchrun kills after 30
    steps = re.findall(r"Stopped at step (\d+) of 1000000", said)
    assert len(set(steps)) == 1
    assert RunDir(tmp_path / "run").latest().step == int(steps[0]) > 1


def test_a_run_that_cannot_go_on_is_refused_in_one_sentence_by_two_processes_too(
    config_file, packed, tmp_path
):
    cpu = SingleDevice(torch.device("cpu"))
    once, changed = ("training.steps=1",), ("--resume", "--set", "flow.width=8")
    task = autoencoder_task(load_run_config(config_file, once), [packed], cpu)
    train(task, RunDir(tmp_path / "run"), cpu, resume=False, max_minutes=None)
    process = start(tmp_path, *training(config_file, packed, tmp_path / "run"), "--devices", 2, *changed)
    complaints = process.communicate(timeout=200)[1]
    assert process.returncode == 2
    errors = [text for text in complaints.splitlines() if "rror" in text]
    assert len(errors) == 1, complaints
    assert errors[0].startswith(f"Error: {tmp_path / 'run'}")
    assert "Traceback" not in complaints
    assert "peer" not in complaints


def test_what_no_process_can_train_is_said_once(config_file, packed, tmp_path):
    words = training(config_file, packed, tmp_path / "run", "training.batch_size=3")
    process = start(tmp_path, *words, "--devices", 2)
    complaints = process.communicate(timeout=200)[1]
    assert process.returncode == 2, complaints
    assert complaints.count("Error: The setting 'training.batch_size' (3) must be a multiple") == 1
    assert complaints.count("rror") == 1, complaints


def test_two_processes_whose_weights_are_no_numbers_end_in_one_sentence(config_file, packed, tmp_path):
    settings = (
        "training.learning_rate=1e38",
        "training.weight_decay=100.0",
        "training.warmup=0",
        "training.steps=100",
        "training.log_every=50",
    )
    process = start(tmp_path, *training(config_file, packed, tmp_path / "run", *settings), "--devices", 2)
    complaints = process.communicate(timeout=200)[1]
    assert process.returncode == 2, complaints
    assert complaints.count("Error: The loss became infinite or undefined") == 1
    assert "Traceback" not in complaints


class _Slowing:
    """The first of two processes, the other of which never wishes anything."""

    world_size, global_rank, device = 2, 0, torch.device("cpu")

    def all_reduce(self, value, reduce_op):
        return value


def test_votes_are_as_many_steps_apart_as_seconds_allow(monkeypatch):
    seconds = 0.0
    monkeypatch.setattr(devices, "time", SimpleNamespace(monotonic=lambda: seconds))
    votes = Votes(_Slowing(), 10)
    asked = []
    for step in range(11, 4000):
        seconds += 0.02
        if votes.count(step, [True], now=False) == [True]:
            asked.append(step)
    gaps = np.diff(asked)
    assert asked[0] == 11
    assert (gaps[1:] <= 2 * gaps[:-1]).all()
    assert 0.5 * VOTE_SECONDS < gaps.max() * 0.02 <= VOTE_SECONDS
