"""A JSON object carried inside a mesh file, where every reader of the format passes over it.

PLY, OBJ and OFF have it as comments, one line of indented JSON after ``nmf-certificate`` each, in OFF at the
end, since Gmsh wants its counts in the second line; GLB and glTF in the asset's extras; 3MF as the model's
metadata; VTU as an XML comment and MSH as a section of comments, both near the beginning, as indented JSON
after one ``nmf-certificate``. STL has no place for it.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from nmf_model.io.archive_3mf import MODEL
from nmf_model.io.gltf_tree import gltf_tree

KEYWORD = "nmf-certificate"
_EXTRA = "nmf_certificate"
_NAMESPACE = "urn:neural-mesh-flow"
_METADATA = "nmf:certificate"
_LINES_SEARCHED = 2000
_SOLID_FRAMES = {
    ".vtu": (b"<VTKFile", b">", f"<!-- {KEYWORD} ".encode(), b" -->"),
    ".msh": (b"", b"$EndMeshFormat\n", f"$Comments\n{KEYWORD} ".encode(), b"\n$EndComments\n"),
}
"""For each format of solids: behind what the note stands (the second after the first), and between what."""
_MAX_NOTE_BYTES = 1 << 20


def as_comments(note: str, mark: str) -> bytes:
    """Return the note as lines that begin with ``mark``; every line stays shorter than readers' buffers."""
    if not note:
        return b""
    lines = json.dumps(json.loads(note), indent=1).splitlines()
    return "".join(f"{mark} {KEYWORD} {line}\n" for line in lines).encode("ascii")


def as_extras(note: str, tree: dict[str, Any]) -> None:
    """Put the note into the tree of a glTF file."""
    if note:
        tree.setdefault("asset", {}).setdefault("extras", {})[_EXTRA] = json.loads(note)


def with_metadata(note: str, model: bytes) -> bytes:
    """Return the text of a 3MF archive's model with the note among its metadata."""
    element = f'<metadata name="{_METADATA}">{escape(note)}</metadata><resources'
    model = model.replace(b"<model ", f'<model xmlns:nmf="{_NAMESPACE}" '.encode(), 1)
    return model.replace(b"<resources", element.encode(), 1)


def in_solid(note: str, data: bytes, suffix: str) -> bytes:
    """Return the bytes of a VTU or MSH file with the note as a comment near its beginning."""
    if not note:
        return data
    opening, closing, before, after = _SOLID_FRAMES[suffix]
    place = data.index(closing, data.index(opening)) + len(closing)
    # XML forbids two hyphens in a comment; JSON has them in strings only, where they can be escaped.
    text = json.dumps(json.loads(note), indent=1).replace("--", "\\u002d\\u002d")
    return data[:place] + before + text.encode("ascii") + after + data[place:]


def carries(path: Path, note: str) -> bool:
    """Return whether a file gives a note back as it was put in; what the parsers raise passes through."""
    found = read_note(path)
    return found is not None and json.loads(found) == json.loads(note)


def read_note(path: Path) -> str | None:
    """Return the note of a mesh file as text, which may be damaged, or None if it carries none.

    What the parsers raise on a damaged file passes through.
    """
    suffix = path.suffix.lower()
    if suffix in (".ply", ".obj", ".off"):
        return _from_comments(path)
    if suffix in (".glb", ".gltf"):
        return _from_extras(path)
    if suffix in _SOLID_FRAMES:
        return _from_solid(path)
    return _from_metadata(path) if suffix == ".3mf" else None


def _from_comments(path: Path) -> str | None:
    lines = []
    for line in _outer_lines(path):
        mark, _, rest = line.strip().partition(" ")
        keyword, _, text = rest.lstrip().partition(" ")
        if mark in ("#", "comment") and keyword == KEYWORD:
            lines.append(text)
    return "\n".join(lines) if lines else None


def _outer_lines(path: Path) -> Iterator[str]:
    """Yield the first lines, of a PLY file those of its header, and of an OFF file the last ones too."""
    with open(path, "rb") as stream:
        for _ in range(_LINES_SEARCHED):
            line = stream.readline(4096)
            if not line or line.strip() == b"end_header":
                return
            yield line.decode("utf-8", errors="replace")
        if path.suffix.lower() == ".off":
            # Older files have the note behind their first line.
            stream.seek(max(stream.tell(), os.path.getsize(path) - _MAX_NOTE_BYTES))
            for line in stream:
                yield line.decode("utf-8", errors="replace")


def _from_extras(path: Path) -> str | None:
    tree = gltf_tree(path)
    extras = tree.get("asset", {}).get("extras")
    found = extras.get(_EXTRA) if isinstance(extras, dict) else None
    return None if found is None else json.dumps(found)


def _from_solid(path: Path) -> str | None:
    _, _, before, after = _SOLID_FRAMES[path.suffix.lower()]
    with open(path, "rb") as stream:
        head = stream.read(_MAX_NOTE_BYTES)
    _, found, rest = head.replace(b"\r\n", b"\n").partition(before)
    return rest.partition(after)[0].decode("utf-8", errors="replace") if found else None


def _from_metadata(path: Path) -> str | None:
    """Parse the model only as far as its resources, where the geometry begins."""
    from lxml import etree

    with zipfile.ZipFile(path) as archive:
        if MODEL not in archive.namelist():
            return None
        with archive.open(MODEL) as stream:
            for event, element in etree.iterparse(stream, events=("start", "end"), resolve_entities=False):
                name = etree.QName(element).localname
                if name == "resources":
                    return None
                if event == "end" and name == "metadata" and element.get("name") == _METADATA:
                    text = element.text or ""
                    return text if len(text) <= _MAX_NOTE_BYTES else ""
    return None
