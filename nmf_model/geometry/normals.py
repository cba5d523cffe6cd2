"""Areas and directions of triangles, and the volume they enclose."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def area_vectors(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (F, 3) vectors along each face's normal, as long as its area, in squared file units."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    return 0.5 * np.cross(b - a, c - a)


def face_areas(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (F,) areas in squared file units."""
    areas: NDArray[np.float64] = np.linalg.norm(area_vectors(vertices, faces), axis=1)
    return areas


def face_normals(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (F, 3) unit normals, zero for a face without area."""
    vectors = area_vectors(vertices, faces)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    normals: NDArray[np.float64] = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return normals


def vertex_normals(vertices: NDArray[np.floating], faces: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the area-weighted unit normal (V, 3) of each vertex; along z where no area meets."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    normals = np.cross(b - a, c - a)
    corners = faces.ravel()
    total = np.stack(
        [np.bincount(corners, np.repeat(normals[:, axis], 3), minlength=len(vertices)) for axis in range(3)],
        axis=1,
    )
    lengths = np.linalg.norm(total, axis=1, keepdims=True)
    total = np.where(lengths > 0, total, (0.0, 0.0, 1.0))  # glTF bears no normal without a length
    return (total / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)


def enclosed_volume(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> float:
    """Return the signed volume in cubed file units, positive for faces counter-clockwise from outside."""
    if len(faces) == 0:
        return 0.0
    # Far from the origin the products would swallow the volume.
    centred = vertices - (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    a, b, c = (centred[faces[:, corner]] for corner in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)
