"""The coordinates that the export formats hold, so that what is certified is what will be written."""

from __future__ import annotations

import numpy as np

from nmf_model.geometry.refinement import Points
from nmf_model.io.writers import local_origin
from nmf_model.sound.defects import Written
from nmf_model.types import Normalization

_COARSE = 1e-5
"""Rounding by more than this, in unit-sphere units, is no matter of single faces any more: no mesh of such an
object survives in such a file, which the export says."""


def written_forms(normalization: Normalization) -> tuple[Written, ...]:
    """Return the forms in which a mesh in these units can be written.

    PLY, OBJ, OFF and 3MF hold file units in float64, GLB float32 about the middle of the mesh, STL float32
    about the origin; the last is left out where the object is too far from the origin for it.
    """

    def exact(points: Points) -> Points:
        return normalization.to_file(points)

    def about_the_middle(points: Points) -> Points:
        file = normalization.to_file(points)
        return (file - local_origin(file)).astype(np.float32).astype(np.float64)

    def about_the_origin(points: Points) -> Points:
        return normalization.to_file(points).astype(np.float32).astype(np.float64)

    reach = float(np.abs(normalization.offset).max()) + normalization.scale
    with np.errstate(over="ignore"):
        error = float(np.spacing(np.float32(reach))) / 2
    if not error <= _COARSE * normalization.scale:
        return exact, about_the_middle
    return exact, about_the_middle, about_the_origin
