"""The words and numbers the user reads: pure functions, no Qt."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from nmf_app.session import BrokenSurface, Exported, Item, ItemState, Loaded, Outcome
from nmf_model.checks import CheckLine, check_lines, faults
from nmf_model.findings import notes_of
from nmf_model.types import Method, PointCloud, QualityReport, SolidReport, Source
from nmf_model.words import counted

METHOD_WORDS = {
    "auto": ("Automatic", "Asks the network first; then fits points, or checks a picture's outline."),
    "fit": ("Fit this shape", "Optimises a flow for this one shape; needs no training."),
    "network+fit": ("Network, then fit", "Starts from the network's answer and fits it to this one shape."),
    "silhouette": ("Silhouette", "Inflates the outline of a picture into a rounded body, then fits it."),
    "network": (
        "Trained network",
        "Predicts the shape with trained weights; for points, a few steps then bring it nearer to them.",
    ),
}
"""What each method is called and does: of those that can be chosen, and of what auto may have done."""

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


_LONG_WORD = re.compile(r"\S{17,}")
_PLACE_TO_WRAP = re.compile(r"[-_./\\](?=.)|[^-_./\\]{16}(?=.)")

_JOINTS, _CROSSINGS = 4, 5
_MARKS = {0: "open_edges", 3: "flipped_edges", _JOINTS: "crowded_edges", _CROSSINGS: "crossing_faces"}
"""The colours that mark the places of a fault in the view, by the number of its check."""

OTHER_WAYS: dict[str, tuple[Method, str]] = {
    "network": ("silhouette", "Show the inflated outline instead"),
    "silhouette": ("network", "Show what the network sees instead"),
}
"""For each method a picture was reconstructed with, the other one and the words that offer it."""


def other_way(item: Item | None) -> tuple[Method, str] | None:
    """Return the other method for a picture that was reconstructed, and the words that offer it."""
    if item is None or item.outcome is None or item.loaded is None:
        return None
    if isinstance(item.loaded.source, PointCloud):
        return None
    return OTHER_WAYS.get(item.outcome.reconstruction.method)


def level_words(level: int | None) -> str:
    """Name a template level: "Fine · 10,242 vertices"."""
    if level is None:
        return "Automatic"
    return f"{_LEVEL_WORDS[level]} · {10 * 4**level + 2:,} vertices"


def shortened(name: str, limit: int) -> str:
    """Leave the middle of a long name out: its beginning and its ending tell most."""
    if len(name) <= limit:
        return name
    tail = (limit - 1) // 2
    return f"{name[: limit - 1 - tail]}…{name[len(name) - tail :]}"


def folders_apart(items: Sequence[Item]) -> dict[int, str]:
    """Return by key, for items whose title another file has too, the nearest folder that tells them apart."""
    titled: dict[str, set[Path]] = {}
    for item in items:
        titled.setdefault(item.title, set()).add(item.path)
    found = {}
    for item in items:
        others = titled[item.title] - {item.path}
        own = item.path.absolute().parts
        for back in range(2, len(own) + 1):
            if others and all(other.absolute().parts[-back:] != own[-back:] for other in others):
                found[item.key] = own[-back]
                break
    return found


def breakable(text: str) -> str:
    """Let long names wrap: after their joints, and anywhere in what has none.

    A label is as wide as its longest word, and would push what is beside it out of sight.
    """
    return _LONG_WORD.sub(lambda word: _PLACE_TO_WRAP.sub("\\g<0>\u200b", word[0]), text)


def duration(seconds: float) -> str:
    """Write a length of time: "8 s", "1:05 min", "1:02:03 h"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d} h"


def remaining(elapsed: float, fraction: float, reached: float) -> str:
    """Estimate the time left of a job, or nothing where that cannot be told.

    Args:
        elapsed: seconds since it began.
        fraction: how far it is.
        reached: after how many seconds it got there. What has long stood still does not tell how long it
            will go on: the same share of an ever longer time would be left, without an end.
    """
    if fraction < 0.03 or elapsed < 1.0:
        return ""
    left = reached / fraction - elapsed
    return f"about {duration(left)} left" if left >= 0.5 else ""


def number(value: float) -> str:
    """Write a measurement with four significant digits and no needless exponent."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if 1e-3 <= abs(value) < 1e9:
        digits = max(0, 3 - math.floor(math.log10(abs(value))))
        return f"{value:,.{digits}f}"
    return f"{value:.3e}"


def describe(source: Source) -> str:
    """Say what was read: "2,500 points", "642 vertices, 1,280 faces", "640 × 480 picture"."""
    if isinstance(source, PointCloud) and source.surface is not None:
        vertices, faces = len(source.surface.vertices), len(source.surface.faces)
        return f"{counted(vertices, 'vertex', 'vertices')}, {counted(faces, 'face', 'faces')}"
    if isinstance(source, PointCloud):
        return counted(len(source.points), "point", "points")
    height, width = source.rgba.shape[:2]
    return f"{width:,} × {height:,} picture"


def extent(source: Source) -> str:
    """Give a cloud's size in file units, or how a picture's object was found."""
    if isinstance(source, PointCloud):
        size = source.points.max(axis=0) - source.points.min(axis=0)
        return " × ".join(number(float(side)) for side in size)
    return f"Object found by {source.mask_source}" if source.mask_source else ""


def seal_words(report: QualityReport) -> tuple[str, str]:
    """Return the title of a result's seal and the line below it."""
    if report.is_sound:
        return "Certified", "Every check passed, on the mesh as read back from a file"
    wrong = ", ".join(text[:1].lower() + text[1:] for text in faults(report))
    return "Not certified", wrong


