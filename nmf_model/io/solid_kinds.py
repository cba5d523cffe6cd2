"""Which sound files of tetrahedra meshio cannot read, or reads wrong, and how to save them instead."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from xml.etree import ElementTree

from nmf_model.errors import InputError

_WHOLE = {".msh": (b"$MeshFormat", b"\n$End"), ".vtu": (b"<VTKFile", b"</VTKFile>")}
"""What stands near the beginning and the end of a file that is not cut off."""
_READ_WELL = {
    ".msh": {re.compile(rb"\$MeshFormat\s+([\d.]+)"): (b"2", b"2.2")},
    ".vtu": {
        re.compile(rb"<VTKFile\b[^>]*?\sversion=[\"']([^\"']*)"): (b"0.1", b"1.0"),
        re.compile(rb"<VTKFile\b[^>]*?\scompressor=[\"']([^\"']*)"): (
            b"vtkZLibDataCompressor",
            b"vtkLZMADataCompressor",
        ),
    },
}
"""Where the head of a file names its kind, and the kinds of which each sound file can be read."""
_SAVED = {
    ".msh": "in version 2.2, without parametric coordinates",
    ".vtu": "without compression, or compressed with zlib",
}
_HEAD_BYTES = _END_BYTES = 400


def readable_kind(path: Path) -> str | None:
    """Return how to save a file that could not be read; None if it is damaged, not of another kind."""
    suffix = path.suffix.lower()
    opening, closing = _WHOLE[suffix]
    with open(path, "rb") as stream:
        head = stream.read(_HEAD_BYTES)
        stream.seek(max(0, path.stat().st_size - _END_BYTES))
        whole = opening in head and closing in stream.read()
    named = ((kind.search(head), known) for kind, known in _READ_WELL[suffix].items())
    other = any(found is not None and found[1] not in known for found, known in named)
    return _SAVED[suffix] if whole and other else None


def refuse_pieces(path: Path) -> None:
    """Raise InputError if a VTU file has several pieces: meshio keeps the cells of the last one alone."""
    if path.suffix.lower() != ".vtu":
        return
    pieces = 0
    with contextlib.suppress(ElementTree.ParseError):  # raw data stand behind the pieces and are no XML
        for event, element in ElementTree.iterparse(path, ("start", "end")):
            pieces += event == "start" and element.tag == "Piece"
            if event == "end":
                element.clear()
    if pieces > 1:
        raise InputError(
            f"{path.name} holds {pieces} pieces, which share no points; join them into one, "
            "as ParaView's filter Clean to Grid does, and save it again."
        )
