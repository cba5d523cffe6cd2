"""Write a finished reconstruction and say what the written file really contains."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmf_model.certificate import Origin, embedded, finite, geometry_sha256, remove_outdated, write_beside
from nmf_model.errors import InputError
from nmf_model.geometry.sampling import sample_surface
from nmf_model.io.atomic import write_atomically
from nmf_model.io.meshes import read_mesh, write_mesh
from nmf_model.io.suffixes import SOLID_SUFFIXES
from nmf_model.io.writers import local_origin
from nmf_model.quality import inspect_mesh
from nmf_model.types import CancelCheck, Mesh, QualityReport, Reconstruction, SolidReport

CHAMFER_SAMPLES = 10_000
_COARSE_SHARE = 0.01


def export_reconstruction(
    result: Reconstruction, path: Path, origin: Origin | None = None, cancel: CancelCheck | None = None
) -> QualityReport:
    """Write the mesh whole or not at all, and report on it as re-read from the file.

    Args:
        result: the finished job.
        path: its suffix, one of ``OUTPUT_SUFFIXES``, decides the format.
        origin: what the mesh was made from; if given, a certificate is embedded where the format has room
            for it, and written beside the mesh. It calls only a sound mesh certified. A solid has none.
        cancel: polled while a solid is made.

    Returns:
        The report; ``chamfer_l2`` is in squared unit-sphere units, measured against ``result.target``.

        For one of ``SOLID_SUFFIXES`` a ``SolidReport``, whose surface is the solid's boundary.

    Raises:
        InputError: the file could not be written; nothing was left behind.
        Cancelled: if ``cancel`` returned True.
    """
    if path.suffix.lower() in SOLID_SUFFIXES:
        return _export_solid(result, path, cancel)
    if origin is None:
        write_mesh(result.mesh, path)
        remove_outdated(path)
        return measured(read_mesh(path), result)
    mesh = _as_read_back(result.mesh, path.suffix)
    report = measured(mesh, result)
    certificate = embedded(mesh, report, origin)
    write_mesh(result.mesh, path, json.dumps(certificate, allow_nan=False))
    # The report is that of the draft; equal hashes make it that of the file.
    if geometry_sha256(read_mesh(path)) != certificate["geometry_sha256"]:
        raise InputError(f"{path} changed while it was written; export it again.")
    write_beside(path, certificate, report, origin)
    return report


def _export_solid(result: Reconstruction, path: Path, cancel: CancelCheck | None) -> SolidReport:
    # Here, since a solid needs torch, and a mesh can be written without.
    from nmf_model.io.solids import read_solid, write_solid
    from nmf_model.solid import measure, solid_of

    solid = solid_of(result, cancel)
    write_solid(solid, path)
    written = read_solid(path)
    surface = Mesh(written.vertices[: len(result.mesh.vertices)], written.boundary)
    return SolidReport(**vars(measured(surface, result)), solid=measure(written))


def _as_read_back(mesh: Mesh, suffix: str) -> Mesh:
    """Return the mesh as a file of this format gives it back: a certificate must be ready before its file."""
    with tempfile.TemporaryDirectory(prefix="nmf-") as folder:
        draft = Path(folder) / f"draft{suffix}"
        write_mesh(mesh, draft)
        return read_mesh(draft)


def measured(mesh: Mesh, result: Reconstruction) -> QualityReport:
    """Return the report on a mesh that was read back from the file of a result."""
    return replace(
        inspect_mesh(mesh),
        chamfer_l2=_chamfer_to_target(mesh, result),
        method=result.method,
        seconds=result.seconds,
        nfe=result.nfe,
        seed=result.seed,
    )


def write_report(report: QualityReport, path: Path) -> None:
    """Write the report as JSON, whole or not at all.

    Raises:
        InputError: the file could not be written; nothing was left behind.
    """
    text = json.dumps(finite(report), indent=2, allow_nan=False) + "\n"
    write_atomically(path, lambda stream: stream.write(text.encode()))


def precision_warning(mesh: Mesh, path: Path) -> str | None:
    """Return one sentence if the format of ``path`` is too coarse for this mesh, else None.

    STL and GLB store float32; far from the origin STL rounds by more than the mesh's own detail.
    """
    suffix = path.suffix.lower()
    if suffix not in (".stl", ".glb"):
        return None
    origin = local_origin(mesh.vertices) if suffix == ".glb" else np.zeros(3)
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
