"""Where a mesh from anywhere is broken, and the same in words a person can act on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Edges = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Defects:
    """The bad places of a mesh; edges are (K, 2) vertex indices, the smaller one first.

    Edges are those of the faces without ``doubled_faces`` and without faces that repeat a corner, which
    have no sides of their own.

    Attributes:
        open_edges: those of a single face.
        holes: connected groups of open edges; two holes that touch count once.
        crowded_edges: those of more than two faces.
        flipped_edges: those that two faces run through in the same direction: one of them is inside out.
        collapsed_faces: (K,) indices of faces without area.
        doubled_faces: (K,) indices of faces with the same three corners as an earlier one.
        crossings: (K, 2) pairs of faces that cross each other; None if that was not looked for.
        pieces: parts not connected with each other.
        inside_out: everything is closed and consistent, but encloses a negative volume.
    """

    open_edges: Edges
    holes: int
    crowded_edges: Edges
    flipped_edges: Edges
    collapsed_faces: NDArray[np.int64]
    doubled_faces: NDArray[np.int64]
    crossings: NDArray[np.int64] | None
    pieces: int
    inside_out: bool

    @property
    def crossing_faces(self) -> NDArray[np.int64]:
        """(K,) indices of faces that take part in a crossing, rising; none if that was not looked for."""
        pairs = np.zeros(0, dtype=np.int64) if self.crossings is None else self.crossings
        return np.unique(pairs)

    @property
    def none(self) -> bool:
        """Whether the mesh is one closed, oriented surface that, as far as was looked, crosses nothing."""
        return self.pieces == 1 and not self.sentences()

    @property
    def in_pieces(self) -> str:
        """A sentence on how many pieces there are; "" for one."""
        return _worded("The mesh consists of {} separate pieces.", self.pieces) if self.pieces > 1 else ""

    def sentences(self) -> list[str]:
        """Say what is wrong, most important first; nothing for a mesh without defects."""
        found = [
            (self.holes, "The mesh has {} hole{s}."),
            (len(self.crowded_edges), "{} edge{s} of the mesh belong{v} to more than two faces."),
            (len(self.flipped_edges), "{} edge{s} of the mesh lie{v} between faces that face opposite ways."),
            (len(self.doubled_faces), "{} face{s} of the mesh repeat{v} another one."),
            (len(self.collapsed_faces), "{} face{s} of the mesh {have} no area."),
            (self._crossing_others(), "{} face{s} of the mesh cross{es} others."),
        ]
        sentences = [_worded(text, count) for count, text in found if count]
        sentences += [self.in_pieces] if self.in_pieces else []
        return [*sentences, *(["The faces of the mesh point inward."] if self.inside_out else [])]

    def _crossing_others(self) -> int:
        """Count the crossing faces without those that only repeat another one, which are told apart."""
        if self.crossings is None:
            return 0
        repeats = np.isin(self.crossings, self.doubled_faces).any(axis=1)
        return len(np.unique(self.crossings[~repeats]))


@dataclass(frozen=True, eq=False)
class MeshSurface:
    """The surface of a mesh file, with vertices at equal positions joined.

    Attributes:
        vertices: (V, 3) float64, file units, finite.
        faces: (F, 3) int64.
        defects: where it is broken.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    defects: Defects


def _worded(text: str, count: int) -> str:
    one = count == 1
    return text.format(
        f"{count:,}", s="" if one else "s", v="s" if one else "", es="es" if one else "",
        have="has" if one else "have",
    )  # fmt: skip
