"""Check any mesh or solid file again, ours or not, and whatever certificate it carries or lies beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nmf_model.certificate import finite, geometry_sha256
from nmf_model.certificate_check import Found, judge_certificates
from nmf_model.checks import CheckLine, check_lines, solid_facts
from nmf_model.errors import InputError
from nmf_model.geometry.coincidence import merge_coincident
from nmf_model.geometry.defects import find_defects
from nmf_model.geometry.tetrahedra import boundary_faces
from nmf_model.io.meshes import read_joined
from nmf_model.io.suffixes import SOLID_SUFFIXES
from nmf_model.quality import inspect_mesh
from nmf_model.types import Mesh, QualityReport, SolidFacts, SolidReport, TetMesh
from nmf_model.words import counted


@dataclass(frozen=True)
class Verification:
    """What was found on checking one file.

    Attributes:
        path: the mesh or solid.
        report: measured now, of a solid a ``SolidReport``; what only a reconstruction knows is None.
        mesh_lines: one line a check of the geometry itself.
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
        """Whether the geometry is sound and every certificate of it is true."""
        return self.report.is_sound and all(line.good for line in self.certificate_lines)

    @property
    def certified(self) -> bool:
        """Whether it passed and there is a certificate to say so."""
        return self.passed and bool(self.certificate_lines)

    @property
    def solid(self) -> SolidFacts | None:
        """What is true of the tetrahedra, or None for a surface."""
        return self.report.solid if isinstance(self.report, SolidReport) else None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        lines = (*self.mesh_lines, *self.certificate_lines)
        return {
            "file": str(self.path),
            "passed": self.passed,
            "sound": self.report.is_sound,
            "certified": self.certified,
            "checks": [{"good": line.good, "text": line.text} for line in lines],
            "notes": list(self.notes),
            "report": finite(self.report),
        }


def verify(path: Path) -> Verification:
    """Read a mesh or solid file, measure it, and compare with its certificates.

    Nothing is merged or repaired first, except that STL, which has no shared vertices, and GLB with a
    texture, which repeats them along seams, are joined at equal positions.

    Raises:
        InputError: the file cannot be read; one sentence says why.
    """
    if path.suffix.lower() in SOLID_SUFFIXES:
        return _verify_solid(path)
    mesh, joined = read_joined(path)
    _refuse_infinite(path, mesh)
    report = inspect_mesh(mesh)
    notes = (joined,) if joined else _hint(mesh, report)
    return _verification(path, mesh, mesh, report, notes)


def _verify_solid(path: Path) -> Verification:
    # Here, since a surface is checked without what these need.
    from nmf_model.io.solids import read_solid
    from nmf_model.solid_quality import boundary_of, inspect_solid

    solid = read_solid(path)
    _refuse_infinite(path, solid)
    report, boundary = inspect_solid(solid), boundary_of(solid)
    assert report.solid is not None
    notes = [f"Inside: {solid_facts(report.solid)}."]
    if {*map(frozenset, solid.boundary.tolist())} != {
        *map(frozenset, boundary_faces(solid.tetrahedra).tolist())
    }:
        notes.append("The triangles in the file are not the boundary of its tetrahedra.")
    idle = len(solid.vertices) - len(np.unique(solid.tetrahedra))
    if idle:
        # Solvers that give each node its unknowns stop at these with a singular matrix.
        verb = "belongs" if idle == 1 else "belong"
        notes.append(f"{counted(idle, 'vertex', 'vertices')} {verb} to no tetrahedron.")
    return _verification(path, solid, boundary, report, tuple(notes))


def _verification(
    path: Path, geometry: Mesh | TetMesh, surface: Mesh, report: QualityReport, notes: tuple[str, ...]
) -> Verification:
    closed = report.is_closed_sphere and report.is_solid
    defects = None if closed else find_defects(surface.vertices, surface.faces, with_crossings=False)
    judged, remarks = judge_certificates(Found(path, geometry, geometry_sha256(geometry), report))
    return Verification(path, report, check_lines(report, defects), judged, (*notes, *remarks))


def _refuse_infinite(path: Path, geometry: Mesh | TetMesh) -> None:
    if not np.isfinite(geometry.vertices).all():
        raise InputError(
            f"{path.name} has NaN or infinite coordinates and cannot be checked; export it again."
        )


def _hint(mesh: Mesh, report: QualityReport) -> tuple[str, ...]:
    if (
        report.coincident_vertices
        and inspect_mesh(Mesh(*merge_coincident(mesh.vertices, mesh.faces))).is_sound
    ):
        return ("With the vertices at equal positions joined, this mesh would be sound.",)
    return ()
