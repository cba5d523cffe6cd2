"""The lists that ``prepare`` keeps of its folder: manifest, split and credits.

They are right at any moment, also after the process was killed: before the first object is made, the
manifest names all that will be, with their ids, and the old split file is gone, so that a reader decides by
the same rule on the same ids as the split file written at the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nmf_model.data.credits import credits_text
from nmf_model.data.layout import MANIFEST_FILE, POINTS_FOLDER, SPLIT_FILE, VIEWS_FOLDER, write_split
from nmf_model.data.library import LibraryEntry
from nmf_model.data.sources import SourceObject
from nmf_model.data.splits import split_of
from nmf_model.errors import InputError
from nmf_model.io.atomic import write_text_atomically

CREDITS_FILE = "credits.md"
Entry = dict[str, Any]
"""What the manifest says of one object."""


@dataclass(frozen=True)
class Skipped:
    """An object left out, or left without pictures, and why."""

    id: str
    reason: str


@dataclass(frozen=True)
class Lists:
    """A manifest.

    Attributes:
        entries: by key, what is said of each object, there or not.
        skipped: objects that could not be made.
        without_views: objects whose renderings failed, though their points are there.
    """

    entries: dict[str, Entry]
    skipped: tuple[Skipped, ...] = ()
    without_views: tuple[Skipped, ...] = ()

    @property
    def ids(self) -> dict[str, str]:
        """The id of each key."""
        return {key: str(entry["id"]) for key, entry in self.entries.items()}


def read_lists(out: Path) -> Lists:
    """Return the manifest of a folder, empty where there is none.

    Raises:
        InputError: it is damaged.
    """
    path = out / MANIFEST_FILE
    if not path.is_file():
        return Lists({})
    try:
        content = json.loads(path.read_text("utf-8"))
        known = [*content["objects"], *content.get("unfinished", [])]
        return Lists(
            {entry["path"]: entry for entry in known},
            tuple(Skipped(**entry) for entry in content.get("skipped", [])),
            tuple(Skipped(**entry) for entry in content.get("without_views", [])),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged; delete it and prepare again with all sources.") from error


def announce(out: Path, items: Sequence[SourceObject]) -> None:
    """Name all objects before the first is made; until ``write_lists`` no split file is there."""
    _write_manifest(out, items, {})
    (out / SPLIT_FILE).unlink(missing_ok=True)


def write_lists(out: Path, items: Sequence[SourceObject], failures: Mapping[str, str]) -> None:
    """Write manifest, split and credits of everything in the folder, earlier sources included.

    Args:
        out: the folder.
        items: the objects of the sources named now.
        failures: reasons by id; objects neither there nor among these are listed as unfinished.
    """
    present = _write_manifest(out, items, failures)
    write_split(out / SPLIT_FILE, {entry["path"]: entry["split"] for entry in present})
    write_text_atomically(out / CREDITS_FILE, _credits(present))


def _write_manifest(out: Path, items: Sequence[SourceObject], failures: Mapping[str, str]) -> list[Entry]:
    """Write the manifest; return the entries of the objects that are there."""
    earlier = read_lists(out)
    entries = earlier.entries | {item.key: _described(item, out) for item in items}
    ordered = [entry for _, entry in sorted(entries.items())]
    present = [entry for entry in ordered if (out / POINTS_FOLDER / entry["path"]).is_dir()]
    there = {entry["id"] for entry in present}
    told = {item.id for item in items}
    failed = [Skipped(object_id, reason) for object_id, reason in failures.items()]
    kept = [entry for entry in earlier.skipped if entry.id not in told] + failed
    plain = [entry for entry in earlier.without_views if entry.id not in told] + failed
    manifest = {
        "objects": present,
        "unfinished": [entry for entry in ordered if entry["id"] not in there | failures.keys()],
        "skipped": _listed(entry for entry in kept if entry.id not in there),
        "without_views": _listed(entry for entry in plain if entry.id in there),
    }
    write_text_atomically(out / MANIFEST_FILE, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    return present


def _listed(entries: Iterable[Skipped]) -> list[dict[str, str]]:
    return [vars(entry) for entry in sorted(entries, key=lambda entry: entry.id)]


def _described(item: SourceObject, out: Path) -> Entry:
    views = out / VIEWS_FOLDER / item.key / "rendering"
    return {
        "id": item.id,
        "name": item.name,
        "category": item.category,
        "licence": item.licence,
        "creator": item.creator,
        "source": item.source,
        "path": item.key,
        "split": split_of(item.id),
        "views": len(list(views.glob("*.png"))) if views.is_dir() else 0,
    }


def _credits(entries: list[Entry]) -> str:
    """Return the table of all objects that somebody made; procedural ones need no credit."""
    made_by_people = [entry for entry in entries if entry["source"] != "synthetic"]
    return credits_text(
        LibraryEntry(
            library=Path(entry["source"]),
            id=entry["id"],
            name=entry["name"],
            category=entry["category"],
            creator=entry["creator"],
            license=entry["licence"],
            model="",
            rotation=np.eye(3),
        )
        for entry in made_by_people
    )
