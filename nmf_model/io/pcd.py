"""Read PCD, the point cloud library's format: ascii, binary and binary_compressed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.io.collect import CHUNK_ROWS, Chunk
from nmf_model.io.header_lines import header_lines
from nmf_model.io.opening import damaged, require_bytes, truncated
from nmf_model.io.text import LINES_AT_ONCE, parse_rows
from nmf_model.io.text_names import color_columns, coordinate_columns
from nmf_model.words import counted

_MAX_HEADER_LINES = 200
_MAX_UNPACKED_BYTES = 8 << 30


@dataclass(frozen=True)
class _Header:
    path: Path
    fields: list[tuple[str, str, int]]
    """Name, numpy type and number of values of each field."""
    count: int
    organised: bool
    data: str
    start: int
    lines: int

    @property
    def axes(self) -> tuple[int, ...]:
        """The numbers of the fields x, y and z; () if there are none."""
        return coordinate_columns([name for name, _, _ in self.fields])

    @property
    def colors(self) -> tuple[int, ...]:
        """The number of the field of colours in 32 bits, or of those of red, green and blue; or ()."""
        packed = (("rgb", "<f4"), ("rgb", "<u4"), ("rgba", "<u4"), ("rgba", "<f4"), ("rgb", "<i4"))
        present = [(name.lower(), kind) for name, kind, _ in self.fields]
        found = next((present.index(field) for field in packed if field in present), None)
        return color_columns([name for name, _, _ in self.fields]) if found is None else (found,)

    def text_columns(self, fields: tuple[int, ...]) -> list[int]:
        """Return the first column of text of each of the given fields."""
        widths = [width for _, _, width in self.fields]
        return [sum(widths[:field]) for field in fields]


def read_pcd(path: Path) -> Iterator[Chunk]:
    """Yield the points; rows that the format means to be empty are only counted."""
    header = _read_header(path)
    read = {"ascii": _text, "binary": _binary, "binary_compressed": _compressed}.get(header.data)
    if read is None:
        raise damaged(path)
    for points, colors in read(header):
        # NaN means "nothing there", in depth images above all, which is no defect of the file; in a list of
        # points only where a whole row is NaN.
        kept = np.isfinite(points).all(axis=1) if header.organised else ~np.isnan(points).all(axis=1)
        empty = int(len(points) - kept.sum())
        yield Chunk(points[kept], None if colors is None else colors[kept], empty)


_Part = tuple[NDArray[np.generic], NDArray[Any] | None]


def _unpack(packed: NDArray[np.uint32]) -> NDArray[np.uint8]:
    return np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255], axis=1).astype(np.uint8)


def _channels(values: NDArray[Any]) -> NDArray[Any]:
    """Return (n, 3) colours in which one byte holds 0..255, signed or not."""
    return values.astype(np.uint8) if values.dtype.itemsize == 1 else values


def _read_header(path: Path) -> _Header:
    entries: dict[str, list[str]] = {}
    with open(path, "rb") as stream:
        for line, text in enumerate(islice(header_lines(stream), _MAX_HEADER_LINES), start=1):
            words = text.decode("latin-1").split()
            if words and not words[0].startswith("#"):
                entries[words[0].upper()] = words[1:]
            if "DATA" in entries:
                return _header(path, entries, stream.tell(), line)
    if entries.keys() & {"VERSION", "FIELDS"}:
        raise truncated(path, "its header does not end")
    raise damaged(path)


def _header(path: Path, entries: dict[str, list[str]], start: int, lines: int) -> _Header:
    names = entries["FIELDS"]
    widths = [int(width) for width in entries.get("COUNT", ["1"] * len(names))]
    kinds = [f"<{kind.lower()}{size}" for kind, size in zip(entries["TYPE"], entries["SIZE"], strict=True)]
    height = int(entries.get("HEIGHT", ["1"])[0])
    count = int(entries["POINTS"][0] if "POINTS" in entries else int(entries["WIDTH"][0]) * height)
    if count < 0 or any(width < 0 for width in widths):
        raise damaged(path)
    fields = list(zip(names, kinds, widths, strict=True))
    header = _Header(path, fields, count, height > 1, entries["DATA"][0].lower(), start, lines)
    if not header.axes:
        raise InputError(
            f"{path.name} does not say which of its fields are x, y and z; export it again with coordinates."
        )
    return header


def _text(header: _Header) -> Iterator[_Part]:
    columns = header.text_columns(header.axes + header.colors)
    with open(header.path, encoding="latin-1") as stream:
        for _ in islice(stream, header.lines):
            pass
        line, read = header.lines, 0
        while read < header.count and (lines := list(islice(stream, LINES_AT_ONCE))):
            rows = parse_rows(header.path, lines, columns, line + 1)[: header.count - read]
            line, read = line + len(lines), read + len(rows)
            yield rows[:, :3], _text_colors(header, rows[:, 3:])
    if read < header.count:
        raise truncated(header.path, f"{read:,} of {counted(header.count, 'point')}")


def _text_colors(header: _Header, values: NDArray[np.float64]) -> NDArray[Any] | None:
    if not header.colors:
        return None
    values, kind = np.nan_to_num(values), header.fields[header.colors[0]][1]
    if len(header.colors) == 3:
        return _channels(values.astype(kind))
    packed = values[:, 0]
    if kind == "<f4" and not (packed == packed.round()).all():
        return _unpack(packed.astype("<f4").view(np.uint32))
    return _unpack(packed.astype(np.int64).astype(np.uint32))


def _binary(header: _Header) -> Iterator[_Part]:
    # Fields called "_" are padding and may repeat, so fields are named by position.
    dtype = np.dtype([(str(i), kind, (width,)) for i, (_, kind, width) in enumerate(header.fields)])
    require_bytes(header.path, header.start + header.count * dtype.itemsize)
    if header.count == 0:
        return
    table = np.memmap(header.path, dtype, "r", header.start, (header.count,))
    for first in range(0, header.count, CHUNK_ROWS):
        rows = table[first : first + CHUNK_ROWS]
        yield _part(header, [rows[str(i)] for i in range(len(header.fields))])


def _compressed(header: _Header) -> Iterator[_Part]:
    """Unpack the whole block: it stores all x, then all y and so on, so it cannot be cut up."""
    with open(header.path, "rb") as stream:
        stream.seek(header.start)
        packed_size, size = np.frombuffer(stream.read(8), "<u4").tolist()
        packed = stream.read(packed_size)
    if len(packed) < packed_size:
        raise truncated(header.path, f"{len(packed):,} of {packed_size:,} bytes")
    expected = sum(np.dtype(kind).itemsize * width for _, kind, width in header.fields) * header.count
    if size != expected or size > _MAX_UNPACKED_BYTES:
        raise damaged(header.path)
    data, offset, columns = lzf_decompress(packed, size), 0, []
    for _, kind, width in header.fields:
        column = np.frombuffer(data, kind, header.count * width, offset).reshape(-1, width)
        columns.append(column)
        offset += column.nbytes
    for first in range(0, header.count, CHUNK_ROWS):
        yield _part(header, [column[first : first + CHUNK_ROWS] for column in columns])


def _part(header: _Header, columns: list[NDArray[np.generic]]) -> _Part:
    points = np.stack([columns[axis][:, 0] for axis in header.axes], axis=1)
    if not header.colors:
        return points, None
    colors = [columns[field][:, 0] for field in header.colors]
    if len(colors) == 3:
        return points, _channels(np.stack(colors, axis=1))
    return points, _unpack(np.ascontiguousarray(colors[0]).view(np.uint32))


def lzf_decompress(packed: bytes, size: int) -> bytes:
    """Undo LZF: runs of literal bytes, and copies (length, distance back) of what is already there.

    Raises:
        ValueError: the data do not unpack to exactly ``size`` bytes.
    """
    out = bytearray()
    position = 0
    while position < len(packed) and len(out) <= size:
        control = packed[position]
        position += 1
        if control < 32:
            out += packed[position : position + control + 1]
            position += control + 1
            continue
        length = control >> 5
        if length == 7:
            length += packed[position]
            position += 1
        start = len(out) - ((control & 31) << 8) - packed[position] - 1
        position += 1
        if start < 0:
            raise ValueError("a copy reaches before the start")
        _copy(out, start, length + 2)
    if len(out) != size:
        raise ValueError(f"{len(out)} bytes instead of {size}")
    return bytes(out)


def _copy(out: bytearray, start: int, length: int) -> None:
    """Append ``length`` bytes from ``start`` on; where it runs into its own output it repeats."""
    piece = out[start : start + length]
    out += (piece * (length // len(piece) + 1))[:length]
