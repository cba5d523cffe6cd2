"""Measure a mesh: the facts of a ``QualityReport`` that the mesh alone decides."""

from __future__ import annotations

import numpy as np

from nmf_model.geometry.coincidence import coincident_vertices
from nmf_model.geometry.intersections import count_crossing_faces, degenerate_faces
from nmf_model.geometry.normals import enclosed_volume, face_areas
from nmf_model.geometry.topology import analyse
from nmf_model.types import Mesh, QualityReport


def inspect_mesh(mesh: Mesh, crossing_faces: int | None = None) -> QualityReport:
    """Inspect a mesh exactly as it is: nothing is merged, dropped or repaired first.

    Crossings and faces without area are decided in exact arithmetic; faces without area are left out
    of the crossings. ``outward`` is the sign of the enclosed volume, so it says little about a mesh
    that is not watertight. What only a reconstruction knows (chamfer_l2, method ...) stays None.

    Args:
        mesh: to be inspected.
        crossing_faces: how many there are, if that is known already; else they are looked for.
    """
    vertices, faces = mesh.vertices, mesh.faces
    topology = analyse(faces)
    volume = enclosed_volume(vertices, faces)
    if crossing_faces is None:
        crossing_faces = count_crossing_faces(vertices, faces)
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
        self_intersecting_faces=crossing_faces,
        degenerate_faces=int(np.count_nonzero(degenerate_faces(vertices, faces))),
        coincident_vertices=int(np.count_nonzero(coincident_vertices(vertices, faces))),
        area=float(face_areas(vertices, faces).sum()),
        volume=volume,
    )
