"""What a run without a window says: progress and errors on stderr, results on stdout."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, cast

from nmf_model.output_stream import OutputStream, reader_left
from nmf_model.words import counted

if TYPE_CHECKING:
    from nmf_model.types import FlowFrame, QualityReport


class OnFrame(Protocol):
    """Takes note of a frame of work in progress."""

    def __call__(self, frame: FlowFrame) -> None:
        """Show how far the work is."""


class Console:
    """Speaks to the user, or only of errors if ``quiet``.

    Nothing here raises because a stream is closed or full: what cannot be printed is no reason to stop.
    """

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._out = OutputStream(sys.stdout)
        self._err = OutputStream(sys.stderr)

    @property
    def lost_lines(self) -> bool:
        """Whether standard output failed, other than by a reader who left, as "head" does."""
        return self._out.fault is not None and not reader_left(self._out.fault)

    def error(self, sentence: str) -> None:
        """Print one line, whatever the sentence contains."""
        self._err.print(f"nmf: {_one_line(sentence)}")

    def trace(self) -> None:
        """Print where the exception that is being handled came from."""
        self._err.print(traceback.format_exc().rstrip())

    def line(self, text: str) -> None:
        """Print one line as it is; if that fails for the first time, say so on standard error."""
        if self._quiet:
            return
        fault = self._out.print(text)
        if fault is not None and not reader_left(fault):
            reason = fault.strerror or fault
            self.error(f"the output could not be printed ({reason}); the work goes on without it.")

    def result(
        self,
        source: Path,
        output: Path,
        report: QualityReport,
        notes: Sequence[str],
        certified: bool = False,
    ) -> None:
        """Print what was written, what is true of it, and what the user should know.

        ``certified`` says that a certificate was written, which calls only a sound mesh certified.
        """
        self.line(
            f"{source.name}: wrote {output} ({counted(report.vertices, 'vertex', 'vertices')}, "
            f"{counted(report.faces, 'face', 'faces')}, "
            f"by {report.method} in {report.seconds or 0.0:.1f} s): {verdict(report)}"
            f"{'; certified' if certified and report.is_sound else '; NOT certified' if certified else ''}."
        )
        solid = getattr(report, "solid", None)
        if solid is not None:
            from nmf_model.checks import solid_facts

            self.line(f"  solid: {solid_facts(solid)}.")
        for note in notes:
            self.line(f"  note: {_one_line(note)}")

    @contextmanager
    def progress(self, title: str) -> Iterator[OnFrame]:
        """Show a bar on a terminal, a line for each stage elsewhere, nothing if quiet."""
        if self._quiet:
            yield _ignore
        elif self._err.isatty():
            with _bar(title, self._err) as on_frame:
                yield on_frame
        else:
            yield _stage_lines(title, self._err)


def verdict(report: QualityReport) -> str:
    """Say in words how sound a mesh is: "closed, one piece, genus 0, facing outward, no faces cross"."""
    bad_joints = report.nonmanifold_edges + report.nonmanifold_vertices
    genus = (2 * report.components - report.euler_characteristic) // 2
    return ", ".join(
        [
            "closed" if report.watertight else "not closed",
            "one piece" if report.components == 1 else f"{report.components:,} pieces",
            *([f"genus {genus}"] if report.watertight else []),
            _orientation(report),
            *_some(bad_joints, "non-manifold joint", "non-manifold joints"),
            *(_some(report.self_intersecting_faces, "face crosses", "faces cross") or ["no faces cross"]),
            *_some(report.degenerate_faces, "collapsed face", "collapsed faces"),
            *_some(report.coincident_vertices, "doubled vertex", "doubled vertices"),
        ]
    )


def _some(number: int, one: str, many: str) -> list[str]:
    return [counted(number, one, many)] if number else []


def _orientation(report: QualityReport) -> str:
    if not report.winding_consistent:
        return "faces point both ways"
    return "facing outward" if report.outward else "facing inward"


def _ignore(frame: FlowFrame) -> None:
    pass


def _stage_lines(title: str, stream: OutputStream) -> OnFrame:
    seen = ""

    def on_frame(frame: FlowFrame) -> None:
        nonlocal seen
        if frame.stage != seen:
            seen = frame.stage
            stream.print(f"{title}: {frame.stage}")

    return on_frame


@contextmanager
def _bar(title: str, stream: OutputStream) -> Iterator[OnFrame]:
    from rich.console import Console as Terminal
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(escape(title)),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )
    terminal = Terminal(file=cast(IO[str], stream))
    with Progress(*columns, console=terminal, transient=True) as bar:
        task = bar.add_task("Reading", total=1.0)

        def on_frame(frame: FlowFrame) -> None:
            bar.update(task, completed=frame.fraction, description=frame.stage)

        yield on_frame


def _one_line(text: str) -> str:
    return " ".join(text.split())
