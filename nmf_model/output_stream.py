"""Standard output and error that stop no work: a reader may leave, as "head" does, and a disk be full."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import Any, TextIO


class OutputStream:
    """Standard output or error, or None where there is none; once it fails, what is written to it is lost.

    Nothing here raises. ``fault`` is why it failed.
    """

    def __init__(self, stream: TextIO | None) -> None:
        # While a live line is shown, rich puts a stream of its own there, which would come back here.
        self._stream: TextIO | None = getattr(stream, "rich_proxied_file", stream)
        self.fault: OSError | None = None

    def print(self, text: str) -> OSError | None:
        """Write a line; return why that fails, if this is the first one that does."""
        before = self.fault
        self.write(f"{text}\n")
        return self.fault if before is None else None

    def write(self, text: str) -> int:
        """Write at once: what is left in a buffer would fail where nobody looks, when Python ends."""
        if self._stream is not None and self.fault is None:
            try:
                self._stream.write(text)
                self._stream.flush()
            except OSError as error:
                self.fault = error
                _drain(self._stream)
        return len(text)

    def flush(self) -> None:
        """Do nothing: everything is written at once."""

    def isatty(self) -> bool:
        """Whether a person looks at it."""
        return self._stream is not None and self._stream.isatty()

    def __getattr__(self, name: str) -> Any:
        # What else rich wants to know of a file, such as its encoding.
        return getattr(self._stream, name)


def reader_left(error: OSError) -> bool:
    """Whether a stream failed only because nobody reads it any more."""
    # Windows calls a pipe without a reader an invalid argument.
    return isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)


def _drain(stream: TextIO) -> None:
    """Let the text that is stuck in a stream run off, or Python would change the exit code when it ends."""
    with suppress(OSError, ValueError), open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), stream.fileno())
