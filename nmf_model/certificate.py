"""A certificate says what was found true of a mesh or a solid, in a form that anyone can check again.

It is no signature: whoever can write a file can write a certificate. Its worth is that ``verify`` measures
the mesh anew and compares. It exists in two forms:

* *embedded* in the mesh file, with only what the input, the settings and the program decide, so that equal
  runs write equal bytes;
* *beside* it, named after the whole file (chair.stl.certificate.json), which adds the hash of the finished
  file, the input's name, the time it took and the date.

``geometry_sha256`` covers the surface as it is read back, whatever the format: SHA-256 over the numbers of
vertices and faces as two int64, the vertices as float64 x y z, the faces as three int64 each, everything
little-endian, in file order; -0.0 counts as 0.0. For STL, and for GLB with a texture, the vertices are the
distinct positions in order of appearance. For a solid it covers the numbers of vertices, tetrahedra and
boundary faces, the vertices, the tetrahedra as four int64 each, and the boundary's faces, each beginning with
its smallest vertex, in rising order; a VTU file has none, and there they follow from the tetrahedra.

``texture_sha256`` covers a texture's picture, whatever its compression: SHA-256 over its height and width as
two int64 and red, green and blue of each pixel as bytes, row by row from the top.

``certificate_sha256`` covers the certificate itself: SHA-256 over its JSON without this field, in ASCII, keys
sorted, no spaces. It shows accidents and edits by hand, which matters most where nothing else tells: in what
cannot be measured again, beside a file that embeds nothing. It is no signature either: whoever edits a
certificate can compute it anew.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmf_model.checks import faults, statement
from nmf_model.errors import InputError
from nmf_model.io.atomic import FileGroup
from nmf_model.types import Mesh, QualityReport, TetMesh
from nmf_model.version import program_version

KIND = "neural-mesh-flow/1"
SUFFIX = ".certificate.json"
_PASSING_FACTS = ("seconds",)
_SELF_HASH = "certificate_sha256"
_MAX_BYTES = 1 << 20

Values = dict[str, Any]
Field = tuple[str, ...]
"""Where a value stands in a certificate: its name, or that of a group and its name there."""

ONLY_BESIDE: frozenset[Field] = frozenset(
    {("file",), ("file_sha256",), ("date",), ("input", "name"), *(("report", key) for key in _PASSING_FACTS)}
)
"""What a certificate in a file does not say: it is not known yet, or equal runs would write other bytes."""


@dataclass(frozen=True)
class Origin:
    """Where a mesh came from, as far as it is known.

    Attributes:
        input_name, input_sha256: of the file that was reconstructed.
        level: as asked for; None if the method chose.
        device: as asked for: "auto", "cpu" or "cuda".
        template_sha256: of the file whose places on the sphere and faces were asked for, if one was.
    """

    input_name: str | None = None
    input_sha256: str | None = None
    level: int | None = None
    device: str = "auto"
    template_sha256: str | None = None

    @classmethod
    def of_file(
        cls,
        path: Path,
        level: int | None = None,
        device: str = "auto",
        template_sha256: str | None = None,
    ) -> Origin:
        """Describe the input by its name and its present content; a file that is gone keeps its name."""
        try:
            digest = file_sha256(path) if path.is_file() else None  # a pipe may never end
        except OSError:
            digest = None
        return cls(path.name, digest, level, device, template_sha256)


def certificate_path(mesh: Path) -> Path:
    """Return the file of the certificate beside a mesh: chair.ply has chair.ply.certificate.json."""
    return mesh.with_name(mesh.name + SUFFIX)


def shared_certificate_path(mesh: Path) -> Path:
    """Return where it was once written, chair.certificate.json, which every format of one stem shared."""
    return mesh.with_name(mesh.stem + SUFFIX)


def geometry_sha256(geometry: Mesh | TetMesh) -> str:
    """Return the hash of a surface or a solid that the module's text defines."""
    cells = (
        [geometry.faces] if isinstance(geometry, Mesh) else [geometry.tetrahedra, _sorted(geometry.boundary)]
    )
    counts = [len(geometry.vertices), *map(len, cells)]
    digest = hashlib.sha256(np.array(counts, dtype="<i8").tobytes())
    digest.update(np.ascontiguousarray(geometry.vertices + 0.0, dtype="<f8").tobytes())
    for part in cells:
        digest.update(np.ascontiguousarray(part, dtype="<i8").tobytes())
    return digest.hexdigest()