def seal_facts(report: QualityReport) -> str:
    """Return the facts behind a seal, one line each, for its tooltip."""
    lines = [f"{'✓' if line.good else '✗'}  {line.text}: {line.meaning}" for line in check_lines(report)]
    return "\n".join([*lines, "", "The option --verify checks an exported file again."])


def broken_lines(surface: BrokenSurface) -> tuple[tuple[str, CheckLine], ...]:
    """Return what is wrong with a dropped mesh, each with the name of the colour it is marked in, or ""."""
    # Holes spoil the Euler number as well, which would tell a person nothing new.
    skipped = {2} if len(surface.defects.open_edges) else set()
    # Faces that repeat others are bad joints without an edge to mark; they are marked as crossing.
    colours = {**_MARKS, _JOINTS: "crowded_edges" if surface.marks_joints else ""}
    lines = enumerate(check_lines(surface.report, surface.defects))
    return tuple(
        (colours.get(number, ""), line) for number, line in lines if not line.good and number not in skipped
    )


def broken_explanation(surface: BrokenSurface) -> str:
    """Say what the colours beside the faults mean, where there are any, and what can be done."""
    marked = [bool(mark) for mark, _ in broken_lines(surface)]
    places = "the places" if all(marked) else "the places of what has a dot"
    colours = f"The view marks {places} in these colours. " if any(marked) else ""
    return f"{colours}Repair by wrapping makes a new closed surface around the outside."


def input_notes(item: Item) -> tuple[str, ...]:
    """Return what is to be said of a file that was read, each fact once."""
    if item.loaded is None:
        return ()
    loaded, source = item.loaded, item.loaded.source
    elsewhere: set[str] = set()
    if isinstance(source, PointCloud) and source.surface is not None:
        defects = source.surface.defects
        # The faults of a broken mesh have a list of their own until there is a result.
        if loaded.broken is not None and item.outcome is None:
            elsewhere |= set(defects.sentences())
        if loaded.bodies == defects.pieces:
            elsewhere.add(defects.in_pieces)
    notes = (*loaded.remarks, *(note for note in source.notes if note not in elsewhere))
    return (*notes, *([item.sentence] if item.sentence else []))


def result_lines(report: QualityReport, marked: bool) -> tuple[tuple[str, CheckLine], ...]:
    """Return the checks of a result, each with the name of the colour its places are marked in, or "".

    Of a result only crossing faces are marked, if they are.
    """
    return tuple(
        (_MARKS[number] if marked and number == _CROSSINGS and not line.good else "", line)
        for number, line in enumerate(check_lines(report))
    )


def broken_sentence(title: str, surface: BrokenSurface) -> str:
    """Say what is wrong with a dropped mesh and what can be done."""
    wrong = ", ".join(line.text[:1].lower() + line.text[1:] for _, line in broken_lines(surface))
    return f"“{title}” is not sound: {wrong}. Repair by wrapping makes a new closed surface around it."


def facts(outcome: Outcome, report: QualityReport) -> tuple[tuple[str, str], ...]:
    """List the numbers of a result as (name, value) pairs: those of its mesh as the report found it.

    Of an exported file the lengths can be in other units than the result's.
    """
    result = outcome.reconstruction
    rows = [
        ("Vertices", f"{report.vertices:,}"),
        ("Faces", f"{report.faces:,}"),
        ("Gap to the input", gap(report)),
        ("Area", number(report.area)),
        ("Volume", number(report.volume)),
        ("Method", METHOD_WORDS.get(result.method, (result.method, ""))[0]),
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
    known: set[str] = set()
    if item.loaded is not None:
        found = item.loaded.findings
        known = {*item.loaded.source.notes, *(notes_of(found) if found is not None else ())}
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
    crossings = f", {crossing:,} faces cross others" if crossing else ""
    solid = report.solid if isinstance(report, SolidReport) else None
    inside = ""
    if solid is not None:
        inside = f"{solid.tetrahedra:,} tetrahedra, {solid.inverted_tetrahedra or 'none'} inverted"
    word = ("certified" if report.is_sound else "not certified") if exported.certificate else ""
    words = " · ".join(filter(None, [verdict + crossings, inside, word]))
    return (
        f"Written and read back: {exported.path} · {report.vertices:,} vertices, "
        f"{report.faces:,} faces · {words}. {exported.warning}".strip()
    )
