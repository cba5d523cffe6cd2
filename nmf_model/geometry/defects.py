"""Find where a triangle mesh is broken, so that it can be shown and counted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nmf_model.defects import Defects, MeshSurface
from nmf_model.geometry.coincidence import merge_coincident, repeated_faces
from nmf_model.geometry.holes import edge_groups
from nmf_model.geometry.intersections import crossing_pairs, degenerate_faces
from nmf_model.geometry.normals import enclosed_volume

MAX_FACES_FOR_CROSSINGS = 200_000
"""Looking for crossings in larger meshes takes longer than a person who dropped a file wants to wait."""


def diagnose(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> MeshSurface:
    """Join the vertices at equal positions and find what is wrong with the surface.

    Formats that store corners per face (STL), and exporters that split vertices along the seams of colours
    and textures, leave a closed surface in pieces, which is no fault of the surface.

    Args:
        vertices: (V, 3); those of a face must be finite, others are dropped.
        faces: (F, 3). Crossings of more than ``MAX_FACES_FOR_CROSSINGS`` are not looked for.
    """
    used, renumbered = np.unique(faces, return_inverse=True)
    joined = merge_coincident(vertices[used], renumbered.reshape(-1, 3))
    return MeshSurface(*joined, find_defects(*joined, len(faces) <= MAX_FACES_FOR_CROSSINGS))


def find_defects(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], with_crossings: bool = True
) -> Defects:
    """Find the bad places of (V, 3) finite vertices and (F, 3) faces as they are.

    Faces without area and crossings are decided in exact arithmetic; crossings only if asked for.
    """
    has_sides = (faces != faces[:, [1, 2, 0]]).all(axis=1)
    doubled = repeated_faces(faces) & has_sides
    kept = faces[has_sides & ~doubled]
    edges, uses, forward = _edge_uses(kept)
    open_edges, crowded = edges[uses == 1], edges[uses > 2]
    flipped = edges[(uses == 2) & (forward != 1)]
    closed = len(kept) and not len(open_edges) and not len(crowded) and not len(flipped)
    return Defects(
        open_edges=open_edges,
        holes=int(edge_groups(open_edges).max(initial=-1)) + 1,
        crowded_edges=crowded,
        flipped_edges=flipped,
        collapsed_faces=np.flatnonzero(degenerate_faces(vertices, faces)),
        doubled_faces=np.flatnonzero(doubled),
        crossings=crossing_pairs(vertices, faces) if with_crossings else None,
        pieces=int(pieces_of(kept).max(initial=-1)) + 1,
        inside_out=bool(closed) and enclosed_volume(vertices, kept) < 0,
    )


def pieces_of(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (F,) the number of the connected piece that each face belongs to, from 0."""
    sides = edge_groups(np.concatenate([faces[:, :2], faces[:, 1:]]))
    _, piece = np.unique(sides[: len(faces)], return_inverse=True)
    return piece.astype(np.int64)


def _edge_uses(faces: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the undirected edges (E, 2), how many sides each has, and how many of these go upward."""
    count = int(faces.max(initial=0)) + 1
    start, end = faces.ravel(), faces[:, [1, 2, 0]].ravel()
    keys, edge = np.unique(np.minimum(start, end) * count + np.maximum(start, end), return_inverse=True)
    uses = np.bincount(edge, minlength=len(keys))
    forward = np.bincount(edge[start < end], minlength=len(keys))
    return np.stack([keys // count, keys % count], axis=1), uses, forward
