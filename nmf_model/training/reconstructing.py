"""One cloud or picture through a network: the only place where evaluation and generation meet the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmf_model import checkpoint
from nmf_model.encoders.pictures import network_input
from nmf_model.encoders.pixel_points import PixelPoints
from nmf_model.errors import InputError
from nmf_model.fitting.correction import GUESSED, MEASURED, Correction, correct_flow
from nmf_model.flow.carrier import GridCarrier
from nmf_model.geometry.cameras import turned
from nmf_model.model import NeuralMeshFlow
from nmf_model.network import PredictedCloud, predict_cloud, predict_flow
from nmf_model.streams import drain
from nmf_model.training.shapes import frame_of
from nmf_model.types import Mesh, ShapeImage

PICTURE_SIZE = 112
"""Side of the pictures that the picture branch is trained on."""
OBJECT_SHARE = 0.79
"""Share of that side which the object's longer side takes in a typical rendering (the median of 696 training
renderings)."""
OPAQUE = 127
"""Alpha above which a pixel belongs to the object."""
_PUBLISHED_SIZE = 224

Frame = Literal["object", "camera"]


def reconstruct_cloud(
    model: NeuralMeshFlow, points: NDArray[np.floating], *, test_time_steps: int = 0
) -> Mesh:
    """Reconstruct the surface of a cloud in one pass.

    Args:
        model: in eval mode, on any device.
        points: (N, 3), any units; they alone decide the normalisation, as in use.
        test_time_steps: optimiser steps that bring the model's flow nearer to the points afterwards
            (``fitting.correction``); 0 for the model alone.

    Returns:
        the mesh in the units and frame of the points.

    Raises:
        InputError: the points are none, not (N, 3), not finite, or all the same; or too few to correct
            the flow by, or it is not one on grids.
        SolverError: the flow could not be integrated.
    """
    return _reconstructed(model, points, None, test_time_steps)


def _reconstructed(
    model: NeuralMeshFlow,
    points: NDArray[np.floating],
    guessed: NDArray[np.float64] | None,
    test_time_steps: int,
) -> Mesh:
    """Reconstruct a cloud; what is corrected is corrected with the guessed points of a picture, if given."""
    cloud = np.asarray(points, dtype=np.float64)
    if cloud.ndim != 2 or cloud.shape[1] != 3 or len(cloud) == 0 or not np.isfinite(cloud).all():
        raise InputError("A cloud to reconstruct needs finite points of three coordinates.")
    device = next(model.parameters()).device
    centre, radius = frame_of(torch.from_numpy(cloud)[None])
    unit = ((torch.from_numpy(cloud)[None] - centre) / radius).float()
    if not float(unit.abs().max()) > 0:
        raise InputError("All points of the cloud coincide, so it has no surface.")
    template = model.template
    if test_time_steps:
        kind = MEASURED if guessed is None else GUESSED
        told = unit if guessed is None else ((torch.from_numpy(guessed)[None] - centre) / radius).float()
        vertices = torch.from_numpy(
            _corrected(model, unit[0].numpy(), told[0].numpy(), test_time_steps, kind)
        )
    else:
        with torch.inference_mode():
            vertices = model(unit.to(device)).vertices[-1][0].cpu().double()
    placed = (vertices * radius[0] + centre[0]).numpy()
    return Mesh(placed, template.faces, template.vertices)


def check_can_correct(model: NeuralMeshFlow) -> None:
    """Raise InputError if test-time steps are not for flows of a model's kind."""
    if model.config.volume is None:
        raise InputError(
            "The flow of this model is not one on grids, so it cannot be corrected; leave out "
            "--test-time-steps."
        )


def _corrected(
    model: NeuralMeshFlow,
    unit: NDArray[np.float32],
    told: NDArray[np.float32],
    steps: int,
    kind: Correction,
) -> NDArray[np.float64]:
    """Return the vertices (V, 3) of a flow for points (N, 3) in unit-sphere units, corrected with others."""
    check_can_correct(model)
    device = next(model.parameters()).device
    carrier, _ = predict_flow(model, unit, device=device)
    assert isinstance(carrier, GridCarrier)
    better = drain(correct_flow(carrier, told, kind=kind, steps=steps, device=device))
    return better.carry(model.template.vertices)


class PictureAnswer(NamedTuple):
    """What was made of a picture.

    Attributes:
        mesh: in the units of the predicted points, upright if the branch says which way is up, else in the
            frame that the model was trained to predict (``predicted_frame``).
        view: (3, 3), the rotation from the mesh's frame to that one.
    """

    mesh: Mesh
    view: NDArray[np.float64]


