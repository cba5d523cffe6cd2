from __future__ import annotations

from itertools import pairwise

import pytest

from nmf_model.errors import InputError
from nmf_model.training.legacy_flags import is_legacy, translate


def test_the_authors_spelling_of_training_the_auto_encoder():
    words = ["--train", "AE", "--points_path", "P", "--batch_size", "12", "--learning_rate", "1e-4"]
    assert is_legacy(words)
    command = translate(words)
    assert command[:4] == ["train", "ae", "--points-path", "P"]
    assert [b for a, b in pairwise(command) if a == "--set"] == [
        "training.learning_rate=0.0001", "training.batch_size=12",
    ]  # fmt: skip


def test_the_authors_spelling_of_training_on_pictures():
    words = ["--train", "SVR", "--points_path", "P", "--img_path", "I", "--pretrained_ae_weights", "A"]
    command = translate(words)
    assert command[:2] == ["train", "svr"]
    assert command[command.index("--views") + 1] == "I"
    assert command[command.index("--ae") + 1] == "A"


@pytest.mark.parametrize(
    "line",
    ["--train AE", "--train XX --points_path P", "--train SVR --points_path P", "--train AE --bogus 1"],
)
def test_what_cannot_be_understood_is_a_sentence(line):
    with pytest.raises(InputError):
        translate(line.split())


def test_the_new_spelling_is_left_alone():
    assert not is_legacy(["train", "ae", "--points-path", "P"])
