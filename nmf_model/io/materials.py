"""What a mesh file names for its looks and what of that is not there: trimesh passes over it in silence."""

from __future__ import annotations

import contextlib
import io
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from nmf_model.io.beside import Beside
from nmf_model.io.gltf_plain import GLTF_SUFFIXES
from nmf_model.io.gltf_tree import named_pictures
from nmf_model.io.texture_pictures import is_picture

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
_HEADER_LINES = 2000
_IN_PLACE = {"o": 0.0, "s": 1.0, "t": 0.0}


class Missing(NamedTuple):
    """Names of material files and of textures that were not found, and of textures that are not used.

    ``moved`` are those that their materials shift or scale, ``unread`` those of a kind for graphics cards,
    ``damaged`` files that do not begin like a picture.
    """

    materials: tuple[str, ...] = ()
    textures: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()

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
            + [
                f"The texture {name} is no picture that can be read, so it is not shown."
                for name in self.damaged
            ]
        )


def missing_looks(path: Path) -> Missing:
    """Return what an OBJ, PLY or glTF file names and what does not lie where it names it; else nothing."""
    if path.suffix.lower() in GLTF_SUFFIXES:
        gone, unread, there = named_pictures(path)
        return Missing(textures=gone, unread=unread, damaged=_damaged(path.parent, there))
    if path.suffix.lower() == ".ply":
        return _missing_of_ply(path)
    if path.suffix.lower() != ".obj":
        return Missing()
    looks = Looks(path)
    textures = {_texture(words) for name in looks.materials for words in looks.named(name, "map_Kd")}
    lost = {name for name, _ in textures if not looks.has(name)}
    kept = {name for name, moved in textures if not moved} - lost
    return Missing(
        tuple(name for name in looks.materials if not looks.has(name)),
        tuple(sorted(lost)),
        tuple(sorted({name for name, moved in textures if moved and name not in lost})),
        damaged=tuple(sorted(name for name in kept if not is_picture(io.BytesIO(looks.get(name))))),
    )


def _missing_of_ply(path: Path) -> Missing:
    with path.open("rb") as lines:
        header = itertools.takewhile(lambda line: line.strip() != b"end_header", lines)
        behind = [
            rest.split(maxsplit=1) for rest in _named(itertools.islice(header, _HEADER_LINES), "comment")
        ]
    named = [words[1] for words in behind if len(words) == 2 and words[0].lower() == "texturefile"]
    there = [name for name in named if (path.parent / name).is_file()]
    gone = tuple(name for name in named if name not in there)
    return Missing(textures=gone, damaged=_damaged(path.parent, there))


def _damaged(folder: Path, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if not is_picture(folder / name))


class Looks(Beside):
    """Hands trimesh the files that an OBJ names; material files it asks for as one, by their line.

    ``materials`` are their names. Pictures may lie beside the material files or beside the OBJ.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._asked = next(_named(_lines(path), "mtllib"), None)
        self.materials = _material_files(path)
        self._folders = list(
            dict.fromkeys([*(Path(_slashed(name)).parent for name in self.materials), Path()])
        )

    def get(self, name: str) -> bytes:
        """Return the content of a file; for the first line of material files, that of all of them.

        ``name`` may have the options of a texture before it; one that is shifted or scaled is not given.
        """
        if name == self._asked:
            return b"\n".join(self._found_materials())
        named, moved = _texture(name)
        if moved:
            raise ValueError(f"{named} is shifted or scaled")
        return self._found(named, self._folders)

    def has(self, name: str) -> bool:
        """Whether there is a material file or a texture, without options, of that name."""
        with contextlib.suppress(OSError, ValueError):
            self._found(name, [Path()] if name in self.materials else self._folders)
            return True
        return False

    def named(self, material: str, keyword: str) -> Iterator[str]:
        """Yield what stands behind a keyword in a material file; nothing if it is not there."""
        with contextlib.suppress(OSError, ValueError):
            yield from _named(self._found(material, [Path()]).splitlines(), keyword)

    def _found_materials(self) -> Iterator[bytes]:
        for name in self.materials:
            with contextlib.suppress(OSError, ValueError):
                yield self._found(name, [Path()])

    def _found(self, name: str, folders: list[Path]) -> bytes:
        for folder in folders[:-1]:
            with contextlib.suppress(OSError, ValueError):
                return super().get(str(folder / _slashed(name)))
        return super().get(str(folders[-1] / _slashed(name)))


def _slashed(name: str) -> str:
    """Return a name as it is found everywhere: programs for Windows write backslashes."""
    return name.replace("\\", "/")


def _texture(words: str) -> tuple[str, bool]:
    """Return the name of a texture without its options, and whether these shift or scale it."""
    moved = False
    while option := _OPTION.match(words):
        words = words[option.end() :]
        if kind := option["move"]:
            moved |= any(float(by) != _IN_PLACE[kind.lower()] for by in option["by"].split())
    return words, moved


def _material_files(path: Path) -> list[str]:
    lines = _named(_lines(path), "mtllib")
    names = (
        name
        for line in lines
        for name in ([line] if (path.parent / line).is_file() else _MATERIAL_FILE.findall(line))
    )
    return list(dict.fromkeys(names))


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as lines:
        yield from lines


def _named(lines: Iterable[bytes], keyword: str) -> Iterator[str]:
    """Yield what stands behind a keyword in each line that begins with it."""
    for line in lines:
        word, *rest = line.split(maxsplit=1)[:2] or [b""]
        if rest and word.lower() == keyword.lower().encode():
            yield rest[0].decode("utf-8", "replace").strip()
