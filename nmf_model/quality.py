"""Measure a mesh: the facts of a ``QualityReport`` that the mesh alone decides."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nmf_model.geometry.coincidence import coincident_vertices
from nmf_model.geometry.intersections import count_crossing_faces, degenerate_faces
from nmf_model.geometry.normals import face_areas
from nmf_model.geometry.topology import analyse
from nmf_model.types import Mesh, QualityReport


def inspect_mesh(mesh: Mesh) -> QualityReport:
    """Inspect a mesh exactly as it is: nothing is merged, dropped or repaired first.

    Crossings and faces without area are decided in exact arithmetic; faces without area are left out
    of the crossings. ``outward`` is the sign of the enclosed volume, so it says little about a mesh
    that is not watertight. What only a reconstruction knows (chamfer_l2, method ...) stays None.
    """
    vertices, faces = mesh.vertices, mesh.faces
    topology = analyse(faces)
    volume = enclosed_volume(vertices, faces)
    return QualityReport(
        vertices=len(vertices),
        faces=len(faces),
        components=topology.components,
        euler_characteristic=topology.euler_characteristic,
        watertight=topology.watertight,
        winding_consistent=topology.winding_consistent,
        outward=volume > 0,
        nonmanifold_edges=topology.nonmanifold_edges,
        nonmanifold_vertices=topology.nonmanifold_vertices,
        self_intersecting_faces=count_crossing_faces(vertices, faces),
        degenerate_faces=int(np.count_nonzero(degenerate_faces(vertices, faces))),
        coincident_vertices=int(np.count_nonzero(coincident_vertices(vertices, faces))),
        area=float(face_areas(vertices, faces).sum()),
        volume=volume,
    )


def enclosed_volume(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> float:
    """Return the signed volume in cubed file units, positive for faces counter-clockwise from outside."""
    if len(faces) == 0:
        return 0.0
    # Far from the origin the products would swallow the volume.
    centred = vertices - (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    a, b, c = (centred[faces[:, corner]] for corner in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)
