"""Fields of a line of a text table, and numbers in them with decimal points or commas."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from pathlib import Path

from nmf_model.io.opening import damaged

BLANKS_AND_COMMAS = " "
"""Delimiter of columns between blanks, or commas and blanks, whose numbers have decimal commas."""
_LEAVES_COMMAS_TO_NUMBERS = (";", "\t", BLANKS_AND_COMMAS)
"""Between such columns a comma can only be a decimal sign, as German and French programs write it."""
_COMMA_AT_TAB = re.compile(r", *\t|\t *,")
_BETWEEN = re.compile(r",?\s+")
_WITH_COMMA = re.compile(r"[+-]?\d+(,\d+)?([eE][+-]?\d+)?")
_FEWEST_NUMBERED = 20


def delimiter_of(line: str) -> str | None:
    """Return what is between the columns of a line; None is any run of blanks."""
    if ";" in line:
        return ";"
    tabs = line.count("\t") >= 2
    # A comma next to a tab ends a column that is padded with tabs; one elsewhere is a decimal comma.
    if "," in line and (not tabs or _COMMA_AT_TAB.search(line)):
        return BLANKS_AND_COMMAS if _has_decimal_commas(line) else ","
    return "\t" if tabs else None


def _has_decimal_commas(line: str) -> bool:
    """Return whether commas inside numbers are all that keeps three of them from being a row."""
    fields = _BETWEEN.split(line.strip())
    if len(fields) < 3 or not all(map(_WITH_COMMA.fullmatch, fields)):
        return False
    return all("," in field for field in fields[:3])


def with_points(lines: list[str], delimiter: str | None) -> tuple[list[str], str | None]:
    """Return lines with decimal points only, and what is between their columns then."""
    if delimiter not in _LEAVES_COMMAS_TO_NUMBERS:
        return lines, delimiter
    if delimiter == BLANKS_AND_COMMAS:
        lines, delimiter = [_BETWEEN.sub(" ", line) for line in lines], None
    return [line.replace(",", ".") for line in lines], delimiter


def fields_of(line: str, delimiter: str | None) -> list[str]:
    """Return the fields of a line, without quotes around them; none of a blank line."""
    if not line.strip():
        return []
    if delimiter == BLANKS_AND_COMMAS:
        return _BETWEEN.split(line.strip())
    return [field.strip().strip('"') for field in line.strip("\r\n").split(delimiter)]


def value_of(field: str, delimiter: str | None) -> float:
    """Return the number in a field.

    Raises:
        ValueError: it is none.
    """
    return float(field.replace(",", ".") if delimiter in _LEAVES_COMMAS_TO_NUMBERS else field)


def is_number(field: str, delimiter: str | None) -> bool:
    """Return whether a field is a number."""
    try:
        value_of(field, delimiter)
    except ValueError:
        return False
    return True


def begin_with_their_number(lines: Iterable[str], delimiter: str | None) -> bool:
    """Return whether lines are numbered in their first column, as surveyors' points are.

    A coordinate that rises by 1 from one row to the next in all of many rows is none of a surface.
    """
    numbers: list[float] = []
    for line in filter(str.strip, lines):
        field = fields_of(line, delimiter)[0]
        if not is_number(field, delimiter):
            return False
        numbers.append(value_of(field, delimiter))
        if numbers[-1] != numbers[0] + len(numbers) - 1:
            return False
    return len(numbers) >= _FEWEST_NUMBERED


def encoding_of(path: Path) -> str:
    """Return how a text file is encoded.

    Raises:
        InputError: it is no text.
    """
    with open(path, "rb") as stream:
        head = stream.read(4096)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if b"\0" in head:
        raise damaged(path)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"  # as Windows writes names of columns, "Höhe"
    return "utf-8-sig"
