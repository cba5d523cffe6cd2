"""Read STL, binary and text, joining the corners that the format writes once per face."""

from __future__ import annotations

import codecs
import os
from array import array
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.geometry.coincidence import merge_coincident
from nmf_model.io.opening import damaged, require_bytes, truncated
from nmf_model.io.surface import Surface, coordinates
from nmf_model.io.text_fields import encoding_of
from nmf_model.words import counted

RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
HEADER_BYTES = 84
_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_stl(path: Path) -> Surface:
    """Read a surface; corners at exactly the same position become one vertex, in order of appearance."""
    corners = _read_text(path) if _is_text(path) else _read_binary(path)
    return Surface(*merge_coincident(corners, np.arange(len(corners)).reshape(-1, 3)))


def _is_text(path: Path) -> bool:
    """Tell by size first: binary files whose header starts with "solid" are common.

    Some have bytes behind the last face, or end too early. Then the count of faces, if nothing else, has
    zeros, as no text has but that of two bytes a letter, which says so.
    """
    with open(path, "rb") as stream:
        head = stream.read(HEADER_BYTES)
    if head.startswith(_MARKS):
        return True
    if len(head) == HEADER_BYTES and (b"\0" in head or os.path.getsize(path) == _binary_size(head)):
        return False
    return head.lstrip()[:5].lower() == b"solid"


def _binary_size(head: bytes) -> int:
    return HEADER_BYTES + RECORD.itemsize * int.from_bytes(head[80:84], "little")


def _read_binary(path: Path) -> NDArray[np.float64]:
    with open(path, "rb") as stream:
        head = stream.read(HEADER_BYTES)
    if len(head) < HEADER_BYTES:
        raise damaged(path)
    require_bytes(path, _binary_size(head))
    count = (_binary_size(head) - HEADER_BYTES) // RECORD.itemsize
    _refuse_faces_behind(path, count)
    if count == 0:
        return np.zeros((0, 3))
    records = np.memmap(path, RECORD, "r", HEADER_BYTES, (count,))
    return records["corners"].reshape(-1, 3).astype(np.float64)


def _refuse_faces_behind(path: Path, count: int) -> None:
    """Raise InputError if more faces follow: some programs would show them, others not."""
    bytes_behind = os.path.getsize(path) - HEADER_BYTES - count * RECORD.itemsize
    behind, rest = divmod(bytes_behind, RECORD.itemsize)
    if rest or not behind:
        return
    records = np.memmap(path, RECORD, "r", HEADER_BYTES + count * RECORD.itemsize, (behind,))
    corners = records["corners"]
    # Text or zeros, which may be behind as well, are no such numbers.
    if not records["attribute"].any() and np.isfinite(corners).all() and corners.any(axis=(1, 2)).all():
        found = counted(count + behind, "face")
        raise InputError(f"{path.name} has {found}, but its header says {count:,}; export it again.")


def _read_text(path: Path) -> NDArray[np.float64]:
    numbers, last = array("d"), ""
    with open(path, encoding=encoding_of(path), errors="replace") as stream:
        for number, line in enumerate(stream, start=1):
            words = line.split()
            if not words:
                continue
            last = "".join(words[:2]).lower() if words[0].lower() == "end" else words[0].lower()
            if last == "vertex":
                numbers.extend(coordinates(path, words[1:4], number))
    if last != "endsolid" or len(numbers) % 9:
        raise truncated(path, f"{counted(len(numbers) // 9, 'whole face')} and no end")
    return np.array(numbers, dtype=np.float64).reshape(-1, 3)
