"""The data commands as a user runs them: stopped, gone on with, packed, drawn."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nmf_model.data.shapenet import ShapeNetSet
from nmf_model.data.splits import split_of
from tests.support import command_line, in_process
from tests.support.disks import mounted

SCRIPT = command_line.ROOT / "training_cli.py"


def started(tmp_path: Path, words: list[str]) -> subprocess.Popen[str]:
    """Run the command in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *words], cwd=tmp_path, env=command_line.environment(tmp_path),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
        # A runner in the background may have SIGINT ignored, and a child inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def wait_for_objects(out: Path, process: subprocess.Popen[str], count: int) -> None:
    deadline = time.monotonic() + 200
    while len(list(out.glob("ShapeNetPoints/*/*"))) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def assert_parts_are_by_id(out: Path) -> None:
    """The rule on the folders' names would give some of the objects other parts."""
    items = ShapeNetSet(out).items
    assert all(item.id.startswith("synthetic-0-") and item.split == split_of(item.id) for item in items)
    assert any(split_of(item.key) != item.split for item in items)


def test_preparing_is_stopped_by_ctrl_c_and_the_same_command_goes_on(tmp_path):
    """The objects are procedural and without pictures: no display, no library."""
    (tmp_path / "meshes").mkdir()
    (tmp_path / "meshes" / "broken.ply").write_text("no mesh")
    out = tmp_path / "set"
    words = ["prepare", "--source", "synthetic:300", str(tmp_path / "meshes"), "--out", str(out)]
    words += ["--views", "0", "--points", "200", "--jobs", "1"]
    process = started(tmp_path, words)
    wait_for_objects(out, process, 3)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the whole group
    said, complaints = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on" in said
    assert "Traceback" not in complaints
    finished = sorted(out.glob("ShapeNetPoints/*/*"))
    assert 3 <= len(finished) < 300
    split = json.loads((out / "split.json").read_text())
    listed = [out / "ShapeNetPoints" / key for part in split.values() for key in part]
    assert sorted(listed) == finished
    stamps = {path: (path / "points.npy").stat().st_mtime_ns for path in finished}
    words[1:3] = [f"--source=synthetic:{len(finished) + 4}"]  # spelt either way, several may follow
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


def test_a_killed_run_leaves_every_object_in_its_part_and_meanwhile_no_other_gets_in(tmp_path):
    out = tmp_path / "set"
    words = ["prepare", "--source", "synthetic:300", "--out", str(out)]
    words += ["--views", "0", "--points", "200", "--jobs", "1"]
    process = started(tmp_path, words)
    wait_for_objects(out, process, 14)
    assert_parts_are_by_id(out)
    outcome = in_process.training(tmp_path, *words)
    assert outcome.code == 2
    assert f"Another prepare is at work in {out}" in outcome.err
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert_parts_are_by_id(out)
    count = len(ShapeNetSet(out).items)
    assert 14 <= count < 300
    words[2] = f"synthetic:{count}"
    outcome = in_process.training(tmp_path, *words)
    assert outcome.code == 0, outcome.err
    assert f"{count} of {count} objects are in {out}; 0 were made now." in outcome.out
    assert_parts_are_by_id(out)
    manifest = json.loads((out / "manifest.json").read_text())
    assert (len(manifest["objects"]), manifest["skipped"]) == (count, [])
    assert len(manifest["unfinished"]) == 300 - count
    (out / "manifest.json").unlink()
    (out / "split.json").unlink()
    outcome = in_process.training(tmp_path, "pack", out, "--out", "p.npz", "--points-per-shape", 128)
    assert outcome.code == 2
    assert "manifest.json is missing" in outcome.err


def prepared_in_vain(tmp_path: Path, out: Path, before: Callable[[], None] = lambda: None) -> str:
    """Prepare so much that it does not fit, as a user does; return what was said."""
    words = ["prepare", "--source", "synthetic:60", "--out", str(out)]
    words += ["--views", "0", "--points", "20000", "--jobs", "2"]
    process = subprocess.run(
        [sys.executable, str(SCRIPT), *words], cwd=tmp_path, env=command_line.environment(tmp_path),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200, preexec_fn=before, check=False,
    )  # fmt: skip
    assert process.returncode == 2, process.stdout + process.stderr
    assert "objects are in" not in process.stdout
    assert "Traceback" not in process.stderr
    assert not list(out.glob(".partial-*"))
    (sentence,) = process.stderr.splitlines()
    return sentence


def test_a_full_disk_stops_preparing_at_once_and_the_same_command_goes_on(tmp_path):
    with mounted(tmp_path / "disk", "size=3m") as disk:
        out = disk / "set"
        sentence = prepared_in_vain(tmp_path, out)
        assert sentence.startswith("Error: ")
        assert "the disk is full; free some space" in sentence
        finished = sorted(out.glob("ShapeNetPoints/*/*"))
        assert 3 <= len(finished) < 8
        assert all(np.load(path / "points.npy").shape == (20000, 3) for path in finished)
        assert all(np.load(path / "normals.npy").shape == (20000, 3) for path in finished)
        subprocess.run(["mount", "-o", "remount,size=100m", disk], check=True)
        words = [
            "prepare",
            "--source",
            "synthetic:10",
            "--out",
            str(out),
            "--views",
            "0",
            "--points",
            "20000",
        ]
        outcome = in_process.training(tmp_path, *words, "--jobs", 1)
        assert outcome.code == 0, outcome.err
        assert f"10 of 10 objects are in {out}" in outcome.out
        assert "Left out" not in outcome.out


