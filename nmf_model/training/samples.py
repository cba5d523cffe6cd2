"""What a model answers for a few validation shapes, as meshes and one picture, while it trains.

``samples/step-00001000/``: ``00.ply``, … in the frame of the targets, which is the viewer's for a branch that
answers cut-outs, and ``sheet.png`` with two shapes in each row: what the model was shown, the cloud it has of
it, its mesh, the target. No graphics library: training machines have none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from nmf_model.data.contact_sheet import TILE, draw_tile, write_sheet
from nmf_model.encoders.pictures import network_input
from nmf_model.geometry.normals import face_normals
from nmf_model.geometry.sampling import sample_surface
from nmf_model.io.atomic import make_folder, write_atomically
from nmf_model.io.writers import write_ply
from nmf_model.model import NeuralMeshFlow
from nmf_model.training.cut_outs import cut, read_views
from nmf_model.training.settings import TrainingConfig
from nmf_model.training.shapes import ShapeSet, frame_of, normalized, to_device
from nmf_model.training.views import ViewSet
from nmf_model.types import Mesh

_SHOWN_POINTS = 12_000
Tile = NDArray[np.uint8]


@dataclass(frozen=True)
class SampleWriter:
    """Writes the samples of one model.

    Attributes:
        model: asked in eval mode, without gradients; the caller sees to that.
        clouds: returns the clouds that the model reconstructs, (K, N, 3), on its device.
        surfaces: returns the vertices (K, V, 3) that it makes of the clouds, in the same frame.
        targets: (K, P, 3) in that frame, with their normals, or None.
        shown: tiles to put first for each shape, such as the pictures.
    """

    model: NeuralMeshFlow
    clouds: Callable[[], Float[Tensor, "K N 3"]]
    surfaces: Callable[[Tensor], Float[Tensor, "K V 3"]]
    targets: NDArray[np.float32]
    normals: NDArray[np.floating] | None
    shown: list[Tile]

    def __call__(self, folder: Path) -> Path | None:
        """Write into a folder; return its sheet, or None if there is nothing to show.

        Raises:
            InputError: if it cannot be written there.
        """
        if not len(self.targets):
            return None
        make_folder(folder)
        clouds = self.clouds()
        surfaces = self.surfaces(clouds).float().cpu().numpy()
        tiles: list[Tile] = []
        for index, vertices in enumerate(surfaces):
            mesh = Mesh(vertices.astype(np.float64), self.model.template.faces)
            write_atomically(folder / f"{index:02d}.ply", partial(write_ply, mesh))
            tiles += self.shown[index : index + 1]
            tiles.append(draw_tile(clouds[index].float().cpu().numpy()))
            tiles.append(_mesh_tile(mesh))
            normals = None if self.normals is None else self.normals[index]
            tiles.append(draw_tile(self.targets[index], normals))
        write_sheet(folder / "sheet.png", tiles, columns=2 * len(tiles) // len(surfaces))
        return folder / "sheet.png"


def cloud_samples(
    model: NeuralMeshFlow, part: ShapeSet, config: TrainingConfig, device: torch.device
) -> SampleWriter:
    """Return the samples of an auto-encoder: validation shapes, seen by as many points as in training."""
    chosen = part.rows(_chosen(len(part.ids), config))
    targets = normalized(torch.from_numpy(chosen.points))
    random = torch.Generator().manual_seed(0)
    index = torch.randint(targets.shape[1], (config.input_points,), generator=random)
    inputs = targets[:, index].to(device)
    surfaces = partial(_surfaces_as_seen, model)
    return SampleWriter(model, lambda: inputs, surfaces, targets.numpy(), chosen.normals, [])


def picture_samples(
    model: NeuralMeshFlow,
    part: ShapeSet,
    views: ViewSet,
    config: TrainingConfig,
    device: torch.device,
) -> SampleWriter:
    """Return the samples of a picture branch that answers whole pictures.

    Args:
        model: asked.
        part: the validation part.
        views: of the same objects.
        config: how many are shown.
        device: the model's.
    """
    rows = _chosen(len(part.ids), config)
    chosen = part.rows(rows)
    targets = normalized(torch.from_numpy(chosen.points))
    targets = targets - targets.mean(dim=1, keepdim=True)
    surfaces = partial(_surfaces_in_frame, model)
    if not len(rows):
        return SampleWriter(model, lambda: targets, surfaces, targets.numpy(), None, [])
    pictures = views.take(rows, rows % views.count)
    inputs = network_input(torch.from_numpy(pictures).to(device).float() / 255)
    tiles = [_on_white(picture) for picture in pictures]
    return SampleWriter(
        model, lambda: model.image_points(inputs), surfaces, targets.numpy(), chosen.normals, tiles
    )


def cut_out_samples(
    model: NeuralMeshFlow,
    part: ShapeSet,
    views: ViewSet,
    config: TrainingConfig,
    size: int,
    device: torch.device,
) -> SampleWriter:
    """Return the samples of a picture branch that answers cut-outs: all in the frame of each one's viewer.

    Lengths are in radii of the target, so that it fills its tile.

    Args:
        model: asked.
        part: the validation part.
        views: of the same objects, with their cameras.
        config: how many are shown.
        size: side of the cut-outs, pixels.
        device: the model's.
    """
    rows = _chosen(len(part.ids), config)
    chosen = part.rows(rows)
    surfaces = partial(_surfaces_in_frame, model)
    points = to_device(chosen.points, device)
    if not len(rows):
        return SampleWriter(model, lambda: points, surfaces, points.cpu().numpy(), None, [])
    index = torch.from_numpy(rows)
    pictures, rotations = read_views(views, index, index % views.count, device)
    whole = cut(pictures, points, rotations, size)
    centre, radius = frame_of(whole.targets)
    targets = ((whole.targets - centre) / radius).cpu().numpy()
    turned = rotations.transpose(1, 2).cpu().numpy()
    normals = None if chosen.normals is None else chosen.normals @ turned
    tiles = [_on_white(picture) for picture in (whole.inputs * 255).round().byte().cpu().numpy()]
    return SampleWriter(
        model,
        lambda: (model.image_points(whole.inputs) - centre) / radius,
        surfaces,
        targets,
        normals,
        tiles,
    )


def _surfaces_as_seen(model: NeuralMeshFlow, clouds: Float[Tensor, "K N 3"]) -> Float[Tensor, "K V 3"]:
    """Return the surfaces of clouds that are normalised already."""
    return model(clouds).vertices[-1]  # type: ignore[no-any-return]


def _surfaces_in_frame(model: NeuralMeshFlow, clouds: Float[Tensor, "K N 3"]) -> Float[Tensor, "K V 3"]:
    """Return the surfaces of clouds in any frame, which are normalised by themselves as in use."""
    centre, radius = frame_of(clouds)
    return _surfaces_as_seen(model, (clouds - centre) / radius) * radius + centre


def _chosen(count: int, config: TrainingConfig) -> NDArray[np.int64]:
    """Return the indices of the samples, spread over ``count``, so that they are of many categories."""
    wanted = min(config.sample_shapes, config.validation_shapes)
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).astype(np.int64))


def _mesh_tile(mesh: Mesh) -> Tile:
    if not np.isfinite(mesh.vertices).all():
        return np.zeros((TILE, TILE, 3), dtype=np.uint8)
    points, faces = sample_surface(mesh.vertices, mesh.faces, _SHOWN_POINTS, np.random.default_rng(0))
    return draw_tile(points, face_normals(mesh.vertices, mesh.faces)[faces])


def _on_white(picture: NDArray[np.uint8]) -> Tile:
    """Return a picture (4, H, W) as a tile on white."""
    from PIL import Image

    image = Image.fromarray(picture.transpose(1, 2, 0))
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return np.asarray(Image.alpha_composite(white, image).convert("RGB").resize((TILE, TILE)))
