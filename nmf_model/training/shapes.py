"""The shapes to learn: read whole into memory, as points on their surfaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from nmf_model.data.splits import split_of
from nmf_model.errors import InputError


@dataclass(frozen=True)
class ShapeSet:
    """N shapes of P points each.

    Attributes:
        points: (N, P, 3) float16 or float32, at most 1 from the origin; upright, y up.
        normals: (N, P, 3), unit, of either sign; None where the set has none.
        ids, categories, splits: (N,) words; splits are "train", "validation" or "test".
    """

    points: NDArray[np.floating]
    normals: NDArray[np.floating] | None
    ids: NDArray[np.str_]
    categories: NDArray[np.str_]
    splits: NDArray[np.str_]

    def part(self, split: str) -> ShapeSet:
        """Return the shapes of one part.

        Raises:
            InputError: if there are none.
        """
        chosen = np.flatnonzero(self.splits == split)
        if len(chosen) == 0:
            raise InputError(f"The data holds no shapes of the part '{split}'; prepare more objects.")
        return self.rows(chosen)

    def rows(self, index: NDArray[np.int64]) -> ShapeSet:
        """Return the shapes with these indices."""
        normals = None if self.normals is None else self.normals[index]
        return ShapeSet(
            self.points[index], normals, self.ids[index], self.categories[index], self.splits[index]
        )


def load_shapes(paths: Sequence[Path]) -> ShapeSet:
    """Read packed sets (``.npz``) or folders ``category/object/points.npy``; several are joined.

    Raises:
        InputError: naming the file that is missing, damaged or of the wrong kind.
    """
    sets = [_from_folder(path) if path.is_dir() else _from_pack(path) for path in paths]
    if not sets:
        raise InputError("Name the data with --packed FILE or --points-path FOLDER.")
    if len(sets) == 1:
        return sets[0]
    count = min(part.points.shape[1] for part in sets)
    normals = [part.normals for part in sets]
    known = [n[:, :count] for n in normals if n is not None]
    return ShapeSet(
        np.concatenate([part.points[:, :count] for part in sets]),
        np.concatenate(known) if len(known) == len(sets) else None,
        np.concatenate([part.ids for part in sets]),
        np.concatenate([part.categories for part in sets]),
        np.concatenate([part.splits for part in sets]),
    )


def normalized(points: Float[Tensor, "B P 3"]) -> Float[Tensor, "B P 3"]:
    """Move the centre of the bounding box to the origin and scale the farthest point to distance 1.

    Unlike the mean of the points, the box does not depend on how densely each part was scanned.
    """
    centre, radius = frame_of(points)
    return (points - centre) / radius


def frame_of(points: Float[Tensor, "B P 3"]) -> tuple[Float[Tensor, "B 1 3"], Float[Tensor, "B 1 1"]]:
    """Return the centre and radius that ``normalized`` removes."""
    centre = (points.amin(dim=1, keepdim=True) + points.amax(dim=1, keepdim=True)) / 2
    radius = (points - centre).square().sum(dim=2).amax(dim=1).sqrt().clamp_min(1e-9)
    return centre, radius[:, None, None]


def to_device(points: NDArray[np.floating], device: torch.device) -> Float[Tensor, "N P 3"]:
    """Put all shapes on the device once: they are small, and a step then never waits for the host."""
    return torch.from_numpy(np.ascontiguousarray(points)).to(device).float()


def _from_pack(path: Path) -> ShapeSet:
    try:
        with np.load(path, allow_pickle=False) as file:
            points = file["points"]
            normals = file["normals"] if "normals" in file.files else None
            ids, splits = file["id"], file["split"]
            categories = file["category"] if "category" in file.files else np.full(len(ids), "all")
    except FileNotFoundError as error:
        raise InputError(f"There is no data file {path}; check its name.") from error
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InputError(f"{path} is not a packed data set: {error}; write it with 'prepare'.") from error
    if points.ndim != 3 or points.shape[2] != 3 or len(points) != len(ids):
        raise InputError(f"{path} is not a packed data set: its points have the shape {points.shape}.")
    return ShapeSet(
        _decoded(points, 32767), None if normals is None else _decoded(normals, 127), ids, categories, splits
    )


def _decoded(values: NDArray[np.generic], scale: int) -> NDArray[np.floating]:
    if np.issubdtype(values.dtype, np.integer):
        return values.astype(np.float32) / np.float32(scale)
    return values.astype(np.float32)


def _from_folder(folder: Path) -> ShapeSet:
    """Read the published layout; shapes with more points than the smallest are cut to its count."""
    files = sorted(folder.glob("*/*/points.npy"))
    if not files:
        raise InputError(f"{folder} holds no category/object/points.npy; name the folder of categories.")
    arrays = [_read_points(file) for file in files]
    count = min(len(array) for array in arrays)
    rng = np.random.default_rng(0)
    cut = [array if len(array) == count else rng.permutation(array)[:count] for array in arrays]
    ids = [file.parent.relative_to(folder).as_posix() for file in files]
    points = normalized(torch.from_numpy(np.stack(cut))).numpy()
    categories = np.array([file.parent.parent.name for file in files])
    return ShapeSet(points, None, np.array(ids), categories, np.array([split_of(name) for name in ids]))


def _read_points(file: Path) -> NDArray[np.float32]:
    try:
        array = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{file} is damaged: {error}; fetch or prepare it again.") from error
    if array.ndim != 2 or array.shape[1] != 3 or len(array) == 0 or not np.isfinite(array).all():
        raise InputError(f"{file} must hold finite points (N, 3), not {array.shape}; prepare it again.")
    points: NDArray[np.float32] = array.astype(np.float32)
    return points
