"""The header of a PLY file: which elements follow, and what each of their rows holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from nmf_model.io.header_lines import header_lines
from nmf_model.io.opening import damaged, truncated

_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4",
    "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "float32": "f4", "float64": "f8", "int64": "i8", "uint64": "u8",
}  # fmt: skip
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_MAX_HEADER_LINES = 2000
FACE_ELEMENTS = ("face", "tristrips")
"""Elements that make a surface: polygons, and strips of triangles."""


class Property(NamedTuple):
    """A value of each row, or a list of values behind their number, which is of ``count_type``."""

    name: str
    type: str
    count_type: str | None


class Element(NamedTuple):
    """Rows of one kind."""

    name: str
    size: int
    properties: list[Property]


@dataclass(frozen=True)
class Ply:
    """A parsed header: where the data are and what they mean."""

    path: Path
    order: str
    elements: tuple[Element, ...]
    start: int
    header_lines: int

    @property
    def has_faces(self) -> bool:
        """Whether the file promises at least one face."""
        return any(element.name in FACE_ELEMENTS and element.size > 0 for element in self.elements)


def open_ply(path: Path) -> Ply:
    """Read the header.

    Raises:
        InputError: it is not a PLY header.
    """
    with open(path, "rb") as stream:
        words, lines = _header_words(path, stream)
        start = stream.tell()
    order, elements = "", []
    for word in words:
        if word[0] == "format":
            order = word[1]
        elif word[0] == "element":
            elements.append(Element(word[1].lower(), int(word[2]), []))
        elif word[0] == "property":
            kind = _TYPES[word[3] if word[1] == "list" else word[1]]
            elements[-1].properties.append(
                Property(word[-1], kind, _TYPES[word[2]] if word[1] == "list" else None)
            )
    if order not in _ORDERS or any(element.size < 0 or not element.properties for element in elements):
        raise damaged(path)
    return Ply(path, _ORDERS[order], tuple(elements), start, lines)


def _header_words(path: Path, stream: BinaryIO) -> tuple[list[list[str]], int]:
    """Return the words of the lines that say something, and how many lines there are."""
    words: list[list[str]] = []
    for number, line in enumerate(header_lines(stream), start=1):
        word = line.decode("latin-1").split()
        if number == 1 and [part.lower() for part in word] != ["ply"]:
            raise damaged(path)
        if word == ["end_header"]:
            return words, number
        if number == _MAX_HEADER_LINES:
            break
        if word and word[0] in ("format", "element", "property"):
            words.append(word)
    raise truncated(path, "its header does not end")
