"""Read the two plain text mesh formats, OBJ and OFF.

OBJ is not left to trimesh because it splits and reorders vertices along texture seams.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nmf_model.errors import InputError
from nmf_model.io.color_range import color_bytes, largest_color
from nmf_model.io.opening import damaged, truncated
from nmf_model.io.surface import Surface, checked, coordinates, fan
from nmf_model.words import counted


def read_obj(path: Path) -> Surface:
    """Read the vertices and faces of all objects and groups as one surface, with colours if it has no faces.

    All else is passed over; ``paint`` reads the colours of faces, which materials and textures have a say in.
    """
    vertices, corners, colors = array("d"), array("q"), array("d")
    for number, words in _numbered_words(path):
        if words[0] == "v":
            vertices.extend(coordinates(path, words[1:4], number))
            colors.extend(_obj_color(words))
        elif words[0] == "f":
            corners.extend(fan(_obj_polygon(path, words[1:], number, len(vertices) // 3)))
    surface = _surface(vertices, corners)
    return checked(path, surface if corners else _with_colors(surface, colors))


def _obj_color(words: list[str]) -> tuple[float, ...]:
    """Return red, green and blue behind the coordinates of a vertex, or () if it has none."""
    try:
        return tuple(map(float, words[4:7])) if len(words) >= 7 else ()
    except ValueError:
        return ()


def _with_colors(surface: Surface, colors: array[float]) -> Surface:
    """Return a cloud with its colours, if every point has one and none is below 0, as normals are."""
    if len(colors) != surface.vertices.size or not colors:
        return surface
    values = np.array(colors, dtype=np.float64).reshape(-1, 3)
    judged = values[np.isfinite(surface.vertices).all(axis=1)]
    if (judged < 0).any():
        return surface
    return surface._replace(colors=color_bytes(values, largest_color(judged)))


def _obj_polygon(path: Path, words: list[str], line: int, vertex_count: int) -> list[int]:
    """Return indices from 0; the file counts from 1, or backwards from the newest vertex."""
    try:
        indices = [int(word.split("/", 1)[0]) for word in words]
    except ValueError:
        raise _not_a_face(path, line) from None
    if 0 in indices or len(indices) < 2:
        raise _not_a_face(path, line)
    return [index - 1 if index > 0 else vertex_count + index for index in indices]


def read_off(path: Path) -> Surface:
    """Read OFF and its variants with colours or normals, which are passed over."""
    lines = _numbered_words(path)
    number, head = next(lines, (1, [""]))
    if not head[0].upper().endswith("OFF"):
        raise damaged(path)
    if len(head) < 3:
        number, counts = next(lines, (number, []))
    else:
        counts = head[1:]
    if len(counts) < 2 or not (counts[0].isdecimal() and counts[1].isdecimal()):
        raise InputError(
            f"{path.name} has no counts of vertices and faces in line {number}; export it again."
        )
    return checked(path, _off_body(path, lines, int(counts[0]), int(counts[1])))


def _off_body(
    path: Path, lines: Iterator[tuple[int, list[str]]], vertex_count: int, face_count: int
) -> Surface:
    vertices, corners = array("d"), array("q")
    for done in range(vertex_count):
        number, words = next(lines, (0, []))
        if not words:
            raise truncated(path, f"{done:,} of {counted(vertex_count, 'vertex', 'vertices')}")
        vertices.extend(coordinates(path, words[:3], number))
    for done in range(face_count):
        number, words = next(lines, (0, []))
        if not words:
            raise truncated(path, f"{done:,} of {counted(face_count, 'face')}")
        corners.extend(fan(_off_polygon(path, words, number)))
    return _surface(vertices, corners)


def _off_polygon(path: Path, words: list[str], line: int) -> list[int]:
    try:
        polygon = [int(word) for word in words[1 : int(words[0]) + 1]]
        if len(polygon) == int(words[0]):
            return polygon
    except ValueError:
        pass
    raise _not_a_face(path, line)


def _numbered_words(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, words) without comments; a backslash at the end continues a line."""
    with open(path, encoding="utf-8-sig", errors="replace") as stream:
        pending = ""
        for number, line in enumerate(stream, start=1):
            if line.endswith("\\\n"):
                pending += line[:-2] + " "
                continue
            words = (pending + line).split("#", 1)[0].split()
            pending = ""
            if words:
                yield number, words


def _not_a_face(path: Path, line: int) -> InputError:
    return InputError(f"{path.name} has something else than a face in line {line}; correct that line.")


def _surface(vertices: array[float], corners: array[int]) -> Surface:
    # np.array copies, because frombuffer of an empty array is refused.
    return Surface(
        np.array(vertices, dtype=np.float64).reshape(-1, 3), np.array(corners, dtype=np.int64).reshape(-1, 3)
    )
