"""Small disks of their own, and what lies on them."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, options: str):
    """Make a disk in memory at ``folder`` while the block runs; where that is not allowed, skip the test."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("mounting needs the superuser")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file in a folder by its name."""
    return {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}
