"""Compare the certificates in a file and beside it with what was found on measuring the file anew.

What the file itself does not show (how far its mesh is from the input, the method, the seed, the date) cannot
be measured. Of that only contradictions are told: between the two certificates, within one, and between one
and its hash of itself.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmf_model.certificate import (
    ONLY_BESIDE,
    Field,
    Values,
    certificate_path,
    claimed_own_sha256,
    fields,
    file_sha256,
    finite,
    own_sha256,
    read_certificate,
    shared_certificate_path,
    texture_sha256,
)
from nmf_model.checks import CheckLine
from nmf_model.errors import InputError
from nmf_model.io.materials import missing_looks
from nmf_model.io.meshes import load_surface
from nmf_model.io.notes import read_note
from nmf_model.io.opening import reading
from nmf_model.io.paint import load_paint
from nmf_model.types import Mesh, QualityReport, TetMesh

_MEASURED_FROM_INPUT = ("chamfer_l2", "method", "seconds", "nfe", "seed")
_ROUNDING = 1e-9
_MOST_CONTRADICTIONS = 25
_MOST_LETTERS = 80
_ONLY_CLAIMED: dict[Field, str] = {
    ("report", "chamfer_l2"): "distance to the input",
    ("report", "method"): "method",
    ("settings", "method"): "method",
    ("settings", "level"): "level",
    ("report", "seed"): "seed",
    ("settings", "seed"): "seed",
    ("settings", "device"): "device",
    ("settings", "template_sha256"): "template",
    ("report", "nfe"): "evaluations of the flow",
    ("report", "seconds"): "time taken",
    ("input", "name"): "name of the input",
    ("input", "sha256"): "hash of the input",
    ("program",): "program",
    ("date",): "date",
}
"""What a mesh alone does not show, in words."""
_SAID_TWICE: tuple[tuple[Field, Field], ...] = (
    (("settings", "method"), ("report", "method")),
    (("settings", "seed"), ("report", "seed")),
)


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
        paint = load_paint(self.path, surface, missing_looks(self.path))
        return texture_sha256(paint.textures[0]) if paint is not None and len(paint.textures) == 1 else None


@dataclass(frozen=True)
class _Certificate:
    """One that was found, by a name to call it by; without values if it is damaged."""

    name: str
    values: Values | None


def judge_certificates(found: Found) -> tuple[tuple[CheckLine, ...], tuple[str, ...]]:
    """Return a line for each certificate of a file, good if it is true, and sentences that decide nothing.

    If there is one in the file and one beside it, a line follows for each field in which they contradict
    each other.

    Raises:
        InputError: the file or a certificate cannot be read.
    """
    inside = _inside(found.path)
    beside, notes = _beside(found.path)
    there = [certificate for certificate in (inside, beside) if certificate is not None]
    lines = [_judge(certificate, found) for certificate in there]
    if inside is not None and beside is not None:
        lines += _contradictions(inside.values or {}, beside.values or {})
    if not there:
        notes.append(f"There is no certificate for this file; its {found.thing} was checked all the same.")
    if beside is not None and beside.values is not None and all(line.good for line in lines):
        notes += _notes_on_the_file(beside.values, found.path)
    return tuple(lines), (*notes, *_trust(there, found))


def _inside(path: Path) -> _Certificate | None:
    text = reading(path, lambda: read_note(path))
    return None if text is None else _Certificate("The certificate in the file", _parsed(text))


def _beside(path: Path) -> tuple[_Certificate | None, list[str]]:
    """Return the certificate beside a file, and a sentence on one that is there but another file's."""
    place, shared = certificate_path(path), shared_certificate_path(path)
    if place.is_file():
        return _Certificate(f"The certificate beside it ({place.name})", _read(place)), []
    if not shared.is_file():
        return None, []
    # Any format of this stem may have left it there, so that its place does not say whose it is.
    values = _read(shared)
    if values is None:
        return None, [f"{shared.name} is damaged and does not say which file it speaks of."]
    if not _speaks_of(values, path):
        return None, [f"{shared.name} speaks of {_plain(values.get('file'))}, not of this file."]
    return _Certificate(f"The certificate beside it ({shared.name})", values), []


def _read(path: Path) -> Values | None:
    return _parsed(reading(path, lambda: path.read_text("utf-8", errors="replace")))


def _parsed(text: str) -> Values | None:
    """Return a certificate's values, or None if it is damaged."""
    try:
        return read_certificate(text)
    except InputError:
        return None


def _speaks_of(values: Values, path: Path) -> bool:
    return values.get("file") == path.name or _is_of_these_bytes(values, path)


def _is_of_these_bytes(values: Values, path: Path) -> bool:
    return bool(values.get("file_sha256") == reading(path, lambda: file_sha256(path)))


