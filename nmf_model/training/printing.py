"""What the training commands print: a stream that nobody reads, or that is full, is no reason to stop."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import IO, Any, TextIO, cast

from rich.console import Console


def say(text: str) -> None:
    """Print a line, or several, on standard output."""
    _Stream(sys.stdout).write(f"{text}\n")


def complain(text: str) -> None:
    """Print a line on standard error."""
    _Stream(sys.stderr).write(f"{text}\n")


def terminal(*, stderr: bool = False) -> Console:
    """Return what draws bars and live lines on standard output or error, or writes plain lines to a file."""
    stream = cast(IO[str], _Stream(sys.stderr if stderr else sys.stdout))
    return Console(file=stream, highlight=False, soft_wrap=True, emoji=False)


class _Stream:
    """Standard output or error, or None where there is none; nothing here raises."""

    def __init__(self, stream: TextIO | None) -> None:
        # While a live line is shown, rich puts a stream of its own there, which would come back here.
        self._stream: TextIO | None = getattr(stream, "rich_proxied_file", stream)

    def write(self, text: str) -> int:
        """Write at once: what is left in a buffer would fail where nobody looks, when Python ends."""
        if self._stream is None:
            return len(text)
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError as error:
            _drain(self._stream)
            if self._stream is not sys.stderr and not _reader_left(error):
                reason = error.strerror or error
                complain(f"The output could not be printed ({reason}); the work goes on without it.")
        return len(text)

    def flush(self) -> None:
        """Do nothing: everything is written at once."""

    def isatty(self) -> bool:
        """Whether a person looks at it."""
        return self._stream is not None and self._stream.isatty()

    def __getattr__(self, name: str) -> Any:
        # What else rich wants to know of a file, such as its encoding.
        return getattr(self._stream, name)


def _drain(stream: TextIO) -> None:
    """Let what is stuck in a stream, and what is still to come, run off."""
    with suppress(OSError, ValueError), open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), stream.fileno())


def _reader_left(error: OSError) -> bool:
    # Windows calls a pipe without a reader an invalid argument.
    return isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)
