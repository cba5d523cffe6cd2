"""What a step learns from: shapes and pictures chosen, augmented and sampled on the device.

Every number drawn is drawn for the whole batch on every process, which then takes its own rows: a run
gives the same result on one process and on several, and its randomness is one generator's state.
"""

from __future__ import annotations

import math
import random
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from nmf_model.encoders.pictures import network_input
from nmf_model.training.procedural import ProceduralShapes, default_workers, is_procedural
from nmf_model.training.settings import AugmentConfig, TrainingConfig
from nmf_model.training.shapes import normalized
from nmf_model.training.views import ViewSet


class CloudBatch(NamedTuple):
    """Clouds to reconstruct.

    Attributes:
        inputs: (B, N, 3), what the encoder sees.
        targets: (B, T, 3), what the surface is compared with.
        uniform: (B, K, 3, S) numbers in 0 … 1 that place the samples on the K surfaces.
        normals: (B, T, 3) of the targets, unit, of either sign; None if they are not compared.
    """

    inputs: Float[Tensor, "B N 3"]
    targets: Float[Tensor, "B T 3"]
    uniform: Float[Tensor, "B K 3 S"]
    normals: Float[Tensor, "B T 3"] | None = None

    def parts(self, count: int) -> list[CloudBatch]:
        """Split the batch into equal parts."""
        size = len(self.inputs) // count
        return [
            CloudBatch(
                self.inputs[rows],
                self.targets[rows],
                self.uniform[rows],
                None if self.normals is None else self.normals[rows],
            )
            for rows in (slice(first, first + size) for first in range(0, len(self.inputs), size))
        ]


class PictureBatch(NamedTuple):
    """Pictures whose clouds are to be predicted.

    Attributes:
        inputs: (B, 3, H, W), as the image encoder takes them.
        targets: (B, T, 3), in the frame of the clouds that are to be predicted.
        uniform: (B, K, 3, S) numbers in 0 … 1 that place samples on the K surfaces made of the predicted
            clouds; None if none are made.
        depths: (B, C, C, 2) of the object's back and front behind each cell of the picture, NaN where it is
            not seen; None if they are not compared.
        up: (B, 3) unit vectors, the object's upright in the frame of the targets; None where that frame is
            the object's own.
    """

    inputs: Float[Tensor, "B C H W"]
    targets: Float[Tensor, "B T 3"]
    uniform: Float[Tensor, "B K 3 S"] | None = None
    depths: Float[Tensor, "B C C 2"] | None = None
    up: Float[Tensor, "B 3"] | None = None

    def parts(self, count: int) -> list[PictureBatch]:
        """Split the batch into equal parts."""
        size = len(self.inputs) // count
        return [
            PictureBatch(
                self.inputs[rows],
                self.targets[rows],
                None if self.uniform is None else self.uniform[rows],
                None if self.depths is None else self.depths[rows],
                None if self.up is None else self.up[rows],
            )
            for rows in (slice(first, first + size) for first in range(0, len(self.inputs), size))
        ]


class Order:
    """Which of ``count`` items each place of each batch gets: all once, in a new order, then again.

    It depends on the seed and the step alone, so a resumed run needs no state of it.
    """

    def __init__(self, count: int, batch_size: int, seed: int) -> None:
        self._count, self._batch_size, self._seed = count, batch_size, seed
        self._round, self._permutation = -1, torch.empty(0, dtype=torch.long)

    def at(self, step: int) -> Tensor:
        """Return (batch_size,) indices, on the CPU."""
        if self._batch_size == 0:
            return torch.empty(0, dtype=torch.long)
        first = step * self._batch_size
        return torch.stack([self._item(number) for number in range(first, first + self._batch_size)])

    def _item(self, number: int) -> Tensor:
        turn, place = divmod(number, self._count)
        if turn != self._round:
            generator = torch.Generator().manual_seed(self._seed * 1_000_003 + turn)
            self._round, self._permutation = turn, torch.randperm(self._count, generator=generator)
        return self._permutation[place]


