"""Tables of numbers in text files: xyz, pts, txt, csv and asc."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.io.collect import Chunk
from nmf_model.io.opening import truncated
from nmf_model.io.text_colors import TextColors, likely_columns
from nmf_model.io.text_fields import (
    begin_with_their_number,
    delimiter_of,
    encoding_of,
    fields_of,
    is_number,
    value_of,
    with_points,
)
from nmf_model.io.text_names import are_degrees, color_columns, coordinate_columns, with_units_attached
from nmf_model.words import counted

LINES_AT_ONCE = 1 << 16
_COMMENTS = ("#", "//")
_EXCEL_SEPARATOR = re.compile(r"\s*\"?sep=.\"?\s*", re.IGNORECASE)
"""A first line that tells Excel what is between columns; the numbers tell it as well."""


class _Layout(NamedTuple):
    delimiter: str | None
    columns: tuple[int, ...]
    color_columns: tuple[int, ...]
    """Of red, green and blue, or ()."""
    named: bool
    skip: int
    promised: int | None


class _Heading(NamedTuple):
    """Names of columns, or words that may be some, with their line, from 1, and whether it is a comment."""

    names: list[str]
    line: int
    comment: bool

    def of_columns(self, width: int, delimiter: str | None) -> list[str]:
        """Return the names of so many columns, without words in front as in "# columns: x y z"."""
        surplus = len(self.names) - width
        if delimiter is None and surplus > 0 and coordinate_columns(self.names[surplus:]):
            return self.names[surplus:]
        # A comment of another length may be any sentence, but for one that says x, y and z.
        told = not self.comment or not surplus or {"x", "y", "z"} <= {name.lower() for name in self.names}
        return self.names if told else []


def read_text(path: Path) -> Iterator[Chunk]:
    """Yield the points of a text table.

    Columns are separated by semicolons, commas, tabs or spaces. A first line may name them (x, y and z
    are then found by name, see ``text_names``) or give the number of points, as more such lines may between
    several scans. Without names x is the first column, or the second if the first numbers the rows. Numbers
    between semicolons, tabs or blanks may have decimal commas. Colours are columns that the first line calls
    so or, if it names none, those after z or after z and an intensity, if they can be nothing else; all other
    columns are passed over.

    Raises:
        InputError: with the number of the line that holds something else than numbers, or names more than
            three columns, none of which is known as a coordinate.
    """
    with open(path, encoding=encoding_of(path), errors="replace") as stream:
        layout = _find_layout(path, stream)
        stream.seek(0)
        for _ in islice(stream, layout.skip):
            pass
        read, first_line = 0, layout.skip + 1
        colors = TextColors(layout.named) if layout.color_columns else None
        scans = _Scans(layout.promised)
        while lines := list(islice(stream, LINES_AT_ONCE)):
            scans.blank_counts(lines)
            chunk = _parse_block(path, lines, layout, first_line, colors)
            read, first_line = read + len(chunk.points), first_line + len(lines)
            colors = None if chunk.colors is None else colors
            yield chunk
    if colors is not None and not colors.certain:
        yield Chunk(np.zeros((0, 3)))  # one chunk without colours takes those of the others back
    if scans.promised is not None and read < scans.promised:
        raise truncated(path, f"{read:,} of {counted(scans.promised, 'point')}")


class _Scans:
    """Follows several scans in one file, each behind the number of its points, if the first has one."""

    def __init__(self, promised: int | None) -> None:
        self.promised, self._left = promised, promised or 0

    def blank_counts(self, lines: list[str]) -> None:
        """Leave lines blank that give the number of a next scan's points; elsewhere such are defects."""
        if self.promised is None:
            return
        for place, line in enumerate(lines):
            if self._left <= 0 and line.strip().isdecimal():
                self._left, lines[place] = int(line), "\n"
                self.promised += self._left
            elif not line.isspace() and not line.startswith(_COMMENTS):
                self._left -= 1