def _notes_on_the_file(values: Values, path: Path) -> list[str]:
    """Say whether the file is the very one that was certified, byte for byte, and what else is worth it."""
    notes = []
    if _is_of_these_bytes(values, path):
        notes.append("The file is byte for byte the one its certificate was written for.")
    else:
        notes.append("The file's bytes are not those its certificate was written for.")
    if values.get("file") != path.name:
        notes.append(f"The certificate calls this file {_plain(values.get('file'))}.")
    if claimed_own_sha256(values) is None:
        notes.append("The certificate beside it has no hash of itself, so that edits of it may not show.")
    return notes


def _trust(certificates: list[_Certificate], found: Found) -> list[str]:
    """Say which claims were not measured, in one sentence; nothing if none is made."""
    claimed: dict[Field, Any] = {}
    for certificate in certificates:
        claims = fields(certificate.values or {})
        claimed |= {place: value for place, value in claims.items() if value is not None}
    words = dict.fromkeys(word for place, word in _ONLY_CLAIMED.items() if place in claimed)
    if not words:
        return []
    return [
        f"Not measured, since the {found.thing} alone does not show it: {', '.join(words)}; "
        "in these the certificate is only as trustworthy as where it came from."
    ]


def _judge(certificate: _Certificate, found: Found) -> CheckLine:
    meaning = (
        "The hash of the geometry and the facts in the certificate are compared with those measured now, "
        "and its hash of itself with its text."
    )
    name, values = certificate.name, certificate.values
    if values is None:
        return CheckLine(False, f"{name} is damaged", meaning)
    fault = _difference(values, found) or _inner_contradiction(values) or _edit(values)
    if fault:
        return CheckLine(False, f"{name} {fault}", meaning)
    word = "certified" if values["certified"] else "not certified"
    return CheckLine(
        True, f"{name} fits: {word} by {_plain(values.get('program', 'an unknown program'))}", meaning
    )


def _contradictions(inside: Values, beside: Values) -> list[CheckLine]:
    """Return a bad line for each field in which two certificates of one file differ."""
    if not inside or not beside:
        return []
    if inside["geometry_sha256"] != beside["geometry_sha256"]:
        # All else follows from it.
        inside, beside = ({"geometry_sha256": values["geometry_sha256"]} for values in (inside, beside))
    there, here = fields(inside), fields(beside)
    differing = [
        place
        for place in {**there, **here}
        if _text(there, place) != _text(here, place) and not (place in ONLY_BESIDE and place not in there)
    ]
    lines = [
        f"The two certificates contradict each other: {_field(place)} is {_shown(there, place)} in the file, "
        f"{_shown(here, place)} beside it"
        for place in differing[:_MOST_CONTRADICTIONS]
    ]
    if len(differing) > _MOST_CONTRADICTIONS:
        lines.append(f"They contradict each other in {len(differing) - _MOST_CONTRADICTIONS} more fields")
    meaning = "Both were written together, so that what both say must be the same."
    return [CheckLine(False, line, meaning) for line in lines]


def _inner_contradiction(values: Values) -> str:
    """Say where a certificate is at odds with itself; "" if it is not."""
    if values["certified"] is bool(values.get("defects")):
        return "contradicts itself: what it calls certified has no defects, and all else has some"
    claims = fields(values)
    for one, other in _SAID_TWICE:
        if _text(claims, one) != _text(claims, other):
            return (
                f"contradicts itself: {_field(one)} is {_shown(claims, one)}, "
                f"but {_field(other)} is {_shown(claims, other)}"
            )
    return ""


def _edit(values: Values) -> str:
    """Say that a certificate is not as it was written; "" if it is, or if it is one that cannot tell."""
    if claimed_own_sha256(values) in (None, own_sha256(values)):
        return ""
    return "was edited after it was written: its text does not have the hash that it gives for itself"


def _field(place: Field) -> str:
    return _plain(".".join(place))


def _text(claims: dict[Field, Any], place: Field) -> str:
    """Return a value as JSON: 1 is not true, but 2 is 2.0, since some programs write one for the other."""
    if place not in claims:
        return "missing"
    value = claims[place]
    whole = isinstance(value, float) and value.is_integer()
    return json.dumps(int(value) if whole else value, sort_keys=True)


def _shown(claims: dict[Field, Any], place: Field) -> str:
    return _clipped(_text(claims, place))


def _plain(value: object) -> str:
    """Return a text from a certificate so that it can be printed: a terminal obeys some signs."""
    text = json.dumps(str(value), ensure_ascii=False)[1:-1]
    return _clipped("".join(map(_printable, text)))


def _printable(sign: str) -> str:
    return sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii")


def _clipped(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}…"


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
            return f"is wrong: it says {key} = {_plain(claimed.get(key))}, measured was {measured}"
    if "texture_sha256" in values and values["texture_sha256"] != found.texture_sha256():
        return "is of another texture: since it was written, the picture was changed or taken away"
    return ""


def _other_geometry(claimed: dict[str, Any], found: Found) -> str:
    measured = found.report.to_dict()
    names = ("vertices", "faces") if isinstance(found.geometry, Mesh) else ("vertices", "tetrahedra")
    wanted, counted = ([_plain(values.get(name)) for name in names] for values in (claimed, measured))
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
