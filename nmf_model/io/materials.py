"""What a mesh file names for its looks and what of that is not there: trimesh passes over it in silence."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nmf_model.io.beside import Beside
from nmf_model.io.gltf_plain import GLTF_SUFFIXES
from nmf_model.io.gltf_tree import missing_pictures

_MATERIAL_FILE = re.compile(r"\S.*?\.mtl(?=\s|$)|\S.*", re.IGNORECASE)
"""One of the names in a line: a name may have spaces, and a line several names."""
_NUMBER = r"[-+]?[\d.]+(?:e[-+]?\d+)?"
_OPTION = re.compile(
    rf"-(?P<move>[ost])(?P<by>(?:\s+{_NUMBER}){{1,3}})\s+"
    rf"|-(?:mm(?:\s+{_NUMBER}){{2}}|(?:boost|texres|bm)\s+{_NUMBER}"
    r"|(?:blendu|blendv|clamp|cc|imfchan|type)\s+\S+)\s+",
    re.IGNORECASE,
)
"""What may stand before the name of a texture."""
_IN_PLACE = {"o": 0.0, "s": 1.0, "t": 0.0}


class Missing(NamedTuple):
    """Names of material files and of textures that were not found, and of textures that are not used.

    ``moved`` are those that their materials shift or scale, ``unread`` those of a kind for graphics cards.
    """

    materials: tuple[str, ...] = ()
    textures: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """Say what is missing."""
        return (
            [
                f"The {kind} {name} that the file names was not found, so its colours are not complete."
                for kind, names in (("material file", self.materials), ("texture", self.textures))
                for name in names
            ]
            + [
                f"The texture {name} is shifted or scaled by its material (-o, -s or -t), so it is not shown."
                for name in self.moved
            ]
            + [
                f"The texture {name} is of a kind that cannot be read here (KTX2 or DDS), so it is not shown."
                for name in self.unread
            ]
        )


def missing_looks(path: Path) -> Missing:
    """Return what an OBJ or glTF file names and what does not lie where it names it; else nothing."""
    if path.suffix.lower() in GLTF_SUFFIXES:
        gone, unread = missing_pictures(path)
        return Missing(textures=gone, unread=unread)
    if path.suffix.lower() != ".obj":
        return Missing()
    materials = _material_files(path)
    found = [path.parent / name for name in materials if (path.parent / name).is_file()]
    textures = {
        (material.parent, *_texture(words)) for material in found for words in _named(material, "map_Kd")
    }
    lost = {name for folder, name, _ in textures if not (folder / name.replace("\\", "/")).is_file()}
    return Missing(
        tuple(name for name in materials if not (path.parent / name).is_file()),
        tuple(sorted(lost)),
        tuple(sorted({name for _, name, moved in textures if moved and name not in lost})),
    )


class Looks(Beside):
    """Hands trimesh the files that an OBJ names; material files it asks for as one, by their line."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._asked = next(_named(path, "mtllib"), None)
        self._materials = _material_files(path)

    def get(self, name: str) -> bytes:
        """Return the content of a file; for the first line of material files, that of all of them.

        ``name`` may have the options of a texture before it; one that is shifted or scaled is not given.
        """
        if name == self._asked:
            return b"\n".join(self._found_materials())
        named, moved = _texture(name)
        if moved:
            raise ValueError(f"{named} is shifted or scaled")
        return super().get(named)

    def _found_materials(self) -> Iterator[bytes]:
        for name in self._materials:
            with contextlib.suppress(OSError, ValueError):
                yield super().get(name)


def _texture(words: str) -> tuple[str, bool]:
    """Return the name of a texture without its options, and whether these shift or scale it."""
    moved = False
    while option := _OPTION.match(words):
        words = words[option.end() :]
        if kind := option["move"]:
            moved |= any(float(by) != _IN_PLACE[kind.lower()] for by in option["by"].split())
    return words, moved


def _material_files(path: Path) -> list[str]:
    lines = _named(path, "mtllib")
    names = (
        name
        for line in lines
        for name in ([line] if (path.parent / line).is_file() else _MATERIAL_FILE.findall(line))
    )
    return list(dict.fromkeys(names))


def _named(path: Path, keyword: str) -> Iterator[str]:
    """Yield what stands behind a keyword in each line that begins with it."""
    with path.open("rb") as lines:
        for line in lines:
            word, *rest = line.split(maxsplit=1)[:2] or [b""]
            if rest and word.lower() == keyword.lower().encode():
                yield rest[0].decode("utf-8", "replace").strip()
