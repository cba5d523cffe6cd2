from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nmf_model.errors import InputError
from nmf_model.io.atomic import FileGroup, write_atomically
from nmf_model.io.meshes import write_mesh
from nmf_model.io.suffixes import EXPORT_SUFFIXES
from nmf_model.types import Mesh
from tests.support.disks import contents, mounted

ROOT = Path(__file__).parents[2]


def big_mesh():
    rng = np.random.default_rng(0)
    return Mesh(rng.normal(size=(4000, 3)), rng.integers(0, 4000, (8000, 3)))


def put(content):
    return lambda stream: stream.write(content)


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "a.bin"
    for content in (b"one", b"another"):
        write_atomically(path, put(content))
        assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.bin"]


def test_target_is_untouched_until_verified(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    seen = []

    def verify(written):
        seen.append((written.read_bytes(), path.read_bytes(), written.suffix, written.parent))
        raise InputError("a.bin is wrong.")

    with pytest.raises(InputError, match="wrong"):
        write_atomically(path, put(b"new"), verify)
    assert seen == [(b"new", b"old", ".bin", tmp_path)]
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


NAMES = ("a.png", "a.mtl", "a.obj", "a.obj.json")


@pytest.fixture(params=["old ones", "half of them", "no old ones"])
def before(tmp_path, request):
    """What lies in a folder before a group of files is written: all of them, the first and third, none."""
    there = {"old ones": NAMES, "half of them": NAMES[::2], "no old ones": ()}[request.param]
    for name in there:
        (tmp_path / name).write_bytes(b"old " + name.encode())
    return contents(tmp_path)


def write_group(folder, contents, meanwhile=lambda: None):
    """Write files of these contents, or by these functions, as one group."""
    with FileGroup() as group:
        for name, content in contents.items():
            group.write(folder / name, content if callable(content) else put(content))
        meanwhile()


def test_a_group_takes_its_names_together(tmp_path, before):
    with FileGroup() as group:
        for name in NAMES:
            staged = group.write(tmp_path / name, put(b"new " + name.encode()))
            assert staged.read_bytes() == b"new " + name.encode()
            assert staged.suffix == (tmp_path / name).suffix
        assert before.items() <= contents(tmp_path).items()
        assert len(contents(tmp_path)) == len(before) + len(NAMES)
    assert contents(tmp_path) == {name: b"new " + name.encode() for name in NAMES}


@pytest.mark.parametrize("failing", NAMES)
@pytest.mark.parametrize("how", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt(), ValueError()], ids=repr)
def test_a_group_with_one_failing_file_changes_nothing(tmp_path, before, failing, how):
    def write(stream):
        stream.write(b"half")
        raise how

    told = InputError if isinstance(how, OSError) else type(how)
    with pytest.raises(told) as caught:
        write_group(tmp_path, {**dict.fromkeys(NAMES, b"new"), failing: write})
    assert contents(tmp_path) == before
    if told is InputError:
        assert str(caught.value).startswith(f"{tmp_path / failing} could not be written: the disk is full")


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("failing", NAMES)
def test_a_name_that_cannot_be_taken_gives_the_others_back(tmp_path, monkeypatch, before, failing, links):
    """A real failing rename: where the file shall go, somebody has made a folder meanwhile."""
    if not links:

        def refuse(*names):
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)

    def make_folder():
        (tmp_path / failing).unlink(missing_ok=True)
        (tmp_path / failing).mkdir()

    with pytest.raises(InputError, match="it is a folder") as caught:
        write_group(tmp_path, dict.fromkeys(NAMES, b"new"), make_folder)
    assert str(tmp_path / failing) in str(caught.value)
    assert contents(tmp_path) == {name: data for name, data in before.items() if name != failing}
    assert {entry.name for entry in tmp_path.iterdir()} == before.keys() | {failing}


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, MemoryError, ValueError])
def test_any_interruption_cleans_up(tmp_path, interruption):
    def write(stream):
        stream.write(b"half")
        raise interruption

    with pytest.raises(interruption):
        write_atomically(tmp_path / "a.bin", write)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("where", "words"),
    [("file/a.ply", "really a file"), ("missing/a.ply", "does not exist"), ("folder", "is a folder"),
     ("x" * 300 + ".ply", "too long")],
)  # fmt: skip
def test_places_that_cannot_be_written(tmp_path, where, words):
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=words) as caught:
        write_atomically(tmp_path / where, put(b"new"))
    assert str(tmp_path / where) in str(caught.value)
    assert sorted(entry.name for entry in tmp_path.rglob("*")) == ["file", "folder"]
    assert (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.parametrize(("code", "words"), [(errno.ENOSPC, "disk is full"), (errno.EIO, "choose another")])
def test_failure_at_the_last_moment(tmp_path, monkeypatch, code, words):
    path = tmp_path / "a.ply"
    path.write_bytes(b"old")

    def fail(handle):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InputError, match=words):
        write_mesh(big_mesh(), path)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("suffix", [".obj", ".ply"])
