"""Read PLY: text and binary, bare points and polygons, with colours."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.io.collect import CHUNK_ROWS, Chunk
from nmf_model.io.color_range import file_colors, largest_color
from nmf_model.io.opening import damaged, require_bytes, truncated
from nmf_model.io.ply_header import FACE_ELEMENTS, Element, Ply, open_ply
from nmf_model.io.strips import strip_triangles
from nmf_model.io.surface import NO_FACES, Surface, from_polygons
from nmf_model.io.text import LINES_AT_ONCE, parse_rows
from nmf_model.io.text_names import color_columns, coordinate_columns
from nmf_model.words import counted

_CORNERS = ("vertex_indices", "vertex_index")


def read_ply_points(ply: Ply) -> Iterator[Chunk]:
    """Yield the vertices, in pieces of bounded size, with the colours as in the file."""
    if ply.order:
        yield from _binary_vertices(ply)
    else:
        yield from _text_vertices(ply)


def read_ply(path: Path) -> Surface:
    """Read vertices, colours and faces; polygons become triangles."""
    ply = open_ply(path)
    chunks = list(read_ply_points(ply))
    vertices = np.concatenate(
        [np.asarray(chunk.points, dtype=np.float64) for chunk in chunks] or [np.zeros((0, 3))]
    )
    surface = Surface(vertices, NO_FACES)
    for element in ply.elements:
        if element.name not in FACE_ELEMENTS or element.size == 0:
            continue
        corners, sizes = _binary_faces(ply, element) if ply.order else _text_faces(ply, element)
        is_strip = element.name == "tristrips"
        if is_strip:
            corners, sizes = strip_triangles(corners, sizes)
        part = from_polygons(path, vertices, corners, sizes)
        surface = surface._replace(
            faces=np.concatenate([surface.faces, part.faces]),
            as_is=surface.as_is and part.as_is and not is_strip,
        )
    return surface._replace(colors=_colors(vertices, chunks))


def _colors(vertices: NDArray[np.float64], chunks: list[Chunk]) -> NDArray[np.uint8] | None:
    found = [chunk.colors for chunk in chunks if chunk.colors is not None]
    if not found:
        return None
    values = np.concatenate(found)
    return file_colors(values, largest_color(values[np.isfinite(vertices).all(axis=1)]))


def _element(ply: Ply, name: str) -> Element:
    for element in ply.elements:
        if element.name == name:
            return element
    raise damaged(ply.path)


class _Names(NamedTuple):
    """What the coordinates and, if there are some, the colours of an element's rows are called."""

    axes: list[str]
    colors: list[str]


def _names(ply: Ply, element: Element) -> _Names:
    names = [prop.name for prop in element.properties if not prop.count_type]
    axes = coordinate_columns(names)
    if not axes:
        raise InputError(
            f"{ply.path.name} does not say which values of its vertices are x, y and z; "
            "export it again with coordinates."
        )
    return _Names([names[column] for column in axes], [names[column] for column in color_columns(names)])


def _native(values: NDArray[Any]) -> NDArray[Any]:
    """Return (n, 3) colours in this machine's order of bytes; one byte holds 0..255, signed or not."""
    kind = values.dtype
    return values.astype(np.uint8 if kind.itemsize == 1 else kind.newbyteorder("="))


def _binary_vertices(ply: Ply) -> Iterator[Chunk]:
    element = _element(ply, "vertex")
    axes, names = _names(ply, element)
    for rows in _binary_rows(ply, element):
        colors = _native(np.stack([rows[c] for c in names], axis=1)) if names else None
        yield Chunk(np.stack([rows[axis] for axis in axes], axis=1), colors)


def _binary_rows(ply: Ply, element: Element) -> Iterator[NDArray[np.void]]:
    """Yield the rows of an element, in pieces, with its single values as fields."""
    offset = _binary_offset(ply, element)
    if _has_lists(element):
        yield from _rows_between_lists(ply, element, offset)
        return
    table = _mapped(ply, element.size, _row_type(ply, element), offset)
    for first in range(0, len(table), CHUNK_ROWS):
        yield table[first : first + CHUNK_ROWS]


