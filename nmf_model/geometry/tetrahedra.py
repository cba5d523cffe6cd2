"""Facts of tetrahedra: orientation, volume, dihedral angles and the faces between them.

A tetrahedron (a, b, c, d) is *positive* if d lies on the side that the right-handed normal of (a, b, c)
points to: what VTK and Gmsh expect.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vertices = NDArray[np.float64]
Tetrahedra = NDArray[np.int64]

_OUTWARD = np.array([(0, 2, 1), (0, 1, 3), (1, 2, 3), (2, 0, 3)])
"""The corners of the four faces, counter-clockwise seen from outside a positive tetrahedron."""
_EDGES = np.array([(0, 1, 2, 3), (0, 2, 3, 1), (0, 3, 1, 2), (1, 2, 0, 3), (1, 3, 2, 0), (2, 3, 0, 1)])
"""The two ends of each edge and the two corners off it."""


def orientations(vertices: Vertices, tetrahedra: Tetrahedra) -> NDArray[np.int32]:
    """Return (T,) 1 where positive, -1 where inverted, 0 where flat; exact on the coordinates as they are."""
    import igl.predicates

    a, b, c, d = (np.ascontiguousarray(vertices[tetrahedra[:, corner]]) for corner in range(4))
    # Shewchuk's sign is that of d below the plane, which is ours with two corners swapped.
    signs: NDArray[np.int32] = np.asarray(igl.predicates.orient3d(a, c, b, d), dtype=np.int32)
    return signs


def volumes(vertices: Vertices, tetrahedra: Tetrahedra) -> NDArray[np.float64]:
    """Return (T,) signed volumes, rounded; take the sign that decides from ``orientations``."""
    a, b, c, d = (vertices[tetrahedra[:, corner]] for corner in range(4))
    signed: NDArray[np.float64] = np.einsum("ij,ij->i", np.cross(b - a, c - a), d - a) / 6
    return signed


def boundary_faces(tetrahedra: Tetrahedra) -> NDArray[np.int64]:
    """Return (F, 3) the faces that are left when those of neighbours cancel, counter-clockwise from outside.

    Two tetrahedra that have a face in common see it from opposite sides. What does not cancel so, as where
    several of them lie on one side of a face, is left, as often as it is too many: then the boundary is no
    manifold. If it is a sound surface and all tetrahedra are positive, each point inside lies in exactly one
    of them: the number of tetrahedra around a point is that of the boundary's windings around it.

    Each face begins with its smallest vertex; they are in order of their sorted corners.
    """
    faces = tetrahedra[:, _OUTWARD].reshape(-1, 3)
    turns = (faces < np.roll(faces, -1, axis=1)).sum(axis=1)
    side = np.where(turns == 2, 1, -1)  # as the sorted corners run, or the other way
    corners, face = np.unique(np.sort(faces, axis=1), axis=0, return_inverse=True)
    left = np.rint(np.bincount(face.ravel(), side, len(corners))).astype(np.int64)
    corners = np.where((left < 0)[:, None], corners[:, [0, 2, 1]], corners)
    return np.asarray(np.repeat(corners, np.abs(left), axis=0))


def faces_are_shared_well(tetrahedra: Tetrahedra) -> bool:
    """Whether every face belongs to one or two tetrahedra, from different sides."""
    faces = tetrahedra[:, _OUTWARD]
    first = faces.argmin(axis=2)[..., None]
    turned = np.take_along_axis(faces, (first + np.arange(3)) % 3, axis=2).reshape(-1, 3)
    base = int(tetrahedra.max()) + 1
    # Counter-clockwise seen from outside, starting with the lowest corner: unique if no side is used twice.
    keys = (turned[:, 0] * base + turned[:, 1]) * base + turned[:, 2]
    return len(np.unique(keys)) == len(keys)


def dihedral_angles(vertices: Vertices, tetrahedra: Tetrahedra) -> NDArray[np.float64]:
    """Return (T, 6) the angles between faces in degrees, 0..180; those of an inverted one mean little."""
    corners = vertices[tetrahedra]
    start, end, left, right = (corners[:, _EDGES[:, k]] for k in range(4))
    along = end - start
    one, other = np.cross(along, left - start), np.cross(along, right - start)
    sine = np.linalg.norm(np.cross(one, other), axis=2)
    angles: NDArray[np.float64] = np.degrees(np.arctan2(sine, np.einsum("ijk,ijk->ij", one, other)))
    return angles