def reconstruct_picture(
    model: NeuralMeshFlow, rgba: NDArray[np.uint8], *, test_time_steps: int = 0
) -> PictureAnswer:
    """Reconstruct the object on a picture: picture, predicted cloud, flow.

    Args:
        model: with a picture branch, in eval mode.
        rgba: (H, W, 4), square, the object alone opaque and framed as in a rendering (see ``framed``).
        test_time_steps: as for ``reconstruct_cloud``, nearer to what several looks see and the outline.

    Raises:
        InputError: the model has no picture branch.
        SolverError: the flow could not be integrated.
    """
    seen = _look(model, rgba)
    view = np.eye(3) if seen.view is None else seen.view
    mesh = _reconstructed(model, seen.points, seen.together, test_time_steps)
    return PictureAnswer(replace(mesh, vertices=turned(mesh.vertices, view.T)), view)


def _look(model: NeuralMeshFlow, rgba: NDArray[np.uint8]) -> PredictedCloud:
    """Return the points that the picture branch sees; arguments as for ``reconstruct_picture``."""
    if isinstance(model.image, PixelPoints):
        return predict_cloud(model, ShapeImage(rgba, mask=rgba[..., 3] > OPAQUE))
    device = next(model.parameters()).device
    with torch.no_grad():
        seen = model.image_points(_network_picture(model, rgba).to(device))[0]
    points = seen.cpu().double().numpy()
    return PredictedCloud(points, points, None)


def predicted_frame(path: Path, model: NeuralMeshFlow) -> Frame:
    """Return the frame of a checkpoint's predictions from pictures: the object's own, or the camera's.

    It is the setting or the header's entry ``image.frame``; "object" where neither is there.

    Raises:
        InputError: it is something else.
    """
    told = "object" if model.config.image is None else model.config.image.frame
    frame = checkpoint.read_header(path).provenance.get("image.frame", told)
    if frame not in ("object", "camera"):
        raise InputError(f"{path} predicts in a frame '{frame}' that this version does not know; update it.")
    return "camera" if frame == "camera" else "object"


def framed(image: ShapeImage, size: int = PICTURE_SIZE) -> NDArray[np.uint8]:
    """Cut the object out of a picture and lay it out as in a rendering.

    Args:
        image: with its ``mask``.
        size: side of the result, pixels.

    Returns:
        (size, size, 4) uint8 with straight alpha: the object centred, its longer side ``OBJECT_SHARE`` of it.

    Raises:
        InputError: the mask is missing or empty.
    """
    from PIL import Image

    mask = image.mask
    if mask is None or not mask.any():
        raise InputError(f"No object was found on {image.name}; use a picture of one object.")
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    side = max(bottom - top, right - left) / OBJECT_SHARE
    x, y = (left + right - side) / 2, (top + bottom - side) / 2
    alpha = np.where(mask, image.rgba[..., 3], 0).astype(np.uint8)
    # Premultiplied, so that no colour bleeds in from the background while resampling.
    cut = Image.fromarray(np.dstack([image.rgba[..., :3], alpha])).convert("RGBa")
    margin = int(np.ceil(side))
    canvas = Image.new("RGBa", (cut.width + 2 * margin, cut.height + 2 * margin))
    canvas.paste(cut, (margin, margin))
    box = (x + margin, y + margin, x + margin + side, y + margin + side)
    return np.asarray(canvas.resize((size, size), Image.Resampling.BOX, box=box).convert("RGBA"))


def _network_picture(model: NeuralMeshFlow, rgba: NDArray[np.uint8]) -> Tensor:
    """Return (1, 3, H, W) as the weights were trained."""
    if model.config.image is not None and model.config.image.preprocessing == "published-columns":
        from PIL import Image

        from nmf_model.checkpoint_legacy import legacy_image_tensor

        # The authors dropped alpha; what is transparent is taken as black.
        opaque = (rgba[..., :3] * (rgba[..., 3:] / 255)).round().astype(np.uint8)
        size = (_PUBLISHED_SIZE, _PUBLISHED_SIZE)
        return legacy_image_tensor(np.asarray(Image.fromarray(opaque).resize(size)))
    pixels = torch.from_numpy(np.ascontiguousarray(rgba)).permute(2, 0, 1)[None].float() / 255
    return network_input(pixels)
