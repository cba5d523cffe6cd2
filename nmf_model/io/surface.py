"""What the readers of mesh formats return."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.geometry.polygons import cut_polygons, fans
from nmf_model.types import LengthUnit


class Surface(NamedTuple):
    """Vertices (V, 3) float64 and faces (F, 3) int64, both exactly as in the file; F may be 0.

    ``colors`` are (V, 3) or None; ``unit`` is that of the vertices, if the file says it.
    ``as_is`` tells whether trimesh reads the same from the file: it cuts polygons from their first corner,
    and takes colours in OBJ for 0..1.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    colors: NDArray[np.uint8] | None = None
    unit: LengthUnit | None = None
    as_is: bool = True


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


def from_polygons(
    path: Path, vertices: NDArray[np.float64], corners: NDArray[np.int64], sizes: NDArray[np.int64]
) -> Surface:
    """Return the surface of polygons as triangles inside them, in the same order and sense.

    Args:
        path: the file, for messages.
        vertices: (V, 3).
        corners: the vertices of one polygon after the other.
        sizes: how many corners each has; those with fewer than three are passed over.

    Raises:
        InputError: a polygon refers to a vertex that is not there.
    """
    whole = sizes >= 3
    corners, sizes = corners[np.repeat(whole, sizes)], sizes[whole]
    checked(path, Surface(vertices, corners))
    triangles = cut_polygons(vertices, corners, sizes)
    return Surface(vertices, corners[triangles], as_is=np.array_equal(triangles, fans(sizes)))


def coordinates(path: Path, words: list[str], line: int) -> tuple[float, float, float]:
    """Parse the three numbers of a vertex; the error gives their line."""
    try:
        x, y, z = map(float, words)
    except ValueError:
        raise InputError(
            f"{path.name} has no three numbers in line {line} where a vertex belongs; correct that line."
        ) from None
    return x, y, z
