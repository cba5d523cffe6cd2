"""What the readers of mesh formats return."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.types import LengthUnit


class Surface(NamedTuple):
    """Vertices (V, 3) float64 and faces (F, 3) int64, both exactly as in the file; F may be 0.

    ``colors`` are (V, 3) or None; ``unit`` is that of the vertices, if the file says it.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    colors: NDArray[np.uint8] | None = None
    unit: LengthUnit | None = None


NO_FACES: NDArray[np.int64] = np.zeros((0, 3), dtype=np.int64)


def checked(path: Path, surface: Surface) -> Surface:
    """Return the surface if every face names existing vertices.

    Raises:
        InputError: a face refers to a vertex that is not there.
    """
    faces, count = surface.faces, len(surface.vertices)
    if len(faces) and (faces.min() < 0 or faces.max() >= count):
        raise InputError(
            f"{path.name} has faces that refer to vertices beyond its {count:,}; export it again."
        )
    return surface


def fan(polygon: list[int]) -> list[int]:
    """Return the corners, flat, of the triangles that fan out from a polygon's first corner."""
    return [corner for k in range(1, len(polygon) - 1) for corner in (polygon[0], polygon[k], polygon[k + 1])]


def coordinates(path: Path, words: list[str], line: int) -> tuple[float, float, float]:
    """Parse the three numbers of a vertex; the error gives their line."""
    try:
        x, y, z = map(float, words)
    except ValueError:
        raise InputError(
            f"{path.name} has no three numbers in line {line} where a vertex belongs; correct that line."
        ) from None
    return x, y, z
