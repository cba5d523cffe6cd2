"""Read the two plain text mesh formats, OBJ and OFF.

OBJ is not left to trimesh because it splits and reorders vertices along texture seams.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.geometry.polygons import cut_polygons
from nmf_model.io.color_range import file_colors, largest_color
from nmf_model.io.opening import damaged, truncated
from nmf_model.io.surface import Surface, coordinates, from_polygons
from nmf_model.io.text_fields import encoding_of
from nmf_model.words import counted

_OFF_KIND = re.compile(r"([a-z4]*off)(\d+)?", re.IGNORECASE)


def read_obj(path: Path) -> Surface:
    """Read the vertices and faces of all objects and groups as one surface, with colours if it has no faces.

    All else is passed over; ``paint`` reads the colours of faces, which materials and textures have a say in.
    """
    obj = _parsed_obj(path)
    surface = _surface(path, obj.vertices, obj.corners, obj.sizes)
    if len(surface.faces) == 0:
        return surface._replace(colors=_shades(obj))
    values = np.array(obj.colors)
    is_plain = len(values) == 0 or (_shades(obj) is not None and bool((values < 2).all()))
    return surface._replace(as_is=surface.as_is and is_plain)


def obj_as_read(path: Path) -> str:
    """Return the text of an OBJ file with all polygons and colours of vertices as they are read here.

    Polygons are cut as ``read_obj`` cuts them; colours are 0..1, and left out where they are none. All else
    is as in the file.
    """
    obj = _parsed_obj(path)
    shades = _shades(obj)
    colors = iter([] if shades is None else (shades / 255).tolist())
    vertices = np.array(obj.vertices, dtype=np.float64).reshape(-1, 3)
    corners, sizes = np.array(obj.corners, dtype=np.int64), np.array(obj.sizes, dtype=np.int64)
    triangles, starts = cut_polygons(vertices, corners, sizes), np.cumsum(sizes) - sizes
    pieces = np.split(triangles, np.searchsorted(triangles[:, 0], starts[1:]))
    cut = zip(starts.tolist(), pieces, strict=True)
    text, written = path.read_text(encoding=encoding_of(path), errors="replace"), list[str]()
    for line in text.replace("\\\n", " ").split("\n"):
        words = line.split("#", 1)[0].split()
        if words and words[0] == "v" and obj.colors:
            red_green_blue = "".join(f" {value:.6f}" for value in next(colors, ()))
            written.append(" ".join(words[:4]) + red_green_blue)
            continue
        if not words or words[0] != "f":
            written.append(line)
            continue
        first, piece = next(cut)
        written += [f"f {' '.join(words[1 + corner - first] for corner in triangle)}" for triangle in piece]
    return "\n".join(written)


class _Parsed(NamedTuple):
    """Coordinates, corners of one polygon after the other, how many each has, and colours, flat."""

    vertices: array[float]
    corners: array[int]
    sizes: array[int]
    colors: array[float]


def _parsed_obj(path: Path) -> _Parsed:
    obj = _Parsed(array("d"), array("q"), array("q"), array("d"))
    for number, words in _numbered_words(path):
        if words[0] == "v":
            obj.vertices.extend(coordinates(path, words[1:4], number))
            obj.colors.extend(_color(words[4:7]))
        elif words[0] == "f":
            obj.corners.extend(_obj_polygon(path, words[1:], number, len(obj.vertices) // 3))
            obj.sizes.append(len(words) - 1)
    return obj


def _color(words: list[str]) -> tuple[float, ...]:
    """Return red, green and blue, or () if the words are something else."""
    try:
        return tuple(map(float, words)) if len(words) == 3 else ()
    except ValueError:
        return ()


def _shades(parsed: _Parsed) -> NDArray[np.uint8] | None:
    """Return (V, 3) the colours, if every vertex has one and none is below 0, as normals are."""
    if len(parsed.colors) != len(parsed.vertices) or not parsed.colors:
        return None
    values = np.array(parsed.colors, dtype=np.float64).reshape(-1, 3)
    places = np.array(parsed.vertices, dtype=np.float64).reshape(-1, 3)
    judged = values[np.isfinite(places).all(axis=1)]
    return None if (judged < 0).any() else file_colors(values, largest_color(judged))


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
    """Read OFF and its variants, with the colours of vertices; all else is passed over.

    Raises:
        InputError: it is another file, or a kind of OFF that is not read.
    """
    with open(path, "rb") as stream:
        first = stream.readline(64).upper().split()
    if first[1:] == [b"BINARY"]:
        raise InputError(f"{path.name} is a binary OFF file, which is not read; export it as text.")
    lines = _numbered_words(path)
    number, head = next(lines, (1, [""]))
    head = _off_head(path, head)
    if len(head) < 3:
        number, counts = next(lines, (number, []))
    else:
        counts = head[1:]
    if len(counts) < 2 or not (counts[0].isdecimal() and counts[1].isdecimal()):
        raise InputError(
            f"{path.name} has no counts of vertices and faces in line {number}; export it again."
        )
    kinds = head[0].upper().removesuffix("OFF")
    # Normals stand between the place and the colour; with a fourth coordinate nothing is where it is sought.
    has_colors = "C" in kinds and set(kinds) <= set("STCN")
    color_column = (6 if "N" in kinds else 3) if has_colors else None
    return _off_body(path, lines, int(counts[0]), int(counts[1]), color_column)


def _off_head(path: Path, words: list[str]) -> list[str]:
    """Return the words of the first line, of which the first is the kind of OFF.

    The kind may be left out, by the format's own text; some data sets have the first number right behind it.
    """
    if len(words) >= 2 and all(word.isdecimal() for word in words):
        return ["OFF", *words]
    found = _OFF_KIND.fullmatch(words[0])
    if found is None:
        raise damaged(path)
    if found[1].endswith("nOFF"):
        raise InputError(f"{path.name} says how many coordinates its vertices have; export it as plain OFF.")
    return [found[1], *([found[2]] if found[2] else []), *words[1:]]


def _off_body(
    path: Path,
    lines: Iterator[tuple[int, list[str]]],
    vertex_count: int,
    face_count: int,
    color_column: int | None,
) -> Surface:
    mesh = _Parsed(array("d"), array("q"), array("q"), array("d"))
    vertices, corners, sizes, colors = mesh
    for done in range(vertex_count):
        number, words = next(lines, (0, []))
        if not words:
            raise truncated(path, f"{done:,} of {counted(vertex_count, 'vertex', 'vertices')}")
        vertices.extend(coordinates(path, words[:3], number))
        if color_column is not None:
            colors.extend(_color(words[color_column : color_column + 3]))
    for done in range(face_count):
        number, words = next(lines, (0, []))
        if not words:
            raise truncated(path, f"{done:,} of {counted(face_count, 'face')}")
        polygon = _off_polygon(path, words, number)
        corners.extend(polygon)
        sizes.append(len(polygon))
    return _surface(path, vertices, corners, sizes)._replace(colors=_shades(mesh))


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
    with open(path, encoding=encoding_of(path), errors="replace") as stream:
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


def _surface(path: Path, vertices: array[float], corners: array[int], sizes: array[int]) -> Surface:
    # np.array copies, because frombuffer of an empty array is refused.
    places = np.array(vertices, dtype=np.float64).reshape(-1, 3)
    return from_polygons(path, places, *(np.array(part, dtype=np.int64) for part in (corners, sizes)))
