"""Check any mesh file again, ours or not, and whatever certificate it carries or lies beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nmf_model.certificate import certificate_path, file_sha256, finite, geometry_sha256, read_certificate
from nmf_model.checks import CheckLine, check_lines
from nmf_model.errors import InputError
from nmf_model.geometry.coincidence import merge_coincident
from nmf_model.geometry.defects import find_defects
from nmf_model.io.meshes import read_mesh
from nmf_model.io.notes import read_note
from nmf_model.io.opening import reading
from nmf_model.quality import inspect_mesh
from nmf_model.types import Mesh, QualityReport

_MEASURED_FROM_INPUT = ("chamfer_l2", "method", "seconds", "nfe", "seed")
_ROUNDING = 1e-9
_EMBEDDED = "The certificate in the file"


@dataclass(frozen=True)
class Verification:
    """What was found on checking one file.

    Attributes:
        path: the mesh.
        report: measured now; what only a reconstruction knows is None.
        mesh_lines: one line a check of the mesh itself.
        certificate_lines: one line a certificate that was found.
        notes: sentences that decide nothing.
    """

    path: Path
    report: QualityReport
    mesh_lines: tuple[CheckLine, ...]
    certificate_lines: tuple[CheckLine, ...]
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the mesh is sound and every certificate of it is true."""
        return self.report.is_sound and all(line.good for line in self.certificate_lines)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        lines = (*self.mesh_lines, *self.certificate_lines)
        return {
            "file": str(self.path),
            "passed": self.passed,
            "sound": self.report.is_sound,
            "checks": [{"good": line.good, "text": line.text} for line in lines],
            "notes": list(self.notes),
            "report": finite(self.report),
        }


def verify(path: Path) -> Verification:
    """Read a mesh file, measure it, and compare with its certificates.

    Nothing is merged or repaired first, except that STL, which has no shared vertices, is joined at equal
    positions.

    Raises:
        InputError: the file cannot be read as a mesh; one sentence says why.
    """
    mesh = read_mesh(path)
    if not np.isfinite(mesh.vertices).all():
        raise InputError(
            f"{path.name} has NaN or infinite coordinates and cannot be checked; export it again."
        )
    report = inspect_mesh(mesh)
    defects = None if report.is_sound else find_defects(mesh.vertices, mesh.faces, with_crossings=False)
    judged, notes = _certificates(path, mesh, report)
    return Verification(
        path, report, check_lines(report, defects), judged, (*_reading_notes(path, mesh, report), *notes)
    )


def _reading_notes(path: Path, mesh: Mesh, report: QualityReport) -> tuple[str, ...]:
    if path.suffix.lower() == ".stl":
        return ("STL has no shared vertices: corners at exactly the same position were joined first.",)
    if (
        report.coincident_vertices
        and inspect_mesh(Mesh(*merge_coincident(mesh.vertices, mesh.faces))).is_sound
    ):
        return ("With the vertices at equal positions joined, this mesh would be sound.",)
    return ()


def _certificates(
    path: Path, mesh: Mesh, report: QualityReport
) -> tuple[tuple[CheckLine, ...], tuple[str, ...]]:
    judged, notes = [], []
    inside = reading(path, lambda: read_note(path))
    if inside is not None:
        judged.append(_judge(_EMBEDDED, inside, mesh, report))
    beside = certificate_path(path)
    if beside.is_file():
        name = f"The certificate beside it ({beside.name})"
        text = reading(beside, lambda: beside.read_text("utf-8", errors="replace"))
        owner = _names_another(text, path, mesh)
        if owner:
            notes.append(f"{beside.name} speaks of {owner}, not of this file.")
        else:
            judged.append(_judge(name, text, mesh, report))
            notes += _bytes_note(text, path) if judged[-1].good else []
    if not judged:
        notes.append("There is no certificate for this file; its mesh was checked all the same.")
    return tuple(judged), tuple(notes)


def _names_another(text: str, path: Path, mesh: Mesh) -> str:
    """Return the other file that a certificate speaks of: two formats of one stem share its place."""
    try:
        values = read_certificate(text)
    except InputError:
        return ""
    owner = values.get("file")
    same = owner == path.name or values["geometry_sha256"] == geometry_sha256(mesh)
    return "" if same or not isinstance(owner, str) else owner


def _bytes_note(text: str, path: Path) -> list[str]:
    """Say whether the file is the very one that was certified, byte for byte."""
    try:
        wanted = read_certificate(text).get("file_sha256")
    except InputError:
        return []
    if wanted == reading(path, lambda: file_sha256(path)):
        return ["The file is byte for byte the one its certificate was written for."]
    return ["The file's bytes are not those its certificate was written for."]


def _judge(name: str, text: str, mesh: Mesh, report: QualityReport) -> CheckLine:
    meaning = "The hash of the surface and the facts in the certificate are compared with those measured now."
    try:
        values = read_certificate(text)
    except InputError:
        return CheckLine(False, f"{name} is damaged", meaning)
    fault = _difference(values, mesh, report)
    if fault:
        return CheckLine(False, f"{name} {fault}", meaning)
    word = "certified" if values["certified"] else "not certified"
    return CheckLine(True, f"{name} fits: {word} by {values.get('program', 'an unknown program')}", meaning)


def _difference(values: dict[str, Any], mesh: Mesh, report: QualityReport) -> str:
    """Say how a certificate differs from what was measured; "" if it does not."""
    claimed = values["report"]
    if values["geometry_sha256"] != geometry_sha256(mesh):
        return _other_surface(claimed, mesh)
    if values["certified"] != report.is_sound:
        return (
            "calls the mesh certified, which it is not"
            if values["certified"]
            else "calls a sound mesh unsound"
        )
    for key, measured in finite(report).items():
        if key not in _MEASURED_FROM_INPUT and not _equal(claimed.get(key), measured):
            return f"is wrong: it says {key} = {claimed.get(key)}, measured was {measured}"
    return ""


def _other_surface(claimed: dict[str, Any], mesh: Mesh) -> str:
    counts = (claimed.get("vertices"), claimed.get("faces"))
    if counts == (len(mesh.vertices), len(mesh.faces)):
        return "is of another surface: since it was written, vertices were moved or faces changed"
    return (
        f"is of another surface: it speaks of {counts[0]} vertices and {counts[1]} faces, "
        f"the file has {len(mesh.vertices)} and {len(mesh.faces)}"
    )


def _equal(claimed: object, measured: object) -> bool:
    if isinstance(claimed, float) and isinstance(measured, float):
        # Sums of areas depend on the processor in their last digits.
        return math.isclose(claimed, measured, rel_tol=_ROUNDING)
    return claimed == measured
