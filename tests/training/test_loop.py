"""Training end to end: it learns, stops, resumes exactly, and survives being killed."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from nmf_model import checkpoint
from nmf_model.errors import InputError
from nmf_model.training.batches import CloudBatch
from nmf_model.training.devices import SingleDevice
from nmf_model.training.loop import TrainingError, learning_rate, train
from nmf_model.training.run_dir import RunDir
from nmf_model.training.settings import TrainingConfig, load_run_config
from nmf_model.training.tasks import autoencoder_task
from tests.support import command_line, in_process

CPU = SingleDevice(torch.device("cpu"))


def task_of(config_file, packed, *overrides):
    return autoencoder_task(load_run_config(config_file, overrides), [packed], CPU)


def run(config_file, packed, out, *overrides, resume=False, minutes=None):
    task = task_of(config_file, packed, *overrides)
    return train(task, RunDir(out), CPU, resume=resume, max_minutes=minutes).said


def losses(out) -> list[float]:
    return [r["loss"] for r in RunDir(out).records() if r["kind"] == "train"]


def state(out):
    return RunDir(out).latest()


def test_resuming_gives_bit_for_bit_the_uninterrupted_run(config_file, packed, tmp_path):
    run(config_file, packed, tmp_path / "whole")
    task = task_of(config_file, packed)
    draw, drawn = task.batches.draw, []

    def interrupted(step):
        drawn.append(step)
        if step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return draw(step)

    task.batches.draw = interrupted
    ended = train(task, RunDir(tmp_path / "parts"), CPU, resume=False, max_minutes=None)
    assert "SIGTERM" in ended.said
    assert not ended.is_interrupted
    assert drawn == [0, 1, 2, 3]
    run(config_file, packed, tmp_path / "parts", resume=True)
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    whole, parts = state(tmp_path / "whole"), state(tmp_path / "parts")
    assert whole.step == parts.step == 6
    assert whole.tensors.keys() == parts.tensors.keys()
    assert all(torch.equal(tensor, parts.tensors[name]) for name, tensor in whole.tensors.items())


def test_what_is_exported_is_the_trained_model(config_file, packed, tmp_path):
    run(config_file, packed, tmp_path / "run")
    model = checkpoint.load(tmp_path / "run" / "latest.safetensors")
    trained = state(tmp_path / "run").tensors
    for name, tensor in model.state_dict().items():
        assert torch.allclose(tensor.float(), trained[f"model/{name}"].float(), rtol=1e-3, atol=1e-6)


def test_a_run_is_not_overwritten_or_resumed_as_another(config_file, packed, tmp_path):
    run(config_file, packed, tmp_path / "run", "training.steps=1")
    with pytest.raises(InputError, match="--resume"):
        run(config_file, packed, tmp_path / "run")
    with pytest.raises(InputError, match=r"another model \(flow.width was \d+, now 8\)"):
        run(config_file, packed, tmp_path / "run", "flow.width=8", resume=True)


def test_going_on_with_other_settings_names_them(config_file, packed, tmp_path, capsys):
    run(config_file, packed, tmp_path / "run", "training.steps=2")
    capsys.readouterr()
    run(config_file, packed, tmp_path / "run", "training.steps=2", resume=True)
    assert "what they were before" not in capsys.readouterr().out
    run(config_file, packed, tmp_path / "run", "training.steps=3", "training.clip=0.25", resume=True)
    said = capsys.readouterr().out.replace("\n", " ")
    assert "training.steps was 2, now 3" in said
    assert "training.clip was 1.0, now 0.25" in said
    assert said.count(", now ") == 2


def test_a_template_that_cannot_be_made_is_refused_before_the_first_step(config_file):
    with pytest.raises(InputError, match="'template_level' must lie between 0 and 7, not 9"):
        load_run_config(config_file, ["template_level=9"])


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(config_file, packed, tmp_path):
    task = task_of(config_file, packed, "training.checkpoint_minutes=0.0")
    draw = task.batches.draw

    def poisoned(step):
        batch = draw(step)
        return CloudBatch(batch.inputs * (float("nan") if step == 4 else 1), batch.targets, batch.uniform)

    task.batches.draw = poisoned
    with pytest.raises(TrainingError, match="last good checkpoint"):
        train(task, RunDir(tmp_path / "run"), CPU, resume=False, max_minutes=None)
    kept = state(tmp_path / "run")
    assert kept.step == 4
    assert all(torch.isfinite(t).all() for t in kept.tensors.values())


def default_training(tmp_path, packed, *overrides):
    """Run the architecture that ships, made small, by the real command."""
    settings = (
        "volume.cells=8", "volume.cell_features=8", "volume.width=8", "volume.code_channels=4",
        "volume.reference_level=1", "template_level=1", "training.batch_size=2", "training.input_points=48",
        "training.fewest_points=24", "training.target_points=40", "training.samples=40",
        "training.validation_shapes=2", "training.warmup=0", *overrides,
    )  # fmt: skip
    return in_process.training(
        tmp_path, "train", "ae", "--packed", packed, "--out", "run", "--device", "cpu", "--resume",
        "--config", command_line.ROOT / "resources" / "configs" / "default.toml",
        *(word for setting in settings for word in ("--set", setting)),
    )  # fmt: skip


def test_weights_that_are_no_numbers_end_the_run_in_one_sentence_that_knows_of_checkpoints(packed, tmp_path):
    steep = default_training(tmp_path, packed, "training.learning_rate=1e30")
    assert steep.code == 2
    assert steep.err.count("\n") == 1
    assert "before the first checkpoint" in steep.err
    assert "kept" not in steep.err
    assert state(tmp_path / "run") is None
    assert default_training(tmp_path, packed, "training.steps=3").code == 0
    kept = state(tmp_path / "run")
    steep = default_training(tmp_path, packed, "training.learning_rate=1e30", "training.steps=100")
    assert steep.code == 2
    assert "the last good checkpoint is kept" in steep.err
    again = state(tmp_path / "run")
    assert again.step == kept.step == 3
    assert all(torch.equal(tensor, again.tensors[name]) for name, tensor in kept.tensors.items())
    assert default_training(tmp_path, packed, "training.steps=5").code == 0
    assert state(tmp_path / "run").step == 5


def test_a_failure_that_comes_of_weights_is_told_as_such_and_others_are_not_hidden(
    config_file, packed, tmp_path
):
    for name, sentence in (("weights", "infinite or undefined"), ("code", "of another kind")):
        task = task_of(config_file, packed)

        def failing(step, task=task, name=name):
            if name == "weights":
                with torch.no_grad():
                    next(task.objective.parameters()).fill_(float("nan"))
            raise RuntimeError("of another kind")

        task.batches.draw = failing
        with pytest.raises(TrainingError if name == "weights" else RuntimeError, match=sentence):
            train(task, RunDir(tmp_path / name), CPU, resume=False, max_minutes=None)


def damage(checkpoint_folder):
    part = checkpoint_folder / "part-00.safetensors"
    left = part.read_bytes()[:100]
    part.unlink()  # a file that was read may be mapped still
    part.write_bytes(left)


def test_a_damaged_checkpoint_falls_back_to_the_one_before(config_file, packed, tmp_path):
    run(config_file, packed, tmp_path / "run", "training.checkpoint_minutes=0.0")
    damage(tmp_path / "run" / "checkpoints" / "step-00000006")
    assert state(tmp_path / "run").step == 5


@pytest.mark.parametrize("number", [6, 9])
def test_a_damaged_checkpoint_is_replaced_or_removed_and_is_none_of_those_kept(
    config_file, packed, tmp_path, number
):
    each_step = "training.checkpoint_minutes=0.0"
    run(config_file, packed, tmp_path / "run", each_step)
    whole = state(tmp_path / "run")
    folder = tmp_path / "run" / "checkpoints"
    damage(folder / "step-00000006")
    (folder / "step-00000006").rename(folder / f"step-{number:08d}")
    (folder / ".unfinished-00000008").mkdir()  # by a kill
    run(config_file, packed, tmp_path / "run", each_step, "training.steps=6", resume=True)
    assert sorted(path.name for path in folder.iterdir()) == ["step-00000005", "step-00000006"]
    for name in ("step-00000005", "step-00000006"):
        other = RunDir(tmp_path / name)
        other.checkpoints.mkdir(parents=True)
        (folder / name).rename(other.checkpoints / name)
        assert other.latest().step == int(name[5:])
    again = state(tmp_path / "step-00000006")
    assert all(torch.equal(tensor, again.tensors[name]) for name, tensor in whole.tensors.items())


def with_ids(packed, path, ids, splits=None):
    stored = dict(np.load(packed))
    np.savez(path, **{**stored, "id": np.array(ids), "split": stored["split"] if splits is None else splits})
    return path


def test_a_run_goes_on_with_the_same_data_only(config_file, packed, tmp_path):
    run(config_file, packed, tmp_path / "run", "training.steps=1")
    names = [f"shape{i}" for i in range(10)]
    other = with_ids(packed, tmp_path / "other.npz", [*names[:7], "another", *names[8:]])
    fewer = with_ids(
        packed,
        tmp_path / "fewer.npz",
        names,
        np.array(["test"] + ["train"] * 5 + ["validation"] * 2 + ["test"] * 2),
    )
    for data in (other, fewer):
        with pytest.raises(InputError, match="on other data"):
            run(config_file, data, tmp_path / "run", "training.steps=2", resume=True)
        assert state(tmp_path / "run").step == 1
    moved = packed.rename(tmp_path / "moved.npz")
    run(config_file, moved, tmp_path / "run", "training.steps=2", resume=True)
    assert state(tmp_path / "run").step == 2


def test_a_run_that_does_not_tell_its_data_goes_on_and_tells_it_then(config_file, packed, tmp_path):
    run(config_file, packed, tmp_path / "run", "training.steps=1")
    known = tmp_path / "run" / "config.json"
    values = json.loads(known.read_text())
    assert len(values.pop("data")) == 2
    known.write_text(json.dumps(values))  # as earlier versions wrote it
    other = with_ids(packed, tmp_path / "other.npz", [f"other{i}" for i in range(10)])
    run(config_file, other, tmp_path / "run", "training.steps=2", resume=True)
    with pytest.raises(InputError, match="on other data"):
        run(config_file, packed, tmp_path / "run", "training.steps=3", resume=True)


@pytest.mark.parametrize("recorded", [True, False])
def test_the_best_validation_is_chosen_anew_where_validations_measure_something_else(
    config_file, packed, tmp_path, capsys, recorded
):
    out = tmp_path / "run"
    run(config_file, packed, out)
    best = (out / "best.safetensors").read_bytes()
    state_file = out / "checkpoints" / "step-00000006" / "state.json"
    values = json.loads(state_file.read_text())
    reached = values["numbers"]["best"]
    values["numbers"]["best"] = 0.0  # nothing can be better
    if not recorded:
        del values["measured_by"]  # as earlier versions wrote it
    state_file.write_text(json.dumps(values))
    if recorded:
        run(config_file, packed, out, "training.steps=7", "training.learning_rate=1e-4", resume=True)
        assert state(out).numbers["best"] == 0
        assert (out / "best.safetensors").read_bytes() == best
    capsys.readouterr()
    changed = ("training.steps=8", "training.validation_shapes=1", "training.samples=39")
    run(config_file, packed, out, *changed, resume=True)
    said = capsys.readouterr().out
    told = "something else from here on (training.validation_shapes, training.samples), so the best one is"
    assert told in said
    measured = [r for r in RunDir(out).records() if r["kind"] == "validation"][-1]
    assert state(out).numbers["best"] == measured["validation_chamfer_l2"] != reached
    assert (out / "best.safetensors").read_bytes() != best
    run(config_file, packed, out, "training.steps=9", *changed[1:], resume=True)
    assert "chosen anew" not in capsys.readouterr().out
    assert state(out).numbers["best"] <= measured["validation_chamfer_l2"]


def test_a_changed_validation_is_remembered_where_a_run_is_killed_before_its_next_checkpoint(
    config_file, packed, tmp_path
):
    out = tmp_path / "run"
    run(config_file, packed, out)
    task = task_of(config_file, packed, "training.validation_shapes=1")
    for _ in range(2):  # the first one is killed at once: the settings are recorded, the state is not
        snapshot = RunDir(out).begin("ae", task.config, resume=True, data=task.data)
        assert "best" not in snapshot.numbers
        assert sum(note.startswith("Validations measure something else") for note in snapshot.notes) == 1


def test_records_of_earlier_versions_are_read_under_their_names_of_now(config_file, packed, tmp_path):
    out = tmp_path / "run"
    run(config_file, packed, out)
    written = (out / "metrics.jsonl").read_text()
    assert written.count('"elapsed"') == 2
    now = RunDir(out).records()
    (out / "metrics.jsonl").write_text(written.replace('"elapsed"', '"seconds"'))
    assert RunDir(out).records() == now
    state_file = out / "checkpoints" / "step-00000006" / "state.json"
    values = json.loads(state_file.read_text())
    del values["numbers"]["best"]
    state_file.write_text(json.dumps(values))
    assert run(config_file, packed, out, resume=True) == "Finished 6 steps."
    assert "seconds" not in (out / "metrics.csv").read_text().splitlines()[0].split(",")


def test_the_time_limit_stops_and_says_so(config_file, packed, tmp_path):
    said = run(config_file, packed, tmp_path / "run", minutes=0.0)
    assert "the time is up" in said
    assert state(tmp_path / "run").step == 1


def test_one_shape_is_learnt_tenfold(config_file, packed, tmp_path):
    overrides = (
        "training.steps=100", "training.learning_rate=0.01", "training.warmup=5", "training.log_every=10",
        "training.validate_every=1000", "training.samples=500", "training.template_level=2",
    )  # fmt: skip
    task = task_of(config_file, packed, *overrides)
    batch = task.batches.draw(0)
    sphere = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    egg = sphere / sphere.norm(dim=1, keepdim=True) * torch.tensor([1.0, 0.6, 0.3])
    one = CloudBatch(batch.inputs[:1].expand(4, -1, -1), egg.expand(4, -1, -1), batch.uniform)
    task.batches.draw = lambda step: one
    with torch.no_grad():
        start = task_of(config_file, packed, *overrides).objective(one).total.item()
    train(task, RunDir(tmp_path / "run"), CPU, resume=False, max_minutes=None)
    assert losses(tmp_path / "run")[-1] < start / 10


def test_schedules_start_and_end_where_they_say():
    config = TrainingConfig(steps=1000, warmup=100, learning_rate=1.0, final_rate=0.1)
    assert learning_rate(config, 0) == 0.01
    assert learning_rate(config, 100) == 1.0
    assert learning_rate(config, 1000) == pytest.approx(0.1)
    decay = dataclasses.replace(config, schedule="decay")
    assert learning_rate(decay, 800) == 1.0
    assert learning_rate(decay, 1000) == pytest.approx(0.1)
    published = dataclasses.replace(config, schedule="published")
    assert [learning_rate(published, step) for step in (0, 49, 99, 100)] == [0.01, 0.5, 1.0, 1.0]
    assert learning_rate(dataclasses.replace(published, warmup=0), 0) == 1.0
    assert learning_rate(published, 499) == 0.98
    assert learning_rate(published, 10**6) == 0.1


def start_process(tmp_path, config_file, packed, out, *more):
    return subprocess.Popen(
        [sys.executable, str(command_line.ROOT / "training_cli.py"), "train", "ae",
         "--config", str(config_file), "--packed", str(packed), "--out", str(out), "--device", "cpu", *more],
        cwd=tmp_path, env=command_line.environment(tmp_path), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def wait_for_checkpoint(process, out, step: int) -> None:
    deadline = time.monotonic() + 200
    while not any(int(p.name[5:]) >= step for p in (out / "checkpoints").glob("step-*")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_killed_process_leaves_a_checkpoint_from_which_the_run_ends_the_same(config_file, packed, tmp_path):
    out = tmp_path / "killed"
    endless = ("--set", "training.checkpoint_minutes=0.0", "--set", "training.steps=100000")
    process = start_process(tmp_path, config_file, packed, out, *endless)
    wait_for_checkpoint(process, out, 3)
    process.kill()
    process.communicate()
    reached = state(out).step
    steps = f"training.steps={reached + 3}"
    task = task_of(config_file, packed, steps, "training.schedule=decay")
    train(task, RunDir(out), CPU, resume=True, max_minutes=None)
    assert state(out).step == reached + 3
    records = [r["step"] for r in RunDir(out).records() if r["kind"] == "train"]
    assert records == list(range(1, reached + 4))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_the_command_cleanly_with_a_checkpoint(config_file, packed, tmp_path, number, code):
    """The signal of ``timeout`` and of batch systems reaches the whole group, also those who make shapes.

    So does Ctrl-C, after which ``train ae … && train svr …`` must not go on with half a training.
    """
    out = tmp_path / "stopped"
    process = start_process(
        tmp_path, config_file, packed, out, "--synthetic", "0.5", "--set", "training.data_workers=1",
        "--set", "training.steps=100000", "--set", "training.checkpoint_minutes=0.0",
    )  # fmt: skip
    wait_for_checkpoint(process, out, 1)
    os.killpg(process.pid, number)
    said, complaints = process.communicate(timeout=200)
    assert process.returncode == code, complaints
    assert "Traceback" not in complaints
    assert "go on with --resume" in said
    last = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()][-1]
    assert state(out).step == last["step"]
    assert (out / "metrics.csv").read_text().startswith("kind,step,loss")
