"""What is wrong with a mesh file that may come from anywhere, and where.

As a program, ``python -m nmf_model.diagnosis MESH OUT.npz``, it does the work of ``diagnose`` in a process of
its own: the exact tests hold the interpreter for seconds, during which a window would stand still.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.geometry.coincidence import merge_coincident
from nmf_model.geometry.defects import Defects, find_defects
from nmf_model.io.meshes import read_mesh
from nmf_model.io.suffixes import MESH_SUFFIXES
from nmf_model.quality import inspect_mesh
from nmf_model.types import Mesh, QualityReport

MAX_FACES = 1_000_000
_DEFECTS = ("open_edges", "crowded_edges", "flipped_edges", "crossing_faces")


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """A surface that bounds no solid, with vertices at equal positions joined.

    Attributes:
        vertices: (V, 3) float64, file units.
        faces: (F, 3) int64.
        report, defects: what is true of it, and where it is broken.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    report: QualityReport
    defects: Defects

    def save(self, path: Path) -> None:
        """Write everything to an .npz file."""
        parts = {name: getattr(self.defects, name) for name in _DEFECTS}
        words = json.dumps({"report": self.report.to_dict(), "holes": self.defects.holes})
        np.savez(path, vertices=self.vertices, faces=self.faces, words=np.array(words), **parts)

    @classmethod
    def load(cls, path: Path) -> Diagnosis:
        """Read what ``save`` wrote."""
        with np.load(path, allow_pickle=False) as data:
            words = json.loads(str(data["words"]))
            defects = Defects(holes=words["holes"], **{name: data[name] for name in _DEFECTS})
            return cls(data["vertices"], data["faces"], QualityReport(**words["report"]), defects)


def diagnose(path: Path) -> Diagnosis | None:
    """Return what is wrong with a mesh file; None if it is a solid, no mesh, or too large to be checked."""
    if path.suffix.lower() not in MESH_SUFFIXES:
        return None
    try:
        mesh = read_mesh(path)
    except InputError:  # bare points
        return None
    if len(mesh.faces) > MAX_FACES or not np.isfinite(mesh.vertices).all():
        return None
    # Seams of colours and textures split vertices, which is no fault of the surface.
    vertices, faces = merge_coincident(mesh.vertices, mesh.faces)
    report = inspect_mesh(Mesh(vertices, faces))
    return None if report.is_solid else Diagnosis(vertices, faces, report, find_defects(vertices, faces))


def main(arguments: list[str]) -> int:
    """Diagnose the first file and write the outcome to the second one; nothing is written for a solid."""
    found = diagnose(Path(arguments[0]))
    if found is not None:
        found.save(Path(arguments[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
