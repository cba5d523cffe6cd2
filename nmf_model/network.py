"""What a trained network answers: a flow for a cloud in one pass, and a cloud for a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmf_model.checkpoint_legacy import PREPROCESSING, legacy_image_tensor
from nmf_model.encoders.looks import Seen, look
from nmf_model.encoders.pictures import MARGIN, cut_out, network_input
from nmf_model.encoders.pixel_points import PixelPoints
from nmf_model.errors import InputError
from nmf_model.flow.carrier import MovingCarrier
from nmf_model.geometry.cameras import view_of_upright
from nmf_model.geometry.outliers import find_outliers
from nmf_model.geometry.sampling import thinned
from nmf_model.model import NeuralMeshFlow
from nmf_model.types import ShapeImage

INPUT_POINTS = 4096
"""Points of a cloud that the network is shown at most; it was trained on fewer."""
PREDICTED_POINTS = 20_000
"""Points of a picture that are kept at most."""
_MIN_POINTS = 50
_PUBLISHED_SIZE = 224


@dataclass(frozen=True)
class PredictedCloud:
    """What the network sees on a picture.

    Attributes:
        points: (P, 3) float64 in the frame of ``silhouette.outline.MaskFrame`` for the viewer's frame; for a
            network that answers in the object's own frame, in that. What its flow was trained on.
        together: (N, 3) float64, likewise, of several looks: where the surface is, rather.
        view: (3, 3), the rotation from a frame in which the object stands upright to that of the points; the
            identity from a network that does not say which way is up. None for a network that answers in the
            object's own frame: where the viewer stands is not known then.
    """

    points: NDArray[np.float64]
    together: NDArray[np.float64]
    view: NDArray[np.float64] | None


def predict_flow(
    model: NeuralMeshFlow, points: NDArray[np.float32], *, device: torch.device | None = None, seed: int = 0
) -> tuple[MovingCarrier, int]:
    """Return the flow that carries the sphere into a cloud, and how many stray points were left out.

    Args:
        model: trained.
        points: (N, 3), unit-sphere units.
        device: None for the CPU.
        seed: of the choice of points, where there are more than the network is shown.

    Raises:
        InputError: for fewer than 50 points.
    """
    if len(points) < _MIN_POINTS:
        raise InputError(f"A cloud of {len(points)} points is too small; at least {_MIN_POINTS} are needed.")
    is_outlier = find_outliers(points)
    kept = thinned(points[~is_outlier], INPUT_POINTS, seed)
    model = model.to(device or torch.device("cpu"))
    shown = torch.from_numpy(np.ascontiguousarray(kept, dtype=np.float32)).to(device or "cpu")[None]
    with torch.no_grad():
        code = model.encode(shown)
        carrier = model.flow.carrier(code)
    return carrier, int(np.count_nonzero(is_outlier))


def predict_cloud(model: NeuralMeshFlow, image: ShapeImage) -> PredictedCloud:
    """Return the points that the network sees on a picture whose mask is known.

    Raises:
        InputError: if the model has no picture branch, or the mask is missing or empty.
    """
    if image.mask is None or not image.mask.any():
        raise InputError(f"No object was found on {image.name}.")
    config = model.config.image
    if config is None:
        raise InputError("This model has no picture branch; load weights that were trained on pictures.")
    device = next(model.parameters()).device
    with torch.no_grad():
        if isinstance(model.image, PixelPoints):
            return _seen_from(look(model.image, image.rgba, image.mask, config.size))
        shown = cut_out(image.rgba, image.mask, _PUBLISHED_SIZE)
        prepared = _as_published(shown) if config.preprocessing == PREPROCESSING else network_input(shown)
        points = _on_host(model.image_points(prepared.to(device))[0])
    return PredictedCloud(points, points, None)


def _seen_from(seen: Seen) -> PredictedCloud:
    view = np.eye(3) if seen.up is None else view_of_upright(_on_host(seen.up))
    points, together = _on_host(seen.plain * MARGIN), _on_host(seen.together * MARGIN)
    return PredictedCloud(points, thinned(together, PREDICTED_POINTS, seed=0), view)


def _on_host(values: Tensor) -> NDArray[np.float64]:
    return values.cpu().numpy().astype(np.float64)


def _as_published(shown: Tensor) -> Tensor:
    """Prepare a cut-out as the authors' own code did, for weights that were trained with it."""
    colour, alpha = shown[0, :3], shown[0, 3:]
    on_white = (colour * alpha + 1 - alpha).permute(1, 2, 0).numpy()
    return legacy_image_tensor(on_white)
