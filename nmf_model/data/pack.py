"""Pack a set into two files that train on a machine with torch, numpy and Pillow alone.

``points.npz`` holds points int16 / 32767 and normals int8 / 127 of every object with its id, name,
category, licence and split; ``views.npz``, if there are any, small WebP renderings in the same order.
``packed`` reads both.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from nmf_model.data.layout import is_prepared
from nmf_model.data.packed import NORMAL_SCALE, POINT_SCALE
from nmf_model.data.shapenet import ShapeItem, ShapeNetSet, ShapePoints
from nmf_model.errors import InputError
from nmf_model.io.atomic import write_atomically

OnProgress = Callable[[int, int, str], None]
"""``(objects done, objects in all, id of the last one)``."""
_TEXTS = ("id", "name", "category", "library", "license", "creator", "split")
_ANSWER = TypeVar("_ANSWER")


class Shapes(Protocol):
    """What can be packed: a prepared set, or procedural shapes."""

    @property
    def items(self) -> Sequence[ShapeItem]:
        """The objects."""

    def shape(self, index: int) -> ShapePoints:
        """Return an object's points and normals."""


def _silent(done: int, total: int, object_id: str) -> None:
    pass


def write_points(path: Path, shapes: Shapes, count: int, on_progress: OnProgress = _silent) -> None:
    """Write the first ``count`` points and normals of every object, which were drawn independently.

    Raises:
        InputError: an item is missing or damaged, has fewer points, or lies outside the unit sphere.
    """
    total = len(shapes.items)
    points = np.zeros((total, count, 3), dtype=np.int16)
    normals = np.zeros((total, count, 3), dtype=np.int8)
    for number, item in enumerate(shapes.items):
        shape = shapes.shape(number)
        if len(shape.points) < count:
            raise InputError(
                f"{item.key} has only {len(shape.points):,} points, not {count:,}; pack with "
                f"--points-per-shape {len(shape.points)} or prepare more points."
            )
        if np.abs(shape.points).max() > 1.001:
            again = " again" if _is_prepared(shapes) else ""
            raise InputError(f"{item.key} reaches beyond the unit sphere; prepare it{again}.")
        # Neither order nor precision beyond this matters; sorted points compress better.
        order = _along_curve(shape.points[:count])
        points[number] = np.rint(np.clip(shape.points[order], -1, 1) * POINT_SCALE)
        normals[number] = np.rint(shape.normals[order] * NORMAL_SCALE)
        on_progress(number + 1, total, item.id)
    texts = {key: np.array([getattr(item, key) for item in shapes.items]) for key in _TEXTS}
    _save(path, points=points, normals=normals, **texts)


def _is_prepared(shapes: Shapes) -> bool:
    return isinstance(shapes, ShapeNetSet) and is_prepared(shapes.points_folder.parent)


def check_views(prepared: ShapeNetSet, count: int | None = None) -> None:
    """Refuse what ``write_views`` would refuse before it reads a picture.

    Raises:
        InputError: no object of the set has so many.
    """
    _kept_views(prepared, count)


def _kept_views(prepared: ShapeNetSet, count: int | None) -> tuple[list[int], int]:
    """Return how many pictures each object has, and how many of them are written."""
    available = [prepared.view_count(number) for number in range(len(prepared))]
    kept = count or max(available)
    if not any(views >= kept > 0 for views in available):
        raise InputError(f"No object of the set has {count or 'any'} renderings; prepare it with --views.")
    return available, kept


def write_views(
    path: Path,
    prepared: ShapeNetSet,
    count: int | None = None,
    size: int = 112,
    quality: int = 80,
    on_progress: OnProgress = _silent,
) -> dict[str, int]:
    """Write renderings of every object that has enough of them, shrunk to ``size`` pixels, as WebP.

    Args:
        path: the file.
        prepared: the set.
        count: pictures of an object; None takes as many as the object with most has.
        size: side in pixels.
        quality: of the WebP, 0-100.
        on_progress: told after each object.

    Returns:
        the objects left without pictures, by id, with how many they have.

    Raises:
        InputError: a picture is damaged, or the set has none at all.
    """
    available, kept = _kept_views(prepared, count)
    has_views = np.array([views >= kept > 0 for views in available])
    angles = np.full((len(prepared), kept, 2), np.nan, dtype=np.float32)

    def packed(number: int) -> list[bytes]:
        if not has_views[number]:
            return [b""] * kept
        return [_webp(prepared.image(number, view), size, quality) for view in range(kept)]

    chunks: list[bytes] = []
    # Pillow decodes and encodes without holding the interpreter, so threads use all processors.
    for number, part in enumerate(_in_order(packed, range(len(prepared)))):
        chunks += part
        if has_views[number] and (cameras := prepared.cameras(number)) is not None:
            angles[number] = cameras[:kept]
        on_progress(number + 1, len(prepared), prepared.items[number].id)
    offset = np.cumsum([0, *map(len, chunks)], dtype=np.int64)
    _save(
        path, webp=np.frombuffer(b"".join(chunks), dtype=np.uint8), offset=offset, azimuth_elevation=angles,
        has_views=has_views, id=np.array([item.id for item in prepared.items]),
    )  # fmt: skip
    return {prepared.items[row].id: available[row] for row in np.flatnonzero(~has_views)}


def _in_order(function: Callable[[int], _ANSWER], numbers: Iterable[int]) -> Iterator[_ANSWER]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(function, numbers)


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