def test_file_size_limit_of_the_account(tmp_path, suffix):
    """A real failing write, half way through the file."""
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"old")
    script = f"""
import pathlib, resource
import numpy as np
from nmf_model.errors import InputError
from nmf_model.io.meshes import write_mesh
from nmf_model.types import Mesh
from tests.support.disks import contents, mounted
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    write_mesh(Mesh(np.ones((4000, 3)), np.ones((8000, 3), dtype=int)), pathlib.Path({str(path)!r}))
except InputError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert "could not be written: it would be larger" in done.stdout, done.stderr
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("suffix", EXPORT_SUFFIXES)
def test_full_disk(tmp_path, suffix):
    with mounted(tmp_path / "disk", "size=64k") as disk:
        (disk / f"a{suffix}").write_bytes(b"old")
        with pytest.raises(InputError, match="disk is full"):
            write_mesh(big_mesh(), disk / f"a{suffix}")
        assert (disk / f"a{suffix}").read_bytes() == b"old"
        assert len(list(disk.iterdir())) == 1


def test_read_only_disk(tmp_path):
    with mounted(tmp_path / "disk", "size=64k,ro") as disk, pytest.raises(InputError, match="read-only"):
        write_mesh(big_mesh(), disk / "a.ply")


def test_write_protected_file(tmp_path):
    path = tmp_path / "a.ply"
    path.write_bytes(b"old")
    path.chmod(0o444)
    if os.access(path, os.W_OK):
        pytest.skip("the superuser may write everything")
    with pytest.raises(InputError, match="write-protected"):
        write_mesh(big_mesh(), path)
    assert path.read_bytes() == b"old"


def test_a_link_keeps_pointing_to_the_file(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.bin").write_bytes(b"old")
    (tmp_path / "link.bin").symlink_to(tmp_path / "real" / "a.bin")
    write_atomically(tmp_path / "link.bin", put(b"new"))
    assert (tmp_path / "link.bin").is_symlink()
    assert (tmp_path / "real" / "a.bin").read_bytes() == b"new"


OUTLIVED = """
import sys, threading, time
from pathlib import Path
from nmf_model.io.atomic import FileGroup

started, folder = threading.Event(), Path(sys.argv[1])

def work():
    with FileGroup() as group:
        group.write(folder / "a.mtl", lambda stream: stream.write(b"new"))
        group.write(folder / "a.obj", lambda stream: (stream.write(b"new"), started.set(), time.sleep(60)))

threading.Thread(target=work, daemon=True).start()
started.wait()
"""


def test_a_process_that_ends_around_a_thread_leaves_no_temporary_file(tmp_path):
    (tmp_path / "a.obj").write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", OUTLIVED, str(tmp_path)], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 0
    assert contents(tmp_path) == {"a.obj": b"old"}


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps permissions elsewhere")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o666])
def test_permissions_of_what_is_replaced_stay(tmp_path, mode):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    path.chmod(mode)
    seen = []
    write_atomically(path, put(b"new"), lambda written: seen.append(written.stat().st_mode & 0o077 & ~mode))
    assert (path.read_bytes(), path.stat().st_mode & 0o777, seen) == (b"new", mode, [0])


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps permissions elsewhere")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_new_files_follow_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "a.bin", put(b"new"))
    finally:
        os.umask(before)
    assert (tmp_path / "a.bin").stat().st_mode & 0o777 == 0o666 & ~mask
