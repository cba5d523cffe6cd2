"""Read a set in the published layout (see ``layout``): its objects, their points, normals and pictures."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nmf_model.data.layout import (
    MANIFEST_FILE,
    POINTS_FOLDER,
    SPLIT_FILE,
    VIEWS_FOLDER,
    is_prepared,
    object_keys,
    part_folder,
    read_manifest,
    read_split,
)
from nmf_model.data.renderings import Renderings
from nmf_model.data.splits import Split, split_of
from nmf_model.errors import InputError

_ONE_AT_A_TIME = threading.Lock()
"""numpy parses a file's head as Python, and Python 3.11 counts the depth of that for all threads together:
now and then two of them end in "AST constructor recursion depth mismatch"."""


@dataclass(frozen=True)
class ShapeItem:
    """One object of a set.

    Attributes:
        key: "<category folder>/<object folder>".
        id: from the manifest, else the key. name, category, library, license, creator: as there.
        split: the part it belongs to.
    """

    key: str
    id: str
    name: str
    category: str
    split: Split
    library: str = ""
    license: str = "unknown"
    creator: str = ""


@dataclass(frozen=True)
class ShapePoints:
    """Points of one object: (S, 3) float32 each, unit-sphere units, normals of unit length."""

    points: NDArray[np.float32]
    normals: NDArray[np.float32]


class ShapeNetSet:
    """The objects of a folder in the published layout, in a fixed order.

    Args:
        root: holds ``ShapeNetPoints``, or is that folder itself.
        views: folder ``ShapeNetRendering`` if it is elsewhere.
        split: keep this part alone.
        split_file: instead of the folder's own ``split.json``; without either, the rule of
            ``splits.split_of`` on the id decides.
        categories: keep these category folders alone.

    Raises:
        InputError: the folder has another layout, the split file is damaged or names absent objects, or the
            manifest of a prepared folder lacks an object whose part it would decide.
    """

    def __init__(
        self,
        root: Path,
        *,
        views: Path | None = None,
        split: Split | None = None,
        split_file: Path | None = None,
        categories: Iterable[str] | None = None,
    ) -> None:
        self.points_folder = part_folder(root, POINTS_FOLDER)
        base = self.points_folder.parent
        self._pictures = Renderings(views or base / VIEWS_FOLDER)
        keys = object_keys(self.points_folder)
        if categories is not None:
            wanted = set(categories)
            keys = [key for key in keys if key.split("/")[0] in wanted]
        if not keys:
            raise InputError(
                f"{root} holds no {POINTS_FOLDER}/<category>/<object>/points.npy; choose that folder."
            )
        described = read_manifest(base / MANIFEST_FILE)
        given = split_file or (base / SPLIT_FILE if (base / SPLIT_FILE).is_file() else None)
        parts = {} if given is None else read_split(given, set(keys), partial=categories is not None)
        if given is None and is_prepared(base):
            _check_listed(keys, described, base / MANIFEST_FILE)
        items = [_item(key, described.get(key, {}), parts if given else None) for key in keys]
        self.items = [item for item in items if item is not None and split in (None, item.split)]
        if not self.items:
            raise InputError(f"{root} has no object of the part {split!r}; choose another part.")

    def __len__(self) -> int:
        return len(self.items)

    def shape(self, index: int) -> ShapePoints:
        """Read an object's points and normals.

        Raises:
            InputError: one of its files is missing or damaged; the sentence names the file.
        """
        folder = self.points_folder / self.items[index].key
        points, normals = _read_rows(folder / "points.npy"), _read_rows(folder / "normals.npy")
        if points.shape != normals.shape:
            raise InputError(
                f"{folder} has {len(points):,} points but {len(normals):,} normals; make it again."
            )
        _check_extent(folder / "points.npy", points)
        # A few may be lost on triangles without area; more are no normals.
        if 2 * np.count_nonzero(normals.any(axis=1)) < len(normals):
            path = folder / "normals.npy"
            raise InputError(f"{path} is damaged: most normals have no length; make or copy it again.")
        return ShapePoints(points, normals)

    def has_normals(self) -> bool:
        """Return whether any object has normals; then one without them is damaged."""
        return any((self.points_folder / item.key / "normals.npy").exists() for item in self.items)

    def points(self, index: int) -> NDArray[np.float32]:
        """Read an object's points alone; see ``shape``."""
        path = self.points_folder / self.items[index].key / "points.npy"
        points = _read_rows(path)
        _check_extent(path, points)
        return points

    def point_count(self, index: int) -> int:
        """Return how many points an object has, from the head of its file alone; see ``shape``."""
        path = self.points_folder / self.items[index].key / "points.npy"
        return len(_opened(path, mmap_mode="r"))

    def check_counts(self, rows: Sequence[int], counts: Sequence[int], wanted: int | None) -> None:
        """Refuse an object that has far fewer points than the others: it is damaged.

        Args:
            rows: indices of objects.
            counts: how many points each of them has.
            wanted: so many are enough, whatever the others have; None where more are always better.

        Raises:
            InputError: one has fewer than ``wanted`` and than half of the median; the sentence names it.
        """
        fewest, usual = min(counts), int(np.median(counts))
        if 2 * fewest < usual and (wanted is None or fewest < wanted):
            path = self.points_folder / self.items[rows[counts.index(fewest)]].key / "points.npy"
            raise InputError(
                f"{path} has only {fewest:,} points, while the median object has {usual:,}; make or copy it "
                "again."
            )

    def view_count(self, index: int) -> int:
        """Return how many pictures an object has."""
        return len(self._pictures.paths(self.items[index].key))

    def image(self, index: int, view: int) -> NDArray[np.uint8]:
        """Read a picture as (H, W, 4) uint8; see ``Renderings.image``."""
        return self._pictures.image(self.items[index].key, view)

    def cameras(self, index: int) -> NDArray[np.float64] | None:
        """Return (views, 2) azimuth and elevation in radians, or None where they are not recorded."""
        return self._pictures.cameras(self.items[index].key)


