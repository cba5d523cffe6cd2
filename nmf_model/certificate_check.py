"""Compare the certificates in a file and beside it with what was found on measuring the file anew."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmf_model.certificate import certificate_path, file_sha256, finite, read_certificate, texture_sha256
from nmf_model.checks import CheckLine
from nmf_model.errors import InputError
from nmf_model.io.meshes import load_surface
from nmf_model.io.notes import read_note
from nmf_model.io.opening import reading
from nmf_model.io.paint import load_paint
from nmf_model.types import Mesh, QualityReport, TetMesh

_MEASURED_FROM_INPUT = ("chamfer_l2", "method", "seconds", "nfe", "seed")
_ROUNDING = 1e-9
_EMBEDDED = "The certificate in the file"


@dataclass(frozen=True)
class Found:
    """What was found in a file.

    Attributes:
        path: the file.
        geometry: as it is judged.
        sha256: of the geometry.
        report: measured now.
    """

    path: Path
    geometry: Mesh | TetMesh
    sha256: str
    report: QualityReport

    @property
    def thing(self) -> str:
        """What the file holds, in a word."""
        return "mesh" if isinstance(self.geometry, Mesh) else "solid"

    def texture_sha256(self) -> str | None:
        """Return the hash of the file's one texture; None if there is none, or several."""
        surface = reading(self.path, lambda: load_surface(self.path))
        paint = load_paint(self.path, surface)
        return texture_sha256(paint.textures[0]) if paint is not None and len(paint.textures) == 1 else None


def judge_certificates(found: Found) -> tuple[tuple[CheckLine, ...], tuple[str, ...]]:
    """Return a line for each certificate of a file, good if it is true, and sentences that decide nothing.

    Raises:
        InputError: the file or a certificate cannot be read.
    """
    path = found.path
    judged, notes = [], []
    inside = reading(path, lambda: read_note(path))
    if inside is not None:
        judged.append(_judge(_EMBEDDED, inside, found))
    beside = certificate_path(path)
    if beside.is_file():
        name = f"The certificate beside it ({beside.name})"
        text = reading(beside, lambda: beside.read_text("utf-8", errors="replace"))
        owner = _names_another(text, found)
        if owner:
            notes.append(f"{beside.name} speaks of {owner}, not of this file.")
        else:
            judged.append(_judge(name, text, found))
            notes += _bytes_note(text, path) if judged[-1].good else []
    if not judged:
        notes.append(f"There is no certificate for this file; its {found.thing} was checked all the same.")
    return tuple(judged), tuple(notes)


def _names_another(text: str, found: Found) -> str:
    """Return the other file that a certificate speaks of: two formats of one stem share its place."""
    try:
        values = read_certificate(text)
    except InputError:
        return ""
    owner = values.get("file")
    same = owner == found.path.name or values["geometry_sha256"] == found.sha256
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


def _judge(name: str, text: str, found: Found) -> CheckLine:
    meaning = (
        "The hash of the geometry and the facts in the certificate are compared with those measured now."
    )
    try:
        values = read_certificate(text)
    except InputError:
        return CheckLine(False, f"{name} is damaged", meaning)
    fault = _difference(values, found)
    if fault:
        return CheckLine(False, f"{name} {fault}", meaning)
    word = "certified" if values["certified"] else "not certified"
    return CheckLine(True, f"{name} fits: {word} by {values.get('program', 'an unknown program')}", meaning)


def _difference(values: dict[str, Any], found: Found) -> str:
    """Say how a certificate differs from what was measured; "" if it does not."""
    claimed = values["report"]
    if values["geometry_sha256"] != found.sha256:
        return _other_geometry(claimed, found)
    if values["certified"] != found.report.is_sound:
        return (
            f"calls the {found.thing} certified, which it is not"
            if values["certified"]
            else f"calls a sound {found.thing} unsound"
        )
    for key, measured in finite(found.report).items():
        if key not in _MEASURED_FROM_INPUT and not _equal(claimed.get(key), measured):
            return f"is wrong: it says {key} = {claimed.get(key)}, measured was {measured}"
    if "texture_sha256" in values and values["texture_sha256"] != found.texture_sha256():
        return "is of another texture: since it was written, the picture was changed or taken away"
    return ""


def _other_geometry(claimed: dict[str, Any], found: Found) -> str:
    measured = found.report.to_dict()
    names = ("vertices", "faces") if isinstance(found.geometry, Mesh) else ("vertices", "tetrahedra")
    wanted, counted = ([values.get(name) for name in names] for values in (claimed, measured))
    thing = "surface" if isinstance(found.geometry, Mesh) else "solid"
    if wanted == counted:
        return f"is of another {thing}: since it was written, vertices were moved or {names[1]} changed"
    return (
        f"is of another {thing}: it speaks of {wanted[0]} vertices and {wanted[1]} {names[1]}, "
        f"the file has {counted[0]} and {counted[1]}"
    )


def _equal(claimed: object, measured: object) -> bool:
    if isinstance(claimed, float) and isinstance(measured, float):
        # Sums of areas depend on the processor in their last digits.
        return math.isclose(claimed, measured, rel_tol=_ROUNDING)
    return claimed == measured
