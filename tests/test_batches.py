"""Several inputs into a folder: what cannot be made of one does not stop the others.

That a process tells and ends so is tested in ``test_headless.py``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import trimesh

from nmf_app.targets import plan, renamed_note
from tests.support import in_process

QUICK = ("--method", "network", "--level", "1", "--no-certificate")


@pytest.fixture
def folder(tmp_path):
    directions = np.random.default_rng(0).normal(size=(600, 3))
    ball = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    for name in ("u.xyz", "u.txt", "um.xyz", "sub/u.xyz", "sub/U.XYZ"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        np.savetxt(tmp_path / name, ball * [3, 2, 1])
    return tmp_path


def results(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "out").iterdir())


def test_results_of_inputs_that_differ_in_their_ending_keep_it(folder):
    outcome = in_process.application(
        folder, "u.xyz", "u.txt", "um.xyz", *QUICK, "--output", "out/", "--report", "all.json"
    )
    assert (outcome.code, results(folder)) == (0, ["u.txt.ply", "u.xyz.ply", "um.ply"])
    told = "Results of inputs that differ only in their ending keep it: u.xyz.ply, u.txt.ply."
    assert outcome.out.splitlines().count(told) == 1
    made = [(entry["input"], entry["output"]) for entry in json.loads((folder / "all.json").read_text())]
    assert made == [("u.xyz", "out/u.xyz.ply"), ("u.txt", "out/u.txt.ply"), ("um.xyz", "out/um.ply")]


def test_inputs_whose_results_cannot_be_told_apart_fail_and_the_others_go_on(folder):
    outcome = in_process.application(
        folder, "u.xyz", "sub/u.xyz", "um.xyz", "um.xyz", *QUICK, "--output", "out/", "--report", "all.json"
    )
    assert (outcome.code, results(folder)) == (2, ["um.ply"])
    errors = [line.removeprefix("nmf: ") for line in outcome.err.splitlines() if line.startswith("nmf: ")]
    assert errors == [
        "u.xyz and another input would both be written to out/u.xyz.ply: rename one.",
        "sub/u.xyz and another input would both be written to out/u.xyz.ply: rename one.",
        "um.xyz is named twice: one mesh is made of it.",
    ]
    entries = json.loads((folder / "all.json").read_text())
    assert [entry["input"] for entry in entries] == ["u.xyz", "sub/u.xyz", "um.xyz", "um.xyz"]
    assert [entry.get("error") for entry in entries] == [errors[0], errors[1], None, errors[2]]


@pytest.mark.parametrize("pattern", ["z*.xyz", "gone/*.foo", "gone.xyz"])
def test_what_matches_nothing_fails_and_the_others_go_on(pattern, folder):
    outcome = in_process.application(
        folder, "um.xyz", pattern, *QUICK, "--output", "out/", "--report", "all.json"
    )
    assert (outcome.code, results(folder)) == (2, ["um.ply"])
    (error,) = [line for line in outcome.err.splitlines() if line.startswith("nmf: ")]
    if "*" in pattern:
        assert error == f"nmf: nothing has a name like {pattern}; check the folder and the pattern."
    made, failed = json.loads((folder / "all.json").read_text())
    assert made["output"] == "out/um.ply"
    assert failed == {"input": pattern, "error": error.removeprefix("nmf: ")}


def test_a_pattern_that_matches_nothing_does_not_keep_others_from_being_verified(tmp_path):
    trimesh.creation.icosphere(1).export(tmp_path / "a.ply")
    outcome = in_process.application(tmp_path, "--verify", "z*.ply", "a.ply", "--report", "all.json")
    assert outcome.code == 2
    assert outcome.out.startswith("a.ply: sound")
    assert outcome.err == "nmf: nothing has a name like z*.ply; check the folder and the pattern.\n"
    failed, sound = json.loads((tmp_path / "all.json").read_text())
    assert (failed["file"], failed["passed"], sound["passed"]) == ("z*.ply", False, True)


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        (["u.las", "u.laz", "um.xyz"], ["u.las.ply", "u.laz.ply", "um.ply"]),
        (["u.las", "u.laz", "u.las.xyz"], ["u.las.ply", "u.laz.ply", "u.las.xyz.ply"]),
        (["u.las", "u.laz", "u.las.xyz", "sub/u.las"], ["", "u.laz.ply", "u.las.xyz.ply", ""]),
        (["u.las", "sub/U.LAS"], ["", ""]),
        (["u.xyz", "out/u.ply"], ["u.xyz.ply", "u.ply.ply"]),
        (["v.xyz", "out/u.ply"], ["v.ply", ""]),
        (["v.xyz", "blocked.xyz"], ["v.ply", ""]),
    ],
    ids=str,
)
def test_no_result_is_written_over_another_one_or_an_input(inputs, outputs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out/blocked.ply").mkdir(parents=True)
    for order in (1, -1):
        targets = plan([Path(name) for name in inputs][::order], "out/", None, certificate=True)[::order]
        assert ["" if target.refusal else target.output.name for target in targets] == outputs


def test_only_the_first_of_many_renamed_results_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    targets = plan([Path(f"{n}.{end}") for n in range(3) for end in ("xyz", "ply")], "out/", None)
    assert renamed_note(targets).endswith(" 0.xyz.ply, 0.ply.ply, 1.xyz.ply, 1.ply.ply and 2 more.")
    assert renamed_note(plan([Path("a.xyz"), Path("b.xyz")], "out/", None)) == ""