class CloudBatches:
    """Batches for the auto-encoder.

    Args:
        points: (N, P, 3), all shapes to learn, on the device.
        config: sizes and augmentation.
        generator: on the same device; the only source of what is drawn, procedural shapes aside.
        rank, world: which of how many processes this is.
        normals: (N, P, 3) of the points, unit, of either sign; None if they are not compared.
    """

    def __init__(
        self,
        points: Float[Tensor, "N P 3"],
        config: TrainingConfig,
        generator: torch.Generator,
        rank: int = 0,
        world: int = 1,
        normals: Float[Tensor, "N P 3"] | None = None,
    ) -> None:
        # With normals a shape's rows are points and normals side by side.
        self._points = points if normals is None else torch.cat([points, normals], dim=2)
        self._has_normals = normals is not None
        self._config, self._generator = config, generator
        self._rows = own_rows(config.batch_size, rank, world)
        made = is_procedural(config.batch_size, config.synthetic_share)
        own = made[self._rows]
        self._real_at = (~own).nonzero()[:, 0].to(points.device)
        self._made_at = own.nonzero()[:, 0].to(points.device)
        self._order = Order(len(points), int((~made).sum()), config.seed)
        self._own_real = _own_places(~made, self._rows)
        workers = default_workers(points.device) if config.data_workers < 0 else config.data_workers
        self._procedural = ProceduralShapes(
            _own_places(made, self._rows), int(made.sum()), points.shape[1], config.synthetic_seed, workers
        )

    def draw(self, step: int) -> CloudBatch:
        """Return this process's share of the batch of a step."""
        config, rows = self._config, self._rows
        batch, device = config.batch_size, self._points.device
        change = draw_change(config.augment, batch, self._generator)
        targets_at = torch.rand(batch, self._points.shape[1], device=device, generator=self._generator)[rows]
        count = input_count(config, step)
        inputs_at = torch.randint(
            self._points.shape[1], (batch, count), device=device, generator=self._generator
        )[rows]
        uniform = draw_uniform(config, self._generator, rows)
        drawn = self._shapes(step)
        change = change.rows(rows)
        shapes = normalized(change.apply(drawn[..., :3]))
        chosen = targets_at.argsort(dim=1)[:, : config.target_points]
        targets = take(shapes, chosen)
        normals = change.turn(take(drawn[..., 3:], chosen)) if self._has_normals else None
        inputs = take(shapes, inputs_at)
        if config.augment.noise:
            noise = torch.randn(batch, count, 3, device=device, generator=self._generator)[rows]
            level = torch.rand(batch, 1, 1, device=device, generator=self._generator)[rows]
            inputs = inputs + config.augment.noise * level * noise
        return CloudBatch(inputs, targets, uniform, normals)

    def _shapes(self, step: int) -> Float[Tensor, "B P C"]:
        """Return this process's shapes of a step: those of the data, and procedural ones in their places."""
        own, device = self._own_real, self._points.device
        chosen = self._order.at(step)[own.start : own.stop].to(device, non_blocking=True)
        if not len(self._made_at):
            return self._points[chosen]
        made = self._procedural.at(step)[..., : self._points.shape[2]].to(device, non_blocking=True)
        shapes = self._points.new_empty(len(chosen) + len(made), *self._points.shape[1:])
        shapes[self._real_at], shapes[self._made_at] = self._points[chosen], made
        return shapes


