"""Read the two files that ``pack`` writes."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmf_model.data.splits import split_of
from nmf_model.errors import InputError

POINT_SCALE, NORMAL_SCALE = 32767, 127


@dataclass(frozen=True)
class PackedPoints:
    """N objects of P points.

    Attributes:
        points: (N, P, 3) float32, unit-sphere units.
        normals: (N, P, 3) float32, of unit length within 1 %, or None where the file has none.
        ids, categories, splits: (N,) words.
    """

    points: NDArray[np.float32]
    normals: NDArray[np.float32] | None
    ids: NDArray[np.str_]
    categories: NDArray[np.str_]
    splits: NDArray[np.str_]


def read_packed_points(path: Path) -> PackedPoints:
    """Read ``points.npz``; without "category" all are "all", without "split" ``split_of`` decides.

    Raises:
        InputError: it is missing, of another layout, or damaged, also in a single object.
    """
    stored = _load(path, ("points", "id"))
    points, ids, normals = stored["points"], stored["id"], stored.get("normals")
    if points.ndim != 3 or points.shape[2] != 3 or len(points) != len(ids) or not len(ids):
        raise InputError(f"{path} is not a packed set: points {points.dtype} {points.shape} do not fit.")
    if normals is not None and normals.shape != points.shape:
        raise InputError(f"{path} is not a packed set: normals {normals.shape}, points {points.shape}.")
    _check_objects(path, stored)
    return PackedPoints(
        _decoded(points, POINT_SCALE),
        None if normals is None else _decoded(normals, NORMAL_SCALE),
        ids,
        stored.get("category", np.full(len(ids), "all")),
        stored.get("split", np.array([split_of(str(object_id)) for object_id in ids])),
    )


class PackedViews:
    """The file of renderings, still compressed.

    Attributes:
        ids: (N,) words. has_views: (N,) bool. per_object: V.
        angles: (N, V, 2) float32, azimuth and elevation in radians; NaN where they are not recorded.

    Raises:
        InputError: it is missing, damaged, or of another layout.
    """

    def __init__(self, path: Path) -> None:
        stored = _load(path, ("webp", "offset", "has_views", "id"))
        self.ids: NDArray[np.str_] = stored["id"]
        self.has_views: NDArray[np.bool_] = stored["has_views"].astype(bool)
        self._path, self._bytes, self._offset = path, stored["webp"], stored["offset"]
        self.per_object, rest = divmod(len(self._offset) - 1, max(1, len(self.ids)))
        if rest or self._offset[-1] != len(self._bytes) or len(self.has_views) != len(self.ids):
            raise InputError(f"{path} is damaged: its offsets do not match its pictures; make it again.")
        unknown = np.full((len(self.ids), self.per_object, 2), np.nan, dtype=np.float32)
        self.angles: NDArray[np.float32] = stored.get("azimuth_elevation", unknown)
        if self.angles.shape != unknown.shape:
            raise InputError(f"{path} has cameras of the shape {self.angles.shape}; make it again.")

    def image(self, row: int, view: int) -> NDArray[np.uint8]:
        """Return a rendering as (H, W, 4) uint8 with straight alpha.

        Raises:
            InputError: there is no such one, or it is damaged.
        """
        from PIL import Image

        if not self.has_views[row]:
            raise InputError(f"{self.ids[row]} has no renderings in {self._path}.")
        if not 0 <= view < self.per_object:
            raise InputError(
                f"View {view} was asked for, but there are {self.per_object} (from 0) in {self._path}."
            )
        place = row * self.per_object + view
        content = self._bytes[self._offset[place] : self._offset[place + 1]].tobytes()
        try:
            with Image.open(io.BytesIO(content)) as image:
                return np.asarray(image.convert("RGBA"))
        except OSError as error:
            raise InputError(f"{self._path} is damaged in picture {place}; make it again.") from error


def _check_objects(path: Path, stored: dict[str, NDArray[Any]]) -> None:
    """Refuse objects that are no shape, which would be taken for failures of what learns or is measured."""
    points, normals = stored["points"], stored.get("normals")
    low, high = points.min(axis=1), points.max(axis=1)
    faults = {
        "points of {} are not all finite numbers": ~np.isfinite(low + high).all(axis=1),
        "points of {} coincide": (low == high).all(axis=1),
    }
    if normals is not None:
        faults["normals of {} mostly have no length"] = normals.any(axis=2).mean(axis=1) < 0.5
    for what, found in faults.items():
        if found.any():
            name = what.format(stored["id"][found.argmax()])
            raise InputError(f"{path} is damaged: the {name}; make it again.")


def _load(path: Path, required: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    if not path.exists():
        raise InputError(f"There is no file or folder {path}; check its name.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            stored = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, AttributeError) as error:
        raise InputError(f"{path} is not a readable packed set; make it again.") from error
    if absent := [name for name in required if name not in stored]:
        raise InputError(f"{path} is not a packed set: it has no {', '.join(absent)}.")
    return stored


def _decoded(values: NDArray[Any], scale: int) -> NDArray[np.float32]:
    if np.issubdtype(values.dtype, np.integer):
        return values.astype(np.float32) / np.float32(scale)
    return values.astype(np.float32)
