"""Write a finished reconstruction and say what the written file really contains."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nmf_model.certificate import (
    Origin,
    Values,
    embedded,
    finite,
    geometry_sha256,
    remove_outdated,
    remove_shared,
    stage_beside,
)
from nmf_model.errors import Cancelled, InputError
from nmf_model.geometry.sampling import sample_surface
from nmf_model.io.archive_3mf import DEFAULT_UNIT
from nmf_model.io.atomic import FileGroup, write_text_atomically
from nmf_model.io.meshes import read_joined, stage_mesh
from nmf_model.io.output_formats import output_format
from nmf_model.io.suffixes import SOLID_SUFFIXES
from nmf_model.io.writers import local_origin
from nmf_model.quality import inspect_mesh
from nmf_model.types import CancelCheck, Mesh, QualityReport, Reconstruction, SolidReport, TetMesh

CHAMFER_SAMPLES = 10_000
_COARSE_SHARE = 0.01

AnyReport = TypeVar("AnyReport", bound=QualityReport)


def export_reconstruction(
    result: Reconstruction, path: Path | str, origin: Origin | None = None, cancel: CancelCheck | None = None
) -> QualityReport:
    """Write the mesh and its certificate, both or neither, and report on the mesh as re-read from the file.

    Args:
        result: the finished job.
        path: its suffix, one of ``OUTPUT_SUFFIXES``, decides the format.
        origin: what the mesh was made from; if given, a certificate is embedded where the format has room
            for it, and written beside the mesh. It calls only a sound mesh or solid certified.
        cancel: polled while a solid is made, and before anything older is replaced.

    Returns:
        The report; ``chamfer_l2`` is in squared unit-sphere units, measured against ``result.target``.

        For one of ``SOLID_SUFFIXES`` a ``SolidReport``, whose surface is the solid's boundary.

    Raises:
        InputError: a file could not be written; older files are as they were, and nothing was left behind.
        Cancelled: if ``cancel`` returned True.
    """
    path = Path(path)
    if path.suffix.lower() in SOLID_SUFFIXES:
        return _export_solid(result, path, origin, cancel)

    def stage(group: FileGroup, place: Path, note: str) -> Path:
        return stage_mesh(group, result.mesh, place, note)

    return export_surface(result, path, stage, origin, cancel=cancel)


def export_surface(
    result: Reconstruction,
    path: Path,
    stage: Callable[[FileGroup, Path, str], Path],
    origin: Origin | None = None,
    extras: Mapping[str, object] | None = None,
    cancel: CancelCheck | None = None,
) -> QualityReport:
    """Write a surface with its certificate, if one is wanted, and report on it as re-read.

    Args:
        result: what the surface was made by.
        path: its suffix decides the format.
        stage: writes the surface to a file of that suffix with a note, or "", inside, and what else belongs
            to it, as parts of a group; returns where the surface lies until the group is complete.
        origin: as of ``export_reconstruction``.
        extras: more values for the certificate.
        cancel: polled around the longer steps, but no more once files are replaced.

    Raises:
        InputError: a file could not be written; older files are as they were, and nothing was left behind.
        Cancelled: if ``cancel`` returned True; likewise.
    """
    if origin is None:
        with FileGroup() as group:
            mesh, _ = read_joined(stage(group, path, ""))
            _obey(cancel)
        remove_outdated(path)
        return measured(mesh, result)
    # A certificate must be ready before its file, so it is that of a draft; equal hashes make it the file's.
    with tempfile.TemporaryDirectory(prefix="nmf-") as folder, FileGroup() as group:
        mesh, joined = read_joined(stage(group, Path(folder) / f"draft{path.suffix}", ""))
    _obey(cancel)
    report = measured(mesh, result)
    _obey(cancel)
    certificate = embedded(
        mesh, report, origin, {**({"reading": joined} if joined else {}), **(extras or {})}
    )
    with FileGroup() as group:
        written = stage(group, path, _as_note(certificate))
        _check_same(path, read_joined(written)[0], certificate)
        stage_beside(group, path, written, certificate, report, origin)
    remove_shared(path)
    return report


def _export_solid(
    result: Reconstruction, path: Path, origin: Origin | None, cancel: CancelCheck | None
) -> SolidReport:
    # Here, since making a solid needs torch and scipy, and a mesh can be written without.
    from nmf_model.io.solids import read_solid, stage_solid
    from nmf_model.solid import solid_of
    from nmf_model.solid_quality import boundary_of, inspect_solid

    solid = solid_of(result, cancel)
    if origin is None:
        with FileGroup() as group:
            solid = read_solid(stage_solid(group, solid, path))
        remove_outdated(path)
    report = _with_origin(inspect_solid(solid), boundary_of(solid), result)
    if origin is not None:
        # The formats are exact: equal hashes make the report that of the file.
        certificate = embedded(solid, report, origin)
        with FileGroup() as group:
            written = stage_solid(group, solid, path, _as_note(certificate))
            _check_same(path, read_solid(written), certificate)
            stage_beside(group, path, written, certificate, report, origin)
        remove_shared(path)
    return report


def _obey(cancel: CancelCheck | None) -> None:
    if cancel is not None and cancel():
        raise Cancelled("the export was cancelled")


def _as_note(certificate: Values) -> str:
    return json.dumps(certificate, allow_nan=False)


def _check_same(path: Path, found: Mesh | TetMesh, certificate: Values) -> None:
    """Raise InputError unless what was read back from a file is what its certificate speaks of."""
    if geometry_sha256(found) != certificate["geometry_sha256"]:
        raise InputError(f"{path} changed while it was written; export it again.")


def measured(mesh: Mesh, result: Reconstruction) -> QualityReport:
    """Return the report on a mesh that was read back from the file of a result."""
    return _with_origin(inspect_mesh(mesh), mesh, result)


def _with_origin(report: AnyReport, mesh: Mesh, result: Reconstruction) -> AnyReport:
    """Return a report with what only the reconstruction of its mesh knows."""
    return replace(
        report,
        chamfer_l2=_chamfer_to_target(mesh, result),
        method=result.method,
        seconds=result.seconds,
        nfe=result.nfe,
        seed=result.seed,
    )


def report_values(report: QualityReport, notes: Sequence[str], certified: bool) -> dict[str, Any]:
    """Return a report as JSON values, with what the user was told besides: the notes and the verdict.

    Args:
        report: the facts.
        notes: sentences, as they were printed or shown.
        certified: whether the file has a certificate that calls it certified.
    """
    return {**finite(report), "notes": [" ".join(note.split()) for note in notes], "certified": certified}


def write_report(
    report: QualityReport, path: Path, notes: Sequence[str] | None = None, certified: bool = False
) -> None:
    """Write the report as JSON, whole or not at all; with ``report_values`` unless ``notes`` is None.

    Raises:
        InputError: the file could not be written; nothing was left behind.
    """
    values = finite(report) if notes is None else report_values(report, notes, certified)
    text = json.dumps(values, indent=2, allow_nan=False) + "\n"
    write_text_atomically(path, text)


def precision_warning(mesh: Mesh, path: Path) -> str | None:
    """Return one sentence if the format of ``path`` is too coarse for this mesh, else None.

    STL and GLB store float32; far from the origin STL rounds by more than the mesh's own detail.
    """
    entry = output_format(path)
    if entry is None or entry.exact:
        return None
    origin = local_origin(mesh.vertices) if entry.suffix == ".glb" else np.zeros(3)
    local = mesh.vertices - origin
    with np.errstate(over="ignore"):
        error = float(np.abs(local - local.astype(np.float32)).max())
    edges = np.linalg.norm(np.diff(mesh.vertices[mesh.faces], axis=1), axis=2)
    if error <= _COARSE_SHARE * float(np.median(edges)):
        return None
    return (
        f"{path.name} rounds coordinates by up to {error:.2g} units, which harms this mesh's detail; "
        "export PLY or 3MF instead."
    )


def unit_warning(mesh: Mesh, path: Path) -> str | None:
    """Return one sentence if the format of ``path`` loses a unit that programs will not guess, else None.

    Slicers take lengths for millimetres where nothing is said, and GLB is in metres by its own text.
    """
    suffix = path.suffix.lower()
    usual = {".glb": "meter"}.get(suffix, DEFAULT_UNIT)
    if suffix == ".3mf" or mesh.unit in (None, DEFAULT_UNIT, usual):
        return None
    return (
        f"{path.name} cannot say that its lengths are in the input's unit ({mesh.unit}), and other programs "
        f"may take them for another one ({usual}); 3MF keeps it."
    )


def _chamfer_to_target(mesh: Mesh, result: Reconstruction) -> float | None:
    """Return the mean squared distance mesh to target plus target to mesh, in unit-sphere units.

    None if the surface has no area to draw samples from.
    """
    offset, scale = result.normalization.offset, result.normalization.scale
    vertices = (mesh.vertices - offset) / scale
    target = (result.target - offset) / scale
    try:
        samples, _ = sample_surface(vertices, mesh.faces, CHAMFER_SAMPLES, np.random.default_rng(result.seed))
    except ValueError:
        return None
    return _mean_squared_distance(samples, target) + _mean_squared_distance(target, samples)


def _mean_squared_distance(points: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    from scipy.spatial import cKDTree

    distances, _ = cKDTree(others).query(points)
    return float(np.mean(np.square(distances)))
