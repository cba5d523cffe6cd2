"""Tables of numbers in text files: xyz, pts, txt and csv."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.io.collect import Chunk
from nmf_model.io.opening import damaged, truncated

LINES_AT_ONCE = 1 << 16
_COMMENTS = ("#", "//")


class _Layout(NamedTuple):
    delimiter: str | None
    columns: tuple[int, int, int]
    skip: int
    promised: int | None


def read_text(path: Path) -> Iterator[Chunk]:
    """Yield the points of a text table.

    Columns are separated by semicolons, commas, tabs or spaces. A first line may name them (x, y and z
    are then found by name) or give the number of points.

    Raises:
        InputError: with the number of the line that holds something else than numbers.
    """
    with open(path, encoding=_encoding(path), errors="replace") as stream:
        layout = _find_layout(path, stream)
        stream.seek(0)
        for _ in islice(stream, layout.skip):
            pass
        read, first_line = 0, layout.skip + 1
        while lines := list(islice(stream, LINES_AT_ONCE)):
            rows = parse_rows(path, lines, layout.columns, first_line, layout.delimiter)
            read, first_line = read + len(rows), first_line + len(lines)
            yield Chunk(rows)
    if layout.promised is not None and read < layout.promised:
        raise truncated(path, f"{read:,} of {layout.promised:,} points")


def parse_rows(
    path: Path,
    lines: Sequence[str],
    columns: Sequence[int],
    first_line: int,
    delimiter: str | None = None,
) -> NDArray[np.float64]:
    """Parse the given columns of each line; blank lines and comments are skipped.

    Args:
        path: the file, for messages.
        lines: the text.
        columns: C column numbers from 0.
        first_line: the number of ``lines[0]`` in the file, from 1, for messages.
        delimiter: between columns; None is any run of blanks.

    Returns:
        (rows, C) float64; an empty field is NaN.
    """
    used = [line for line in lines if not line.startswith(_COMMENTS) and not line.isspace()]
    if not used:
        return np.zeros((0, len(columns)))
    try:
        return np.loadtxt(used, delimiter=delimiter, usecols=columns, comments=None, ndmin=2)
    except (ValueError, IndexError):
        return _parse_slowly(path, lines, columns, first_line, delimiter)


def _parse_slowly(
    path: Path, lines: Sequence[str], columns: Sequence[int], first_line: int, delimiter: str | None
) -> NDArray[np.float64]:
    """Parse line by line, to bear with quotes and gaps and to name the line that is wrong."""
    rows = []
    for number, line in enumerate(lines, start=first_line):
        fields = _fields(line, delimiter)
        if not fields or fields[0].startswith(_COMMENTS):
            continue
        if len(fields) <= max(columns):
            raise InputError(
                f"{path.name} has {len(fields)} values in line {number} where {max(columns) + 1} belong; "
                "complete or remove that line."
            )
        rows.append([_number(path, fields[column], number) for column in columns])
    return np.array(rows, dtype=np.float64).reshape(-1, len(columns))


def _number(path: Path, field: str, line: int) -> float:
    try:
        return float(field) if field else float("nan")
    except ValueError:
        raise InputError(
            f"{path.name} has {field[:20]!r} in line {line} where a number belongs; correct or remove it."
        ) from None


def _fields(line: str, delimiter: str | None) -> list[str]:
    if not line.strip():
        return []
    return [field.strip().strip('"') for field in line.strip("\r\n").split(delimiter)]


def _encoding(path: Path) -> str:
    with open(path, "rb") as stream:
        head = stream.read(4096)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if b"\0" in head:
        raise damaged(path)
    return "utf-8-sig"


def _find_layout(path: Path, stream: TextIO) -> _Layout:
    """Look at the first lines; the size limit bears with a binary file without line ends."""
    skip, promised, names = 0, None, None
    while line := stream.readline(1 << 16):
        text = line.strip()
        heading = text.lstrip("#/ ")
        delimiter = _delimiter(heading)
        fields = _fields(heading, delimiter)
        if fields and names is None and not any(map(_is_number, fields)) and _has_xyz(fields):
            names = [field.lower() for field in fields]
        elif text and not text.startswith(_COMMENTS):
            if promised is None and len(fields) == 1 and fields[0].isdecimal():
                promised = int(fields[0])
            elif names is None and len(fields) >= 3 and not any(map(_is_number, fields)):
                names = [field.lower() for field in fields]
            else:
                return _Layout(delimiter, _columns(names, len(fields)), skip, promised)
        skip += 1
    raise InputError(f"{path.name} contains no points; export it again with its points.")


def _delimiter(line: str) -> str | None:
    for mark in (";", ","):
        if mark in line:
            return mark
    return "\t" if line.count("\t") >= 2 else None


def _has_xyz(fields: Sequence[str]) -> bool:
    return {"x", "y", "z"} <= {field.lower() for field in fields}


def _columns(names: list[str] | None, width: int) -> tuple[int, int, int]:
    if names and _has_xyz(names) and max(map(names.index, "xyz")) < width:
        return names.index("x"), names.index("y"), names.index("z")
    return 0, 1, 2


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
