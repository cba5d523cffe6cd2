"""Both configurations that ship train, at a tiny size; the recipe of the paper is the published one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nmf_model.config import PAPER, FlowConfig
from nmf_model.errors import InputError
from nmf_model.training.devices import SingleDevice
from nmf_model.training.loop import learning_rate, train
from nmf_model.training.run_dir import RunDir
from nmf_model.training.settings import TrainingConfig, load_run_config, with_epochs
from nmf_model.training.tasks import autoencoder_task
from nmf_model.training.unused_settings import load_used
from tests.support.command_line import ROOT

CONFIGS = ROOT / "resources" / "configs"
TINY = (
    "training.steps=2", "training.batch_size=4", "training.input_points=32", "training.fewest_points=32",
    "training.target_points=32", "training.samples=32", "training.template_level=1", "template_level=1",
    "training.validation_shapes=2", "flow.width=8", "flow.latent_size=8", "encoder.channels=[8, 8, 8]",
    "encoder.head=[8]", "flow.rescale_hidden=8",
)  # fmt: skip
TINY_VOLUME = ("volume.cells=8", "volume.width=8", "volume.cell_features=4", "volume.reference_level=1")


@pytest.mark.parametrize("name", ["default.toml", "paper.toml"])
@pytest.mark.parametrize("adjoint", ["false", "true"])
def test_a_configuration_that_ships_trains(name, adjoint, packed, tmp_path):
    overrides = (*TINY, f"solver.adjoint={adjoint}", *(TINY_VOLUME if name == "default.toml" else ()))
    cpu = SingleDevice(torch.device("cpu"))
    task = autoencoder_task(load_run_config(CONFIGS / name, overrides), [packed], cpu)
    # These shapes have no normals, which the default compares where there are some.
    assert any("no normals" in note for note in task.notes) == (name == "default.toml")
    train(task, RunDir(tmp_path / "run"), cpu, resume=False, max_minutes=None)
    records = [r for r in RunDir(tmp_path / "run").records() if r["kind"] == "train"]
    assert records[-1]["step"] == 2
    # Six ODEs: two midpoint steps each, or at least one step of dopri5, which takes seven or more.
    nfe = records[-1]["nfe"]
    assert nfe == 24 if name == "default.toml" else nfe >= 6 * 7


def test_the_recipe_of_the_paper_is_the_published_one():
    config = load_run_config(CONFIGS / "paper.toml")
    training = config.training
    assert config.model == PAPER
    rates = [learning_rate(training, step) for step in (0, 249, 250)]
    assert rates == pytest.approx([1e-5, 1e-5, 0.98e-5])
    assert learning_rate(training, 10**6) == 5e-7
    assert (training.batch_size, training.block_weights, training.template_level) == (250, (1.0, 2.0, 7.0), 3)
    pictures = load_run_config(CONFIGS / "paper.toml", kind="svr").training
    assert (pictures.learning_rate, pictures.batch_size) == (1e-4, 300)
    assert pictures.block_weights == training.block_weights
    overridden = load_run_config(CONFIGS / "paper.toml", ["training.learning_rate=3e-4"], "svr")
    assert overridden.training.learning_rate == 3e-4


def test_epochs_decide_the_steps_by_the_shapes_there_are():
    assert with_epochs(TrainingConfig(epochs=150, batch_size=250), 30_151).steps == 18_091
    assert with_epochs(TrainingConfig(epochs=2, batch_size=10, synthetic_share=0.5), 100).steps == 40
    assert with_epochs(TrainingConfig(steps=7), 100).steps == 7


@pytest.mark.parametrize(
    "setting",
    [
        "synthetic_share=1.5", "data_workers=-2", "rate_decay=0.0", "epochs=-1", "learning_rate=-1",
        "learning_rate=nan", "learning_rate=inf", "final_rate=-1", "augment.axis_scale=0",
        "augment.axis_scale=nan", "augment.noise=-1", "clip=-1", "clip=nan", "warmup=-5",
        "checkpoint_minutes=-1", "normal_weight=-1", "extent_weight=-1", "depth_weight=-1",
        "smoothness_weight=nan", "lipschitz_bound=-1", "weight_decay=inf", "seed=-1", "seed=4294967296",
        "synthetic_seed=-1", "early_share=0", "early_share=1.1", "early_share=1e-9",
        "block_weights=[1, nan, 1]", "block_weights=[]", "template_level=8",
    ],
)  # fmt: skip
def test_settings_out_of_range_are_named(setting):
    with pytest.raises(InputError, match=f"'training.{setting.split('=')[0]}'") as caught:
        load_run_config(CONFIGS / "default.toml", [f"training.{setting}"])
    assert str(caught.value).endswith(".")


def test_a_rate_that_would_rise_is_refused():
    settings = ["training.learning_rate=1e-4", "training.final_rate=2e-4"]
    with pytest.raises(InputError, match=r"'training.final_rate' \(0.0002\) must not be greater"):
        load_run_config(CONFIGS / "default.toml", settings)
    settings[1] = "training.final_rate=1e-4"
    assert load_run_config(CONFIGS / "default.toml", settings).training.final_rate == 1e-4


@pytest.mark.parametrize("override", ["training=5", "flow=5", "training.augment=5", "training.steps.more=5"])
def test_a_value_is_not_taken_for_a_table(override):
    with pytest.raises(InputError, match="table"):
        load_run_config(CONFIGS / "default.toml", [override])


@pytest.mark.parametrize(("name", "kind"), [
    ("default.toml", "ae"), ("default_svr.toml", "svr"), ("paper.toml", "ae"), ("paper.toml", "svr"),
])  # fmt: skip
def test_the_configurations_that_ship_hold_nothing_of_no_use(name, kind):
    autoencoder = load_run_config(CONFIGS / name.replace("_svr", "")).model
    config, notes = load_used(CONFIGS / name, [], kind, autoencoder)
    assert notes == ()
    assert config == load_run_config(CONFIGS / name, kind=kind)


@pytest.mark.parametrize(("name", "overrides", "ignored"), [
    ("default.toml", ["flow.latent_size=7", "flow.blocks=2", "training.template_level=1"],
     ["flow.latent_size", "training.template_level"]),
    ("default.toml", ["encoder={channels=[8]}", "solver.adjoint=true", "volume.cells=8"],
     ["encoder.channels", "solver.adjoint"]),
    ("default.toml", ["image.size=64", "training.depth_weight=1", "training.lipschitz_weight=1"],
     ["image.size", "training.depth_weight"]),
    ("paper.toml", ["flow.latent_size=7", "training.template_level=1", "training.lipschitz_weight=1"],
     ["training.lipschitz_weight"]),
    ("default_svr.toml", ["flow.width=8", "training.input_points=9", "training.early_share=1"],
     ["flow.width", "training.input_points", "training.early_share"]),
    ("default_svr.toml", ["training.train_flow=true", "training.early_share=1", "training.template_level=1",
                          "image.hidden=[8]"],
     ["training.template_level", "image.hidden"]),
])  # fmt: skip
def test_settings_that_a_training_makes_no_use_of_are_named_and_not_kept(name, overrides, ignored):
    kind = "svr" if "svr" in name else "ae"
    autoencoder = load_run_config(CONFIGS / "default.toml").model
    config, notes = load_used(CONFIGS / name, overrides, kind, autoencoder if kind == "svr" else None)
    (note,) = notes
    assert note.startswith("Not used by this model and ignored: ")
    assert set(note.rstrip(".").split(": ")[1].split(", ")) == set(ignored)
    kept = [o for o in overrides if not any(name.startswith(o.partition("=")[0]) for name in ignored)]
    assert config.training == replace(
        load_run_config(CONFIGS / name, kept, kind).training,
        **{name[9:]: getattr(config.training, name[9:]) for name in ignored if name.startswith("training.")},
    )
    assert config != load_run_config(CONFIGS / name, overrides, kind)


def test_what_a_file_sets_beside_the_table_volume_is_named_as_well(tmp_path):
    (tmp_path / "own.toml").write_text("[volume]\ncells = 8\n[flow]\nblocks = 2\nwidth = 64\n")
    config, notes = load_used(tmp_path / "own.toml", [], "ae")
    assert notes == ("Not used by this model and ignored: flow.width.",)
    assert config.model.flow == FlowConfig(blocks=2)


@pytest.mark.parametrize(("overrides", "idle", "by"), [
    (["rate_decay=0.9"], "rate_decay", "schedule=published"),
    (["synthetic_seed=3"], "synthetic_seed", "synthetic_share=0.5"),
    (["steps=7", "epochs=2"], "steps", "epochs=0"),
])  # fmt: skip
def test_settings_that_others_leave_without_effect_are_named(overrides, idle, by):
    asked = [f"training.{override}" for override in overrides]
    config, notes = load_used(CONFIGS / "default.toml", asked, "ae")
    assert notes == (f"Without effect beside the other settings and ignored: training.{idle}.",)
    assert getattr(config.training, idle) != float(overrides[0].partition("=")[2])
    config, notes = load_used(CONFIGS / "default.toml", [*asked, f"training.{by}"], "ae")
    assert notes == ()
    assert getattr(config.training, idle) == float(overrides[0].partition("=")[2])
