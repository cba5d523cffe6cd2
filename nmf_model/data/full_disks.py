"""Tell a disk that takes no more from an object that is broken."""

from __future__ import annotations

import errno

_OF_THE_DISK = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "your disk quota is used up; free some space",
    errno.EFBIG: "a file would be larger than this disk or account allows; choose another folder",
    errno.EIO: "the disk reports an error; check it",
    errno.EROFS: "the disk is read-only; choose another folder",
    # Libraries that count what was written, as numpy does, give no number.
    None: "not all of a file could be written; free some space",
}


def fault_of_disk(error: OSError) -> str | None:
    """Return why nothing can be written any more and what to do; None if an error is about one file alone."""
    return _OF_THE_DISK.get(error.errno)
