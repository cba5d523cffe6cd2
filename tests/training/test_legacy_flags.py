from __future__ import annotations

import json
import re
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from nmf_model import checkpoint
from nmf_model.errors import InputError
from nmf_model.io.meshes import read_mesh
from nmf_model.quality import inspect_mesh
from nmf_model.training.legacy_flags import is_legacy, translate
from nmf_model.training.run_dir import RunDir
from tests.support import in_process, tiny_models
from tests.support.command_line import ROOT

PAPER = ("--config", str(ROOT / "resources" / "configs" / "paper.toml"))


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Six objects in the published layout, four to learn, with two renderings each."""
    root = tiny_models.save_folder(tmp_path_factory.mktemp("published") / "set", 6)
    keys = [f"{('egg', 'ball')[number % 2]}/item{number}" for number in range(6)]
    split = {"train": keys[:4], "validation": keys[4:5], "test": keys[5:]}
    (root / "split.json").write_text(json.dumps(split))
    for number, key in enumerate(keys):
        folder = root / "ShapeNetRendering" / key / "rendering"
        folder.mkdir(parents=True)
        for view in range(2):
            picture = np.zeros((40, 40, 4), dtype=np.uint8)
            picture[8:32, 6 + number : 30 + 3 * view] = [200, 60 + 20 * number, 40, 255]
            Image.fromarray(picture).save(folder / f"{view:02}.png")
        (folder / "rendering_metadata.txt").write_text("30 20 0 1 25\n120 25 0 1 25\n")
    return root


def steps_of(run) -> list[int]:
    return [record["step"] for record in RunDir(run).records() if record["kind"] == "train"]


def test_the_authors_commands_train_both_parts_of_the_model_that_ships_and_the_trained_weights_generate(
    published, tmp_path
):
    pictures = published / "ShapeNetRendering" / "egg" / "item4"
    few = ("--batch_size", "2", "--num_epochs", "1")
    for kind, inputs in (("AE", ()), ("SVR", ("--img_path", published))):
        words = ("--train", kind, "--points_path", published, *inputs, *few, "--model_folder", kind)
        outcome = in_process.training(tmp_path, *words)
        assert outcome.code == 0, outcome.err
        assert outcome.out.count("Finished 2 steps") == 1
        assert steps_of(tmp_path / kind)[-1] == 2
    trained = checkpoint.load(tmp_path / "SVR" / "latest.safetensors")
    shipped = checkpoint.load(ROOT / "resources" / "checkpoints" / "ae.safetensors").state_dict()
    assert trained.config.image is not None
    assert trained.config.image.kind == "pixels"
    # The auto-encoder that ships is what stands beside the branch, for none was named.
    weights = trained.state_dict()
    assert all(np.array_equal(weights[name], tensor) for name, tensor in shipped.items())
    outcome = in_process.training(
        tmp_path, "--generate", "SVR", "--img_path", pictures, "--pretrained_svr_weights",
        "SVR/latest.safetensors", "--generate_svr", "meshes",
    )  # fmt: skip
    assert outcome.code == 0, outcome.out + outcome.err
    made = sorted(path.relative_to(tmp_path / "meshes").as_posix() for path in tmp_path.rglob("*.obj"))
    assert made == ["rendering/00.obj", "rendering/01.obj"]
    for name in made:
        assert inspect_mesh(read_mesh(tmp_path / "meshes" / name)).is_closed_sphere


def test_the_authors_spelling_of_generating_takes_their_sets_and_plain_folders_of_clouds(published, tmp_path):
    tiny_models.save_model(tmp_path / "ae.safetensors")
    (tmp_path / "clouds").mkdir()
    for number in range(2):
        np.savetxt(tmp_path / "clouds" / f"{number}.xyz", tiny_models.egg(number)[0])
    for source, expected in (
        (published, ["ball/item5.obj"]),
        (published / "ShapeNetPoints", ["ball/item5.obj"]),
        (tmp_path / "clouds", ["0.obj", "1.obj"]),
    ):
        out = tmp_path / f"of-{source.name}"
        outcome = in_process.training(
            tmp_path, "--generate", "AE", "--points_path", source, "--pretrained_ae_weights",
            "ae.safetensors", "--generate_ae", out,
        )  # fmt: skip
        assert outcome.code == 0, outcome.out + outcome.err
        assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.obj")) == expected


@pytest.mark.parametrize(
    ("kind", "config", "ignored"),
    [
        ("AE", (), "--latent_len, --toi, --tolerance"),
        ("SVR", (), "--num_workers, --latent_len, --toi, --training_weights, --tolerance"),
        ("AE", PAPER, ""),
    ],
)
def test_flags_that_the_configuration_makes_no_use_of_are_named_and_left_out(kind, config, ignored, capsys):
    words = ["--train", kind, "--points_path", "P", "--img_path", "I", "--latent_len", "500", "--toi", "0.3",
             "--tolerance", "1e-5", "--training_weights", "127", "--num_workers", "0", *config]  # fmt: skip
    settings = settings_of(translate(words))
    said = capsys.readouterr().err
    if ignored:
        assert f"{ignored}." in said
        assert not {name for name in settings if name.startswith(("flow.", "solver."))}
    else:
        assert "toi" not in said
        assert settings["flow.integration_time"] == "0.3"
        assert settings["solver.method"] == "dopri5"
    assert ("--img_path" in said) == (kind == "AE")


def settings_of(command: list[str]) -> dict[str, str]:
    return dict(b.split("=") for a, b in pairwise(command) if a == "--set")


def test_the_authors_spelling_of_training_the_auto_encoder():
    words = [
        "--train",
        "AE",
        "--points_path",
        "P",
        "--batch_size",
        "12",
        "--learning_rate",
        "1e-4",
        "--num_epochs",
        "3",
        "--num_workers",
        "2",
        "--latent_len",
        "9",
        "--toi",
        "0.2",
        "--model_folder",
        "M",
        "--comet_API",
        "K",
        "--comet_workspace",
        "W",
        *PAPER,
    ]
    assert is_legacy(words)
    command = translate(words)
    assert command[:4] == ["train", "ae", "--points-path", "P"]
    assert settings_of(command) == {
        "training.learning_rate": "0.0001", "training.batch_size": "12", "training.epochs": "3",
        "training.data_workers": "2", "flow.latent_size": "9", "flow.integration_time": "0.2",
    }  # fmt: skip
    assert command[5] == PAPER[1]
    after = dict(pairwise(command))
    assert (after["--out"], after["--comet-api-key"], after["--comet-workspace"]) == ("M", "K", "W")


@pytest.mark.parametrize("words", [("--train", "AE", "--help"), ("--generate=SVR", "-h")])
def test_the_help_of_the_authors_spelling_names_all_of_their_flags(words, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    outcome = in_process.training(tmp_path, *words)
    assert outcome.code == 0
    assert outcome.err == ""
    flags = set(re.findall(r"--\w+", outcome.out))
    assert {"--train", "--generate", "--points_path", "--img_path", "--training_weights", "--toi"} < flags
    assert outcome.out.count("passes over the shapes") == 1


def test_a_rate_below_the_configuration_s_last_one_stays_as_it_is():
    words = ["--train", "AE", "--points_path", "P", "--learning_rate"]
    assert settings_of(translate([*words, "1e-6"])) == {
        "training.learning_rate": "1e-06", "training.final_rate": "1e-06"
    }  # fmt: skip
    assert settings_of(translate([*words, "1e-4"])) == {"training.learning_rate": "0.0001"}


def test_their_weight_decay_is_a_decay_of_the_learning_rate():
    settings = settings_of(translate(["--train", "AE", "--points_path", "P", "--weight_decay", "0.9"]))
    assert settings == {"training.rate_decay": "0.9", "training.schedule": "published"}


def test_their_tolerance_is_over_a_state_that_carries_the_code():
    settings = settings_of(translate(["--train", "AE", "--points_path", "P", "--tolerance", "1e-5", *PAPER]))
    assert settings.pop("solver.method") == "dopri5"
    assert [float(value) for value in settings.values()] == pytest.approx([1.83e-4] * 2, rel=1e-2)


@pytest.mark.parametrize("text", ["1 2 7", "1,2,7", "[1,2,7]", "127"])
def test_their_training_weights_are_those_of_the_blocks(text):
    command = translate(["--train", "AE", "--points_path", "P", "--training_weights", *text.split()])
    assert settings_of(command)["training.block_weights"] == "[1.0, 2.0, 7.0]"


def test_the_authors_spelling_of_training_on_pictures():
    words = [
        "--train",
        "SVR",
        "--points_path",
        "P",
        "--img_path",
        "I",
        "--pretrained_ae_weights",
        "A",
        "--model_folder_SVR",
        "S",
    ]
    command = translate(words)
    assert command[:2] == ["train", "svr"]
    after = dict(pairwise(command))
    assert (after["--views"], after["--ae"], after["--out"]) == ("I", "A", "S")
    assert after["--config"].endswith("default_svr.toml")


def test_the_authors_spelling_of_generating():
    command = translate(
        ["--generate", "AE", "--points_path", "P", "--pretrained_ae_weights", "A", "--generate_ae", "G"]
    )
    assert command == ["generate", "--points-path", "P", "--checkpoint", "A", "--format", "obj", "--out", "G"]
    command = translate(["--generate", "SVR", "--img_path", "I", "--pretrained_svr_weights", "S"])
    assert command == [
        "generate",
        "I",
        "--checkpoint",
        "S",
        "--format",
        "obj",
        "--out",
        "generate_nmf/svr",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "--train AE",
        "--train XX --points_path P",
        "--train SVR --points_path P",
        "--train AE --points_path P --config nowhere.toml",
        "--train AE --bogus 1",
        "--train AE --generate AE --points_path P",
        "--train AE --points_path P --training_weights a",
        "--generate AE --points_path P",
    ],
)
def test_what_cannot_be_understood_is_a_sentence(line):
    with pytest.raises(InputError):
        translate(line.split())


def test_the_new_spelling_is_left_alone():
    assert not is_legacy(["train", "ae", "--points-path", "P"])
