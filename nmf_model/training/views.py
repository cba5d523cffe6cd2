"""Renderings to learn single-view reconstruction from, or to measure it on: packed, or in folders."""

from __future__ import annotations

import functools
import hashlib
import math
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmf_model.data.packed import PackedViews
from nmf_model.data.renderings import open_renderings, read_picture
from nmf_model.errors import InputError

_IDENTIFYING = 64
"""Pictures that stand for all where data is told from other data: to read millions would take hours."""
Read = Callable[[int, int], NDArray[np.uint8]]
"""``(row, view) -> (H, W, 4) uint8``."""
WHOLE_PICTURE = 112
"""Side of the pictures that a branch for whole ones learns from, pixels."""


@dataclass(frozen=True)
class ViewSet:
    """V renderings of each of M objects, read when they are needed.

    Attributes:
        ids: (M,) the objects' ids.
        count: V.
        size: side of the pictures handed out, in pixels.
        read: reads one as it is stored.
        angles: (M, V, 2) azimuth and elevation of the cameras, radians (``geometry.cameras``); NaN where they
            are not recorded.
    """

    ids: NDArray[np.str_]
    count: int
    size: int
    read: Read
    angles: NDArray[np.float64]

    def __contains__(self, object_id: str) -> bool:
        return object_id in self._places

    @functools.cached_property
    def _places(self) -> dict[str, int]:
        return {str(name): row for row, name in enumerate(self.ids)}

    @property
    def nbytes(self) -> int:
        """Memory that all pictures would take, in bytes."""
        return len(self.ids) * self.count * 4 * self.size**2

    @property
    def identity(self) -> str:
        """How many pictures these are, and a digest of their cameras and of some of them."""
        order = np.argsort(self.ids)
        digest = hashlib.sha256("\0".join(str(name) for name in self.ids[order]).encode())
        digest.update(self.angles[order].astype(np.float32).tobytes())
        for place, row in enumerate(order[:: math.ceil(len(order) / _IDENTIFYING)].tolist()):
            digest.update(self.read(row, place % self.count).tobytes())
        return f"{self.count} pictures of {len(order)} objects, {digest.hexdigest()[:16]}"

    @property
    def pictures(self) -> NDArray[np.uint8]:
        """All of them: (M, V, 4, H, W), red, green, blue, alpha, not premultiplied."""
        rows, views = np.divmod(np.arange(len(self.ids) * self.count), self.count)
        return self.take(rows, views).reshape(len(self.ids), self.count, 4, self.size, self.size)

    def rows(self, index: NDArray[np.int64]) -> ViewSet:
        """Return the objects with these indices."""
        places = index.tolist()
        return ViewSet(
            self.ids[index],
            self.count,
            self.size,
            lambda row, view: self.read(places[row], view),
            self.angles[index],
        )

    def take(self, rows: NDArray[np.int64], views: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return (B, 4, H, W): one view of each named object.

        Raises:
            InputError: a picture is missing or damaged; the sentence names it.
        """
        wanted = zip(rows.tolist(), views.tolist(), strict=True)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return np.stack(list(pool.map(lambda place: _resized(self.read(*place), self.size), wanted)))

    def picture(self, object_id: str, view: int) -> NDArray[np.uint8]:
        """Return one view of an object as it is stored, (H, W, 4) with straight alpha.

        Raises:
            InputError: it is missing or damaged; the sentence names it.
        """
        return self.read(self._places[object_id], view).copy()  # torch warns of what is not writable

    def camera(self, object_id: str, view: int) -> tuple[float, float]:
        """Return the azimuth and elevation of the camera that took a view, radians.

        Raises:
            InputError: they are not recorded.
        """
        azimuth, elevation = self.angles[self._places[object_id], view].tolist()
        if not np.isfinite([azimuth, elevation]).all():
            raise InputError(
                f"The cameras of {object_id} are not recorded, but the model predicts in their frame."
            )
        return azimuth, elevation


def load_views(path: Path, wanted: Iterable[str], size: int = WHOLE_PICTURE) -> ViewSet:
    """Find the renderings of the wanted objects that have any.

    Args:
        path: a packed file (``.npz``), or a folder in the published layout: a set's root, or its
            ``ShapeNetRendering``.
        wanted: ids; those of the objects found keep this order.
        size: pictures of another size are resampled to ``size`` × ``size`` pixels.

    Raises:
        InputError: naming the file that is missing or damaged, or an object that lacks some of its
            pictures; or if no object has any.
    """
    names = list(wanted)
    found = _found(path, names, size)
    if not len(found.ids):
        raise InputError(f"{path} holds no pictures of these objects; check that both belong together.")
    return found


def _found(path: Path, names: list[str], size: int) -> ViewSet:
    return _from_pack(path, names, size) if path.suffix == ".npz" else _from_folder(path, names, size)


def joined_views(paths: Sequence[Path], wanted: Iterable[str], size: int = WHOLE_PICTURE) -> ViewSet:
    """Find the renderings of the wanted objects in several sets; one object can have some in each.

    Where objects have different numbers of pictures, all count as having the most: the fewer ones of an
    object are handed out again and again.

    Args:
        paths: at least one, each as in ``load_views``.
        wanted: ids; those of the objects found keep this order.
        size: side of the pictures handed out, in pixels.

    Raises:
        InputError: as ``load_views``.
    """
    names = list(wanted)
    if len(paths) == 1:
        return load_views(paths[0], names, size)
    holder: dict[str, list[_Own]] = {}
    for path in paths:
        part = _found(path, names, size)
        for row, name in enumerate(part.ids):
            holder.setdefault(str(name), []).extend(_Own(part, row, view) for view in range(part.count))
    if not holder:
        raise InputError(f"{paths[0]} and the others hold no pictures of these objects.")
    return _joined([name for name in names if name in holder], holder, size)


class _Own(NamedTuple):
    """One picture of an object: the set that has it, and its row and number there."""

    views: ViewSet
    row: int
    view: int


def _joined(ids: list[str], holder: dict[str, list[_Own]], size: int) -> ViewSet:
    """Return the views of objects that lie in several sets."""
    found = [holder[name] for name in ids]
    count = max(map(len, found))

    def read(row: int, view: int) -> NDArray[np.uint8]:
        own = found[row][view % len(found[row])]
        return own.views.read(own.row, own.view)

    angles = [[own.views.angles[own.row, own.view] for own in some] for some in found]
    repeated = np.stack([np.array(some)[np.arange(count) % len(some)] for some in angles])
    return ViewSet(np.array(ids), count, size, read, repeated)


@functools.lru_cache(maxsize=2)
def open_views(path: Path, wanted: tuple[str, ...]) -> ViewSet:
    """Return ``load_views``, found once in each process."""
    return load_views(path, wanted)


def _from_pack(path: Path, wanted: list[str], size: int) -> ViewSet:
    stored = PackedViews(path)
    places = {str(name): row for row, name in enumerate(stored.ids) if stored.has_views[row]}
    ids = [name for name in wanted if name in places]
    return ViewSet(
        np.array(ids),
        stored.per_object,
        size,
        lambda row, view: stored.image(places[ids[row]], view),
        stored.angles[[places[name] for name in ids]].astype(np.float64),
    )


def _from_folder(folder: Path, wanted: list[str], size: int) -> ViewSet:
    renderings = open_renderings(folder)
    keys = renderings.keys_by_id()
    paths = {name: renderings.paths(keys[name]) for name in wanted if name in keys}
    ids = [name for name, files in paths.items() if files]
    count = max((len(paths[name]) for name in ids), default=0)
    for name in ids:
        if len(paths[name]) != count:
            raise InputError(
                f"{keys[name]} has only {len(paths[name])} of {count} pictures in {renderings.folder}; "
                f"copy or make them again."
            )
    angles = np.full((len(ids), count, 2), np.nan)
    for row, name in enumerate(ids):
        cameras = renderings.cameras(keys[name])
        if cameras is not None:
            angles[row] = cameras
    return ViewSet(np.array(ids), count, size, lambda row, view: read_picture(paths[ids[row]][view]), angles)


def _resized(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return (4, size, size)."""
    from PIL import Image

    if picture.shape[:2] != (size, size):
        # Pillow weighs colours by alpha itself when it resamples this mode.
        resampled = Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR)
        picture = np.asarray(resampled)
    return picture.transpose(2, 0, 1)
