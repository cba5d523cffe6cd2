"""Measure a solid: the facts of a ``SolidReport`` that the file alone decides."""

from __future__ import annotations

import numpy as np

from nmf_model.geometry.tetrahedra import boundary_faces
from nmf_model.quality import inspect_mesh
from nmf_model.solid import measure
from nmf_model.types import Mesh, SolidReport, TetMesh


def boundary_of(solid: TetMesh) -> Mesh:
    """Return the surface of the tetrahedra with its own vertices only, in their order.

    The triangles that a file names as its boundary have no say in it.
    """
    used, corners = np.unique(boundary_faces(solid.tetrahedra), return_inverse=True)
    return Mesh(solid.vertices[used], corners.reshape(-1, 3).astype(np.int64))


def inspect_solid(solid: TetMesh) -> SolidReport:
    """Inspect a solid exactly as it is: its boundary like any mesh, then its tetrahedra.

    What only a reconstruction knows (chamfer_l2, method ...) stays None.
    """
    return SolidReport(**vars(inspect_mesh(boundary_of(solid))), solid=measure(solid))
