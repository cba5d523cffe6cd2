"""Commands whose output nobody reads, or that has no room, as real processes: they do all of their work."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nmf_model.training.run_dir import RunDir
from tests.support import command_line, tiny_models

SCRIPT = command_line.ROOT / "training_cli.py"


@contextmanager
def closed() -> Iterator[int]:
    """A pipe whose reader has left, as "head" does."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@contextmanager
def full() -> Iterator[int]:
    with Path("/dev/full").open("wb") as file:
        yield file.fileno()


def words_of(command: str, folder: Path, config_file: Path, packed: Path) -> list[object]:
    model = ("--checkpoint", folder / "ae.safetensors", "--packed", folder / "points.npz", "--device", "cpu")
    return {
        "train": ["train", "ae", "--config", config_file, "--packed", packed, "--device", "cpu"],
        "evaluate": ["evaluate", *model, "--robustness", "--jobs", 1, "--no-pictures"],
        "generate": ["generate", *model, "--jobs", 1],
        "prepare": ["prepare", "--source", "synthetic:2", "--views", 0, "--points", 60, "--jobs", 1],
    }[command]


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("train", closed),
        ("evaluate", full),
        ("generate", closed),
        ("prepare", full),
    ],
)
def test_what_cannot_be_printed_stops_nothing(command, output, config_file, packed, tmp_path):
    tiny_models.save_model(tmp_path / "ae.safetensors")
    tiny_models.save_pack(tmp_path / "points.npz")
    words = words_of(command, tmp_path, config_file, packed)
    with output() as stream:
        process = subprocess.run(
            [sys.executable, str(SCRIPT), *map(str, words), "--out", "out"], cwd=tmp_path, stdout=stream,
            env=command_line.environment(tmp_path), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, timeout=200, check=False,
        )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert "Traceback" not in process.stderr
    told = "The output could not be printed (No space left on device); the work goes on without it.\n"
    assert process.stderr.count(told) == process.stderr.count("printed") == (output is full)
    out = tmp_path / "out"
    if command == "train":
        assert RunDir(out).latest().step == 6
        assert (out / "latest.safetensors").exists()
        assert (out / "metrics.csv").read_text().count("validation,") == 2
    else:
        expected = {
            "evaluate": {"evaluation.json", "evaluation.md", "robustness.json", "robustness.md"},
            "generate": {"generate.json", *(f"shape{number}.ply" for number in range(4))},
            "prepare": {
                "ShapeNetPoints", "credits.md", "manifest.json", "settings.json", "sources.json",
                "split.json",
            },
        }[command]  # fmt: skip
        assert {path.name for path in out.iterdir()} == expected


def test_nobody_reads_the_errors_either(config_file, packed, tmp_path):
    """As with ``2>&1 | head -1``: the exit code is all that is left."""
    tiny_models.save_model(tmp_path / "ae.safetensors")
    tiny_models.save_pack(tmp_path / "points.npz")
    words = words_of("evaluate", tmp_path, config_file, packed)
    for more, code in ((("--out", "out"), 0), (("--out", "other", "--split", "wrong"), 2)):
        with closed() as stream:
            process = subprocess.run(
                [sys.executable, str(SCRIPT), *map(str, words), *more], cwd=tmp_path, stdout=stream,
                env=command_line.environment(tmp_path), stdin=subprocess.DEVNULL, stderr=stream, timeout=200,
                check=False,
            )  # fmt: skip
        assert process.returncode == code
    assert (tmp_path / "out" / "robustness.md").exists()
