"""Points in NumPy files: npy and npz."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.io.collect import CHUNK_ROWS, Chunk

_NAMES = ("points", "xyz", "vertices", "pos", "positions")
_COLOR_NAMES = ("colors", "colours", "rgb", "vertex_colors")
_MAX_UNPACKED_BYTES = 4 << 30


def read_npy(path: Path) -> Iterator[Chunk]:
    """Yield the points of one array, mapped into memory rather than loaded."""
    yield from _chunks(path, _load(path, mmap=True))


def read_npz(path: Path) -> Iterator[Chunk]:
    """Yield the points of the array called so (see ``_NAMES``), or of the only suitable one, with colours.

    Those are an array of a name for colours, with a row for each point.
    """
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > _MAX_UNPACKED_BYTES:
        raise InputError(f"{path.name} unpacks to {unpacked / 2**30:.0f} GB; save the points alone as .npy.")
    with _load(path) as arrays:
        names = {name.lower(): name for name in arrays.files}
        for wanted in _NAMES:
            if wanted in names:
                points = _member(path, arrays, names[wanted])
                yield from _chunks(path, points, _colors(path, arrays, names))
                return
        suitable = [
            name
            for name in arrays.files
            if name.lower() not in _COLOR_NAMES and _as_rows(_member(path, arrays, name)) is not None
        ]
        if len(suitable) != 1:
            raise InputError(
                f"{path.name} has {len(suitable) or 'no'} arrays that could be the points; "
                "name the right one, of three columns, 'points'."
            )
        yield from _chunks(path, arrays[suitable[0]], _colors(path, arrays, names))


def _load(path: Path, mmap: bool = False):  # type: ignore[no-untyped-def]  # noqa: ANN202
    """Open without ever unpickling: a pickle in an untrusted file can run any program."""
    try:
        return np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)
    except ValueError as error:
        raise _translated(path, error) from error


def _member(path: Path, arrays: np.lib.npyio.NpzFile, name: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = arrays[name]
    except ValueError as error:
        raise _translated(path, error) from error
    return array


def _colors(path: Path, arrays: np.lib.npyio.NpzFile, names: Mapping[str, str]) -> NDArray[Any] | None:
    """Return (n, 3) the first of the arrays that may be colours; ``names`` are by their lower case."""
    found = (_as_rows(_member(path, arrays, names[name])) for name in _COLOR_NAMES if name in names)
    rows = next((rows for rows in found if rows is not None and not rows.dtype.names), None)
    return None if rows is None or (rows < 0).any() else rows[:, :3]


def _translated(path: Path, error: ValueError) -> Exception:
    text = str(error)
    if "Object arrays" in text or "Python objects" in text:
        return InputError(
            f"{path.name} holds Python objects, which are not opened because they could run programs; "
            "save a plain array of numbers."
        )
    if "greater than file size" in text or "EOF" in text:
        return InputError(f"{path.name} is truncated; copy or save it again.")
    return error


def _chunks(path: Path, array: NDArray[Any], colors: NDArray[Any] | None = None) -> Iterator[Chunk]:
    rows = _as_rows(array)
    if rows is None:
        raise InputError(
            f"{path.name} holds an array of {array.dtype} of shape {array.shape}; "
            "save numbers in rows of x, y and z."
        )
    if colors is not None and len(colors) != len(rows):
        colors = None
    for start in range(0, len(rows), CHUNK_ROWS):
        piece = rows[start : start + CHUNK_ROWS]
        shades = None if colors is None else colors[start : start + CHUNK_ROWS]
        if piece.dtype.names:
            yield Chunk(np.stack([piece[name] for name in "xyz"], axis=1), shades)
        else:
            yield Chunk(piece[:, :3], shades)


def _as_rows(array: NDArray[Any]) -> NDArray[Any] | None:
    """Return (N, 3 or more) numbers, or (N,) records with fields x, y, z; None if the array is neither."""
    if array.dtype.names:
        numeric = {"x", "y", "z"} <= set(array.dtype.names) and all(
            array.dtype[name].kind in "fiu" and not array.dtype[name].shape for name in "xyz"
        )
        return array.ravel() if numeric else None
    if array.dtype.kind not in "fiu" or array.ndim != 2:
        return None
    if array.shape[1] >= 3 and array.shape[0] != 3:
        return array
    return array.T if array.shape[0] == 3 else None
