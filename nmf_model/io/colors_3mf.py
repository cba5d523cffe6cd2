"""Colours of the triangles of 3MF files: the core's base materials and the groups of colours of an extension.

trimesh reads neither. What it reads is matched by the names that it gives to the parts, and by their faces.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmf_model.io.archive_3mf import model_name

_COLORS = {"colorgroup": "color", "basematerials": "displaycolor"}
"""Groups that are read, and what their members call a colour; either is in sRGB."""
_OTHERS = {
    "texture2dgroup": "textures",
    "compositematerials": "mixed materials",
    "multiproperties": "colours in layers",
}
"""Groups that are not."""
_SRGB = re.compile(r"#([0-9A-Fa-f]{6})(?:[0-9A-Fa-f]{2})?")
_PLAIN = 0
"""The number of white, which is seen where a triangle has no colour."""
_REFERENCE = re.compile(rb"\s(?:pid|p1)\s*=")
UNMATCHED = "The colours of the file could not be matched with its parts, so they are not shown."


class Colors3mf(NamedTuple):
    """What the triangles of a file refer to.

    Attributes:
        corners: (F, 3, 3) uint8, the colour at each corner; None if the file has none that are read.
        notes: sentences on what it has besides.
    """

    corners: NDArray[np.uint8] | None = None
    notes: tuple[str, ...] = ()


def corner_colors(path: Path, faces: NDArray[np.int64]) -> Colors3mf:
    """Return the colours of a 3MF file.

    Args:
        path: the file.
        faces: (F, 3) all of its faces, as ``scenes`` flattens them.
    """
    try:
        return _read(path, faces)
    except Exception:  # noqa: BLE001  whatever is wrong with colours must not cost the user the shape
        return Colors3mf(notes=(UNMATCHED,))


class _Part(NamedTuple):
    """The triangles of an object: (n, 3) their corners, and (n, 3) numbers of the colours there."""

    faces: NDArray[np.int64]
    colors: NDArray[np.int64]


class _Model:
    """The objects of a model, by the names that trimesh gives them, and its colours, by numbers.

    Raises:
        ValueError, KeyError: it refers to what is not there, or says one thing twice.
    """

    def __init__(self, stream: Any) -> None:
        from lxml import etree

        self.palette: list[tuple[int, ...]] = [(255, 255, 255)]
        self.parts: dict[str, _Part] = {}
        self.other: set[str] = set()
        self._numbers: dict[tuple[str, int], int] = {}
        self._kinds: dict[str, str] = {}
        self._names, self._counts, self._ids = set[str](), dict[str | None, int](), set[str]()
        tags = [f"{{*}}{name}" for name in ("object", *_COLORS, *_OTHERS)]
        for _, element in etree.iterparse(stream, tag=tags, resolve_entities=False):
            kind = etree.QName(element).localname
            if kind != "object":
                self._take_group(kind, element)
                continue
            self._take_object(element)
            element.clear()

    def _take_group(self, kind: str, group: Any) -> None:
        name = group.attrib["id"]
        if name in self._kinds:
            raise ValueError(f"two groups are called {name}")
        self._kinds[name] = kind
        if kind not in _COLORS:
            return
        for place, member in enumerate(group.iterchildren("{*}*")):
            said = member.get(_COLORS[kind])
            found = None if said is None else _SRGB.fullmatch(said.strip())
            if said is not None and found is None:
                raise ValueError(f"{said} is no colour")
            self._numbers[name, place] = len(self.palette) if found else _PLAIN
            if found:
                self.palette.append(tuple(bytes.fromhex(found[1])))

    def _take_object(self, part: Any) -> None:
        from trimesh.util import unique_name

        if part.attrib["id"] in self._ids:
            raise ValueError(f"two objects are called {part.attrib['id']}")
        self._ids.add(part.attrib["id"])
        name = unique_name(part.get("name", part.attrib["id"]), self._names, self._counts)
        self._names.add(name)
        if any(key.endswith("path") for link in part.iter("{*}component") for key in link.attrib):
            raise ValueError("parts in other files")
        whole = (part.get("pid"), part.get("pindex"))
        triangles = list(part.iter("{*}triangle"))
        faces = [[int(triangle.attrib[key]) for key in ("v1", "v2", "v3")] for triangle in triangles]
        colors = [self._corners(triangle, *whole) for triangle in triangles]
        if part.find("{*}mesh") is not None:
            self.parts[name] = _Part(
                np.array(faces, dtype=np.int64).reshape(-1, 3),
                np.array(colors, dtype=np.int64).reshape(-1, 3),
            )

    def _corners(self, triangle: Any, pid: str | None, pindex: str | None) -> tuple[int, int, int]:
        """Return the numbers of the colours at a triangle's corners, for which its object's may stand."""
        first = triangle.get("p1")
        if first is None:
            number = self._number(pid, pindex)
            return number, number, number
        group = triangle.get("pid", pid)
        number = self._number(group, first)
        # A triangle is of one base material.
        if self._kinds.get(group) == "basematerials":
            return number, number, number
        return (
            number,
            self._number(group, triangle.get("p2", first)),
            self._number(group, triangle.get("p3", first)),
        )

    def _number(self, group: str | None, place: str | None) -> int:
        if group is None or place is None:
            return _PLAIN
        kind = self._kinds[group]
        if kind in _OTHERS:
            self.other.add(kind)
            return _PLAIN
        return self._numbers[group, int(place)]

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(
            f"The file has {what}, which are not read from 3MF, so its colours are not complete."
            for kind, what in _OTHERS.items()
            if kind in self.other
        )


def _read(path: Path, faces: NDArray[np.int64]) -> Colors3mf:
    with zipfile.ZipFile(path) as archive:
        if not _refers_to_colors(archive):
            return Colors3mf()
        with archive.open(model_name(archive)) as stream:
            model = _Model(stream)
    if not any(part.colors.any() for part in model.parts.values()):
        return Colors3mf(notes=model.notes)
    found, numbers = [np.zeros((0, 3), np.int64)], [np.zeros((0, 3), np.int64)]
    start = 0
    for part, count, mirrored in _placed(path, model):
        turn = slice(None, None, -1 if mirrored else 1)
        found.append(start + part.faces[:, turn])
        numbers.append(part.colors[:, turn])
        start += count
    if not np.array_equal(np.concatenate(found), faces):
        return Colors3mf(notes=(UNMATCHED,))
    return Colors3mf(np.array(model.palette, dtype=np.uint8)[np.concatenate(numbers)], model.notes)


def _refers_to_colors(archive: zipfile.ZipFile) -> bool:
    """Whether a model of an archive has a triangle or object with a property; most have not."""
    names = (name for name in archive.namelist() if name.lower().endswith(".model"))
    return any(_REFERENCE.search(archive.read(name)) for name in names)


def _placed(path: Path, model: _Model) -> Iterator[tuple[_Part, int, bool]]:
    """Yield parts as trimesh places them, with how many vertices each has and whether it is mirrored."""
    import trimesh

    scene: Any = trimesh.load_scene(path, process=False, postprocess=False)  # which would rename parts
    for node in scene.graph.nodes_geometry:
        matrix, name = scene.graph[node]
        mirrored = bool(np.linalg.det(matrix[:3, :3]) < 0)
        yield model.parts[name], len(scene.geometry[name].vertices), mirrored
