"""Lines of text at the beginning of files that go on with anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

_LINE_BYTES = 4096
_CARRIAGE_RETURN = b"\r"


def header_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield a file's lines from its first one on, each of at most 4 kB; the rest of longer ones is left out.

    They end as the first line does: with a line feed, or, as of old Macs, with a carriage return alone. After
    each the stream stands right behind it.
    """
    head = stream.read(_LINE_BYTES)
    stream.seek(0)
    feed, carriage = head.find(b"\n"), head.find(_CARRIAGE_RETURN)
    is_mac = carriage >= 0 and feed != carriage + 1 and not 0 <= feed < carriage
    while line := _until_return(stream) if is_mac else stream.readline(_LINE_BYTES):
        end = _CARRIAGE_RETURN if is_mac else b"\n"
        piece = line
        while len(piece) == _LINE_BYTES and not piece.endswith(end):
            piece = _until_return(stream) if is_mac else stream.readline(_LINE_BYTES)
        yield line


def _until_return(stream: BinaryIO) -> bytes:
    line = bytearray()
    while len(line) < _LINE_BYTES and (byte := stream.read(1)):
        line += byte
        if byte == _CARRIAGE_RETURN:
            break
    return bytes(line)
