"""Let one process at a time work in a folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from nmf_model.errors import InputError

LOCK_FILE = ".prepare.lock"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder, made if it is missing, while the block runs.

    The system lets go of the lock when the process ends, however it ends, so the file that a killed one
    leaves is no obstacle; the number in it is there for the sentence alone.

    Raises:
        InputError: another process holds the folder, or nothing can be written there.
    """
    path = folder / LOCK_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder} cannot be prepared into ({error}); choose another folder.") from error
    with stream:
        if not _taken(stream, path):
            stream.seek(0)
            number = stream.read().strip() or "unknown"
            raise InputError(
                f"Another prepare (process {number}) is at work in {folder}; wait until it has ended, or "
                "choose another folder."
            )
        stream.truncate(0)
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        try:
            yield
        finally:
            # Removed while it is still held; a folder that got nothing goes too.
            with contextlib.suppress(OSError):
                path.unlink()
                folder.rmdir()


def _taken(stream: TextIO, path: Path) -> bool:
    """Lock an open file; False if somebody else has, or has just removed it."""
    try:
        import fcntl
    except ImportError:  # a system without such locks
        return True
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # some network folders know no locks
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except OSError:
        return False
