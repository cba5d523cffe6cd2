"""The triangles of a Wavefront OBJ, and nothing else of it: positions and faces, read with numpy."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError


def parse_obj(text: str, name: str = "the OBJ file") -> NDArray[np.float64]:
    """Return the triangles of an OBJ as (F, 3, 3) float64; polygons are cut into fans.

    Groups, materials, normals and texture coordinates are ignored. Indices may be negative (relative to
    the vertices read so far) and faces may stand before the vertices they name.

    Args:
        text: the contents of the file.
        name: how error messages call it.

    Raises:
        InputError: a line cannot be read, an index points nowhere, or there is no face.
    """
    positions: list[list[float]] = []
    corners: list[tuple[int, int, int]] = []
    try:
        for line in _logical_lines(text):
            words = line.split()
            if not words:
                continue
            if words[0] == "v":
                positions.append([float(word) for word in words[1:4]])
            elif words[0] == "f":
                corners.extend(_fan([_vertex_index(word, len(positions)) for word in words[1:]]))
        vertices = np.array(positions, dtype=np.float64).reshape(-1, 3)
    except ValueError as error:
        raise InputError(f"{name} is damaged: {error}; export it again.") from error
    if not corners:
        raise InputError(f"{name} has no faces; export it with its surface.")
    faces = np.array(corners, dtype=np.int64)
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise InputError(f"{name} has faces that name missing vertices; export it again.")
    return vertices[faces]


def _logical_lines(text: str) -> list[str]:
    """Split into lines; one that ends in a backslash goes on in the next."""
    return text.replace("\\\r\n", " ").replace("\\\n", " ").splitlines()


def _vertex_index(word: str, vertices_so_far: int) -> int:
    """Read the position index of ``v``, ``v/t``, ``v//n`` or ``v/t/n`` as a 0-based index."""
    index = int(word.partition("/")[0])
    return index - 1 if index > 0 else vertices_so_far + index


def _fan(polygon: list[int]) -> list[tuple[int, int, int]]:
    """Cut a polygon into the triangles around its first corner."""
    return [(polygon[0], second, third) for second, third in itertools.pairwise(polygon[1:])]
