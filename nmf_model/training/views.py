"""Renderings to learn single-view reconstruction from: packed, or in the published folders."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError


@dataclass(frozen=True)
class ViewSet:
    """V renderings of each of M objects.

    Attributes:
        pictures: (M, V, 4, H, W) uint8: red, green, blue, alpha, not premultiplied.
        ids: (M,) the objects' ids.
    """

    pictures: NDArray[np.uint8]
    ids: NDArray[np.str_]


def load_views(path: Path, wanted: Iterable[str], size: int = 112) -> ViewSet:
    """Read the renderings of the wanted objects that have any, at ``size`` × ``size`` pixels.

    Args:
        path: a packed file (``.npz``), or a folder ``category/object/rendering/00.png`` (or ``renderings``).
        wanted: ids.
        size: pictures of another size are resampled.

    Raises:
        InputError: naming the file that is missing or damaged, or if no object has views.
    """
    found = _from_folder(path, wanted, size) if path.is_dir() else _from_pack(path, set(wanted), size)
    if not found:
        raise InputError(
            f"{path} holds no pictures of the objects to learn; check that both belong together."
        )
    count = min(len(views) for views in found.values())
    return ViewSet(np.stack([views[:count] for views in found.values()]), np.array(list(found)))


def _from_pack(path: Path, wanted: set[str], size: int) -> dict[str, NDArray[np.uint8]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            data, offset, ids, usable = (file[name] for name in ("webp", "offset", "id", "has_views"))
    except FileNotFoundError as error:
        raise InputError(f"There is no file of renderings {path}; check its name.") from error
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InputError(f"{path} is not a packed set of renderings: {error}; write it anew.") from error
    views = (len(offset) - 1) // len(ids)
    found = {}
    for index, name in enumerate(ids):
        if usable[index] and str(name) in wanted:
            bounds = offset[views * index : views * (index + 1) + 1]
            parts = [data[a:b].tobytes() for a, b in pairwise(bounds)]
            found[str(name)] = np.stack(
                [_decode(part, f"a picture of {name} in {path}", size) for part in parts]
            )
    return found


def _from_folder(folder: Path, wanted: Iterable[str], size: int) -> dict[str, NDArray[np.uint8]]:
    found = {}
    for name in wanted:
        files = sorted((folder / name).glob("rendering*/[0-9]*.png"))
        if files:
            found[name] = np.stack([_decode(file.read_bytes(), str(file), size) for file in files])
    return found


def _decode(data: bytes, name: str, size: int) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            picture = image.convert("RGBA")
    except OSError as error:
        raise InputError(f"{name} is damaged: {error}; render it again.") from error
    if picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(picture).transpose(2, 0, 1)
