"""The words and numbers the user reads: pure functions, no Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nmf_app.session import Exported, Item, ItemState, Loaded, Outcome
from nmf_model.types import PointCloud, QualityReport, Source

METHODS = {
    "auto": ("Automatic", "Chooses by the kind of file and what is installed."),
    "fit": ("Fit this shape", "Optimises a flow for this one shape; needs no training."),
    "silhouette": ("Silhouette", "Inflates the outline of a picture into a rounded body, then fits it."),
    "network": ("Trained network", "Predicts the shape in one pass with trained weights."),
}

DEVICES = {"auto": "Automatic", "cpu": "Processor (CPU)", "cuda": "Graphics card (CUDA)"}

STATES = {
    ItemState.READING: "Reading",
    ItemState.READY: "Ready",
    ItemState.WAITING: "Waiting",
    ItemState.RUNNING: "Running",
    ItemState.DONE: "Done",
    ItemState.FAILED: "Failed",
    ItemState.CANCELLED: "Cancelled",
}

_LEVEL_WORDS = ("Tiny", "Very coarse", "Coarse", "Draft", "Medium", "Fine", "Very fine", "Extreme")


@dataclass(frozen=True)
class CheckLine:
    """One line of the report: whether it holds, in plain words, and what it means."""

    good: bool
    text: str
    meaning: str


def level_words(level: int | None) -> str:
    """Name a template level: "Fine · 10,242 vertices"."""
    if level is None:
        return "Automatic"
    return f"{_LEVEL_WORDS[level]} · {10 * 4**level + 2:,} vertices"


def duration(seconds: float) -> str:
    """Write a length of time: "8 s", "1:05 min", "1:02:03 h"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d} h"


def remaining(elapsed: float, fraction: float) -> str:
    """Estimate the time left of a job, or nothing while it is too early to say."""
    if fraction < 0.03 or elapsed < 1.0:
        return ""
    return f"about {duration(elapsed * (1 - fraction) / fraction)} left"


def number(value: float) -> str:
    """Write a measurement with four significant digits and no needless exponent."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if 1e-3 <= abs(value) < 1e9:
        digits = max(0, 3 - math.floor(math.log10(abs(value))))
        return f"{value:,.{digits}f}"
    return f"{value:.3e}"


def describe(source: Source) -> str:
    """Say what was read: "2,500 points", "640 × 480 picture"."""
    if isinstance(source, PointCloud):
        return f"{len(source.points):,} points"
    height, width = source.rgba.shape[:2]
    return f"{width:,} × {height:,} picture"


def extent(source: Source) -> str:
    """Give a cloud's size in file units, or how a picture's object was found."""
    if isinstance(source, PointCloud):
        size = source.points.max(axis=0) - source.points.min(axis=0)
        return " × ".join(number(float(side)) for side in size)
    return f"Object found by {source.mask_source}" if source.mask_source else ""


def check_lines(report: QualityReport) -> tuple[CheckLine, ...]:
    """Turn a report into the lines a person wants to read, in order of importance."""
    bad_joints = report.nonmanifold_edges + report.nonmanifold_vertices
    handles = (2 * report.components - report.euler_characteristic) // 2
    return (
        CheckLine(report.watertight, "Closed, no holes" if report.watertight else "Has holes",
                  "Every edge lies between exactly two faces."),
        CheckLine(report.components == 1,
                  "One piece" if report.components == 1 else f"{report.components:,} separate pieces",
                  "All faces are connected."),
        CheckLine(report.euler_characteristic == 2,
                  "No handles, like a sphere" if report.euler_characteristic == 2
                  else f"{max(handles, 0):,} handles (Euler {report.euler_characteristic})",
                  "V − E + F = 2: the surface can be smoothed back into a ball."),
        CheckLine(report.winding_consistent and report.outward,
                  "Faces point outward" if report.winding_consistent and report.outward
                  else "Some faces point inward",
                  "All triangles are counter-clockwise seen from outside."),
        CheckLine(bad_joints == 0,
                  "Clean joints" if bad_joints == 0 else f"{bad_joints:,} bad joints",
                  "No edge is shared by more than two faces, and no corner pinches (manifold)."),
        CheckLine(report.self_intersecting_faces == 0,
                  "No faces cross" if report.self_intersecting_faces == 0
                  else f"{report.self_intersecting_faces:,} faces cross others",
                  "Tested exactly, face against face."),
        CheckLine(report.degenerate_faces == 0,
                  "No collapsed faces" if report.degenerate_faces == 0
                  else f"{report.degenerate_faces:,} collapsed faces",
                  "Every triangle has an area."),
    )  # fmt: skip


def facts(outcome: Outcome) -> tuple[tuple[str, str], ...]:
    """List the numbers of a result as (name, value) pairs."""
    report, result = outcome.report, outcome.reconstruction
    rows = [
        ("Vertices", f"{report.vertices:,}"),
        ("Faces", f"{report.faces:,}"),
        ("Gap to the input", gap(report)),
        ("Area", number(report.area)),
        ("Volume", number(report.volume)),
        ("Method", METHODS.get(result.method, (result.method, ""))[0]),
        ("Time", duration(result.seconds)),
        ("Flow evaluations", f"{result.nfe:,}"),
    ]
    return tuple((name, value) for name, value in rows if value)


def gap(report: QualityReport) -> str:
    """Turn chamfer_l2 into the typical distance between mesh and input, as a share of the diameter."""
    if report.chamfer_l2 is None:
        return ""
    typical = math.sqrt(report.chamfer_l2 / 2)  # of a unit radius
    return f"{100 * typical / 2:.2f} % of size"


def result_notes(item: Item) -> tuple[str, ...]:
    """Return the notes of a result that were not already there when its file was read."""
    if item.outcome is None:
        return ()
    known = (*item.loaded.source.notes, *item.loaded.remarks) if item.loaded is not None else ()
    return tuple(note for note in item.outcome.reconstruction.notes if note not in known)


def loaded_sentence(title: str, loaded: Loaded) -> str:
    """Say that a file was read and what comes next."""
    return f"“{title}” was read: {describe(loaded.source)}. Press Reconstruct to begin."


def done_sentence(title: str, outcome: Outcome) -> str:
    """Say that a reconstruction is finished and whether its mesh is sound."""
    failed = [line.text.lower() for line in check_lines(outcome.report) if not line.good]
    verdict = ": every check passed" if not failed else ", but not perfect: " + ", ".join(failed)
    return f"“{title}” is done in {duration(outcome.reconstruction.seconds)}{verdict}."


def export_sentence(exported: Exported) -> str:
    """Say what was found on reading the written file back."""
    report = exported.report
    verdict = "closed, one piece, genus 0" if report.is_closed_sphere else "but it is not a closed sphere"
    crossing = report.self_intersecting_faces
    faults = f", {crossing:,} faces cross others" if crossing else ""
    return (
        f"Written and read back: {exported.path} · {report.vertices:,} vertices, "
        f"{report.faces:,} faces · {verdict}{faults}. {exported.warning}".strip()
    )
