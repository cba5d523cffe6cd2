"""Write a file completely or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from nmf_model.errors import InputError

_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "your disk quota is used up; free some space or choose another folder",
    errno.EFBIG: "it would be larger than this disk or account allows; choose another folder",
    errno.EACCES: "there is no permission to write here; choose another folder",
    errno.EPERM: "there is no permission to write here; choose another folder",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.ENOENT: "the folder does not exist; create it or choose another one",
    errno.ENOTDIR: "its folder is really a file; choose another folder",
    errno.EISDIR: "it is a folder; give a file name",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


def write_text_atomically(path: Path, text: str) -> None:
    """Write a UTF-8 file, whole or not at all; see ``write_atomically``."""
    write_atomically(path, lambda stream: stream.write(text.encode("utf-8")))


def write_atomically(
    path: Path,
    write: Callable[[BinaryIO], object],
    verify: Callable[[Path], None] | None = None,
) -> None:
    """Write beside ``path``, force to disk, verify, then rename over ``path``.

    Whatever fails, the temporary file is removed and an older ``path`` is left as it was.

    Args:
        path: the target; a symbolic link is followed, so the file it points to is replaced.
        write: puts the content into the open temporary file.
        verify: re-reads the temporary file, which has the target's suffix, and raises if it is wrong.

    Raises:
        InputError: the file cannot be written here; one sentence says why and what to do.
    """
    target = Path(os.path.realpath(path))
    if os.path.isdir(target):
        raise InputError(f"{path} could not be written: {_REMEDIES[errno.EISDIR]}.")
    if os.path.exists(target) and not os.access(target, os.W_OK):
        # Renaming over it would succeed, but a write-protected file is meant to stay.
        raise InputError(f"{path} could not be written: it is write-protected; choose another name.")
    temporary = target.with_name(f".nmf-{secrets.token_hex(6)}{target.suffix}")
    try:
        with open(temporary, "xb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        if verify is not None:
            verify(temporary)
        os.replace(temporary, target)
    except OSError as error:
        reason = _REMEDIES.get(error.errno or 0, f"{error.strerror or error}; choose another folder")
        raise InputError(f"{path} could not be written: {reason}.") from error
    finally:
        # Already renamed, or never created: then there is nothing to remove.
        with contextlib.suppress(OSError):
            temporary.unlink()
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut where the system allows it; the file is complete anyway."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