def _parse_block(
    path: Path, lines: Sequence[str], layout: _Layout, first_line: int, colors: TextColors | None
) -> Chunk:
    if colors is not None:
        columns = layout.columns + layout.color_columns
        try:
            rows = parse_rows(path, lines, columns, first_line, layout.delimiter)
        except InputError:
            pass  # what is no number need not be among the coordinates
        else:
            points = rows[:, :3]
            placed = np.asarray(np.isfinite(points).all(axis=1))
            return Chunk(points, colors.take(rows[:, 3:], placed))
    return Chunk(parse_rows(path, lines, layout.columns, first_line, layout.delimiter))


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
        delimiter: between columns, see ``text_fields``; None is any run of blanks.

    Returns:
        (rows, C) float64; an empty field is NaN.
    """
    used = [line for line in lines if not line.startswith(_COMMENTS) and not line.isspace()]
    if not used:
        return np.zeros((0, len(columns)))
    plain, between = with_points(used, delimiter)
    try:
        return np.loadtxt(plain, delimiter=between, usecols=columns, comments=None, ndmin=2)
    except (ValueError, IndexError):
        return _parse_slowly(path, lines, columns, first_line, delimiter)


def _parse_slowly(
    path: Path, lines: Sequence[str], columns: Sequence[int], first_line: int, delimiter: str | None
) -> NDArray[np.float64]:
    """Parse line by line, to bear with quotes and gaps and to name the line that is wrong."""
    rows = []
    for number, line in enumerate(lines, start=first_line):
        fields = fields_of(line, delimiter)
        if not fields or fields[0].startswith(_COMMENTS):
            continue
        if len(fields) <= max(columns):
            raise InputError(
                f"{path.name} has {counted(len(fields), 'value')} in line {number} "
                f"where {max(columns) + 1} belong; complete or remove that line."
            )
        rows.append([_number(path, fields[column], number, delimiter) for column in columns])
    return np.array(rows, dtype=np.float64).reshape(-1, len(columns))


def _number(path: Path, field: str, line: int, delimiter: str | None) -> float:
    try:
        return value_of(field, delimiter) if field else float("nan")
    except ValueError:
        shown = " ".join(field.split())[:20]
        raise InputError(
            f"{path.name} has {shown!r} in line {line} where a number belongs; correct or remove it."
        ) from None


def _find_layout(path: Path, stream: TextIO) -> _Layout:
    """Look at the first lines; the size limit bears with a binary file without line ends."""
    skip, ahead, promised, heads = 0, 0, None, _Heading([], 0, True)
    while line := stream.readline(1 << 16):
        text = line.strip()
        comment = text.startswith(_COMMENTS)
        heading = text.lstrip("#/ ")
        delimiter = delimiter_of(heading)
        if delimiter is None:
            heading = with_units_attached(heading)
        # A tab in front of a row ends an empty first column, as over the numbers of rows that pandas writes.
        fields = fields_of(line if delimiter == "\t" and not comment else heading, delimiter)
        free = not heads.names or (heads.comment and not comment)
        wordy = free and not any(is_number(field, delimiter) for field in fields)
        if fields and wordy and coordinate_columns(fields):
            heads = _Heading(fields, skip + 1, comment)
        elif text and not comment and not (skip == 0 and _EXCEL_SEPARATOR.fullmatch(line.rstrip("\r\n"))):
            if promised is None and len(fields) == 1 and fields[0].isdecimal():
                promised = int(fields[0])
            elif wordy and len(fields) >= 3:
                heads = _Heading(fields, skip + 1, comment)
            else:
                names = heads.of_columns(len(fields), delimiter)
                if not names and len(fields) > 3:
                    following = islice(stream, LINES_AT_ONCE)
                    ahead = int(begin_with_their_number(chain([line], following), delimiter))
                columns = _columns(path, names, len(fields), delimiter, heads.line)
                columns = tuple(column + ahead for column in columns)
                colors = _color_columns(names, fields[ahead:], delimiter)
                colors = tuple(column + ahead for column in colors)
                return _Layout(delimiter, columns, colors, bool(names), skip, promised)
        skip += 1
    raise InputError(f"{path.name} contains no points; export it again with its points.")


def _columns(
    path: Path, names: Sequence[str], width: int, delimiter: str | None, line: int
) -> tuple[int, ...]:
    """Return the columns of x, y and z: the first three, unless the names tell others or leave it open.

    Raises:
        InputError: more than three columns have names, which do not tell the coordinates.
    """
    found = coordinate_columns(names)
    if not found and are_degrees(names):
        raise InputError(
            f"{path.name} has latitudes and longitudes, which are angles; convert its points to lengths, as "
            "with UTM coordinates."
        )
    if found and (max(found) < width or delimiter):
        return found
    shown = [name for name in names if name]
    # What ends every line with a delimiter has an empty column behind the others.
    used = width - 1 if names and not names[-1] else width
    if used > 3 and (found or len(names) == width):
        raise InputError(
            f"{path.name} has columns called {', '.join(shown)[:60]}, which does not tell its coordinates; "
            f"call three of them x, y and z in line {line}, or remove that line if they are the first three."
        )
    return 0, 1, 2


def _color_columns(names: Sequence[str], row: Sequence[str], delimiter: str | None) -> tuple[int, ...]:
    if not names:
        return likely_columns([value_of(f, delimiter) if is_number(f, delimiter) else math.nan for f in row])
    columns = color_columns(names)
    return columns if max(columns, default=0) < len(row) else ()
