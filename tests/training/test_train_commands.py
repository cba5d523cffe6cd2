"""``train`` as a user calls it: what is refused before anything is read, and what is said of the rest."""

from __future__ import annotations

import torch

from nmf_model import checkpoint
from nmf_model.training.run_dir import RunDir
from tests.support import in_process, tiny_models
from tests.support.command_line import ROOT

TINY_GRIDS = (
    "template_level=1", "volume.cells=8", "volume.width=8", "volume.cell_features=4",
    "volume.code_channels=4", "volume.fine_blocks=0", "volume.reference_level=1",
    "flow.nodes_per_block=1", "training.steps=2",
    "training.batch_size=2", "training.input_points=32", "training.fewest_points=32", "training.log_every=1",
    "training.target_points=32", "training.samples=32", "training.validation_shapes=2",
    "training.sample_shapes=1",
)  # fmt: skip


def sets(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def test_what_cannot_be_trained_is_one_sentence_before_any_data_is_read(config_file, tmp_path):
    """The data does not exist, so a sentence on anything else was said first."""
    tiny_models.save_model(tmp_path / "ae.safetensors")
    refused = [
        (["--device", "gpu"], "--device must be auto, cpu or cuda"),
        (["--devices", "0"], "--devices must be at least 1"),
        (["--nodes", "-1"], "--nodes must be at least 1"),
        (["--max-minutes", "-1"], "--max-minutes must not be negative"),
        (["--max-minutes", "nan"], "--max-minutes must not be negative"),
        (sets("training.learning_rate=-1"), "training.learning_rate"),
        (sets("training.augment.axis_scale=0"), "training.augment.axis_scale"),
        (sets("training=5"), "'training' must be a table"),
        ([], "nowhere"),
    ]
    for kind, more in (("ae", []), ("svr", ["--ae", "ae.safetensors", "--img_path", "nowhere"])):
        for words, sentence in refused:
            outcome = in_process.training(
                tmp_path, "train", kind, "--config", config_file, "--points_path", "nowhere", "--out", "run",
                *more, *words,
            )  # fmt: skip
            assert outcome.code == 2, words
            assert sentence in outcome.err
            assert len(outcome.err.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_split_file_without_a_folder_is_refused_by_all_commands_that_take_one(
    config_file, packed, tmp_path
):
    tiny_models.save_model(tmp_path / "ae.safetensors")
    tiny_models.save_model(tmp_path / "svr.safetensors", pictures=True)
    alone, out = ("--packed", packed), ("--out", "out", "--split-file", "nowhere.json")
    train = ("--config", config_file, *out)
    for words in (
        ("train", "ae", *alone, *train),
        ("train", "ae", *train, "--synthetic", "1"),
        ("train", "svr", *alone, *train, "--ae", "ae.safetensors", "--views", "nowhere"),
        ("evaluate", "--checkpoint", "ae.safetensors", *alone, *out),
        ("generate", "--checkpoint", "ae.safetensors", *alone, *out),
        ("generate", config_file, "--checkpoint", "ae.safetensors", *out),
    ):
        outcome = in_process.training(tmp_path, *words)
        assert outcome.code == 2, words
        assert outcome.err.startswith("Error: --split-file is for --points_path FOLDER"), words
        assert len(outcome.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_data_that_is_not_there_is_said_so(config_file, tmp_path):
    tiny_models.save_model(tmp_path / "ae.safetensors")
    for words in (
        ("train", "ae", "--config", config_file, "--points_path", "nowhere"),
        ("train", "ae", "--config", config_file, "--packed", "nowhere"),
        ("evaluate", "--checkpoint", "ae.safetensors", "--points_path", "nowhere"),
    ):
        outcome = in_process.training(tmp_path, *words, "--out", "out")
        assert outcome.code == 2
        assert outcome.err == "Error: There is no file or folder nowhere; check its name.\n"


def test_pictures_need_a_configuration_of_pictures(packed, tmp_path):
    tiny_models.save_model(tmp_path / "ae.safetensors")
    words = ("--config", ROOT / "resources" / "configs" / "default.toml", "--ae", "ae.safetensors")
    outcome = in_process.training(
        tmp_path, "train", "svr", *words, "--packed", packed, "--views", "nowhere", "--out", "run"
    )
    assert outcome.code == 2
    assert "default.toml has no [image] table" in outcome.err


def test_an_auto_encoder_is_not_trained_by_a_configuration_of_pictures(packed, tmp_path):
    """What such a file leaves out would be the published model, which nobody asked for."""
    config = ROOT / "resources" / "configs" / "default_svr.toml"
    words = ("train", "ae", "--config", config, "--packed", packed, "--out", "run", "--device", "cpu")
    outcome = in_process.training(tmp_path, *words)
    assert outcome.code == 2
    assert "default_svr.toml describes a picture branch alone, for 'train svr'" in outcome.err
    assert not (tmp_path / "run").exists()
    outcome = in_process.training(tmp_path, *words, *sets(*TINY_GRIDS))
    assert outcome.code == 0, outcome.err  # asked for by name


def test_points_that_the_data_does_not_have_are_said(config_file, packed, tmp_path):
    words = ("train", "ae", "--config", config_file, "--packed", packed, "--device", "cpu")
    outcome = in_process.training(tmp_path, *words, "--out", "enough")
    assert outcome.code == 0, outcome.err
    assert "shapes have" not in outcome.out
    more = sets("training.input_points=65", "training.target_points=1000")
    outcome = in_process.training(tmp_path, *words, "--out", "more", *more)
    said = " ".join(outcome.out.split())
    assert "to see up to 65 points (training.input_points), but shapes have only 64: some are" in said
    assert "compared with 64 points, all that shapes have, not with 1,000 (training.target_points)." in said


def test_a_run_is_not_sent_back_to_fewer_steps(config_file, packed, tmp_path):
    words = ("train", "ae", "--config", config_file, "--packed", packed, "--out", "run", "--device", "cpu")
    outcome = in_process.training(tmp_path, *words)
    assert outcome.code == 0, outcome.err
    assert outcome.out.count("Finished 6 steps") == 1
    kept = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    outcome = in_process.training(tmp_path, *words, "--resume", *sets("training.steps=5"))
    assert outcome.code == 2
    assert "at step 6 already" in outcome.err
    assert "Finished" not in outcome.out
    assert kept == {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    outcome = in_process.training(tmp_path, *words, "--resume", *sets("training.steps=7"))
    assert outcome.out.count("Finished 7 steps") == 1


def test_what_a_model_on_grids_does_not_use_changes_nothing_and_is_said(packed, tmp_path):
    config = ROOT / "resources" / "configs" / "default.toml"
    unused = ("flow.latent_size=7", "flow.integration_time=0.9", "training.template_level=0")
    runs = {"plain": (), "unused": unused, "solver": ("solver.method=euler",)}
    said = {}
    for name, more in runs.items():
        outcome = in_process.training(
            tmp_path, "train", "ae", "--config", config, "--packed", packed, "--out", name, "--device", "cpu",
            *sets(*TINY_GRIDS, *more),
        )  # fmt: skip
        assert outcome.code == 0, outcome.err
        said[name] = outcome.out
    assert "ignored" not in said["plain"]
    expected = (
        "Not used by this model and ignored: flow.latent_size, flow.integration_time, training.template"
    )
    assert expected in said["unused"]
    assert "Used only when the trained model answers, not in training: solver.method." in said["solver"]
    files = [(tmp_path / name / "latest.safetensors").read_bytes() for name in ("plain", "unused")]
    assert files[0] == files[1]
    settings = [(tmp_path / name / "config.json").read_text() for name in ("plain", "unused")]
    assert settings[0] == settings[1]
    plain, other = (RunDir(tmp_path / name).latest().tensors for name in ("plain", "solver"))
    assert all(torch.equal(tensor, other[name]) for name, tensor in plain.items() if "model/" in name)
    # What is said of the solver is true: the same weights answer differently.
    points = torch.randn(1, 40, 3, generator=torch.Generator().manual_seed(0))
    points /= points.norm(dim=2, keepdim=True)
    models = [checkpoint.load(tmp_path / name / "latest.safetensors") for name in ("plain", "solver")]
    with torch.inference_mode():
        answers = [model(points).vertices[-1] for model in models]
    assert not torch.equal(*answers)


def test_a_training_begins_from_weights_as_far_as_they_fit(packed, tmp_path):
    config = ROOT / "resources" / "configs" / "default.toml"
    words = ("train", "ae", "--config", config, "--packed", packed, "--device", "cpu")
    outcome = in_process.training(tmp_path, *words, "--out", "first", *sets(*TINY_GRIDS))
    assert outcome.code == 0, outcome.err
    begun = ("--begin-from", "first/latest.safetensors")
    # A rate of nought leaves the weights as they began.
    still = sets(*TINY_GRIDS, "training.learning_rate=1e-30", "training.final_rate=0", "training.steps=1")
    outcome = in_process.training(tmp_path, *words, "--out", "same", *begun, *still)
    assert outcome.code == 0, outcome.err
    assert "Begun from the weights of first/latest.safetensors.\n" in outcome.out
    first, same = (checkpoint.load(tmp_path / run / "latest.safetensors") for run in ("first", "same"))
    assert all(torch.equal(tensor, same.state_dict()[name]) for name, tensor in first.state_dict().items())
    assert checkpoint.read_header(tmp_path / "same" / "latest.safetensors").provenance["begun_from"] == (
        "latest.safetensors"
    )

    finer = ["--set", "volume.fine_blocks=1", "--set", "volume.fine_width=16"]
    outcome = in_process.training(tmp_path, *words, "--out", "finer", *begun, *still, *finer)
    assert outcome.code == 0, outcome.err
    assert "begin afresh: encoder.fine.0, encoder.fine.2, flow.heads.2." in outcome.out
    made = checkpoint.load(tmp_path / "finer" / "latest.safetensors")
    assert made.config.volume.fine_blocks == 1
    kept = [name for name in made.state_dict() if not name.startswith(("encoder.fine", "flow.heads.2"))]
    assert kept
    assert all(torch.equal(made.state_dict()[name], first.state_dict()[name]) for name in kept)

    outcome = in_process.training(
        tmp_path, *words, "--out", "none", "--begin-from", "nowhere.safetensors", *still
    )
    assert outcome.code == 2
    assert outcome.err.count("nowhere.safetensors") == 1
    assert not (tmp_path / "none").exists()