def test_files_that_may_not_be_so_large_are_no_broken_objects(tmp_path):
    limit = (100_000, 100_000)
    out = tmp_path / "set"
    sentence = prepared_in_vain(tmp_path, out, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    assert sentence.startswith(f"Error: Nothing more can be written into {out}: a file would be larger than")
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["objects"], manifest["skipped"], len(manifest["unfinished"])) == ([], [], 60)


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
        (["combine", "--ae", "a", "--svr", "b", "--out", "x.bin"], "must end in .safetensors"),
        (["average", "a", "b", "--out", "x.bin"], "must end in .safetensors"),
        (["contact-sheet", "--out", "s.jpg"], "must end in .png"),
    ]:
        outcome = in_process.training(tmp_path, *words)
        assert outcome.code == 2, words
        assert sentence in outcome.err
        assert "Traceback" not in outcome.err
        assert len(outcome.err.strip().splitlines()) == 1


def test_pictures_that_cannot_be_packed_are_refused_before_old_points_are_replaced(tmp_path):
    words = ["prepare", "--source", "synthetic:2", "--out", "set", "--views", "0", "--points", "60"]
    assert in_process.training(tmp_path, *words, "--jobs", "1").code == 0
    (tmp_path / "p.npz").write_bytes(b"old points")
    (tmp_path / "link.npz").symlink_to("p.npz")
    few = ("--points-per-shape", "60", "--out", "p.npz")
    for dataset, views, sentence in (
        ("set", "p.npz", "--out and --views are both p.npz"),
        ("set", "link.npz", "--out and --views are both p.npz"),
        ("synthetic:2", "v.npz", "leave --views out"),
        ("set", "v.npz", "No object of the set has any renderings"),
    ):
        outcome = in_process.training(tmp_path, "pack", dataset, *few, "--views", views)
        assert outcome.code == 2
        assert sentence in outcome.err
        assert (tmp_path / "p.npz").read_bytes() == b"old points"
    for number in range(2):
        key = sorted(tmp_path.glob("set/ShapeNetPoints/*/*"))[number].relative_to(
            tmp_path / "set/ShapeNetPoints"
        )
        place = tmp_path / "set" / "ShapeNetRendering" / key / "rendering"
        place.mkdir(parents=True)
        Image.new("RGBA", (8, 8)).save(place / "00.png")
    more = ("--views", "v.npz", "--views-per-shape")
    outcome = in_process.training(tmp_path, "pack", "set", *few, *more, "2")
    assert outcome.code == 2
    assert "No object of the set has 2 renderings" in outcome.err
    assert (tmp_path / "p.npz").read_bytes() == b"old points"
    assert in_process.training(tmp_path, "pack", "set", *few, *more, "1").code == 0
    assert {path.name for path in tmp_path.glob("*.npz")} == {"p.npz", "v.npz", "link.npz"}
    assert np.load(tmp_path / "p.npz")["points"].shape == (2, 60, 3)


def test_packing_what_is_too_large_says_prepare_again_of_prepared_sets_alone(tmp_path):
    words = ["prepare", "--source", "synthetic:1", "--out", "set", "--views", "0", "--points", "60"]
    assert in_process.training(tmp_path, *words, "--jobs", "1").code == 0
    (points,) = tmp_path.glob("set/ShapeNetPoints/*/*/points.npy")
    np.save(points, 2 * np.load(points))
    pack = ("pack", "set", "--out", "p.npz", "--points-per-shape", "60")
    assert "reaches beyond the unit sphere; prepare it again.\n" in in_process.training(tmp_path, *pack).err
    for name in ("settings.json", "manifest.json"):
        (tmp_path / "set" / name).unlink()
    outcome = in_process.training(tmp_path, *pack)
    assert outcome.code == 2
    assert "reaches beyond the unit sphere; prepare it.\n" in outcome.err


def test_preparing_and_packing_end_with_a_note_on_parts_without_objects(tmp_path):
    few = [
        "prepare",
        "--source",
        "synthetic:2",
        "--out",
        "few",
        "--views",
        "0",
        "--points",
        "200",
        "--jobs",
        "1",
    ]
    outcome = in_process.training(tmp_path, *few)
    assert outcome.code == 0, outcome.err
    empty = sorted(
        {"train", "validation", "test"} - {item.split for item in ShapeNetSet(tmp_path / "few").items}
    )
    for words in (None, ["pack", "few", "--out", "few.npz"], ["pack", "synthetic:2", "--out", "made.npz"]):
        if words is not None:
            outcome = in_process.training(tmp_path, *words, "--points-per-shape", "100")
            assert outcome.code == 0, outcome.err
        last = outcome.out.splitlines()[-1]
        assert last.startswith("Nothing is there for ")
        assert all(part in last.partition(":")[0] for part in empty)
        assert "some 40 or more are needed" in last


def test_packing_many_objects_needs_no_note(tmp_path):
    outcome = in_process.training(
        tmp_path, "pack", "synthetic:60", "--out", "many.npz", "--points-per-shape", "100"
    )
    assert outcome.code == 0, outcome.err
    assert "Nothing is there" not in outcome.out


@pytest.mark.parametrize(
    ("command", "names"),
    [
        (["train", "ae"], ["--points_path"]),
        (["train", "svr"], ["--points_path", "--img-path", "--img_path"]),
        (["evaluate"], ["--points_path", "--img-path", "--img_path", "--input_points"]),
        (["generate"], ["--points_path", "--img-path", "--img_path", "--input_points"]),
    ],
    ids=str,
)
def test_the_help_names_other_spellings_whole_on_a_narrow_terminal(command, names, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    process = started(tmp_path, [*command, "--help"])
    said, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, complaints
    assert all(len(line) <= 80 for line in said.splitlines())
    words = {word.rstrip(".") for word in said.split()}
    assert set(names) <= words
