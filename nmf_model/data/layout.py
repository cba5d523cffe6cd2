"""Names and lists of the published data layout, as the authors' archives and ``prepare`` have it.

``ShapeNetPoints/<category>/<object>/{points,normals}.npy`` and
``ShapeNetRendering/<category>/<object>/rendering/00.png`` (or ``renderings/``). Beside them, optional:
``split.json`` (``{"train": ["<category>/<object>", …], …}``, or as the authors have it
``{"train": {"<category>": ["<object>", …]}, …}``) and ``manifest.json``. A folder with ``settings.json``
was made by ``prepare`` and has a manifest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nmf_model.data.splits import Split
from nmf_model.errors import InputError
from nmf_model.io.atomic import write_text_atomically

POINTS_FOLDER, VIEWS_FOLDER = "ShapeNetPoints", "ShapeNetRendering"
SPLIT_FILE, MANIFEST_FILE, SETTINGS_FILE = "split.json", "manifest.json", "settings.json"
CAMERA_FILE = "rendering_metadata.txt"
"""One line a view: azimuth, elevation (degrees), roll, distance, field of view (degrees)."""
_SPLITS: tuple[Split, ...] = ("train", "validation", "test")
_SPELLINGS: dict[str, Split] = {name: name for name in _SPLITS} | {"val": "validation", "valid": "validation"}


def part_folder(root: Path, name: str) -> Path:
    """Return ``root/name`` (``ShapeNetPoints`` or ``ShapeNetRendering``), or ``root`` if it is that itself.

    Raises:
        InputError: ``root`` is not a folder.
    """
    folder = root / name if (root / name).is_dir() else root
    if not folder.is_dir():
        raise InputError(f"{root} is not a folder of prepared objects; choose another one.")
    return folder


def object_keys(folder: Path) -> list[str]:
    """Return every <category>/<object> folder, even one without its files: reading it will say so."""
    return sorted(
        f"{category.name}/{item.name}"
        for category in folder.iterdir()
        if category.is_dir() and not category.name.startswith(".")
        for item in category.iterdir()
        if item.is_dir() and not item.name.startswith(".")
    )


def read_manifest(path: Path) -> dict[str, dict[str, Any]]:
    """Return what a manifest says of each key, unfinished ones included; nothing if there is no such file.

    Raises:
        InputError: it is damaged, or missing from a folder that ``prepare`` made: the ids, which decide the
            parts, are in it alone.
    """
    if not path.is_file():
        if is_prepared(path.parent):
            raise InputError(
                f"{path.parent} was prepared, but its {path.name} is missing; run the same prepare again."
            )
        return {}
    content = _read_json(path)
    try:
        return {entry["path"]: entry for entry in [*content["objects"], *content.get("unfinished", [])]}
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is not a manifest with a list of objects; make it again.") from error


def is_prepared(root: Path) -> bool:
    """Return whether ``prepare`` made or began this folder."""
    return (root / SETTINGS_FILE).is_file()


def read_split(path: Path, present: set[str], *, partial: bool) -> dict[str, Split]:
    """Return the part of each key that a split file names.

    Args:
        path: the file, in this project's spelling or the authors'.
        present: keys that exist.
        partial: whether it may name others.

    Raises:
        InputError: it is damaged, names absent objects, or puts one into two parts.
    """
    content = _read_json(path)
    if not isinstance(content, dict) or not set(content) <= set(_SPELLINGS):
        raise InputError(f"{path} must be an object with lists named {', '.join(_SPLITS)}.")
    parts: dict[str, Split] = {}
    for name, listed in content.items():
        for key in _keys_of(listed, path):
            if parts.setdefault(key, _SPELLINGS[name]) != _SPELLINGS[name]:
                raise InputError(f"{path} puts {key} into two parts; an object belongs to one.")
            if key not in present and not partial:
                raise InputError(f"{path} names {key}, which is missing from the set.")
    return parts


def write_split(path: Path, parts: Mapping[str, Split]) -> None:
    """Write which part each key belongs to, as ``{"train": [...], "validation": [...], "test": [...]}``."""
    lists = {split: sorted(key for key, part in parts.items() if part == split) for split in _SPLITS}
    text = json.dumps(lists, indent=1) + "\n"
    write_text_atomically(path, text)


def _keys_of(listed: Any, path: Path) -> list[str]:
    """Return the keys of one part: a list of them, or objects listed by category."""
    if isinstance(listed, dict):
        listed = [f"{category}/{item}" for category, items in listed.items() for item in items]
    if not isinstance(listed, list) or not all(isinstance(key, str) for key in listed):
        raise InputError(f"{path} must list objects by name in each part; make or copy it again.")
    return listed


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON; make or copy it again.") from error
