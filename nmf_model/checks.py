"""What a quality report says, line by line, in plain words, for the terminal, the window and files."""

from __future__ import annotations

from dataclasses import dataclass

from nmf_model.defects import Defects
from nmf_model.types import QualityReport, SolidFacts, SolidReport
from nmf_model.words import counted


@dataclass(frozen=True)
class CheckLine:
    """One line of the report: whether it holds, in plain words, and what it means."""

    good: bool
    text: str
    meaning: str


def check_lines(report: QualityReport, defects: Defects | None = None) -> tuple[CheckLine, ...]:
    """Turn a report into the lines a person wants to read, in order of importance.

    All lines are good if and only if the report ``is_sound``. Of a solid the last one is about its tetrahedra
    and the others are about its boundary.

    Args:
        report: the facts.
        defects: where the faults are, if known: the lines then count holes and tell them from bad joints.
    """
    closed = report.watertight if defects is None else len(defects.open_edges) == 0
    consistent = report.winding_consistent if defects is None else len(defects.flipped_edges) == 0
    joints = _joints(report, defects)
    solid = report.solid if isinstance(report, SolidReport) else None
    inside = () if solid is None else (_tetrahedra(solid),)
    return (
        CheckLine(closed, "Closed, no holes" if closed else _holes(defects),
                  "Every edge lies between exactly two faces."),
        CheckLine(report.components == 1,
                  "One piece" if report.components == 1 else _count(report.components, "separate piece"),
                  "All faces are connected."),
        CheckLine(report.euler_characteristic == 2, _genus(report),
                  "V − E + F = 2: the surface can be smoothed back into a ball."),
        CheckLine(consistent and report.outward, _orientation(report, defects),
                  "All triangles are counter-clockwise seen from outside."),
        CheckLine(not joints, joints or "Clean joints",
                  "No edge is shared by more than two faces, and no corner pinches (manifold)."),
        CheckLine(report.self_intersecting_faces == 0, _crossings(report.self_intersecting_faces),
                  "Tested exactly, face against face."),
        CheckLine(report.degenerate_faces == 0,
                  "No collapsed faces" if report.degenerate_faces == 0
                  else _count(report.degenerate_faces, "collapsed face"),
                  "Every triangle has an area."),
        CheckLine(report.coincident_vertices == 0,
                  "No doubled vertices" if report.coincident_vertices == 0
                  else f"{report.coincident_vertices:,} vertices at the place of another",
                  "No two vertices have the same position at the file's precision."),
        *inside,
    )  # fmt: skip


def faults(report: QualityReport, defects: Defects | None = None) -> tuple[str, ...]:
    """Return the words of the lines that do not hold; none for a sound mesh."""
    return tuple(line.text for line in check_lines(report, defects) if not line.good)


def statement(report: QualityReport) -> str:
    """Say in one sentence whether a mesh can be called certified, and if not, why."""
    wrong = faults(report)
    if wrong:
        return f"Not certified: {_phrase(wrong)}."
    return f"Certified: {_phrase([line.text for line in check_lines(report)])}."


def solid_facts(solid: SolidFacts) -> str:
    """Say in words what is inside a solid: "40,000 tetrahedra, none inverted, ..."."""
    inverted = f"{solid.inverted_tetrahedra:,}" if solid.inverted_tetrahedra else "none"
    return (
        f"{counted(solid.tetrahedra, 'tetrahedron', 'tetrahedra')}, {inverted} inverted, "
        f"smallest dihedral angle {solid.min_dihedral_degrees:.2f}° "
        f"(5 % below {solid.p5_dihedral_degrees:.1f}°, mean {solid.mean_dihedral_degrees:.1f}°), "
        f"volume {solid.solid_volume:.6g}"
    )


def _tetrahedra(solid: SolidFacts) -> CheckLine:
    inverted = solid.inverted_tetrahedra
    verb = "is" if inverted == 1 else "are"
    return CheckLine(
        inverted == 0,
        f"{inverted:,} of {solid.tetrahedra:,} tetrahedra {verb} inverted or flat"
        if inverted
        else "No inverted tetrahedra",
        "Tested exactly; inside a sound boundary it proves that the tetrahedra fill it without overlap.",
    )


def _phrase(texts: tuple[str, ...] | list[str]) -> str:
    return "; ".join(text[:1].lower() + text[1:] for text in texts)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _genus(report: QualityReport) -> str:
    if report.euler_characteristic == 2:
        return "No handles, like a sphere"
    handles = (2 * report.components - report.euler_characteristic) // 2
    # Of a surface with holes the number alone does not tell the handles.
    counted = report.watertight and handles > 0
    words = _count(handles, "handle") if counted else "Not like one sphere"
    return f"{words} (Euler {report.euler_characteristic})"


def _holes(defects: Defects | None) -> str:
    if defects is None:
        return "Has holes"
    return f"{_count(defects.holes, 'hole')} ({_count(len(defects.open_edges), 'open edge')})"


def _joints(report: QualityReport, defects: Defects | None) -> str:
    """Say how many joints are bad; nothing if all are clean."""
    edges = report.nonmanifold_edges if defects is None else len(defects.crowded_edges)
    bad, doubled = edges + report.nonmanifold_vertices, 0 if defects is None else len(defects.doubled_faces)
    repeats = f"{doubled:,} {'face repeats another one' if doubled == 1 else 'faces repeat others'}"
    return ", ".join([*([_count(bad, "bad joint")] if bad else []), *([repeats] if doubled else [])])


def _crossings(faces: int) -> str:
    if faces == 0:
        return "No faces cross"
    return f"{faces:,} {'face crosses' if faces == 1 else 'faces cross'} others"


def _orientation(report: QualityReport, defects: Defects | None) -> str:
    if defects is None and not report.winding_consistent:
        return "Neighbouring faces point opposite ways"
    if defects is not None and len(defects.flipped_edges):
        return f"Neighbouring faces point opposite ways along {_count(len(defects.flipped_edges), 'edge')}"
    return "Faces point outward" if report.outward else "Faces point inward"