def _sorted(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (F, 3) faces in an order that only their corners and their sides decide."""
    first = faces.argmin(axis=1)[:, None]
    turned = np.take_along_axis(faces, (first + np.arange(3)) % 3, axis=1)
    return turned[np.lexsort(turned.T[::-1])]


def texture_sha256(picture: NDArray[np.uint8]) -> str:
    """Return the hash of a picture (H, W, 3) that the module's text defines."""
    digest = hashlib.sha256(np.array(picture.shape[:2], dtype="<i8").tobytes())
    digest.update(np.ascontiguousarray(picture).tobytes())
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """Return the hash of a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def embedded(
    geometry: Mesh | TetMesh,
    report: QualityReport,
    origin: Origin,
    extras: Mapping[str, object] | None = None,
) -> Values:
    """Return the certificate to put into the file of a mesh or a solid.

    Args:
        geometry: as it is read back from a file of that format.
        report: of this geometry. Only if it ``is_sound`` it is called certified.
        origin: what it was made from.
        extras: what else the format makes worth saying: the hash of a texture, what was joined on reading.
    """
    values = {
        "certificate": KIND,
        "certified": report.is_sound,
        "statement": statement(report),
        "defects": list(faults(report)),
        "geometry_sha256": geometry_sha256(geometry),
        **(extras or {}),
        "report": {key: value for key, value in finite(report).items() if key not in _PASSING_FACTS},
        "settings": {
            "method": report.method,
            "level": origin.level,
            "seed": report.seed,
            "device": origin.device,
            **({} if origin.template_sha256 is None else {"template_sha256": origin.template_sha256}),
        },
        "input": {"sha256": origin.input_sha256},
        "program": f"Neural Mesh Flow {program_version()}",
    }
    return _with_hash(values)


def stage_beside(
    group: FileGroup, mesh_file: Path, written: Path, inside: Values, report: QualityReport, origin: Origin
) -> None:
    """Write the certificate beside a mesh, to replace any earlier one of that file together with the mesh.

    Args:
        group: the files that take their names together.
        mesh_file: the mesh, by the name it will have.
        written: where its content lies until then.
        inside: the certificate in the mesh.
        report: of the mesh.
        origin: what it was made from.

    Raises:
        InputError: the file could not be written.
    """
    values = {
        **inside,
        "report": finite(report),
        "input": {"name": origin.input_name, **inside["input"]},
        "file": mesh_file.name,
        "file_sha256": file_sha256(written),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    text = json.dumps(_with_hash(values), indent=2, allow_nan=False) + "\n"
    group.write_text(certificate_path(mesh_file), text)


def remove_shared(mesh_file: Path) -> None:
    """Remove a certificate of this file under the name that earlier versions gave it."""
    _remove(shared_certificate_path(mesh_file), mesh_file.name)


def remove_outdated(mesh_file: Path) -> None:
    """Remove certificates of ours that speak of an earlier file of this name, which they no longer fit."""
    _remove(certificate_path(mesh_file), None)
    remove_shared(mesh_file)


def _remove(path: Path, owner: str | None) -> None:
    """Remove a certificate of ours, if it is there and, where an owner is given, speaks of that file."""
    try:
        values = read_certificate(path.read_text("utf-8"))
        if owner is None or values.get("file") == owner:
            path.unlink()
    except (OSError, UnicodeDecodeError, InputError):
        pass


def own_sha256(values: Values) -> str:
    """Return the hash of a certificate that the module's text defines."""
    text = json.dumps(_without_hash(values), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def claimed_own_sha256(values: Values) -> object:
    """Return what a certificate says its own hash is; None if it does not say."""
    return values.get(_SELF_HASH)


def _with_hash(values: Values) -> Values:
    return {**_without_hash(values), _SELF_HASH: own_sha256(values)}


def _without_hash(values: Values) -> Values:
    return {key: value for key, value in values.items() if key != _SELF_HASH}


def fields(values: Values) -> dict[Field, Any]:
    """Return every value of a certificate by its place, but not the certificate's hash of itself."""
    found: dict[Field, Any] = {}
    for key, value in _without_hash(values).items():
        if isinstance(value, dict):
            found |= {(key, name): inner for name, inner in value.items()}
        else:
            found[key,] = value
    return found


def read_certificate(text: str) -> Values:
    """Parse a certificate.

    Raises:
        InputError: it is damaged, or of another kind.
    """
    try:
        values = json.loads(text) if len(text) <= _MAX_BYTES else None
        json.dumps(values)  # what is nested too deeply to be written is not ours
    except (ValueError, RecursionError):
        values = None
    if (
        not isinstance(values, dict)
        or values.get("certificate") != KIND
        or not isinstance(values.get("certified"), bool)
        or not isinstance(values.get("geometry_sha256"), str)
        or not isinstance(values.get("report"), dict)
    ):
        raise InputError("the certificate is damaged or of an unknown kind")
    return values


def finite(report: QualityReport) -> Values:
    """Return a report as JSON values: JSON has no infinity or NaN, so such a number becomes null."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in report.to_dict().items()
    }
