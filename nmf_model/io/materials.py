"""What an OBJ file names for its looks and what of that is not there: trimesh passes over it in silence."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nmf_model.io.beside import Beside

_MATERIAL_FILE = re.compile(r"\S.*?\.mtl(?=\s|$)|\S.*", re.IGNORECASE)
"""One of the names in a line: a name may have spaces, and a line several names."""


class Missing(NamedTuple):
    """Names of material files and of textures that were not found."""

    materials: tuple[str, ...] = ()
    textures: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """Say what is missing."""
        return [
            f"The {kind} {name} that the file names was not found, so its colours are not complete."
            for kind, names in (("material file", self.materials), ("texture", self.textures))
            for name in names
        ]


def missing_looks(path: Path) -> Missing:
    """Return what an OBJ file names and what does not lie where it names it; nothing for other formats."""
    if path.suffix.lower() != ".obj":
        return Missing()
    materials = _material_files(path)
    found = [path.parent / name for name in materials if (path.parent / name).is_file()]
    textures = {
        (material.parent, name.split()[-1] if name.startswith("-") else name)
        for material in found
        for name in _named(material, "map_Kd")
    }
    return Missing(
        tuple(name for name in materials if not (path.parent / name).is_file()),
        tuple(sorted(name for folder, name in textures if not (folder / name.replace("\\", "/")).is_file())),
    )


class Looks(Beside):
    """Hands trimesh the files that an OBJ names; material files it asks for as one, by their line."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._asked = next(_named(path, "mtllib"), None)
        self._materials = _material_files(path)

    def get(self, name: str) -> bytes:
        """Return the content of a file; for the first line of material files, that of all of them."""
        return b"\n".join(self._found_materials()) if name == self._asked else super().get(name)

    def _found_materials(self) -> Iterator[bytes]:
        for name in self._materials:
            with contextlib.suppress(OSError, ValueError):
                yield super().get(name)


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
