"""Write a file, or several that belong together, completely or not at all."""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import secrets
import shutil
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

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
_PATIENCE_S = 10.0  # with a disk that does not answer
_unfinished: set[Path] = set()
_taking_names = threading.RLock()
"""Held while temporary files are made and while files take their names; for good once the process ends."""


def make_folder(path: Path) -> None:
    """Make a folder and those above it, if they are not there.

    Raises:
        InputError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {path} cannot be made: {error.strerror}.") from error


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
    with FileGroup() as group:
        group.write(path, write, verify)


def require_place(path: Path) -> None:
    """Raise InputError if no file can be written there: ask before what takes long to make."""
    target = _free(path)
    with _explained(path), tempfile.TemporaryFile(dir=target.parent):
        pass


class _Staged(NamedTuple):
    """A file that waits for its name: what it is called in messages, what it will replace, where it is."""

    path: Path
    target: Path
    temporary: Path


class FileGroup:
    """Files that belong together, such as a mesh and its picture: all of them take their names, or none.

    What is written within ``with`` lies beside its target until the block ends without an error; only then
    are the targets replaced, in the order of writing. Whatever fails, also at the last of them, older files
    are as they were and no temporary file is left, not even where the process ends around a thread that
    writes. What replaces a file has its permissions.
    """

    def __init__(self) -> None:
        self._staged: list[_Staged] = []

    def __enter__(self) -> FileGroup:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                with _taking_names:
                    self._replace_all()
        finally:
            # Already renamed, or never created: then there is nothing to remove.
            for file in self._staged:
                _remove(file.temporary)
                _unfinished.discard(file.temporary)

    def write(
        self,
        path: Path,
        write: Callable[[BinaryIO], object],
        verify: Callable[[Path], None] | None = None,
    ) -> Path:
        """Write one of the files, force it to disk and verify it; arguments as of ``write_atomically``.

        Returns:
            where its content lies until the group is complete; the suffix is the target's.

        Raises:
            InputError: the file cannot be written here; one sentence says why and what to do.
        """
        target = _free(path)
        temporary = _new_name(target)
        self._staged.append(_Staged(path, target, temporary))
        mode = _mode(target)
        with _explained(path):
            with _created(temporary, is_private=mode is not None) as stream:
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
            if verify is not None:
                verify(temporary)
        if mode is not None:
            with contextlib.suppress(OSError):  # some file systems have no permissions
                os.chmod(temporary, mode)
        return temporary

    def write_text(self, path: Path, text: str) -> Path:
        """Write one of the files as UTF-8; see ``write``."""
        return self.write(path, lambda stream: stream.write(text.encode("utf-8")))

    def _replace_all(self) -> None:
        """Rename every file over its target; if one cannot be, those before it get their old content back."""
        kept: dict[Path, Path] = {}
        replaced: list[Path] = []
        try:
            # After the last rename nothing can fail any more, so what the last one replaces is not kept.
            for file in self._staged[:-1]:
                with _explained(file.path):
                    kept |= _second_name(file.target)
            for file in self._staged:
                with _explained(file.path):
                    os.replace(file.temporary, file.target)
                replaced.append(file.target)
        except BaseException:
            if len(replaced) < len(self._staged):
                _put_back(replaced, kept)
            raise
        finally:
            for older in kept.values():
                _remove(older)
        for folder in {file.target.parent for file in self._staged}:
            _sync_folder(folder)


def _free(path: Path) -> Path:
    """Return what a path stands for, unless what is there is to stay."""
    target = Path(os.path.realpath(path))
    if os.path.isdir(target):
        raise InputError(f"{path} could not be written: {_REMEDIES[errno.EISDIR]}.")
    if os.path.exists(target) and not os.access(target, os.W_OK):
        # Renaming over it would succeed, but a write-protected file is meant to stay.
        raise InputError(f"{path} could not be written: it is write-protected; choose another name.")
    return target


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what the system says of a file into one sentence that names it."""
    try:
        yield
    except OSError as error:
        reason = _REMEDIES.get(error.errno or 0, f"{error.strerror or error}; choose another folder")
        raise InputError(f"{path} could not be written: {reason}.") from error


def _created(temporary: Path, *, is_private: bool) -> BinaryIO:
    """Open a new file; what replaces a private one is private from its first byte on."""
    opener = partial(os.open, mode=0o600) if is_private else None
    with _taking_names:
        stream = open(temporary, "xb", opener=opener)  # noqa: SIM115  the caller closes it
        _unfinished.add(temporary)
        return stream


@atexit.register
def _leave_nothing_unfinished() -> None:
    """Remove what a thread is still writing that the end of the process stops; what takes its name may."""
    if _taking_names.acquire(timeout=_PATIENCE_S):
        for temporary in list(_unfinished):
            _remove(temporary)


def _new_name(target: Path) -> Path:
    return target.with_name(f".nmf-{secrets.token_hex(6)}{target.suffix}")


def _mode(path: Path) -> int | None:
    """Return the permissions of a file; None if it is not there."""
    return stat.S_IMODE(os.stat(path).st_mode) if os.path.exists(path) else None


def _second_name(target: Path) -> dict[Path, Path]:
    """Give a file another name too, by which its content outlives a rename over it; {} if there is none."""
    if not os.path.exists(target):
        return {}
    second = _new_name(target)
    try:
        os.link(target, second)
    except OSError:
        # Some file systems have no hard links.
        try:
            shutil.copy2(target, second)
        except BaseException:
            _remove(second)
            raise
    return {target: second}


def _put_back(targets: list[Path], kept: dict[Path, Path]) -> None:
    """Give each target its older file back, by its second name; one that had none is removed."""
    for target in targets:
        if target not in kept:
            _remove(target)
            continue
        try:
            os.replace(kept[target], target)
        except OSError:
            del kept[target]  # better a file of a strange name than none


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut where the system allows it; the file is complete anyway."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