class PictureBatches:
    """Batches for single-view reconstruction; the other arguments are those of ``CloudBatches``.

    Args:
        pictures: (M, V, 4, H, W) uint8, V views of each of M objects, on the device; or a ``ViewSet`` to read
            them from step by step, where they are too many to keep.
        points: (M, P, 3), the same objects.
    """

    def __init__(
        self,
        pictures: Tensor | ViewSet,
        points: Float[Tensor, "M P 3"],
        config: TrainingConfig,
        generator: torch.Generator,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self._pictures, self._points = pictures, points
        self._config, self._generator = config, generator
        self._order = Order(len(points), config.batch_size, config.seed)
        self._rows = own_rows(config.batch_size, rank, world)

    def draw(self, step: int) -> PictureBatch:
        """Return this process's share of the batch of a step."""
        config, rows, device = self._config, self._rows, self._points.device
        batch = config.batch_size
        views = self._pictures.count if isinstance(self._pictures, ViewSet) else self._pictures.shape[1]
        random_numbers = torch.rand(batch, 10, device=device, generator=self._generator)[rows]
        targets_at = torch.rand(batch, self._points.shape[1], device=device, generator=self._generator)[rows]
        chosen = self._order.at(step)[rows].to(device, non_blocking=True)
        view = (random_numbers[:, 0] * views).long().clamp_max(views - 1)
        pictures = self._taken(chosen, view).float() / 255
        pictures, mirrored = vary_pictures(pictures, random_numbers[:, 1:])
        points = centred(self._points[chosen])
        points = torch.where(mirrored[:, None, None], points * points.new_tensor([-1.0, 1, 1]), points)
        targets = take(points, targets_at.argsort(dim=1)[:, : config.target_points])
        uniform = draw_uniform(config, self._generator, rows) if config.train_flow else None
        return PictureBatch(network_input(pictures), targets, uniform)

    def _taken(self, chosen: Tensor, view: Tensor) -> Tensor:
        if not isinstance(self._pictures, ViewSet):
            return self._pictures[chosen, view]
        read = self._pictures.take(chosen.cpu().numpy(), view.cpu().numpy())
        return torch.from_numpy(read).to(chosen.device)


def draw_uniform(config: TrainingConfig, generator: torch.Generator, rows: slice) -> Float[Tensor, "B K 3 S"]:
    """Draw the numbers that place the samples on a batch's surfaces; return those of some rows."""
    size = config.batch_size, len(config.block_weights), 3, config.samples
    return torch.rand(*size, device=generator.device, generator=generator)[rows]


class Change(NamedTuple):
    """A linear change of each shape: matrices (B, 3, 3) that multiply points from the right."""

    matrices: Float[Tensor, "B 3 3"]

    def rows(self, rows: slice) -> Change:
        """Return the changes of some shapes."""
        return Change(self.matrices[rows])

    def apply(self, points: Float[Tensor, "B P 3"]) -> Float[Tensor, "B P 3"]:
        """Change the points of each shape."""
        return torch.bmm(points, self.matrices)

    def turn(self, normals: Float[Tensor, "B P 3"]) -> Float[Tensor, "B P 3"]:
        """Return the unit normals of the changed surfaces."""
        turned = torch.bmm(normals, torch.linalg.inv(self.matrices).transpose(1, 2))
        return torch.nn.functional.normalize(turned, dim=2)


def draw_change(config: AugmentConfig, batch: int, generator: torch.Generator) -> Change:
    """Draw scales, mirrorings and rotations; always the same count of random numbers."""
    device = generator.device
    uniform = torch.rand(batch, 5, device=device, generator=generator)
    gauss = torch.randn(batch, 4, device=device, generator=generator)
    scale = config.axis_scale ** (2 * uniform[:, :3] - 1)
    if config.mirror:
        sign = torch.where(uniform[:, 3] < 0.5, -1.0, 1.0)
        scale = torch.cat([scale[:, :1] * sign[:, None], scale[:, 1:]], dim=1)
    matrices = torch.diag_embed(scale)
    if config.rotate == "none":
        return Change(matrices)
    half = torch.pi * uniform[:, 4]
    zero = torch.zeros_like(half)
    about_y = torch.stack([half.cos(), zero, half.sin(), zero], dim=1)
    if config.rotate == "yaw":
        gauss = about_y
    elif config.rotate == "mixed":
        place = torch.arange(batch, device=device)[:, None]
        still = torch.tensor([1.0, 0, 0, 0], device=device)
        gauss = torch.where(place % 2 == 0, gauss, torch.where(place % 4 == 1, about_y, still))
    return Change(matrices @ _rotation(gauss))


def vary_pictures(pictures: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Mirror, zoom, shift and recolour pictures (B, 4, H, W) by numbers (B, 9) in 0 … 1.

    Returns:
        the pictures, and (B,) whether each was mirrored.
    """
    zoom = 0.85 + 0.4 * uniform[:, 0]
    shift = 0.2 * (uniform[:, 1:3] - 0.5)
    mirrored = uniform[:, 3] < 0.5
    zero = torch.zeros_like(zoom)
    across = torch.where(mirrored, -zoom, zoom)
    affine = torch.stack(
        [torch.stack([across, zero, shift[:, 0]], dim=1), torch.stack([zero, zoom, shift[:, 1]], dim=1)],
        dim=1,
    )
    grid = torch.nn.functional.affine_grid(affine, list(pictures.shape), align_corners=False)
    # Colours must not bleed from what is transparent, so they are premultiplied while interpolated.
    alpha = pictures[:, 3:]
    premultiplied = torch.cat([pictures[:, :3] * alpha, alpha], dim=1)
    moved = torch.nn.functional.grid_sample(premultiplied, grid, align_corners=False)
    alpha = moved[:, 3:]
    colour = moved[:, :3] / alpha.clamp_min(1e-3)
    gain = 0.7 + 0.6 * uniform[:, 4:7]
    brightness, contrast = 0.3 * (uniform[:, 7] - 0.5), 0.7 + 0.6 * uniform[:, 8]
    colour = (colour * gain[:, :, None, None] - 0.5) * contrast[:, None, None, None] + 0.5
    colour = (colour + brightness[:, None, None, None]).clamp(0, 1)
    return torch.cat([colour, alpha], dim=1), mirrored


def centred(points: Float[Tensor, "B P 3"]) -> Float[Tensor, "B P 3"]:
    """Move each cloud's mean to the origin, where the image encoder puts its answers."""
    return points - points.mean(dim=1, keepdim=True)


def take(points: Float[Tensor, "B P 3"], index: Tensor) -> Float[Tensor, "B T 3"]:
    """Return the points of each shape that its row of ``index`` (B, T) names."""
    return points.gather(1, index.unsqueeze(2).expand(-1, -1, 3))


def spread(points: Float[Tensor, "B P 3"], count: int) -> Float[Tensor, "B T 3"]:
    """Return ``count`` points of each shape, evenly over their order: packed points lie along a curve."""
    index = torch.arange(min(count, points.shape[1]), device=points.device) * points.shape[1]
    return points[:, index // min(count, points.shape[1])]


def own_rows(batch_size: int, rank: int, world: int) -> slice:
    """Return which rows of a batch are those of one process."""
    share = batch_size // world
    return slice(rank * share, (rank + 1) * share)


def _own_places(wanted: Tensor, rows: slice) -> range:
    """Return which of the wanted places of a batch, counted among themselves, lie in some rows."""
    before = int(wanted[: rows.start].sum())
    return range(before, before + int(wanted[rows].sum()))


def input_count(config: TrainingConfig, step: int) -> int:
    """Return how many points the encoder sees at a step: log-uniform, decided by the step alone."""
    low, high = sorted((config.fewest_points, config.input_points))
    share = random.Random(f"{config.seed}:{step}").random()
    return round(low * math.pow(high / low, share))


def _rotation(quaternion: Tensor) -> Tensor:
    """Return (B, 3, 3) rotations of quaternions (B, 4) of any length."""
    w, x, y, z = (quaternion / quaternion.norm(dim=1, keepdim=True)).unbind(dim=1)
    rows = [
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], dim=1),
        torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], dim=1),
        torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], dim=1),
    ]
    return torch.stack(rows, dim=1)
