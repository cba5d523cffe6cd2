"""What is wrong with a triangle mesh, counted and in words a person can act on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from nmf_model.geometry.holes import boundary_loops
from nmf_model.geometry.intersections import count_crossing_faces, degenerate_faces
from nmf_model.geometry.welding import weld

MAX_FACES_FOR_CROSSINGS = 200_000
"""Looking for crossings in larger meshes takes longer than a person who dropped a file wants to wait."""


@dataclass(frozen=True)
class Faults:
    """Faults of a mesh whose vertices at identical positions count as one.

    Attributes:
        collapsed_faces: faces without area.
        doubled_faces: faces beyond the first with the same three corners.
        holes: connected groups of edges with a face on one side only.
        crowded_edges: edges that more than two faces meet at.
        turned_edges: edges between two faces that face opposite ways.
        inside_out: everything is closed and consistent, but encloses a negative volume.
        pieces: parts not connected with each other.
        crossing_faces: faces that cross others; None if the mesh was too large to look.
    """

    collapsed_faces: int
    doubled_faces: int
    holes: int
    crowded_edges: int
    turned_edges: int
    inside_out: bool
    pieces: int
    crossing_faces: int | None

    @property
    def none(self) -> bool:
        """Whether the mesh is one closed, oriented surface that, as far as was looked, crosses nothing."""
        return self == Faults(0, 0, 0, 0, 0, False, 1, self.crossing_faces) and not self.crossing_faces

    def sentences(self) -> list[str]:
        """Say what is wrong, most important first; nothing for a sound mesh."""
        found = [
            (self.holes, "The mesh has {} hole{s}."),
            (self.crowded_edges, "{} edge{s} of the mesh belong{v} to more than two faces."),
            (self.turned_edges, "{} edge{s} of the mesh lie{v} between faces that face opposite ways."),
            (self.doubled_faces, "{} face{s} of the mesh repeat{v} another one."),
            (self.collapsed_faces, "{} face{s} of the mesh {have} no area."),
            (self.crossing_faces or 0, "{} face{s} of the mesh cross{es} others."),
            (self.pieces if self.pieces > 1 else 0, "The mesh consists of {} separate pieces."),
        ]
        sentences = [_worded(text, count) for count, text in found if count]
        return [*sentences, *(["The faces of the mesh point inward."] if self.inside_out else [])]


def find_faults(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> Faults:
    """Count the faults of (V, 3) finite vertices and (F, 3) faces."""
    welded, joined = weld(vertices, faces)
    flat = degenerate_faces(welded, joined)
    solid = joined[~flat]
    _, first = np.unique(np.sort(solid, axis=1), axis=0, return_index=True)
    single = solid[np.sort(first)]
    if not len(single):
        return Faults(int(flat.sum()), 0, 0, 0, 0, False, 0, None)
    sides = single[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    forward = sides[:, 0] < sides[:, 1]
    key = sides.min(axis=1) * len(welded) + sides.max(axis=1)
    _, edge, uses = np.unique(key, return_inverse=True, return_counts=True)
    ways = np.bincount(edge, forward)
    turned = int(np.count_nonzero((uses == 2) & (ways != 1)))
    holes, crowded = len(boundary_loops(single)), int(np.count_nonzero(uses > 2))
    closed = holes == crowded == turned == 0
    few = len(single) <= MAX_FACES_FOR_CROSSINGS
    return Faults(
        collapsed_faces=int(np.count_nonzero(flat)),
        doubled_faces=len(solid) - len(single),
        holes=holes,
        crowded_edges=crowded,
        turned_edges=turned,
        inside_out=closed and _volume(welded, single) < 0,
        pieces=int(pieces_of(single).max()) + 1,
        crossing_faces=count_crossing_faces(welded, single) if few else None,
    )


def pieces_of(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (F,) the number of the connected piece that each face belongs to, from 0."""
    count = int(faces.max()) + 1
    rows, columns = faces[:, [0, 1]].ravel(), faces[:, [1, 2]].ravel()
    links = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(count, count))
    _, label = connected_components(links, directed=False)
    _, piece = np.unique(label[faces[:, 0]], return_inverse=True)
    return piece.astype(np.int64)


def _volume(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> float:
    a, b, c = ((vertices - vertices.mean(axis=0))[faces[:, corner]] for corner in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)))


def _worded(text: str, count: int) -> str:
    one = count == 1
    return text.format(
        f"{count:,}", s="" if one else "s", v="s" if one else "", es="es" if one else "",
        have="has" if one else "have",
    )  # fmt: skip
