"""The data commands as a user runs them: stopped, gone on with, packed, drawn."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
from PIL import Image

from tests.support import command_line, in_process

SCRIPT = command_line.ROOT / "training_cli.py"


def test_preparing_is_stopped_by_ctrl_c_and_the_same_command_goes_on(tmp_path):
    """The objects are procedural and without pictures: no display, no library."""
    (tmp_path / "meshes").mkdir()
    (tmp_path / "meshes" / "broken.ply").write_text("no mesh")
    out = tmp_path / "set"
    words = ["prepare", "--source", "synthetic:300", str(tmp_path / "meshes"), "--out", str(out)]
    words += ["--views", "0", "--points", "200", "--jobs", "1"]
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *words], cwd=tmp_path, env=command_line.environment(tmp_path),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
        # A runner in the background may have SIGINT ignored, and a child inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    deadline = time.monotonic() + 200
    while len(list(out.glob("ShapeNetPoints/*/*"))) < 3:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the whole group
    said, complaints = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on" in said
    assert "Traceback" not in complaints
    finished = sorted(out.glob("ShapeNetPoints/*/*"))
    assert 3 <= len(finished) < 300
    stamps = {path: (path / "points.npy").stat().st_mtime_ns for path in finished}
    words[2] = f"synthetic:{len(finished) + 4}"
    outcome = in_process.training(tmp_path, *words)
    assert outcome.code == 0, outcome.err
    assert f"{len(finished) + 4} of {len(finished) + 5} objects" in outcome.out
    assert "Left out: 1" in outcome.out
    assert "broken.ply: " in outcome.out
    assert stamps == {path: (path / "points.npy").stat().st_mtime_ns for path in finished}
    manifest = json.loads((out / "manifest.json").read_text())
    assert len(manifest["objects"]) == len(finished) + 4

    outcome = in_process.training(tmp_path, "pack", out, "--out", "p.npz", "--points-per-shape", 128)
    assert outcome.code == 0, outcome.err
    assert np.load(tmp_path / "p.npz")["points"].shape == (len(finished) + 4, 128, 3)
    words = ["--out", "s.png", "--source", "p.npz", "--count", "5", "--columns", "3"]
    outcome = in_process.training(tmp_path, "contact-sheet", *words)
    assert outcome.code == 0, outcome.err
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.size == (336, 224)


def test_bad_words_are_one_sentence(tmp_path):
    for words, sentence in [
        (["prepare", "--source", "nowhere", "--out", "set"], "nowhere is neither"),
        (["pack", "nowhere", "--out", "p.npz"], "not a folder"),
        (
            ["pack", "synthetic:2", "--out", "p.npz", "--views", "v.npz", "--points-per-shape", "9"],
            "no renderings",
        ),
        (["pack", "synthetic:x", "--out", "p.npz"], "whole numbers"),
        (["pack", "synthetic:2", "--out", "p.zip"], "must end in .npz"),
        (["contact-sheet", "--out", "s.jpg"], "must end in .png"),
    ]:
        outcome = in_process.training(tmp_path, *words)
        assert outcome.code == 2, words
        assert sentence in outcome.err
        assert "Traceback" not in outcome.err
        assert len(outcome.err.strip().splitlines()) == 1
