"""What the command line does where nobody reads it: work and verdict stand, whatever becomes of the lines."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import meshio
import numpy as np
import pytest
import trimesh

from nmf_model.certificate import certificate_path
from nmf_model.io.suffixes import MESH_SUFFIXES, SOLID_SUFFIXES
from tests.support import command_line

NETWORK = ("--method", "network", "--level", "1")
NOT_PRINTED = "nmf: the output could not be printed (No space left on device); the work goes on without it."


@contextmanager
def sink(kind: str):
    """Give a file to print to that takes nothing: its reader has left, or it is full."""
    if kind == "full":
        handle = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, handle = os.pipe()
        os.close(reader)
    try:
        yield handle
    finally:
        os.close(handle)


def start(folder: Path, *args: object, out: int = subprocess.PIPE, err: int = subprocess.PIPE):
    return subprocess.Popen(
        [sys.executable, str(command_line.ROOT / "main.py"), *map(str, args)],
        cwd=folder, env={**command_line.environment(folder), "TERM": "xterm"},
        stdin=subprocess.DEVNULL, stdout=out, stderr=err, text=True,
    )  # fmt: skip


def outcome_of(process: subprocess.Popen[str]) -> command_line.Outcome:
    out, err = process.communicate(timeout=240)
    return command_line.Outcome(process.returncode, out or "", err or "")


@pytest.fixture
def clouds(tmp_path):
    directions = np.random.default_rng(0).normal(size=(600, 3))
    ball = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    np.savetxt(tmp_path / "egg.xyz", ball * [3, 2, 1])
    np.savetxt(tmp_path / "far.xyz", ball * [1, 2, 1] + [4e5, 5e6, 0])
    return tmp_path


def assert_written(folder: Path, *names: str) -> None:
    for name in names:
        assert trimesh.load(folder / "out" / f"{name}.ply", process=False).is_watertight
        assert certificate_path(folder / "out" / f"{name}.ply").is_file()


@pytest.mark.parametrize(("kind", "told"), [("closed", []), ("full", [NOT_PRINTED])])
def test_lines_that_cannot_be_printed_stop_no_work(kind, told, clouds):
    with sink(kind) as out:
        work = start(
            clouds, "egg.xyz", "far.xyz", *NETWORK, "--output", "out/", "--report", "all.json", out=out
        )
        outcome = outcome_of(work)
    assert outcome.code == 0, outcome.err
    assert_written(clouds, "egg", "far")
    egg, far = json.loads((clouds / "all.json").read_text())
    assert (egg["input"], far["input"]) == ("egg.xyz", "far.xyz")
    assert egg["watertight"] is far["watertight"] is True
    assert [line for line in outcome.err.splitlines() if not line.startswith("[")] == told


def test_a_bad_input_is_still_told_where_the_results_cannot_be(clouds):
    (clouds / "bad.xyz").write_text("no numbers here\n")
    with sink("full") as out:
        outcome = outcome_of(start(clouds, "egg.xyz", "bad.xyz", *NETWORK, "--output", "out/", out=out))
    assert outcome.code == 2
    assert_written(clouds, "egg")
    told = [line for line in outcome.err.splitlines() if line.startswith("nmf: ")]
    assert told[0] == NOT_PRINTED
    assert "bad.xyz" in told[1]
    assert len(told) == 2


def test_progress_that_cannot_be_shown_stops_no_work(clouds):
    with sink("full") as err:
        outcome = outcome_of(start(clouds, "egg.xyz", *NETWORK, "--output", "out/", err=err))
    assert outcome.code == 0
    assert outcome.out.startswith("egg.xyz: wrote out/egg.ply")
    assert_written(clouds, "egg")


def test_a_terminal_that_goes_away_stops_no_work(clouds):
    ours, theirs = pty.openpty()
    process = start(clouds, "egg.xyz", *NETWORK, "--output", "out/", err=theirs)
    os.close(theirs)
    assert b"\x1b[" in os.read(ours, 4096), "a bar is drawn"
    os.close(ours)
    outcome = outcome_of(process)
    assert outcome.code == 0
    assert outcome.out.startswith("egg.xyz: wrote out/egg.ply")
    assert_written(clouds, "egg")


@pytest.fixture(scope="module")
def meshes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("meshes")
    trimesh.creation.icosphere(1).export(folder / "sound.ply")
    (folder / "face.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=float)
    meshio.Mesh(corners, [("tetra", [[0, 1, 2, 3]])]).write(folder / "one.vtu")
    (folder / "box.xyz").write_text("0 0 0\n")
    return folder


@pytest.mark.parametrize(
    ("kind", "name", "code", "told"),
    [
        ("closed", "sound.ply", 0, ""),
        ("closed", "face.obj", 3, ""),
        ("full", "sound.ply", 1, NOT_PRINTED + "\n"),
        ("full", "face.obj", 3, NOT_PRINTED + "\n"),
    ],
)
def test_a_verdict_stands_where_its_lines_cannot_be_printed(kind, name, code, told, meshes):
    report = meshes / f"{kind}-{name}.json"
    with sink(kind) as out:
        outcome = outcome_of(start(meshes, "--verify", name, "--report", report, out=out))
    assert (outcome.code, outcome.err) == (code, told)
    assert json.loads(report.read_text())["passed"] is (name == "sound.ply")


def test_who_asks_for_no_lines_misses_none(meshes):
    with sink("full") as out:
        outcome = outcome_of(start(meshes, "--verify", "sound.ply", "--quiet", out=out))
    assert (outcome.code, outcome.err) == (0, "")


def test_a_program_without_standard_output_gives_its_verdict(meshes):
    line = f'"{sys.executable}" "{command_line.ROOT}/main.py" --verify sound.ply >&-'
    environment = command_line.environment(meshes)
    done = subprocess.run(line, shell=True, cwd=meshes, env=environment, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_what_cannot_be_verified_is_told_all_endings_that_can(meshes):
    outcome = command_line.run(meshes, "--verify", "box.xyz")
    assert (outcome.code, outcome.out, len(outcome.err.splitlines())) == (2, "", 1)
    assert ".vtu" in outcome.err
    assert ".msh" in outcome.err
    words = outcome.err.partition(";")[2].replace(",", " ").rstrip(".\n").split()
    assert {word for word in words if word.startswith(".")} == MESH_SUFFIXES | set(SOLID_SUFFIXES)


def test_one_of_a_thing_is_counted_in_the_singular(meshes):
    outcome = command_line.run(meshes, "--verify", "face.obj", "one.vtu")
    assert "face.obj: NOT SOUND (3 vertices, 1 face)" in outcome.out.splitlines()
    assert "one.vtu: sound (1 tetrahedron, 4 faces around it)" in outcome.out.splitlines()