def _has_lists(element: Element) -> bool:
    return any(prop.count_type for prop in element.properties)


def _rows_between_lists(ply: Ply, element: Element, offset: int) -> Iterator[NDArray[np.void]]:
    """Walk an element whose rows differ in length, and yield what is in them besides lists, in pieces."""
    single = element._replace(properties=[prop for prop in element.properties if not prop.count_type])
    kind = _row_type(ply, single)
    steps = [
        (np.dtype(ply.order + prop.type).itemsize, np.dtype(ply.order + (prop.count_type or prop.type)))
        for prop in element.properties
    ]
    lists = [prop.count_type is not None for prop in element.properties]
    data = np.memmap(ply.path, np.uint8, "r")
    position = offset
    for first in range(0, element.size, CHUNK_ROWS):
        kept = bytearray()
        for row in range(first, min(first + CHUNK_ROWS, element.size)):
            for (size, count_kind), is_list in zip(steps, lists, strict=True):
                end = position + count_kind.itemsize
                value = data[position:end].tobytes()
                if is_list and len(value) == count_kind.itemsize:
                    end += int(np.frombuffer(value, count_kind)[0]) * size
                elif not is_list:
                    kept += value
                if not position < end <= len(data):
                    raise truncated(ply.path, f"{row:,} of {counted(element.size, 'row')}")
                position = end
        yield np.frombuffer(bytes(kept), kind)


def _row_type(ply: Ply, element: Element, corners: int = 0) -> np.dtype[np.void]:
    """Return the type of a row whose lists, if any, all hold ``corners`` values."""
    fields: list[tuple[str, str] | tuple[str, str, tuple[int]]] = []
    for prop in element.properties:
        if prop.count_type is None:
            fields.append((prop.name, ply.order + prop.type))
        else:
            fields.append((prop.name + "#", ply.order + prop.count_type))
            fields.append((prop.name, ply.order + prop.type, (corners,)))
    return np.dtype(fields)


def _mapped(ply: Ply, size: int, row_type: np.dtype[np.void], offset: int) -> NDArray[np.void]:
    require_bytes(ply.path, offset + size * row_type.itemsize)
    if size == 0:
        return np.zeros(0, row_type)
    return np.memmap(ply.path, row_type, "r", offset, (size,))


def _binary_offset(ply: Ply, wanted: Element) -> int:
    """Return where the data of one element start."""
    offset = ply.start
    for element in ply.elements:
        if element is wanted:
            break
        if _has_lists(element):
            offset = _lists(ply, element, offset)[1]
        else:
            offset += element.size * _row_type(ply, element).itemsize
    return offset


