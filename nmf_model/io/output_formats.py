"""What each format that is written can hold: the one place that says so, for every part of the program."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class OutputFormat:
    """One format and what it can do.

    Attributes:
        suffix: lower case, with dot.
        solid: holds tetrahedra instead of triangles.
        colors: holds a colour of each vertex.
        texture: holds a picture, or the name of one, and where its parts belong.
        certificate: has room for a certificate that other readers pass over.
        exact: keeps float64 coordinates bit for bit.
    """

    suffix: str
    solid: bool = False
    colors: bool = False
    texture: bool = False
    certificate: bool = True
    exact: bool = True


OUTPUT_FORMATS: tuple[OutputFormat, ...] = (
    OutputFormat(".obj", colors=True, texture=True),
    OutputFormat(".ply", colors=True),
    OutputFormat(".stl", certificate=False, exact=False),
    OutputFormat(".off"),
    OutputFormat(".glb", colors=True, texture=True, exact=False),
    OutputFormat(".3mf", colors=True),
    OutputFormat(".vtu", solid=True),
    OutputFormat(".msh", solid=True),
)
"""All of them, in the order to offer them."""

_BLANK = re.compile(r"\s")
_BY_SUFFIX = {entry.suffix: entry for entry in OUTPUT_FORMATS}


def output_format(path: Path) -> OutputFormat | None:
    """Return what the format of a file name can do, or None if nothing is written under such a name."""
    return _BY_SUFFIX.get(path.suffix.lower())


def report_path(path: Path) -> Path:
    """Return where the quality report of a mesh file goes that is written beside it.

    The whole name is in it, so that two formats of one name keep theirs and no file of the user's is hit.
    """
    return path.with_name(f"{path.name}.report.json")


def texture_files(path: Path) -> tuple[Path, ...]:
    """Return what a textured export writes beside ``path``: an OBJ names a material, and that a picture.

    Their names have no blanks, where MeshLab and others take a name to end.
    """
    if path.suffix.lower() != ".obj":
        return ()
    stem = _BLANK.sub("_", path.stem)
    return path.with_name(f"{stem}.mtl"), path.with_name(f"{stem}.png")
