"""A prepared set in two files that train on a machine with torch, numpy and Pillow alone.

``points.npz`` holds points int16 / 32767 and normals int8 / 127 of every object with its id, name,
category, licence and split; ``views.npz``, if there are any, small WebP renderings in the same order.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nmf_model.data.shapenet import ShapeNetSet
from nmf_model.data.splits import Split, split_of
from nmf_model.errors import InputError
from nmf_model.io.atomic import write_atomically

if TYPE_CHECKING:
    import torch

POINT_SCALE, NORMAL_SCALE = 32767, 127
_TEXTS = ("id", "name", "category", "library", "license", "creator", "split")

Augment = Callable[["torch.Tensor", "torch.Tensor", "torch.Generator"], tuple["torch.Tensor", "torch.Tensor"]]
"""``(points (B, S, 3), normals (B, S, 3), generator) -> (points, normals)``, applied to each batch."""


@dataclass(frozen=True)
class PackedBatch:
    """Points of some objects, drawn without repetition.

    Attributes:
        points: (B, S, 3) float32, unit-sphere units. normals: (B, S, 3) float32, unit length.
        index: (B,) int64, which objects of the dataset they are.
    """

    points: torch.Tensor
    normals: torch.Tensor
    index: torch.Tensor


class PackedShapes:
    """The objects of one part of a packed set, as a dataset of shapes, batches and views.

    Args:
        points: the file of points and normals.
        views: the file of renderings, or None.
        split: "train", "validation", "test", or None for every object.
        with_views: keep only objects that have renderings.
        device: where batches are made; the points live there as int16.

    Raises:
        InputError: a file is missing, damaged, or of another layout, or the two do not belong together.
    """

    def __init__(
        self,
        points: Path,
        views: Path | None = None,
        *,
        split: Split | None = None,
        with_views: bool = False,
        device: torch.device | str = "cpu",
    ) -> None:
        import torch

        stored = _load(points, ("points", "normals", "id", "category"))
        _check_shapes(points, stored)
        parts = stored.get("split", np.array([split_of(str(object_id)) for object_id in stored["id"]]))
        self._views = None if views is None else _Views(views, stored["id"])
        chosen = np.ones(len(parts), dtype=bool) if split is None else parts == split
        if with_views:
            chosen &= np.zeros(len(parts), dtype=bool) if self._views is None else self._views.has_views
        self._rows = np.flatnonzero(chosen)
        if not len(self._rows):
            raise InputError(f"{points} has no object of the part {split!r} asked for; choose another part.")
        self.ids: list[str] = stored["id"][self._rows].tolist()
        self.categories: list[str] = stored["category"][self._rows].tolist()
        self.names: list[str] = stored.get("name", stored["id"])[self._rows].tolist()
        self.points = torch.as_tensor(stored["points"][self._rows], device=device)
        self.normals = torch.as_tensor(stored["normals"][self._rows], device=device)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return all (S, 3) float32 points and unit normals of one object."""
        import torch

        points = self.points[index].float() / POINT_SCALE
        return points, torch.nn.functional.normalize(self.normals[index].float(), dim=-1)

    def batch(
        self,
        index: torch.Tensor | Sequence[int],
        count: int,
        generator: torch.Generator,
        augment: Sequence[Augment] = (),
    ) -> PackedBatch:
        """Draw ``count`` points of each given object, then apply the augmentations in order.

        Args:
            index: (B,) numbers of objects.
            count: S; at most as many as are stored.
            generator: on the dataset's device; the only source of randomness.
            augment: hooks; see ``Augment``.
        """
        import torch

        device = self.points.device
        chosen = torch.as_tensor(index, device=device, dtype=torch.int64)
        stored = self.points.shape[1]
        if count > stored:
            raise InputError(f"{count:,} points an object were asked for, but only {stored:,} are stored.")
        keys = torch.rand((len(chosen), stored), generator=generator, device=device)
        place = chosen[:, None], keys.topk(count, dim=1).indices
        points = self.points[place].float() / POINT_SCALE
        normals = torch.nn.functional.normalize(self.normals[place].float(), dim=-1)
        for hook in augment:
            points, normals = hook(points, normals, generator)
        return PackedBatch(points, normals, chosen)

    def random_batch(
        self, size: int, count: int, generator: torch.Generator, augment: Sequence[Augment] = ()
    ) -> PackedBatch:
        """Draw ``size`` objects, none twice unless there are fewer, and ``count`` points of each."""
        import torch

        device = self.points.device
        if size <= len(self):
            index = torch.randperm(len(self), generator=generator, device=device)[:size]
        else:
            index = torch.randint(len(self), (size,), generator=generator, device=device)
        return self.batch(index, count, generator, augment)

    @property
    def views_per_object(self) -> int:
        """How many renderings an object has; 0 without a file of views."""
        return 0 if self._views is None else self._views.per_object

    def has_views(self, index: int) -> bool:
        """Return whether an object has usable renderings."""
        return self._views is not None and bool(self._views.has_views[self._rows[index]])

    def view(self, index: int, view: int) -> NDArray[np.uint8]:
        """Return a rendering as (H, W, 4) uint8 with straight alpha."""
        if self._views is None or not self.has_views(index):
            raise InputError(f"{self.ids[index]} has no renderings in this set.")
        return self._views.image(int(self._rows[index]), view)

    def camera(self, index: int, view: int) -> tuple[float, float]:
        """Return a rendering's azimuth and elevation in radians."""
        if self._views is None:
            raise InputError(f"{self.ids[index]} has no renderings in this set.")
        azimuth, elevation = self._views.angles[self._rows[index], view]
        return float(azimuth), float(elevation)


