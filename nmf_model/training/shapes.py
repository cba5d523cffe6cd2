"""The shapes to learn: read whole into memory, as points on their surfaces."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from nmf_model.data.packed import read_packed_points
from nmf_model.data.shapenet import ShapeNetSet
from nmf_model.data.splits import HOW_MANY
from nmf_model.errors import InputError
from nmf_model.training.printing import complain
from nmf_model.training.settings import TrainingConfig

SYNTHETIC_POINTS = 4096
"""Points of a procedural shape unless something else is asked for."""


@dataclass(frozen=True)
class ShapeSet:
    """N shapes of P points each.

    Attributes:
        points: (N, P, 3) float32, unit-sphere units; upright, y up.
        normals: (N, P, 3), unit, of either sign; None where the set has none.
        ids, categories, splits: (N,) words; splits are "train", "validation" or "test".
    """

    points: NDArray[np.floating]
    normals: NDArray[np.floating] | None
    ids: NDArray[np.str_]
    categories: NDArray[np.str_]
    splits: NDArray[np.str_]

    @property
    def identity(self) -> str:
        """How many shapes of how many points these are, and a digest of them, in whatever order they come."""
        digest = hashlib.sha256()
        for row in np.argsort(self.ids):
            digest.update(f"{self.ids[row]}\0".encode())
            digest.update(self.points[row].astype(np.float32).tobytes())
        count, points = self.points.shape[:2]
        return f"{count} shapes of {points} points, {digest.hexdigest()[:16]}"

    def part(self, split: str) -> ShapeSet:
        """Return the shapes of one part.

        Raises:
            InputError: if there are none.
        """
        chosen = np.flatnonzero(self.splits == split)
        if len(chosen) == 0:
            raise InputError(
                f"The data holds no shapes of the part '{split}'; prepare more objects: {HOW_MANY}."
            )
        return self.rows(chosen)

    def rows(self, index: NDArray[np.int64]) -> ShapeSet:
        """Return the shapes with these indices."""
        normals = None if self.normals is None else self.normals[index]
        return ShapeSet(
            self.points[index], normals, self.ids[index], self.categories[index], self.splits[index]
        )


def load_shapes(
    paths: Sequence[Path], *, split_file: Path | None = None, points: int | None = None
) -> ShapeSet:
    """Read packed sets, folders in the published layout, or ``synthetic:COUNT[:SEED]``; several are joined.

    Args:
        paths: ``.npz`` files, folders (a set's root or its ``ShapeNetPoints``), or procedural shapes.
        split_file: for the folders, instead of the ``split.json`` beside them.
        points: keep at most so many of each shape's points, drawn once; None keeps as many as the
            smallest shape has. If some have fewer, all are cut to that number, and a line on standard error
            says so.

    Raises:
        InputError: naming the file that is missing, damaged or of the wrong kind, or the shape that has far
            fewer points than are wanted and than the others have.
    """
    sets = [_one_set(path, split_file, points) for path in paths]
    if not sets:
        raise InputError("Name the data with --packed FILE or --points-path FOLDER.")
    refuse_repeated([str(name) for part in sets for name in part.ids])
    counts = [part.points.shape[1] for part in sets]
    count = min(counts)
    _say_if_cut(count, counts, points, str(paths[counts.index(count)]))
    normals = [part.normals for part in sets]
    # Evenly over their order, since packed points lie along a curve.
    picks = [np.arange(count) * part.points.shape[1] // count for part in sets]
    known = [n[:, pick] for n, pick in zip(normals, picks, strict=True) if n is not None]
    return ShapeSet(
        np.concatenate([part.points[:, pick] for part, pick in zip(sets, picks, strict=True)]),
        np.concatenate(known) if len(known) == len(sets) else None,
        np.concatenate([part.ids for part in sets]),
        np.concatenate([part.categories for part in sets]),
        np.concatenate([part.splits for part in sets]),
    )


def refuse_repeated(ids: Sequence[str]) -> None:
    """Refuse objects that come twice: one could be learnt from and held out at once.

    Raises:
        InputError: naming the first.
    """
    seen: set[str] = set()
    for name in ids:
        if name in seen:
            raise InputError(f"The object {name} is in the data twice; name each set of data once.")
        seen.add(name)


def scarce_points_notes(shapes: ShapeSet, config: TrainingConfig, kind: str) -> list[str]:
    """Say which of the points that are asked for of a shape the data does not have.

    Args:
        shapes: of the data.
        config: how many are asked for.
        kind: "ae" or "svr"; a picture branch sees no points.
    """
    count = shapes.points.shape[1]
    notes = []
    asked, name = max((config.input_points, "input_points"), (config.fewest_points, "fewest_points"))
    if kind == "ae" and asked > count:
        notes.append(
            f"The encoder is to see up to {asked:,} points (training.{name}), but shapes have only "
            f"{count:,}: some are drawn more than once."
        )
    if config.target_points > count:
        notes.append(
            f"Surfaces are compared with {count:,} points, all that shapes have, not with "
            f"{config.target_points:,} (training.target_points)."
        )
    return notes


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


def _one_set(path: Path, split_file: Path | None, points: int | None) -> ShapeSet:
    if path.name.startswith("synthetic:"):
        return _procedural(path.name, points or SYNTHETIC_POINTS)
    if path.is_dir():
        return _from_folder(ShapeNetSet(path, split_file=split_file), points)
    stored = read_packed_points(path)
    clouds, normals = stored.points, stored.normals
    if points is not None and points < clouds.shape[1]:
        # Packed points are sorted along a curve, so the first of them would be one side of the shape.
        chosen = np.sort(np.random.default_rng(0).permutation(clouds.shape[1])[:points])
        clouds, normals = clouds[:, chosen], None if normals is None else normals[:, chosen]
    return ShapeSet(clouds, normals, stored.ids, stored.categories, stored.splits)


def _from_folder(prepared: ShapeNetSet, points: int | None) -> ShapeSet:
    """Read all shapes, in threads since disks are slow; each is cut to the count of the smallest.

    A shape of far fewer points than the others is damaged, and would cut all the others: it is refused.
    """
    with_normals = prepared.has_normals()

    def read(index: int) -> tuple[NDArray[np.float32], int]:
        """Return (P, 3), or (P, 6) with normals, shuffled; and how many rows the files have."""
        if with_normals:
            shape = prepared.shape(index)
            rows = np.concatenate([shape.points, shape.normals], axis=1)
        else:
            rows = prepared.points(index)
        order = np.random.default_rng(index).permutation(len(rows))[:points]
        kept: NDArray[np.float32] = rows[order]
        return kept, len(rows)

    with ThreadPoolExecutor(8) as pool:
        arrays, counts = zip(*pool.map(read, range(len(prepared))), strict=True)
    items, fewest = prepared.items, min(counts)
    prepared.check_counts(range(len(items)), counts, points)
    count = fewest if points is None else min(fewest, points)
    _say_if_cut(count, counts, points, items[counts.index(fewest)].key)
    stacked = np.stack([array[:count] for array in arrays])
    return ShapeSet(
        normalized(torch.from_numpy(stacked[:, :, :3].copy())).numpy(),
        stacked[:, :, 3:].copy() if with_normals else None,
        np.array([item.id for item in items]),
        np.array([item.category for item in items]),
        np.array([item.split for item in items]),
    )


def _say_if_cut(count: int, counts: Sequence[int], wanted: int | None, owner: str) -> None:
    """Say that shapes lose points that are wanted, because one has no more."""
    if wanted is not None and count < min(wanted, max(counts)):
        complain(f"All shapes are cut to {count:,} of {wanted:,} points, since {owner} has no more.")


def _procedural(source: str, points: int) -> ShapeSet:
    from nmf_model.data.synthetic import SyntheticShapes, parse_source

    shapes = SyntheticShapes(*parse_source(source), points)
    made = [shapes.shape(index) for index in range(len(shapes.items))]
    return ShapeSet(
        np.stack([shape.points for shape in made]),
        np.stack([shape.normals for shape in made]),
        np.array([item.id for item in shapes.items]),
        np.array([item.category for item in shapes.items]),
        np.array([item.split for item in shapes.items]),
    )
