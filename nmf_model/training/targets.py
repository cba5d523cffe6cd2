"""The true surfaces of one part of a data set, one at a time, in the frame of its files."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmf_model.data.shapenet import ShapeNetSet
from nmf_model.errors import InputError
from nmf_model.training.measuring import SAMPLES
from nmf_model.training.shapes import ShapeSet, load_shapes, refuse_repeated

_IDENTIFYING = 64
"""Objects whose points stand for all where data is told from other data."""


@dataclass(frozen=True)
class TargetName:
    """What an object is called.

    Attributes:
        id: its id in the data; unique.
        category: its category.
        key: "category/object" in a folder of data, else the id.
    """

    id: str
    category: str
    key: str


@dataclass(frozen=True)
class Target:
    """Points of an object's surface.

    Attributes:
        points: (P, 3) float64, in the frame of the data's files.
        normals: (P, 3) float64, unit, of either sign; None where the data has none.
    """

    points: NDArray[np.float64]
    normals: NDArray[np.float64] | None


class Targets:
    """The objects of one part, several data sets joined in their order.

    Args:
        paths: packed sets (``.npz``), or folders ``category/object/{points,normals}.npy`` or what holds them.
        split: "train", "validation" or "test".
        split_file: for the folders, instead of the ``split.json`` beside them.

    Raises:
        InputError: a set cannot be read, an object has far fewer points than the protocol asks for and than
            the others have, or none is of this part.
    """

    def __init__(self, paths: Sequence[Path], split: str, split_file: Path | None = None) -> None:
        if not paths:
            raise InputError("Name the data with --points_path FOLDER or --packed FILE.")
        self._sets = [_opened(path, split, split_file) for path in paths]
        self.names = [name for part in self._sets for name in part.names]
        self._place = [(part, row) for part in self._sets for row in range(len(part.names))]
        if not self.names:
            raise InputError(
                f"The data holds no objects of the part '{split}'; prepare more, or name another."
            )
        refuse_repeated([name.id for name in self.names])

    def __len__(self) -> int:
        return len(self.names)

    @property
    def identity(self) -> str:
        """How many objects these are, and a digest of their names and of the points of some of them.

        Raises:
            InputError: one of these is damaged.
        """
        order = sorted(range(len(self)), key=lambda index: self.names[index].id)
        digest = hashlib.sha256("\0".join(self.names[index].id for index in order).encode())
        for index in order[:: math.ceil(len(order) / _IDENTIFYING)]:
            digest.update(self.read(index).points.tobytes())
        return f"{len(order)} objects, {digest.hexdigest()[:16]}"

    def read(self, index: int) -> Target:
        """Return one object.

        Raises:
            InputError: its files are missing or damaged; the sentence names the file.
        """
        part, row = self._place[index]
        return part.read(row)

    def point_count(self, index: int) -> int:
        """Return how many points an object has, without reading them.

        Raises:
            InputError: its file is missing or damaged.
        """
        part, row = self._place[index]
        return part.point_count(row)


@functools.lru_cache(maxsize=2)
def open_targets(paths: tuple[Path, ...], split: str, split_file: Path | None = None) -> Targets:
    """Return the targets, read once in each process."""
    return Targets(paths, split, split_file)


class _Packed:
    def __init__(self, shapes: ShapeSet, split: str) -> None:
        rows = np.flatnonzero(shapes.splits == split)
        self._shapes = shapes.rows(rows)
        self.names = [
            TargetName(str(object_id), str(category), str(object_id))
            for object_id, category in zip(self._shapes.ids, self._shapes.categories, strict=True)
        ]

    def point_count(self, row: int) -> int:
        return len(self._shapes.points[row])

    def read(self, row: int) -> Target:
        normals = self._shapes.normals
        return Target(
            self._shapes.points[row].astype(np.float64),
            None if normals is None else _unit(normals[row].astype(np.float64)),
        )


class _Folder:
    def __init__(self, objects: ShapeNetSet, split: str) -> None:
        self._objects, self._with_normals = objects, objects.has_normals()
        self._rows = [row for row, item in enumerate(objects.items) if item.split == split]
        if self._rows:
            objects.check_counts(self._rows, list(map(objects.point_count, self._rows)), SAMPLES)
        items = [objects.items[row] for row in self._rows]
        self.names = [TargetName(item.id, item.category, item.key) for item in items]

    def point_count(self, row: int) -> int:
        return self._objects.point_count(self._rows[row])

    def read(self, row: int) -> Target:
        # A folder without any normals can still be measured, but for their consistency.
        if not self._with_normals:
            return Target(self._objects.points(self._rows[row]).astype(np.float64), None)
        shape = self._objects.shape(self._rows[row])
        return Target(shape.points.astype(np.float64), _unit(shape.normals.astype(np.float64)))


def _opened(path: Path, split: str, split_file: Path | None) -> _Packed | _Folder:
    if path.is_dir():
        return _Folder(ShapeNetSet(path, split_file=split_file), split)
    return _Packed(load_shapes([path]), split)


def _unit(normals: NDArray[np.float64]) -> NDArray[np.float64]:
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    unit: NDArray[np.float64] = np.divide(normals, length, out=np.zeros_like(normals), where=length > 0)
    return unit