def pack(
    source: Path, out: Path, *, points: int = 4096, views: int = 12, size: int = 112, quality: int = 80
) -> None:
    """Write ``points.npz`` and ``views.npz`` for a prepared set (``prepare``'s folder).

    Args:
        source: the prepared folder.
        out: folder to write into; made if missing.
        points: how many of each object's points to keep.
        views: how many of its renderings to keep; 0 writes no views.
        size: side of the stored renderings in pixels.
        quality: of the WebP, 0-100.

    Raises:
        InputError: an item of the set is missing or damaged, or has fewer points.
    """
    prepared = ShapeNetSet(source)
    out.mkdir(parents=True, exist_ok=True)
    write_points(out / "points.npz", prepared, points)
    if views:
        write_views(out / "views.npz", prepared, views, size, quality)


def write_points(path: Path, prepared: ShapeNetSet, count: int) -> None:
    """Write the first ``count`` points and normals of every object, which were drawn independently."""
    points = np.zeros((len(prepared), count, 3), dtype=np.int16)
    normals = np.zeros((len(prepared), count, 3), dtype=np.int8)
    for number in range(len(prepared)):
        shape = prepared.shape(number)
        if len(shape.points) < count:
            raise InputError(
                f"{prepared.items[number].key} has only {len(shape.points):,} points, not {count:,}."
            )
        # Neither order nor precision beyond this matters; sorted points compress better.
        order = _along_curve(shape.points[:count])
        points[number] = np.rint(np.clip(shape.points[order], -1, 1) * POINT_SCALE)
        normals[number] = np.rint(shape.normals[order] * NORMAL_SCALE)
    texts = {key: np.array([getattr(item, key) for item in prepared.items]) for key in _TEXTS}
    _save(path, points=points, normals=normals, **texts)


def write_views(path: Path, prepared: ShapeNetSet, count: int, size: int, quality: int) -> None:
    """Write ``count`` renderings of every object that has that many, shrunk to ``size`` pixels, as WebP."""
    chunks: list[bytes] = []
    angles = np.zeros((len(prepared), count, 2), dtype=np.float32)
    has_views = np.zeros(len(prepared), dtype=bool)
    for number in range(len(prepared)):
        has_views[number] = prepared.view_count(number) >= count
        for view in range(count):
            chunks.append(_webp(prepared.image(number, view), size, quality) if has_views[number] else b"")
            if has_views[number] and (cameras := prepared.cameras(number)) is not None:
                angles[number, view] = cameras[view]
    offset = np.cumsum([0, *map(len, chunks)], dtype=np.int64)
    _save(
        path, webp=np.frombuffer(b"".join(chunks), dtype=np.uint8), offset=offset, azimuth_elevation=angles,
        has_views=has_views, id=np.array([item.id for item in prepared.items]),
    )  # fmt: skip


class _Views:
    """The file of renderings, checked to be of the same objects as the points."""

    def __init__(self, path: Path, ids: NDArray[Any]) -> None:
        stored = _load(path, ("webp", "offset", "azimuth_elevation", "has_views", "id"))
        if not np.array_equal(stored["id"], ids):
            raise InputError(
                f"{path} holds other objects than the file of points; use the pair made together."
            )
        self.per_object = int(stored["azimuth_elevation"].shape[1])
        if len(stored["offset"]) != len(ids) * self.per_object + 1 or stored["offset"][-1] != len(
            stored["webp"]
        ):
            raise InputError(f"{path} is damaged: its offsets do not match its pictures; make it again.")
        self._path, self._bytes, self._offset = path, stored["webp"], stored["offset"]
        self.angles: NDArray[np.float32] = stored["azimuth_elevation"]
        self.has_views: NDArray[np.bool_] = stored["has_views"].astype(bool)

    def image(self, row: int, view: int) -> NDArray[np.uint8]:
        from PIL import Image

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


def _load(path: Path, required: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            stored = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise InputError(f"{path} is missing or not a readable packed set; make it again.") from error
    if absent := [name for name in required if name not in stored]:
        raise InputError(f"{path} is not a packed set: it has no {', '.join(absent)}.")
    return stored


def _check_shapes(path: Path, stored: dict[str, NDArray[Any]]) -> None:
    points, normals = stored["points"], stored["normals"]
    sane = points.dtype == np.int16 and normals.dtype == np.int8 and points.shape == normals.shape
    if not sane or points.ndim != 3 or points.shape[2] != 3 or len(points) != len(stored["id"]):
        raise InputError(f"{path} is not a packed set: points {points.dtype} {points.shape} do not fit.")


def _save(path: Path, **arrays: NDArray[Any]) -> None:
    write_atomically(path, lambda stream: np.savez_compressed(stream, **arrays))  # type: ignore[arg-type]


def _along_curve(points: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return an order that keeps neighbours near each other: by interleaved bits of coarse coordinates."""
    cell = np.clip((points + 1) * 16, 0, 31).astype(np.int64)
    key = np.zeros(len(points), dtype=np.int64)
    for bit in range(5):
        for axis in range(3):
            key |= ((cell[:, axis] >> bit) & 1) << (3 * bit + axis)
    return np.argsort(key, kind="stable")


def _webp(image: NDArray[np.uint8], size: int, quality: int) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    # Colours are averaged weighted by alpha, or the empty background would bleed into the rim.
    shrunk = Image.fromarray(image).convert("RGBa").resize((size, size), Image.Resampling.BOX).convert("RGBA")
    shrunk.save(stream, "WEBP", quality=quality, method=4, alpha_quality=100)
    return stream.getvalue()
