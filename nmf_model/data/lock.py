"""Let one process at a time work in a folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from nmf_model.errors import InputError

LOCK_FILE = ".prepare.lock"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder, made if it is missing, while the block runs.

    The system lets go of the lock when the process ends, however it ends, so the file that a killed one
    leaves is no obstacle.

    Raises:
        InputError: another process holds the folder, or nothing can be written there.
    """
    lock = FileLock(folder / LOCK_FILE, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise InputError(
            f"Another prepare is at work in {folder}; wait until it has ended, or choose another folder."
        ) from error
    except OSError as error:
        raise InputError(f"{folder} cannot be prepared into ({error}); choose another folder.") from error
    try:
        yield
    finally:
        # Removed while it is still held; a folder that got nothing goes too.
        with contextlib.suppress(OSError):
            Path(lock.lock_file).unlink()
            folder.rmdir()
        lock.release()
