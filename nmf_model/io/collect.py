"""Collect points from a stream of chunks, keeping a bounded, uniform, reproducible choice of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.io.color_range import color_bytes, file_colors, largest_color
from nmf_model.types import PointCloud
from nmf_model.words import counted

CHUNK_ROWS = 1 << 18
"""Rows a reader should hand over at a time."""
MIN_POINTS = 50
_MAX_BAD_SHARE = 0.05
_MAX_COORDINATE = 1e100
_FLATNESS = 1e-6
_FAR = 1e6
"""Times as far from the middle as nearly all others, from which points are no measurements."""
_NEAR_SHARE = 0.9


class Chunk(NamedTuple):
    """Points as a reader found them.

    Attributes:
        points: (n, 3) of any real type.
        colors: (n, 3) or None: bytes, or in another real type the numbers of the file, of which the largest
            in the whole file tells what they are counted in (``color_range``).
        empty: how many more rows the file has where nothing was measured, which is no defect of it.
    """

    points: NDArray[np.generic]
    colors: NDArray[Any] | None = None
    empty: int = 0


class _Rows(NamedTuple):
    keys: NDArray[np.uint64]
    place: NDArray[np.int64]
    points: NDArray[np.float64]
    colors: NDArray[Any]


class PointCollector:
    """Keeps at most ``max_points`` distinct points out of any number.

    Every point gets a random key hashed from its coordinates and the seed, and the smallest keys
    win. So the choice is uniform over distinct points, repeated points weigh nothing, and the result
    depends on neither the chunk size nor the order of the file. Memory is O(max_points). Rows of nothing but
    NaN say that nothing was measured there, as scanners write them; they are no defect.
    """

    def __init__(self, max_points: int, seed: int) -> None:
        self._max_points = max_points
        self._seed = seed
        self._limit = np.uint64(np.iinfo(np.uint64).max)
        self._pending: list[_Rows] = []
        self._pending_count = 0
        self._total = 0
        self._bad = 0
        self._empty = 0
        self._precision = float(np.finfo(np.float64).eps)
        self._has_colors = True
        self._largest_color = 0.0

    def add(self, chunk: Chunk) -> None:
        """Take in one chunk; its arrays are not kept."""
        raw = np.asarray(chunk.points)
        if raw.dtype.kind == "f":
            self._precision = max(self._precision, float(np.finfo(raw.dtype).eps))
        points = raw.astype(np.float64) + 0.0  # turns -0.0 into 0.0, which hashes differently
        nothing = np.isnan(points).all(axis=1)
        if nothing.any():
            self._empty += int(nothing.sum())
            points = points[~nothing]
            chunk = chunk._replace(colors=None if chunk.colors is None else chunk.colors[~nothing])
        place = self._total + np.arange(len(points))
        self._total += len(points)
        finite = np.isfinite(points).all(axis=1)
        self._bad += int(len(points) - finite.sum())
        self._empty += chunk.empty
        keys = _hashed(points, self._seed)
        kept = finite & (keys <= self._limit)
        self._has_colors &= chunk.colors is not None
        colors = np.zeros((int(kept.sum()), 3), np.uint8)
        if chunk.colors is not None:
            # Those that are not kept tell as well what the others are counted in.
            self._largest_color = max(self._largest_color, largest_color(chunk.colors[finite]))
            colors = chunk.colors[kept]
        self._pending.append(_Rows(keys[kept], place[kept], points[kept], colors))
        self._pending_count += int(kept.sum())
        if self._pending_count > 2 * self._max_points + CHUNK_ROWS:
            self._compact()

    def finish(self, path: Path, notes: tuple[str, ...] = (), *, black: bool = False) -> PointCloud:
        """Return the chosen points in the order of the file.

        Args:
            path: the file.
            notes: sentences to go before its own.
            black: whether colours that are all black are meant so; most files with such have none.

        Raises:
            InputError: no points, too many without a finite place, too few distinct ones, or no depth.
        """
        if self._total == 0 and self._empty:
            raise InputError(
                f"{path.name} has NaN in place of all {counted(self._empty, 'point')}; export it again "
                f"with what was measured."
            )
        if self._total == 0:
            raise InputError(f"{path.name} contains no points; export it again with its points or faces.")
        if self._bad >= _MAX_BAD_SHARE * self._total:
            raise InputError(
                f"{path.name} has NaN or infinite coordinates in {self._bad:,} of "
                f"{counted(self._total, 'point')}; remove those and try again."
            )
        self._compact()
        rows = self._pending[0]
        order = np.argsort(rows.place)
        points = rows.points[order]
        _check_shape(points, path, self._precision)
        to_bytes = color_bytes if black else file_colors
        colors = to_bytes(rows.colors[order], self._largest_color) if self._has_colors else None
        return PointCloud(points, path.stem, path, colors, notes + self._own_notes(len(points)))

    def _own_notes(self, kept: int) -> tuple[str, ...]:
        finite = self._total - self._bad
        notes = []
        if dropped := self._bad + self._empty:
            notes.append(f"{counted(dropped, 'point')} with NaN or infinite coordinates dropped")
        if self._limit < np.iinfo(np.uint64).max:
            notes.append(f"thinned from {finite:,} to {counted(kept, 'point')}")
        elif kept < finite:
            notes.append(f"{counted(finite - kept, 'repeated point')} removed")
        return tuple(notes)

    def _compact(self) -> None:
        columns = [np.concatenate(column) for column in zip(*self._pending, strict=True)]
        order = np.argsort(columns[0], kind="stable")
        keys, points = columns[0][order], columns[2][order]
        repeated = np.zeros(len(keys), dtype=bool)
        repeated[1:] = (keys[1:] == keys[:-1]) & (points[1:] == points[:-1]).all(axis=1)
        order = order[~repeated]
        if len(order) > self._max_points:
            order = order[: self._max_points]
            self._limit = columns[0][order[-1]]
        self._pending = [_Rows(*(column[order] for column in columns))]
        self._pending_count = len(order)


def _hashed(points: NDArray[np.float64], seed: int) -> NDArray[np.uint64]:
    """Hash (n, 3) coordinates to 64 evenly spread bits (the finaliser of splitmix64, once a column)."""
    start = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    state = np.full(len(points), start, dtype=np.uint64)
    for column in np.ascontiguousarray(points.T).view(np.uint64):
        state ^= column
        state += np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return state


def _check_shape(points: NDArray[np.float64], path: Path, precision: float) -> None:
    """Refuse clouds that no closed solid can be made from.

    ``precision`` is the relative rounding of the file's own number type: depth below it is noise.
    """
    if len(points) < MIN_POINTS:
        raise InputError(
            f"{path.name} has only {counted(len(points), 'distinct point')}; "
            f"give a denser cloud of at least {MIN_POINTS}."
        )
    largest = float(np.abs(points).max())
    if largest > _MAX_COORDINATE:
        raise InputError(
            f"{path.name} has coordinates as large as {largest:.0e}; check that its columns are x, y and z."
        )
    centred = points - points.min(axis=0)
    size = float(centred.max())
    centred /= size
    centred -= centred.mean(axis=0)
    spread = np.sqrt(np.maximum(np.linalg.eigvalsh(centred.T @ centred / len(points)), 0))
    noise = max(_FLATNESS * spread[2], 0.5 * precision * largest / size)
    if spread[0] <= noise:
        _refuse_far_points(points, path)
    if spread[1] <= noise:
        raise InputError(
            f"{path.name} has all its points on a line; a closed solid needs width and depth, "
            "so scan the object from more sides."
        )
    if spread[0] <= noise:
        raise InputError(
            f"{path.name} has all its points on a plane; a closed solid needs depth, "
            "so scan the object from more sides."
        )


def _refuse_far_points(points: NDArray[np.float64], path: Path) -> None:
    """Name the points so far away that beside them all others seem to lie in one place.

    Raises:
        InputError: there are some.
    """
    apart = np.abs(points - np.median(points, axis=0)).max(axis=1)
    far = apart > _FAR * np.quantile(apart, _NEAR_SHARE)
    if far.any() and apart[~far].max() > 0:
        x, y, z = points[np.argmax(apart)]
        raise InputError(
            f"{path.name} has {counted(int(far.sum()), 'point')} a million times as far away as the others, "
            f"the farthest at ({x:.3g}, {y:.3g}, {z:.3g}); remove what is no measurement."
        )
