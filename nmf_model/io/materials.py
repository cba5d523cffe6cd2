"""What an OBJ file names for its looks and what of that is not there: trimesh passes over it in silence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


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
    materials = list(dict.fromkeys(_named(path, "mtllib")))
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


def _named(path: Path, keyword: str) -> Iterator[str]:
    """Yield what stands behind a keyword in each line that begins with it."""
    with path.open("rb") as lines:
        for line in lines:
            if line.startswith(keyword.encode()):
                name = line[len(keyword) :].decode("utf-8", "replace").strip()
                if name:
                    yield name
