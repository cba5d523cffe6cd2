"""Every kind of bad input through the command line: exit code 2, one sentence, nothing written."""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support import command_line, in_process

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(500, 3))

Build = Callable[[Path], object]


def text(content: str) -> Build:
    return lambda path: path.write_text(content)


def rows(points: np.ndarray) -> Build:
    return lambda path: np.savetxt(path, points)


def array(**arrays: np.ndarray) -> Build:
    return lambda path: np.savez(path, **arrays)


def picture(pixels: np.ndarray, **options: object) -> Build:
    return lambda path: Image.fromarray(pixels).save(path, **options)


def shortened(build: Build, keep: float) -> Build:
    def damaged(path: Path) -> None:
        build(path)
        content = path.read_bytes()
        path.write_bytes(content[: int(keep * len(content))])

    return damaged


def binary_ply(path: Path) -> None:
    header = (
        "ply\nformat binary_little_endian 1.0\nelement vertex 500\n"
        "property float x\nproperty float y\nproperty float z\nend_header\n"
    )
    path.write_bytes(header.encode() + POINTS.astype("<f4").tobytes())


def png(path: Path) -> None:
    noise = RNG.integers(0, 256, size=(64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, format="PNG")


def huge_png(path: Path) -> None:
    """A valid black 30,000 x 30,000 picture: 0.1 MB in the file, 3.6 GB as RGBA."""
    packer = zlib.compressobj(1)
    row = bytes(1 + 30_000 // 8)
    body = b"".join([packer.compress(row * 100) for _ in range(300)]) + packer.flush()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b""))


def along_a_line(points: np.ndarray) -> np.ndarray:
    return points[:, :1] * [1.0, 2.0, 3.0] + [5.0, 6.0, 7.0]


def on_a_plane(points: np.ndarray) -> np.ndarray:
    return points[:, :2] @ np.array([[1.0, 2.0, 3.0], [0.0, 1.0, -1.0]])


WHITE = np.full((128, 128, 3), 255, dtype=np.uint8)

BAD_FILES: dict[str, tuple[str, str, Build]] = {
    "missing": ("gone.xyz", "does not exist", lambda path: None),
    "a folder": ("folder.ply", "folder", lambda path: path.mkdir()),
    "a pipe of points": ("pipe.xyz", "is a pipe", os.mkfifo),
    "a pipe of a picture": ("pipe.png", "is a pipe", os.mkfifo),
    "unknown type": ("thing.docx", "docx", text("hello")),
    "no suffix": ("thing", "no file ending", rows(POINTS)),
    "empty text": ("empty.xyz", "empty", text("")),
    "empty ply": ("empty.ply", "empty", text("")),
    "empty obj": ("empty.obj", "empty", text("")),
    "empty picture": ("empty.png", "empty", text("")),
    "truncated ply": ("cut.ply", "truncated", shortened(binary_ply, 0.6)),
    "truncated npy": ("cut.npy", "truncated", shortened(lambda path: np.save(path, POINTS), 0.6)),
    "truncated npz": ("cut.npz", "damaged", shortened(array(points=POINTS), 0.6)),
    "truncated picture": ("cut.png", "cut short", shortened(png, 0.4)),
    "picture named ply": ("picture.ply", "PNG", png),
    "picture named npy": ("picture.npy", "PNG", png),
    "cloud named png": ("cloud.png", "not a PNG", binary_ply),
    "cloud named stl": ("cloud.stl", "not a .stl", text("not a mesh\n")),
    "text for numbers": ("words.csv", "line 2", text("x,y,z\n" + "one,two,three\n" * 100)),
    "ragged numbers": ("ragged.txt", "line 2", text("1 2 3\n4 5\n6 7 8\n" * 50)),
    "two columns": ("flat.xyz", "2 values", rows(POINTS[:, :2])),
    "all not a number": ("nan.npy", "NaN", lambda path: np.save(path, POINTS * np.nan)),
    "all infinite": ("inf.xyz", "infinite", text("inf inf inf\n" * 100)),
    "49 distinct points": ("few.xyz", "49", rows(np.repeat(POINTS[:49], 20, axis=0))),
    "points on a line": ("line.xyz", "line", rows(along_a_line(POINTS))),
    "points on a plane": ("plane.npy", "plane", lambda path: np.save(path, on_a_plane(POINTS))),
    "objects in npy": (
        "objects.npy",
        "objects",
        lambda path: np.save(path, np.array([{}, []], dtype=object)),
    ),
    "objects in npz": ("objects.npz", "objects", array(points=np.array([{}, []], dtype=object))),
    "picture without an object": ("blank.png", "object", picture(WHITE)),
    "picture all transparent": ("clear.png", "object", picture(np.zeros((128, 128, 4), dtype=np.uint8))),
}


RESULTS = ("--output", "result.ply", "--report", "report.json")


def run_on(folder: Path, name: str, *args: object, **options: float) -> command_line.Outcome:
    """Run the program as a process of its own."""
    return command_line.run(folder, name, *RESULTS, *args, **options)


def assert_refused(folder: Path, name: str, outcome: command_line.Outcome) -> None:
    assert (outcome.code, outcome.out) == (2, ""), outcome.err
    assert len(outcome.err.splitlines()) == 1, outcome.err
    assert name in outcome.err
    assert outcome.err.rstrip().endswith("."), "a sentence"
    left = {path.name for path in folder.iterdir()} - {"blocker", name}
    if "report.json" in left:  # which tells of the failure; there is none of what is refused unread
        (entry,) = json.loads((folder / "report.json").read_text())
        assert entry["error"] == outcome.err.strip().removeprefix("nmf: ")
    assert left <= {"report.json"}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_one_sentence_and_nothing_is_written(case, tmp_path):
    name, reason, build = BAD_FILES[case]
    build(tmp_path / name)
    outcome = in_process.application(tmp_path, name, *RESULTS)
    assert_refused(tmp_path, name, outcome)
    assert reason in outcome.err.replace(name, "")


def test_a_huge_picture_is_refused_in_bounded_memory(tmp_path):
    huge_png(tmp_path / "huge.png")
    assert_refused(tmp_path, "huge.png", run_on(tmp_path, "huge.png", memory_gb=2))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path):
    path = tmp_path / "secret.xyz"
    np.savetxt(path, POINTS)
    path.chmod(0)
    assert_refused(tmp_path, path.name, run_on(tmp_path, path.name))


@pytest.mark.parametrize("name", ["line\nbreak.xyz", "spaces in name.xyz", "größe.xyz", "-dash.xyz"])
def test_odd_names_are_named_in_one_line(name, tmp_path):
    (tmp_path / name).write_text("no numbers\n")
    outcome = in_process.application(tmp_path, "--output", "result.ply", "--", name)
    assert outcome.code == 2
    assert len(outcome.err.splitlines()) == 1
    assert " ".join(name.split()) in outcome.err


def test_a_cloud_has_no_silhouette(tmp_path):
    np.savetxt(tmp_path / "cloud.xyz", POINTS)
    assert_refused(tmp_path, "cloud.xyz", run_on(tmp_path, "cloud.xyz", "--method", "silhouette"))