def _binary_faces(ply: Ply, element: Element) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the corners of all polygons, and how many each has."""
    offset = _binary_offset(ply, element)
    name = _corner_property(ply, element)
    for size in (3, 4):
        alike = _row_type(ply, element, corners=size)
        if os.path.getsize(ply.path) >= offset + element.size * alike.itemsize:
            table = _mapped(ply, element.size, alike, offset)
            counts = [prop.name + "#" for prop in element.properties if prop.count_type]
            if all((table[count] == size).all() for count in counts):
                return table[name].astype(np.int64).ravel(), np.full(element.size, size)
    polygons, _ = _lists(ply, element, offset)
    return _joined(polygons)


def _joined(polygons: Iterable[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    corners, sizes = array("q"), array("q")
    for polygon in polygons:
        corners.extend(polygon)
        sizes.append(len(polygon))
    return np.array(corners, dtype=np.int64), np.array(sizes, dtype=np.int64)


def _corner_property(ply: Ply, element: Element) -> str:
    for prop in element.properties:
        if prop.count_type and prop.name.lower() in _CORNERS:
            return prop.name
    raise InputError(
        f"{ply.path.name} does not say which vertices its faces have; export it again with a list called "
        f"{_CORNERS[0]}."
    )


def _lists(ply: Ply, element: Element, offset: int) -> tuple[list[list[int]], int]:
    """Walk an element with lists of differing lengths; return its corner lists and where it ends."""
    with open(ply.path, "rb") as stream:
        stream.seek(offset)
        data = stream.read()
    position, polygons = 0, []
    for row in range(element.size):
        for prop in element.properties:
            count, kind = 1, np.dtype(ply.order + prop.type)
            if prop.count_type is not None:
                count_kind = np.dtype(ply.order + prop.count_type)
                if position + count_kind.itemsize > len(data):
                    raise truncated(ply.path, f"{row:,} of {counted(element.size, 'face')}")
                count = int(np.frombuffer(data, count_kind, 1, position)[0])
                position += count_kind.itemsize
            if count < 0 or position + count * kind.itemsize > len(data):
                raise truncated(ply.path, f"{row:,} of {counted(element.size, 'face')}")
            if prop.name.lower() in _CORNERS:
                polygons.append(np.frombuffer(data, kind, count, position).tolist())
            position += count * kind.itemsize
    return polygons, offset + position


def _text_lines(ply: Ply, wanted: Element) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of the first line, lines) of one element, in pieces."""
    with open(ply.path, encoding="latin-1") as stream:
        line = ply.header_lines
        for _ in islice(stream, line):
            pass
        for element in ply.elements:
            left = element.size
            while left and (lines := list(islice(stream, min(left, LINES_AT_ONCE)))):
                if element is wanted:
                    yield line + 1, lines
                line, left = line + len(lines), left - len(lines)
            if element is wanted:
                if left:
                    raise truncated(ply.path, f"{element.size - left:,} of {counted(element.size, 'line')}")
                return


def _text_vertices(ply: Ply) -> Iterator[Chunk]:
    element = _element(ply, "vertex")
    single = [prop for prop in element.properties if not prop.count_type]
    names = [prop.name for prop in single]
    axes, colors = _names(ply, element)
    columns = [names.index(name) for name in (*axes, *colors)]
    for first_line, lines in _text_lines(ply, element):
        if _has_lists(element):
            lines = [_single_words(ply, element, *numbered) for numbered in enumerate(lines, first_line)]
        rows = parse_rows(ply.path, lines, columns, first_line)
        if len(rows) != len(lines):
            raise truncated(ply.path, "blank lines among its vertices")
        if not colors:
            yield Chunk(rows)
        else:
            kind = single[columns[3]].type
            yield Chunk(rows[:, :3], _native(np.nan_to_num(rows[:, 3:]).astype(kind)))


def _single_words(ply: Ply, element: Element, number: int, line: str) -> str:
    """Return a line of text without its lists, which differ in length."""
    words, kept = iter(line.split()), []
    try:
        for prop in element.properties:
            word = next(words)
            if prop.count_type is None:
                kept.append(word)
            else:
                for _ in range(int(word)):
                    next(words)
    except (ValueError, StopIteration):
        raise truncated(ply.path, f"line {number} is not a {element.name}") from None
    return " ".join(kept) + "\n"


def _text_faces(ply: Ply, element: Element) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the corners of all polygons, and how many each has."""
    name = _corner_property(ply, element)
    return _joined(
        _text_polygon(ply, element, name, line, number)
        for first_line, lines in _text_lines(ply, element)
        for number, line in enumerate(lines, start=first_line)
    )


def _text_polygon(ply: Ply, element: Element, name: str, line: str, number: int) -> list[int]:
    words = line.split()
    position = 0
    try:
        for prop in element.properties:
            count = 1
            if prop.count_type is not None:
                count, position = int(words[position]), position + 1
            if prop.name == name:
                polygon = [int(word) for word in words[position : position + count]]
                if len(polygon) == count:
                    return polygon
                break
            position += count
    except (ValueError, IndexError):
        pass
    raise truncated(ply.path, f"line {number} is not a face")
