"""The command line without a window, as a process that can reach neither a display nor Qt."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import trimesh

from nmf_app.__main__ import main
from nmf_app.console import verdict
from nmf_model.types import QualityReport
from tests.support import command_line, in_process

REPORT_KEYS = [
    "vertices", "faces", "components", "euler_characteristic",
    "watertight", "winding_consistent", "outward", "nonmanifold_edges", "nonmanifold_vertices",
    "self_intersecting_faces", "degenerate_faces", "coincident_vertices", "area", "volume",
    "chamfer_l2", "method", "seconds", "nfe", "seed", "notes", "certified",
]  # fmt: skip
RADII = np.array([3.0, 2.0, 1.5])
CENTRE = np.array([445_000.0, 5_412_000.0, 310.0])


def ellipsoid(count: int = 600) -> np.ndarray:
    directions = np.random.default_rng(0).normal(size=(count, 3))
    return CENTRE + RADII * directions / np.linalg.norm(directions, axis=1, keepdims=True)


def write_cloud(path: Path, extra: str = "") -> Path:
    np.savetxt(path, ellipsoid(), fmt="%.6f")
    with path.open("a") as stream:
        stream.write(extra)
    return path


@pytest.fixture(scope="module")
def one_result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    write_cloud(folder / "egg.xyz", extra="nan 1 2\n4 inf 6\n")
    outcome = command_line.run(
        folder, "egg.xyz", "--output", "egg.ply", "--report", "egg.json", "--level", 2, "--seed", 7
    )
    assert outcome.code == 0, outcome.err
    return folder, outcome


def test_one_cloud_becomes_a_closed_mesh_where_the_cloud_was(one_result):
    folder, _ = one_result
    mesh = trimesh.load(folder / "egg.ply", process=False)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.euler_number == 2
    assert len(mesh.vertices) == 162
    np.testing.assert_allclose(mesh.bounds, [CENTRE - RADII, CENTRE + RADII], atol=0.4)
    np.testing.assert_allclose(mesh.volume, 4 / 3 * np.pi * RADII.prod(), rtol=0.2)


def test_the_report_has_the_promised_keys_and_agrees_with_the_file(one_result):
    folder, _ = one_result
    report = json.loads((folder / "egg.json").read_text())
    mesh = trimesh.load(folder / "egg.ply", process=False)
    assert list(report) == REPORT_KEYS
    assert (report["vertices"], report["faces"]) == (len(mesh.vertices), len(mesh.faces))
    assert report["volume"] == pytest.approx(mesh.volume, rel=1e-3)
    assert report["area"] == pytest.approx(mesh.area, rel=1e-3)
    assert report["euler_characteristic"] == 2
    assert report["watertight"] is report["winding_consistent"] is report["outward"] is True
    assert report["chamfer_l2"] < 0.02
    assert (report["method"], report["seed"]) == ("network+fit", 7)
    assert report["seconds"] > 0
    assert report["nfe"] > 0


def test_the_user_is_told_what_was_written_and_what_was_dropped(one_result):
    folder, outcome = one_result
    first, *notes = outcome.out.splitlines()
    assert first.startswith("egg.xyz: wrote egg.ply (162 vertices, 320 faces, by network+fit in ")
    assert "closed, one piece, genus 0, facing outward" in first
    assert any("2 points" in note for note in notes), outcome.out
    assert "\x1b" not in outcome.err, "no bar where there is no terminal"
    assert all(line.startswith("egg.xyz: ") for line in outcome.err.splitlines())
    assert {path.name for path in folder.iterdir()} == {
        "blocker", "egg.json", "egg.ply", "egg.ply.certificate.json", "egg.xyz",
    }  # fmt: skip


def test_the_report_holds_the_notes_and_the_verdict_that_are_printed(one_result):
    folder, outcome = one_result
    report = json.loads((folder / "egg.json").read_text())
    first, *notes = outcome.out.splitlines()
    assert [f"  note: {note}" for note in report["notes"]] == notes != []
    assert report["certified"] is first.endswith("; certified.") is True


def test_what_has_no_certificate_is_not_reported_as_certified(tmp_path):
    for name in ("a.xyz", "b.xyz"):
        write_cloud(tmp_path / name, extra="nan 1 2\n")
    outcome = in_process.application(
        tmp_path, "a.xyz", "b.xyz", "--output", "out/", "--report", "all.json", "--no-certificate",
        "--level", 1, "--method", "network",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    for entry in json.loads((tmp_path / "all.json").read_text()):
        assert entry["certified"] is False
        assert "certified" not in outcome.out
        assert all(f"  note: {note}" in outcome.out.splitlines() for note in entry["notes"])
        assert any("dropped" in note for note in entry["notes"])


def test_a_bad_input_is_reported_and_the_others_go_on(tmp_path):
    """By the network alone: that a fit repeats itself is tested where fits are short."""
    for name in ("a.xyz", "b.xyz"):
        write_cloud(tmp_path / name)
    (tmp_path / "bad.xyz").write_text("no numbers here\n")
    outcome = command_line.run(
        tmp_path, "a.xyz", "bad.xyz", "b.xyz",
        "--output", "meshes", "--report", "all.json", "--level", 1, "--method", "network", "--quiet",
    )  # fmt: skip
    assert outcome.code == 2
    assert outcome.out == ""
    assert len(outcome.err.splitlines()) == 1
    assert "bad.xyz" in outcome.err
    names = sorted(path.name for path in (tmp_path / "meshes").iterdir())
    assert names == ["a.ply", "a.ply.certificate.json", "b.ply", "b.ply.certificate.json"]
    a, bad, b = json.loads((tmp_path / "all.json").read_text())
    assert list(a) == ["input", "output", *REPORT_KEYS]
    assert set(bad) == {"input", "error"}
    same = (tmp_path / "meshes/a.ply").read_bytes() == (tmp_path / "meshes/b.ply").read_bytes()
    assert same, "equal input and seed give the same bytes"
    assert b["chamfer_l2"] == a["chamfer_l2"]


def test_a_report_tells_of_failures_too_and_none_of_yesterday_stays(tmp_path):
    (tmp_path / "bad.xyz").write_text("no numbers here\n")
    (tmp_path / "all.json").write_text("yesterday")
    outcome = command_line.run(tmp_path, "bad.xyz", "--output", "bad.ply", "--report", "all.json")
    assert outcome.code == 2
    (entry,) = json.loads((tmp_path / "all.json").read_text())
    assert entry["input"] == "bad.xyz"
    assert entry["error"] == outcome.err.strip().removeprefix("nmf: ")
    assert not (tmp_path / "bad.ply").exists()


def read_until(handle: int, wanted: bytes, seconds: float = 60) -> bytes:
    seen, end = b"", time.monotonic() + seconds
    while wanted not in seen:
        assert time.monotonic() < end, seen
        seen += os.read(handle, 4096)
    return seen


def test_ctrl_c_on_a_terminal_stops_the_work_and_leaves_nothing(tmp_path):
    write_cloud(tmp_path / "egg.xyz")
    ours, theirs = pty.openpty()
    main_py = str(command_line.ROOT / "main.py")
    process = subprocess.Popen(
        [sys.executable, main_py, "egg.xyz", "--output", "egg.obj", "--level", "5"],
        cwd=tmp_path, env={**command_line.environment(tmp_path), "TERM": "xterm"},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    bar = read_until(ours, b"1%")
    assert b"\x1b[" in bar, "a bar is drawn on a terminal"
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    rest = read_until(ours, b"interrupted")
    assert process.wait(timeout=30) == 130
    assert time.monotonic() - began < 10
    assert b"Traceback" not in bar + rest
    assert process.stdout.read() == b""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blocker", "egg.xyz"]


BAD_USE = {
    "unknown method": ("egg.xyz --output a.ply --method magic", "magic"),
    "level too high": ("egg.xyz --output a.ply --level 8", "0 to 7"),
    "level no number": ("egg.xyz --output a.ply --level fine", "0 to 7"),
    "negative seed": ("egg.xyz --output a.ply --seed -1", "seed"),
    "seed too large": ("egg.xyz --output a.ply --seed 2147483648", "from 0 to 2147483647"),
    "unknown device": ("egg.xyz --output a.ply --device abacus", "abacus"),
    "unknown option": ("egg.xyz --output a.ply --colour", "--colour"),
    "suffix not writable": ("egg.xyz --output a.docx", "a.docx"),
    "no suffix": ("egg.xyz --output mesh", "mesh"),
    "folder missing": ("egg.xyz --output nowhere/a.ply", "nowhere"),
    "parent folder missing": ("egg.xyz --output nowhere/deep/", "nowhere"),
    "several into a file": ("egg.xyz other.xyz --output a.ply", "a.ply"),
    "several into an existing file": ("egg.xyz other.xyz --output egg.xyz", "egg.xyz"),
    "output is an input": ("sub/egg.ply --output sub/", "overwritten"),
    "texture is an input": ("toy.png --output toy.obj --texture", "toy.png would be overwritten"),
    "certificate is an input": (
        "egg.ply.certificate.json --output egg.ply",
        "egg.ply.certificate.json would be overwritten",
    ),
    "report is no json": ("egg.xyz --output a.ply --report a.txt", "a.txt"),
    "report is the certificate": (
        "egg.xyz --output a.ply --report a.ply.certificate.json",
        "also the certificate",
    ),
    "certificate is a folder": ("egg.xyz --output b.ply", "b.ply.certificate.json is a folder"),
    "report folder missing": ("egg.xyz --output a.ply --report nowhere/a.json", "nowhere"),
    "report is an input": ("points.json --output a.ply --report points.json", "points.json"),
    "report is a folder": ("egg.xyz --output a.ply --report folder.json", "folder.json"),
    "no input": ("--output a.ply", "FILE"),
    "report without output": ("egg.xyz --report a.json", "--output"),
    "no certificate without output": ("egg.xyz --no-certificate", "--no-certificate needs --output"),
    "bodies without output": ("egg.xyz --bodies split", "--bodies needs --output"),
    "both without output": ("egg.xyz --texture --bodies split", "--bodies and --texture need --output"),
    "weights for a fit": ("egg.xyz --output a.ply --method fit --weights a", "leave out --weights"),
    "method to verify": ("--verify sub/egg.ply --method fit", "makes no mesh; leave out --method"),
    "level to verify": ("--verify sub/egg.ply --level 0", "leave out --level"),
    "weights to verify": ("--verify sub/egg.ply --weights a", "leave out --weights"),
    "no certificate to verify": ("--verify sub/egg.ply --no-certificate", "leave out --no-certificate"),
    "bodies to verify": ("--verify sub/egg.ply --bodies split", "leave out --bodies"),
    "texture to verify": ("--verify sub/egg.ply --texture", "leave out --texture"),
    "device to verify": ("--verify sub/egg.ply --device cpu", "leave out --device"),
    "seeds to verify": ("--verify sub/egg.ply --level 2 --seed 1", "leave out --level and --seed"),
    "no display": ("egg.xyz", "--output"),
}


@pytest.mark.parametrize("case", BAD_USE)
def test_bad_use_is_one_sentence_before_any_work(case, tmp_path, monkeypatch, capsys):
    arguments, named = BAD_USE[case]
    monkeypatch.chdir(tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    for name in ("sub", "folder.json", "b.ply.certificate.json"):
        (tmp_path / name).mkdir()
    for name in ("egg.xyz", "other.xyz", "sub/egg.ply", "sub/EGG.xyz", "points.json", "toy.png"):
        (tmp_path / name).touch()
    (tmp_path / "egg.ply.certificate.json").touch()
    before = sorted(tmp_path.rglob("*"))
    try:
        code = main(arguments.split())
    except SystemExit as end:
        code = end.code
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("nmf: ")
    assert named in err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_defect_is_one_sentence_and_exit_code_1(tmp_path, monkeypatch, capsys):
    from nmf_model import reconstruct

    def broken(*args, **options):
        raise RuntimeError("CUDA out of memory\nand a second line")

    monkeypatch.setattr(reconstruct, "run", broken)
    cloud = write_cloud(tmp_path / "egg.xyz")
    arguments = [str(cloud), "--output", str(tmp_path / "egg.ply")]
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert "egg.xyz" in error
    assert "NMF_DEBUG" in error
    monkeypatch.setenv("NMF_DEBUG", "1")
    assert main(arguments) == 1
    assert "Traceback" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["egg.xyz"]


def report(**changes) -> QualityReport:
    sound = {
        "vertices": 12, "faces": 20, "components": 1, "euler_characteristic": 2, "watertight": True,
        "winding_consistent": True, "outward": True, "nonmanifold_edges": 0, "nonmanifold_vertices": 0,
        "self_intersecting_faces": 0, "degenerate_faces": 0, "coincident_vertices": 0,
        "area": 1.0, "volume": 1.0,
    }  # fmt: skip
    return QualityReport(**{**sound, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "closed, one piece, genus 0, facing outward, no faces cross"),
        ({"self_intersecting_faces": 6}, "closed, one piece, genus 0, facing outward, 6 faces cross"),
        ({"euler_characteristic": 0}, "closed, one piece, genus 1, facing outward, no faces cross"),
        ({"watertight": False, "degenerate_faces": 2},
         "not closed, one piece, facing outward, no faces cross, 2 collapsed faces"),
        ({"outward": False, "nonmanifold_edges": 1, "nonmanifold_vertices": 2, "components": 3},
         "closed, 3 pieces, genus 2, facing inward, 3 non-manifold joints, no faces cross"),
        ({"nonmanifold_vertices": 1, "degenerate_faces": 1, "coincident_vertices": 1},
         "closed, one piece, genus 0, facing outward, 1 non-manifold joint, no faces cross, "
         "1 collapsed face, 1 doubled vertex"),
        ({"winding_consistent": False},
         "closed, one piece, genus 0, faces point both ways, no faces cross"),
    ],
)  # fmt: skip
def test_the_verdict_says_what_is_wrong(changes, words):
    assert verdict(report(**changes)) == words
