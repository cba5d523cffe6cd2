"""What the controller needs of the outside, as protocols: tests stand in for them without a window."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nmf_app.jobs import Job
from nmf_app.session import Outcome, Parameters, ViewOptions
from nmf_model.types import LengthUnit


@dataclass(frozen=True)
class ExportChoice:
    """What the export dialog returned.

    Attributes:
        path: the file to write; its suffix chooses the format.
        scale: factor from the input's units to the file's.
        with_report: also write the quality report beside the mesh, as ``NAME.EXT.report.json``.
        with_certificate: also write the certificate, into the mesh and beside it.
        with_texture: bake the input's colours into a texture; only for formats that can hold one.
        unit: the file's, if lengths are converted to one; None leaves it at the input's, known or not.
    """

    path: Path
    scale: float = 1.0
    with_report: bool = False
    with_certificate: bool = True
    with_texture: bool = False
    unit: LengthUnit | None = None


class RunnerPort(Protocol):
    """Where jobs are sent."""

    def submit(self, job: Job) -> None:
        """Queue a job."""

    def cancel(self, job_id: int) -> None:
        """Stop one job."""

    def cancel_all(self) -> None:
        """Stop the running job and drop the waiting ones."""

    def waiting(self) -> int:
        """How many jobs have not begun."""

    def shutdown(self, timeout_s: float = 10.0) -> bool:
        """Cancel everything and wait for the worker."""


class DialogsPort(Protocol):
    """Questions to the user; each returns an empty answer when dismissed."""

    def choose_sources(self, folder: Path | None) -> list[Path]:
        """Ask for files to open."""

    def choose_export(
        self, outcome: Outcome, name: str, folder: Path | None, source: Path | None
    ) -> ExportChoice | None:
        """Ask where and how to write a mesh."""

    def choose_animation(self, name: str, folder: Path | None, source: Path | None) -> Path | None:
        """Ask where to write an animation."""

    def show_details(self, sentence: str, details: str) -> None:
        """Show what lies behind an error sentence."""


class SettingsPort(Protocol):
    """What is remembered between runs."""

    def save_recent(self, paths: tuple[Path, ...]) -> None:
        """Remember the recent files, newest first."""

    def save_parameters(self, parameters: Parameters) -> None:
        """Remember the parameters."""

    def save_view(self, view: ViewOptions) -> None:
        """Remember how things are drawn."""

    def folder(self) -> Path | None:
        """The folder last used in a dialog."""

    def save_folder(self, folder: Path) -> None:
        """Remember the folder last used in a dialog."""
