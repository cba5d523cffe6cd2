from __future__ import annotations

from itertools import pairwise

import pytest

from nmf_model.errors import InputError
from nmf_model.training.legacy_flags import is_legacy, translate


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
    ]
    assert is_legacy(words)
    command = translate(words)
    assert command[:4] == ["train", "ae", "--points-path", "P"]
    assert settings_of(command) == {
        "training.learning_rate": "0.0001", "training.batch_size": "12", "training.epochs": "3",
        "training.data_workers": "2", "flow.latent_size": "9", "flow.integration_time": "0.2",
    }  # fmt: skip
    after = dict(pairwise(command))
    assert (after["--out"], after["--comet-api-key"], after["--comet-workspace"]) == ("M", "K", "W")


def test_their_weight_decay_is_a_decay_of_the_learning_rate():
    settings = settings_of(translate(["--train", "AE", "--points_path", "P", "--weight_decay", "0.9"]))
    assert settings == {"training.rate_decay": "0.9", "training.schedule": "published"}


def test_their_tolerance_is_over_a_state_that_carries_the_code():
    settings = settings_of(translate(["--train", "AE", "--points_path", "P", "--tolerance", "1e-5"]))
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


def test_the_authors_spelling_of_generating():
    command = translate(
        ["--generate", "AE", "--points_path", "P", "--pretrained_ae_weights", "A", "--generate_ae", "G"]
    )
    assert command == ["generate", "--checkpoint", "A", "--points-path", "P", "--format", "obj", "--out", "G"]
    command = translate(["--generate", "SVR", "--img_path", "I", "--pretrained_svr_weights", "S"])
    assert command == [
        "generate",
        "--checkpoint",
        "S",
        "--img-path",
        "I",
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
