"""What has the name of a file and is none."""

from __future__ import annotations

from pathlib import Path

from nmf_model.errors import InputError


def refuse_pipe(path: Path) -> None:
    """Raise InputError for what is there but no file: opening a pipe waits for a writer, for ever perhaps."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError(f"{path.name} is a pipe or a device; save what comes out of it as a file first.")
