"""What a run without a window says: progress and errors on stderr, results on stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from nmf_model.types import FlowFrame, QualityReport


class OnFrame(Protocol):
    """Takes note of a frame of work in progress."""

    def __call__(self, frame: FlowFrame) -> None:
        """Show how far the work is."""


class Console:
    """Speaks to the user, or only of errors if ``quiet``."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet

    def error(self, sentence: str) -> None:
        """Print one line, whatever the sentence contains."""
        _print(f"nmf: {_one_line(sentence)}", to_stderr=True)

    def line(self, text: str) -> None:
        """Print one line as it is."""
        if not self._quiet:
            _print(text)

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
        if self._quiet:
            return
        _print(
            f"{source.name}: wrote {output} ({report.vertices:,} vertices, {report.faces:,} faces, "
            f"by {report.method} in {report.seconds or 0.0:.1f} s): {verdict(report)}"
            f"{'; certified' if certified and report.is_sound else '; NOT certified' if certified else ''}."
        )
        solid = getattr(report, "solid", None)
        if solid is not None:
            from nmf_model.checks import solid_facts

            _print(f"  solid: {solid_facts(solid)}.")
        for note in notes:
            _print(f"  note: {_one_line(note)}")

    @contextmanager
    def progress(self, title: str) -> Iterator[OnFrame]:
        """Show a bar on a terminal, a line for each stage elsewhere, nothing if quiet."""
        if self._quiet:
            yield _ignore
        elif sys.stderr.isatty():
            with _bar(title) as on_frame:
                yield on_frame
        else:
            yield _stage_lines(title)


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
            *([f"{bad_joints:,} non-manifold joints"] if bad_joints else []),
            f"{report.self_intersecting_faces or 'no'} faces cross",
            *([f"{report.degenerate_faces:,} collapsed faces"] if report.degenerate_faces else []),
            *([f"{report.coincident_vertices:,} doubled vertices"] if report.coincident_vertices else []),
        ]
    )


def _orientation(report: QualityReport) -> str:
    if not report.winding_consistent:
        return "faces point both ways"
    return "facing outward" if report.outward else "facing inward"


def _ignore(frame: FlowFrame) -> None:
    pass


def _stage_lines(title: str) -> OnFrame:
    seen = ""

    def on_frame(frame: FlowFrame) -> None:
        nonlocal seen
        if frame.stage != seen:
            seen = frame.stage
            _print(f"{title}: {frame.stage}", to_stderr=True)

    return on_frame


@contextmanager
def _bar(title: str) -> Iterator[OnFrame]:
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
    with Progress(*columns, console=Terminal(stderr=True), transient=True) as bar:
        task = bar.add_task("Reading", total=1.0)

        def on_frame(frame: FlowFrame) -> None:
            bar.update(task, completed=frame.fraction, description=frame.stage)

        yield on_frame


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _print(text: str, to_stderr: bool = False) -> None:
    stream = sys.stderr if to_stderr else sys.stdout
    print(text, file=stream, flush=True)
