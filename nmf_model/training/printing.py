"""What the training commands print: a stream that nobody reads, or that is full, is no reason to stop."""

from __future__ import annotations

import sys
from typing import IO, cast

from rich.console import Console

from nmf_model.output_stream import OutputStream, reader_left


def say(text: str) -> None:
    """Print a line, or several, on standard output."""
    _Told(sys.stdout).print(text)


def complain(text: str) -> None:
    """Print a line on standard error."""
    OutputStream(sys.stderr).print(text)


def terminal(*, stderr: bool = False) -> Console:
    """Return what draws bars and live lines on standard output or error, or writes plain lines to a file."""
    stream = cast(IO[str], OutputStream(sys.stderr) if stderr else _Told(sys.stdout))
    return Console(file=stream, highlight=False, soft_wrap=True, emoji=False)


class _Told(OutputStream):
    """A stream of which it is said once that it failed, unless nobody reads it any more."""

    def write(self, text: str) -> int:
        """Write at once."""
        before = self.fault
        length = super().write(text)
        if before is None and self.fault is not None and not reader_left(self.fault):
            reason = self.fault.strerror or self.fault
            complain(f"The output could not be printed ({reason}); the work goes on without it.")
        return length
