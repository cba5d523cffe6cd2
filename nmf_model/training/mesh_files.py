"""Mesh files named after objects: how ``generate`` names them and ``evaluate --meshes`` finds them."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nmf_model.errors import InputError
from nmf_model.io.suffixes import MESH_SUFFIXES
from nmf_model.training.targets import TargetName


@dataclass(frozen=True)
class Matches:
    """Which files belong to which objects.

    Attributes:
        found: the file of each object, or of each picture, None where there is none; in their order.
        unused: files that belong to none of them.
    """

    found: tuple[Path | None, ...]
    unused: tuple[Path, ...]


def file_stem(object_id: str) -> str:
    """Return an id as a relative path without suffix; what file systems forbid becomes "_"."""
    parts = [re.sub(r'[<>:"\\|?*\x00-\x1f]', "_", part).rstrip(". ") or "_" for part in object_id.split("/")]
    return "/".join("_" if part in (".", "..") else part for part in parts)


def match_meshes(
    folder: Path, names: Sequence[TargetName], views: Sequence[int | None] | None = None
) -> Matches:
    """Find each object's mesh anywhere under ``folder``: ``ID.*``, ``CATEGORY/OBJECT.*`` or ``OBJECT.*``.

    An id that is itself the name of a mesh file may be without its ending. The longest name that fits counts.
    A name that several objects could have is not used.

    Args:
        folder: of the meshes.
        names: of the objects.
        views: for each of the names the number of the picture that the mesh is of, which follows the name:
            ``OBJECT/00.*``; None, also for all of them, where it is of none.

    Raises:
        InputError: there is no such folder, it holds no mesh, or two files have an object's name.
    """
    files = _mesh_files(folder)
    if not files:
        raise InputError(
            f"{folder} holds no meshes; name the folder that has them, as ply, obj, off, stl, …."
        )
    by_ending: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        parts = file.relative_to(folder).as_posix()[: -len(file.suffix)].split("/")
        for first in range(len(parts)):
            by_ending["/".join(parts[first:])].append(file)
    owners: dict[str, int] = defaultdict(int)
    numbers = [None] * len(names) if views is None else views
    wanted = [_endings(name, view) for name, view in zip(names, numbers, strict=True)]
    for endings in wanted:
        for ending in endings:
            owners[ending] += 1
    # stool.obj may be answered by stool.ply, unless that is the very name of another object.
    shorter = [
        [ending for ending in _without_mesh_ending(endings, view) if ending not in owners]
        for endings, view in zip(wanted, numbers, strict=True)
    ]
    for endings, more in zip(wanted, shorter, strict=True):
        endings += more
        for ending in more:
            owners[ending] += 1
    found = [_first(by_ending, [e for e in endings if owners[e] == 1], folder) for endings in wanted]
    used = {file for file in found if file is not None}
    return Matches(tuple(found), tuple(file for file in files if file not in used))


def _endings(name: TargetName, view: int | None) -> list[str]:
    """List the names the file of an object, or of one of its pictures, may have, the most telling first."""
    full = [name.id, name.key, f"{name.category}/{name.id}", f"{name.category}/{name.key.split('/')[-1]}"]
    bare = [name.id.split("/")[-1], name.key.split("/")[-1]]
    number = "" if view is None else f"/{view:02}"
    stems = (variant for text in full + bare for variant in (text, file_stem(text)))
    return list(dict.fromkeys(f"{stem}{number}" for stem in stems))


def _without_mesh_ending(endings: list[str], view: int | None) -> list[str]:
    """List the names without the ending that an object of a folder of meshes has from its own file."""
    number = "" if view is None else f"/{view:02}"
    paths = [Path(ending.removesuffix(number)) for ending in endings]
    return [
        f"{path.with_suffix('').as_posix()}{number}" for path in paths if path.suffix.lower() in MESH_SUFFIXES
    ]


def _first(by_ending: dict[str, list[Path]], endings: Sequence[str], folder: Path) -> Path | None:
    for ending in endings:
        files = by_ending.get(ending, [])
        if len(files) > 1:
            shown = " and ".join(file.relative_to(folder).as_posix() for file in files[:2])
            raise InputError(f"{shown} in {folder} both have the name of one object; keep one of them.")
        if files:
            return files[0]
    return None


def _mesh_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder} of meshes; check its name.")
    return sorted(
        Path(place) / name
        for place, _, names in os.walk(folder)
        for name in names
        if Path(name).suffix.lower() in MESH_SUFFIXES and not name.startswith(".")
    )
