"""What is wrong with a mesh in the coordinates that its files will hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nmf_model.geometry.intersections import crossing_pairs, degenerate_faces
from nmf_model.geometry.refinement import Faces, Points

Written = Callable[[Points], Points]
"""Turns vertices (V, 3) in unit-sphere units into the coordinates that some file format will hold."""


def as_they_are(points: Points) -> Points:
    """Return the points themselves: the form that is checked when nothing is said about files."""
    return points


@dataclass(frozen=True)
class Defects:
    """Defects of one mesh in the first of its written forms that has any.

    Attributes:
        pairs: (K, 2) faces that cross, by exact arithmetic.
        flat: (D,) faces without area and faces of coinciding vertices.
        clean_forms: how many forms before that one have none; all of them if nothing is at fault.
    """

    pairs: NDArray[np.int64]
    flat: NDArray[np.int64]
    clean_forms: int = 0

    @property
    def faces(self) -> NDArray[np.int64]:
        """All faces with a defect, rising."""
        return np.unique(np.concatenate([self.pairs.ravel(), self.flat]))

    @property
    def crossing_faces(self) -> int:
        """How many faces cross others."""
        return len(np.unique(self.pairs))

    @property
    def severity(self) -> tuple[int, int]:
        """What orders meshes: sound in fewer of the forms is worse, whatever the count of faces at fault."""
        return -self.clean_forms, len(self.faces)


def find_defects(image: Points, faces: Faces, forms: Sequence[Written]) -> Defects:
    """Check the mesh in one form after the other, up to the first that has defects."""
    found = Defects(np.zeros((0, 2), dtype=np.int64), np.zeros(0, dtype=np.int64))
    for clean, form in enumerate(forms):
        found = replace(_defects_of(np.ascontiguousarray(form(image)), faces), clean_forms=clean)
        if len(found.pairs) or len(found.flat):
            return found
    return replace(found, clean_forms=len(forms))


def _defects_of(written: Points, faces: Faces) -> Defects:
    flat = degenerate_faces(written, faces) | _coincident(written)[faces].any(axis=1)
    return Defects(crossing_pairs(written, faces), np.flatnonzero(flat))


def _coincident(points: Points) -> NDArray[np.bool_]:
    """Return (V,) True for vertices at exactly the same place as another one."""
    order = np.lexsort(points.T)
    same = (points[order][1:] == points[order][:-1]).all(axis=1)
    found = np.zeros(len(points), dtype=bool)
    found[order[1:][same]] = True
    found[order[:-1][same]] = True
    return found