def _check_listed(keys: list[str], described: dict[str, dict[str, Any]], manifest: Path) -> None:
    """Refuse to guess the part of a prepared object: the rule is on its id, which is not its key."""
    absent = [key for key in keys if key not in described]
    if absent:
        raise InputError(
            f"{manifest} does not list {absent[0]}; prepare again with its source, or delete it."
        )


def _item(key: str, described: dict[str, Any], parts: dict[str, Split] | None) -> ShapeItem | None:
    """Describe an object; None if a split file is given and leaves it out."""
    object_id = str(described.get("id", key))
    split = split_of(object_id) if parts is None else parts.get(key)
    if split is None:
        return None
    category, name = key.split("/")
    return ShapeItem(
        key=key,
        id=object_id,
        name=str(described.get("name", name)),
        category=str(described.get("category", category)),
        split=split,
        library=str(described.get("source", "")),
        license=str(described.get("licence", "unknown")),
        creator=str(described.get("creator", "")),
    )


def _check_extent(path: Path, points: NDArray[np.float32]) -> None:
    if not np.ptp(points, axis=0).any():
        raise InputError(f"{path} is damaged: all its points coincide; make or copy it again.")


def _read_rows(path: Path) -> NDArray[np.float32]:
    rows = _opened(path)
    if rows.dtype.kind not in "fiu" or not np.isfinite(rows).all():
        raise InputError(f"{path} holds values that are not finite numbers; make or copy it again.")
    return rows.astype(np.float32)


def _opened(path: Path, mmap_mode: Literal["r"] | None = None) -> NDArray[Any]:
    try:
        with _ONE_AT_A_TIME:
            rows = np.load(path, allow_pickle=False, mmap_mode=mmap_mode)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is missing or damaged; make or copy it again.") from error
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.shape[1] != 3 or not len(rows):
        raise InputError(f"{path} does not hold rows of x, y and z; make or copy it again.")
    return rows
