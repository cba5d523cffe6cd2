"""Endless procedural shapes with points and normals, seeded, on any device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmf_model.data import primitives
from nmf_model.data.contact_sheet import draw_tile, write_sheet
from nmf_model.data.families import draw_shape
from nmf_model.data.primitives import Solid, Solids
from nmf_model.data.shapenet import ShapeItem, ShapePoints
from nmf_model.data.splits import split_of
from nmf_model.errors import InputError
from nmf_model.types import Mesh

_CPU_CHUNK = 2
"""Shapes sampled together on a CPU: few enough for its cache."""


@dataclass(frozen=True)
class SyntheticBatch:
    """Some shapes of a sequence.

    Attributes:
        points: (B, S, 3) float32, upright, mean at the origin, farthest point at distance 1.
        normals: (B, S, 3) float32, unit, outward.
        families: B names of ``families.FAMILIES``.
    """

    points: Tensor
    normals: Tensor
    families: tuple[str, ...]


def synthetic_batch(
    seed: int,
    start: int,
    count: int,
    points: int,
    *,
    device: torch.device | str = "cpu",
    family: str | None = None,
) -> SyntheticBatch:
    """Make shapes ``start .. start + count`` of the sequence of a seed.

    The shapes are the same on every device and however the sequence is cut into batches; where their
    points lie depends on the device, ``start`` and ``count`` too.

    Args:
        seed: which sequence.
        start: the first shape of it.
        count: B, how many shapes.
        points: S, how many points of each.
        device: where to sample and where the result is.
        family: make this one alone.
    """
    drawn = [draw_shape(seed, start + number, family) for number in range(count)]
    generator = torch.Generator(device=device).manual_seed((seed * 1_000_003 + start) % 2**63)
    chunk = count if torch.device(device).type == "cuda" else _CPU_CHUNK
    sampled = [
        primitives.sample_union(
            primitives.stack([solids for _, solids in drawn[first : first + chunk]], device),
            points,
            generator,
        )
        for first in range(0, count, chunk)
    ]
    places = torch.cat([part[0] for part in sampled])
    return SyntheticBatch(
        _normalized(places), torch.cat([part[1] for part in sampled]), tuple(name for name, _ in drawn)
    )


def shape_mesh(solids: list[Solid], around: int = 96, along: int = 48) -> tuple[Mesh, NDArray[np.int64]]:
    """Tessellate a shape for pictures: its solids' surfaces, what is carved away left out.

    The solids' meshes pass through each other, and rims of hollows are jagged by a cell: this is a mesh
    to look at and to sample what is visible, not a sound one.

    Returns:
        the mesh, and (F,) which solid each face belongs to.
    """
    stacked = primitives.stack([solids])
    corners = primitives.grid(stacked, around, along)[0]
    faces = _grid_faces(around, along)
    owner = np.repeat(np.arange(len(solids)), len(faces))
    starts = np.arange(len(solids)) * (around + 1) * (along + 1)
    every = (faces[None] + starts[:, None, None]).reshape(-1, 3)
    vertices = corners.reshape(-1, 3)
    if any(solid.carve for solid in solids):
        middles = vertices[torch.as_tensor(every)].mean(dim=1)
        kept = _kept_by_carving(stacked, middles, torch.as_tensor(owner))
        every, owner = every[kept], owner[kept]
    return Mesh(vertices.double().numpy(), every), owner


def contact_sheet(
    path: Path, *, seed: int = 0, count: int = 96, columns: int = 12, family: str | None = None
) -> None:
    """Write a picture of shapes as shaded points, one tile each, to show the variety of a sequence."""
    tiles: list[NDArray[np.uint8]] = []
    for start in range(0, count, 8):
        batch = synthetic_batch(seed, start, min(8, count - start), 12_000, family=family)
        tiles += map(draw_tile, batch.points.numpy(), batch.normals.numpy())
    write_sheet(path, tiles, columns)


class SyntheticShapes:
    """The first shapes of a sequence, as objects that can be packed.

    Args:
        count: how many.
        seed: which sequence.
        points: how many points of each.
    """

    def __init__(self, count: int, seed: int, points: int) -> None:
        self._seed, self._points = seed, points
        self.items = [_item(seed, number) for number in range(count)]

    def shape(self, index: int) -> ShapePoints:
        """Make a shape; the same whenever it is asked for."""
        batch = synthetic_batch(self._seed, index, 1, self._points)
        return ShapePoints(batch.points[0].numpy(), batch.normals[0].numpy())


def parse_source(text: str) -> tuple[int, int]:
    """Return count and seed of ``synthetic:COUNT[:SEED]``; the seed is 0 if it is not given.

    Raises:
        InputError: it is not written so.
    """
    words = text.split(":")[1:]
    if not 1 <= len(words) <= 2 or not all(word.isdecimal() for word in words) or int(words[0]) == 0:
        raise InputError(
            f"{text} must be synthetic:COUNT or synthetic:COUNT:SEED with whole numbers, COUNT at least 1."
        )
    return int(words[0]), int(words[1]) if len(words) == 2 else 0


def synthetic_id(seed: int, number: int) -> str:
    """Return the id of a shape."""
    return f"synthetic-{seed}-{number}"


def _item(seed: int, number: int) -> ShapeItem:
    family, name = draw_shape(seed, number)[0], synthetic_id(seed, number)
    return ShapeItem(
        f"{family}/{name}", name, name, family, split_of(name), library="synthetic", license="generated"
    )


def _normalized(points: Tensor) -> Tensor:
    centred = points - points.mean(dim=1, keepdim=True)
    radius: Tensor = torch.linalg.vector_norm(centred, dim=2).amax(dim=1)
    return centred / radius[:, None, None]


def _grid_faces(around: int, along: int) -> NDArray[np.int64]:
    """Return two triangles for each cell of a grid of (along + 1) rows and (around + 1) columns."""
    corner = (np.arange(along)[:, None] * (around + 1) + np.arange(around)).ravel()
    above = corner + around + 1
    return np.concatenate(
        [np.stack([corner, above, corner + 1], 1), np.stack([corner + 1, above, above + 1], 1)]
    )


def _kept_by_carving(solids: Solids, points: Tensor, owner: Tensor) -> NDArray[np.bool_]:
    """Return which points on solids remain; matter inside matter stays, since it cannot be seen."""
    kept = []
    for first in range(0, len(points), 16_384):
        part, part_owner = points[None, first : first + 16_384], owner[None, first : first + 16_384]
        carver = solids.carve.gather(1, part_owner)
        inside = primitives.contains(solids, part).scatter_(2, part_owner[:, :, None], False)
        hollow = (inside & solids.carve[:, None]).any(dim=2)
        kept.append((primitives.on_union(solids, part, part_owner) | (~carver & ~hollow))[0])
    result: NDArray[np.bool_] = torch.cat(kept).numpy()
    return result
