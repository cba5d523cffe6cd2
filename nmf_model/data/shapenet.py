"""Read the published data layout, as the authors' archives and ``prepare`` have it.

``ShapeNetPoints/<category>/<object>/{points,normals}.npy`` and
``ShapeNetRendering/<category>/<object>/rendering/00.png`` (or ``renderings/``). Beside them, optional:
``split.json`` (``{"train": ["<category>/<object>", …], …}``) and ``manifest.json``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmf_model.data.splits import Split, split_of
from nmf_model.errors import InputError

POINTS_FOLDER, VIEWS_FOLDER = "ShapeNetPoints", "ShapeNetRendering"
SPLIT_FILE, MANIFEST_FILE = "split.json", "manifest.json"
CAMERA_FILE = "rendering_metadata.txt"
"""One line a view: azimuth, elevation (degrees), roll, distance, field of view (degrees)."""
_SPLITS: tuple[Split, ...] = ("train", "validation", "test")


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
        InputError: the folder has another layout, or the split file is damaged or names absent objects.
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
        self.points_folder = root / POINTS_FOLDER if (root / POINTS_FOLDER).is_dir() else root
        base = self.points_folder.parent
        self.views_folder = views or base / VIEWS_FOLDER
        keys = _object_keys(self.points_folder)
        if categories is not None:
            wanted = set(categories)
            keys = [key for key in keys if key.split("/")[0] in wanted]
        if not keys:
            raise InputError(
                f"{root} holds no {POINTS_FOLDER}/<category>/<object>/points.npy; choose that folder."
            )
        described = _read_manifest(base / MANIFEST_FILE)
        given = split_file or (base / SPLIT_FILE if (base / SPLIT_FILE).is_file() else None)
        parts = {} if given is None else _read_split(given, set(keys), partial=categories is not None)
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
        return ShapePoints(points, normals)

    def view_paths(self, index: int) -> list[Path]:
        """Return an object's pictures in order; empty if it has none."""
        folder = self._view_folder(index)
        return [] if folder is None else sorted(folder.glob("*.png"))

    def view_count(self, index: int) -> int:
        """Return how many pictures an object has."""
        return len(self.view_paths(index))

    def image(self, index: int, view: int) -> NDArray[np.uint8]:
        """Read a picture as (H, W, 4) uint8.

        Raises:
            InputError: the picture is missing or damaged; the sentence names the file.
        """
        from PIL import Image

        paths = self.view_paths(index)
        if not 0 <= view < len(paths):
            raise InputError(
                f"{self.items[index].key} has {len(paths)} pictures in {self.views_folder}, "
                f"view {view} is missing."
            )
        try:
            with Image.open(paths[view]) as image:
                return np.asarray(image.convert("RGBA"))
        except (OSError, SyntaxError) as error:
            raise InputError(f"{paths[view]} is a damaged picture; make or copy it again.") from error

    def cameras(self, index: int) -> NDArray[np.float64] | None:
        """Return (views, 2) azimuth and elevation in radians, or None where they are not recorded."""
        folder = self._view_folder(index)
        if folder is None or not (folder / CAMERA_FILE).is_file():
            return None
        try:
            rows = [
                line.split()[:2] for line in (folder / CAMERA_FILE).read_text("utf-8").splitlines() if line
            ]
            angles = np.radians(np.array(rows, dtype=np.float64).reshape(-1, 2))
        except ValueError as error:
            raise InputError(
                f"{folder / CAMERA_FILE} does not hold numbers; make or copy it again."
            ) from error
        if len(angles) != self.view_count(index):
            raise InputError(f"{folder / CAMERA_FILE} has not one line for each picture; make it again.")
        return angles

    def _view_folder(self, index: int) -> Path | None:
        folder = self.views_folder / self.items[index].key
        return next((folder / name for name in ("rendering", "renderings") if (folder / name).is_dir()), None)


def write_split(path: Path, parts: dict[str, Split]) -> None:
    """Write which part each key belongs to, as ``{"train": [...], "validation": [...], "test": [...]}``."""
    lists = {split: sorted(key for key, part in parts.items() if part == split) for split in _SPLITS}
    path.write_text(json.dumps(lists, indent=1) + "\n", encoding="utf-8")


def _object_keys(folder: Path) -> list[str]:
    """Return every <category>/<object> folder, even one without its files: reading it will say so."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder of prepared objects; choose another one.")
    return sorted(
        f"{category.name}/{item.name}"
        for category in folder.iterdir()
        if category.is_dir() and not category.name.startswith(".")
        for item in category.iterdir()
        if item.is_dir() and not item.name.startswith(".")
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


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON; make or copy it again.") from error


def _read_manifest(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        return {}
    content = _read_json(path)
    try:
        return {entry["path"]: entry for entry in content["objects"]}
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is not a manifest with a list of objects; make it again.") from error


def _read_split(path: Path, present: set[str], *, partial: bool) -> dict[str, Split]:
    content = _read_json(path)
    if not isinstance(content, dict) or not set(content) <= {*_SPLITS, "val"}:
        raise InputError(f"{path} must be an object with lists named {', '.join(_SPLITS)}.")
    parts: dict[str, Split] = {}
    for name, keys in content.items():
        part: Split = "validation" if name == "val" else name
        for key in keys:
            if parts.setdefault(key, part) != part:
                raise InputError(f"{path} puts {key} into two parts; an object belongs to one.")
            if key not in present and not partial:
                raise InputError(f"{path} names {key}, which is missing from the set.")
    return parts


def _read_rows(path: Path) -> NDArray[np.float32]:
    try:
        rows = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is missing or damaged; make or copy it again.") from error
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.shape[1] != 3 or not len(rows):
        raise InputError(f"{path} does not hold rows of x, y and z; make or copy it again.")
    if rows.dtype.kind not in "fiu" or not np.isfinite(rows).all():
        raise InputError(f"{path} holds values that are not finite numbers; make or copy it again.")
    return rows.astype(np.float32)
