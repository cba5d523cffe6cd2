"""Batches for the picture branch that answers pixels: cut-outs, and clouds in the frame of each cut-out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from nmf_model.encoders.pictures import MARGIN
from nmf_model.encoders.pixel_points import CELL, with_perspective, without_perspective
from nmf_model.geometry.cameras import camera_rotation
from nmf_model.losses import chamfer
from nmf_model.training.batches import Order, PictureBatch, draw_uniform, own_rows, spread, take
from nmf_model.training.settings import TrainingConfig
from nmf_model.training.views import ViewSet
from nmf_model.training.visible_depths import front_and_back

DISTANCE = 3.4
"""Of the renderings' camera, in radii of the object's box (half its diagonal)."""
_DRAWN = 18
"""Random numbers drawn for each picture."""
_STRETCH = 1.25
"""Largest factor between the two directions of a picture in training."""
_MISSED = 1 / 112
"""By how much a bad outline is too wide or too narrow, in sides of the picture."""
_ERODED = 2.5
"""How much an outline that is made narrower may lose at a side, in units of that."""
_ROLL = 0.14
"""Largest angle by which the viewer's head is tilted in training, radians."""


class CutOutBatches:
    """Batches for single-view reconstruction in the viewer's frame.

    Args:
        views: V views of each of M objects, with their cameras.
        points: (M, P, 3), the same objects, upright, in any scale.
        config: sizes.
        size: side of the cut-outs, pixels.
        generator: on the device of the points; the only source of what is drawn.
        rank, world: which of how many processes this is.
    """

    def __init__(
        self,
        views: ViewSet,
        points: Float[Tensor, "M P 3"],
        config: TrainingConfig,
        size: int,
        generator: torch.Generator,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self._views, self._points, self._config, self._size = views, points, config, size
        self._generator = generator
        self._order = Order(len(points), config.batch_size, config.seed)
        self._rows = own_rows(config.batch_size, rank, world)

    def draw(self, step: int) -> PictureBatch:
        """Return this process's share of the batch of a step."""
        config, rows, device = self._config, self._rows, self._points.device
        random = torch.rand(config.batch_size, _DRAWN, device=device, generator=self._generator)[rows]
        targets_at = torch.rand(
            config.batch_size, self._points.shape[1], device=device, generator=self._generator
        )[rows]
        chosen = self._order.at(step)[rows]
        view = (random[:, 0].cpu() * self._views.count).long().clamp_max(self._views.count - 1)
        pictures, rotations = read_views(self._views, chosen, view, device)
        changed = damaged(recoloured(pictures, random[:, 7:12]), random[:, 12:])
        batch = cut(changed, self._points[chosen.to(device)], rotations, self._size, random[:, 1:7])
        depths = None
        if config.depth_weight:
            depths = front_and_back(with_perspective(batch.targets), self._size // CELL)
        targets = take(batch.targets, targets_at.argsort(dim=1)[:, : config.target_points])
        uniform = draw_uniform(config, self._generator, rows) if config.train_flow else None
        return PictureBatch(batch.inputs, targets, uniform, depths, batch.up)


def read_views(
    views: ViewSet, rows: Tensor, view: Tensor, device: torch.device
) -> tuple[Float[Tensor, "B 4 H W"], Float[Tensor, "B 3 3"]]:
    """Return pictures in 0 … 1, and the rotations from the world to the camera that took them."""
    index, number = rows.numpy(), view.numpy()
    pictures = torch.from_numpy(views.take(index, number)).to(device).float() / 255
    cameras = [views.camera(views.ids[row], one) for row, one in zip(index, number, strict=True)]
    rotations = np.stack([camera_rotation(*camera) for camera in cameras]).astype(np.float32)
    return pictures, torch.from_numpy(rotations).to(device)


def cut(
    pictures: Float[Tensor, "B 4 H W"],
    points: Float[Tensor, "B P 3"],
    rotations: Float[Tensor, "B 3 3"],
    size: int,
    random: Float[Tensor, "B 6"] | None = None,
) -> PictureBatch:
    """Cut the objects out, and bring their points to the frames of the cut-outs.

    Where the object lies is read off the picture, not computed from the camera: so it is in use.

    Args:
        pictures: colours and alpha in 0 … 1.
        points: of each object, upright, in any scale.
        rotations: from the world to the camera.
        size: side of the cut-outs, pixels.
        random: numbers in 0 … 1 that vary margin, place (2), mirroring, proportions and tilt; None for the
            plain cut-out.
    """
    low, high = _box_of(pictures[:, 3] > 0.5)
    side = (high - low).amax(dim=1)
    if random is None:
        random = pictures.new_tensor([0.0, 0.5, 0.5, 1.0, 0.5, 0.5]).expand(len(pictures), -1)
        margin = torch.full_like(side, MARGIN)
    else:
        margin = 1.04 + 0.24 * random[:, 0]
    half = margin * side / 2
    centre = (low + high) / 2 + 0.12 * (random[:, 1:3] - 0.5) * side[:, None]
    placed = _placed(points, rotations, (low - centre) / half[:, None], (high - centre) / half[:, None])
    change, size_of_change = _change(random[:, 3:], high - low)
    placed = _changed(placed, change, size_of_change)
    inputs = _resampled(pictures, centre, half, change, size)
    up = F.normalize(_changed(rotations[:, None, :, 1], change, size_of_change)[:, 0], dim=1)
    return PictureBatch(inputs, without_perspective(placed), up=up)


def _change(
    random: Float[Tensor, "B 3"], extent: Float[Tensor, "B 2"]
) -> tuple[Float[Tensor, "B 2 2"], Tensor]:
    """Mirror, stretch and tilt a picture, so that the box of its object stays as large as it was.

    Returns:
        the matrices that take a place of the plain cut-out (x, y up) to its new one, and (B,) the factor by
        which they change what is neither stretched nor tilted: depths.
    """
    flip = torch.where(random[:, 0] < 0.5, -1.0, 1.0)
    stretch = _STRETCH ** (random[:, 1] - 0.5)
    angle = _ROLL * (2 * random[:, 2] - 1)
    turn = torch.stack(
        [torch.stack([angle.cos(), -angle.sin()], dim=1), torch.stack([angle.sin(), angle.cos()], dim=1)],
        dim=1,
    )
    matrix = turn * torch.stack([flip * stretch, 1 / stretch], dim=1)[:, None]
    larger = (matrix.abs() @ extent[:, :, None])[:, :, 0].amax(dim=1)
    scale = extent.amax(dim=1) / larger
    return matrix * scale[:, None, None], scale


def _changed(
    points: Float[Tensor, "B P 3"], change: Float[Tensor, "B 2 2"], of_depths: Float[Tensor, " B"]
) -> Float[Tensor, "B P 3"]:
    """Take points of plain cut-outs to where the changed ones show them."""
    across = points[:, :, :2] @ change.transpose(1, 2)
    return torch.cat([across, points[:, :, 2:] * of_depths[:, None, None]], dim=2)


def recoloured(pictures: Float[Tensor, "B 4 H W"], random: Float[Tensor, "B 5"]) -> Tensor:
    """Change light, contrast and the balance of the colours."""
    gain = (0.7 + 0.6 * random[:, :3])[:, :, None, None]
    brightness = (0.4 * (random[:, 3] - 0.5))[:, None, None, None]
    contrast = (0.6 + 0.8 * random[:, 4])[:, None, None, None]
    colour = ((pictures[:, :3] * gain - 0.5) * contrast + 0.5 + brightness).clamp(0, 1)
    return torch.cat([colour, pictures[:, 3:]], dim=1)


def damaged(pictures: Float[Tensor, "B 4 H W"], random: Float[Tensor, "B 6"]) -> Tensor:
    """Make a third of the outlines as bad as masks found on photos: too wide, or too narrow."""
    colour, alpha = pictures[:, :3], pictures[:, 3:]
    missed = max(1, round(_MISSED * alpha.shape[2]))
    kernel = 2 * missed + 1
    wider, narrower = F.max_pool2d(alpha, kernel, 1, missed), -F.max_pool2d(-alpha, kernel, 1, missed)
    kind = random[:, 0][:, None, None, None]
    background = random[:, 1:4][:, :, None, None]
    seen = colour * alpha + background * (1 - alpha)
    # Thin parts would go altogether, and what is left would be taken for the whole.
    before, after = (_box_of(mask[:, 0] > 0.5) for mask in (alpha, narrower))
    reaches_as_far = _alike(before, after, _ERODED * missed * 2 / alpha.shape[2])
    is_wide, is_narrow = kind < 0.17, (kind >= 0.17) & (kind < 0.33) & reaches_as_far[:, None, None, None]
    alpha = torch.where(is_wide, wider, torch.where(is_narrow, narrower, alpha))
    return torch.cat([torch.where(is_wide, seen, colour), alpha], dim=1)


def _alike(one: Sequence[Tensor], other: Sequence[Tensor], tolerance: float) -> Bool[Tensor, " B"]:
    """Return whether the corners (B, 2) of two boxes are this near to each other."""
    apart = [(a - b).abs().amax(dim=1) for a, b in zip(one, other, strict=True)]
    return torch.stack(apart).amax(dim=0) <= tolerance


def cut_out_validation(
    answer: Callable[[Tensor], Tensor],
    size: int,
    views: ViewSet,
    points: Float[Tensor, "M P 3"],
    config: TrainingConfig,
    batch: int = 16,
) -> Callable[[], float]:
    """Measure predicted clouds, one view an object, each pair centred, in radii of the target.

    Args:
        answer: returns a cloud (B, P, 3) for each cut-out (B, 4, H, W).
        size: side of the cut-outs, pixels.
        views: of the objects, with their cameras.
        points: of the objects.
        config: how many are measured.
        batch: measured at once.
    """
    rows = torch.arange(min(len(points), config.validation_shapes))
    device = points.device
    pictures, rotations = read_views(views, rows, rows % views.count, device)
    whole = cut(pictures, spread(points[: len(rows)], config.target_points), rotations, size)

    def measure() -> float:
        total = 0.0
        for inputs, targets in zip(whole.inputs.split(batch), whole.targets.split(batch), strict=True):
            predicted = answer(inputs)
            predicted = predicted - predicted.mean(dim=1, keepdim=True)
            targets = targets - targets.mean(dim=1, keepdim=True)
            radius = targets.norm(dim=2).amax(dim=1)[:, None, None]
            total += chamfer(predicted / radius, targets / radius).sum().item()
        return total / len(rows)

    return measure


def _box_of(mask: Tensor) -> tuple[Float[Tensor, "B 2"], Float[Tensor, "B 2"]]:
    """Return the corners (x, y) of each mask's box in the picture's coordinates, −1 … 1, y down."""
    count = mask.shape[2]
    lows, highs = [], []
    for axis in (1, 2):
        hit = mask.any(dim=axis)
        first = hit.int().argmax(dim=1)
        last = count - hit.flip(1).int().argmax(dim=1)
        lows.append(2 * first / count - 1)
        highs.append(2 * last / count - 1)
    return torch.stack(lows, dim=1), torch.stack(highs, dim=1)


def _placed(points: Tensor, rotations: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Return where in the cut-out points are seen, and their depths; their box is ``low`` to ``high``."""
    corner, opposite = points.amin(dim=1, keepdim=True), points.amax(dim=1, keepdim=True)
    radius = (opposite - corner).norm(dim=2, keepdim=True) / 2
    seen = ((points - (corner + opposite) / 2) / radius) @ rotations.transpose(1, 2)
    projected = seen[:, :, :2] / (DISTANCE - seen[:, :, 2:])
    first, last = projected.amin(dim=1), projected.amax(dim=1)
    scale = ((high - low).amax(dim=1) / (last - first).amax(dim=1))[:, None, None]
    middle = (low + high) / 2 * torch.tensor([1.0, -1.0], device=points.device)
    across = scale * (projected - (first + last)[:, None] / 2) + middle[:, None]
    depth = scale / DISTANCE * (seen[:, :, 2:] - seen[:, :, 2:].mean(dim=1, keepdim=True))
    return torch.cat([across, depth], dim=2)


def _resampled(pictures: Tensor, centre: Tensor, half: Tensor, change: Tensor, size: int) -> Tensor:
    """Resample the changed squares, premultiplied, so that no colour bleeds from what is transparent."""
    down = change.new_tensor([1.0, -1.0])  # rows count downwards, y upwards
    back = torch.linalg.inv(change) * down[:, None] * down
    affine = torch.cat([half[:, None, None] * back, centre[:, :, None]], dim=2)
    grid = F.affine_grid(affine, [len(pictures), 4, size, size], align_corners=False)
    colour, alpha = pictures[:, :3], pictures[:, 3:]
    moved = F.grid_sample(torch.cat([colour * alpha, alpha], dim=1), grid, align_corners=False)
    return torch.cat([moved[:, :3] / moved[:, 3:].clamp_min(1e-3), moved[:, 3:]], dim=1).clamp(0, 1)
