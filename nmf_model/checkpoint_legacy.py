"""Read the checkpoints that the paper's authors published, and feed pictures the way they did."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from nmf_model.checkpoint import check_layout
from nmf_model.config import PAPER, ImageEncoderConfig
from nmf_model.errors import CheckpointError
from nmf_model.model import NeuralMeshFlow

PREPROCESSING: Final = "published-columns"
"""Name of what ``legacy_image_tensor`` does, as it stands in a converted model's configuration."""

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)

_LAYERS = {"first": "l1", "hidden.0": "l2", "hidden.1": "l3", "last": "l4", "gain": "cond"}
_PATTERNS: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (
        r"flow\.blocks\.(\d)\.nodes\.(\d)\.(first|hidden\.\d|last|gain)\.(\w+)",
        lambda m: f"db{int(m[1]) + 1}.l{int(m[2]) + 1}.odefunc.{_LAYERS[m[3]]}.{m[4]}",
    ),
    (r"flow\.rescales\.(\d)\.factor\.(\d\.\w+)", lambda m: f"norm{m[1]}.norm.{m[2]}"),
    (r"encoder\.point_layers\.(\d)\.(\w+)", lambda m: f"encoder.conv{int(m[1]) + 1}.{m[2]}"),
    (r"encoder\.point_norms\.(\d)\.(\w+)", lambda m: f"encoder.bn{int(m[1]) + 1}.{m[2]}"),
    (r"encoder\.head_layers\.(\d)\.(\w+)", lambda m: f"encoder.fc{int(m[1]) + 1}.{m[2]}"),
    (r"encoder\.head_norms\.(\d)\.(\w+)", lambda m: f"encoder.fc_bn{int(m[1]) + 1}.{m[2]}"),
    (r"image\.backbone\.(.+)", lambda m: f"encoder.{m[1]}"),
    (r"image\.head\.(\d)\.(\w+)", lambda m: f"decoder.{2 * int(m[1])}.{m[2]}"),
)


def load_published(autoencoder: Path | str, image: Path | str | None = None) -> NeuralMeshFlow:
    """Build a model of the published architecture from the authors' files, in eval mode.

    Args:
        autoencoder: their auto-encoder (``--train AE``); its latent size is read off its weights.
        image: their image branch (``--train SVR``), or None for a model without.

    Raises:
        CheckpointError: if a file cannot be read, is of another kind, or a weight differs in name or shape.
    """
    weights = _read(autoencoder)
    branch = None if image is None else ImageEncoderConfig(preprocessing=PREPROCESSING)
    flow = replace(PAPER.flow, latent_size=_latent_size(autoencoder, weights))
    with torch.device("meta"):
        model = NeuralMeshFlow(replace(PAPER, flow=flow, image=branch))
    expected = model.state_dict()
    names = {name: published_name(name) for name in expected}
    of_image = {name for name in names if name.startswith("image.")}
    state = _translate(autoencoder, weights, expected, {n: names[n] for n in names if n not in of_image})
    if image is not None:
        state |= _translate(image, _read(image), expected, {n: names[n] for n in names if n in of_image})
    model.load_state_dict(state, assign=True)
    return model.eval()


def published_name(name: str) -> str:
    """Return the authors' name for the weight called ``name`` in our model of their architecture."""
    for pattern, rename in _PATTERNS:
        if match := re.fullmatch(pattern, name):
            return "module." + rename(match)
    raise KeyError(name)


def legacy_image_tensor(
    rgb: UInt8[np.ndarray, "H W 3"] | Float[np.ndarray, "H W 3"],
) -> Float[Tensor, "1 3 W H"]:
    """Prepare a picture exactly as the published image branch was fed.

    The authors meant to normalise the colour channels, but their array was (H, W, 3), so ImageNet's mean
    and deviation met the first three pixel *columns*; then the height and colour axes were swapped. The
    weights have learnt from such input, so only such input reproduces their results.

    Args:
        rgb: uint8 (0…255) or floating (0…1), at the size the network was fed with: 224×224.
    """
    pixels = torch.tensor(rgb, dtype=torch.float32)
    if rgb.dtype == np.uint8:
        pixels = pixels / 255
    mean, deviation = torch.tensor(_IMAGENET_MEAN), torch.tensor(_IMAGENET_STD)
    pixels[:, :3] = (pixels[:, :3] - mean[:, None]) / deviation[:, None]
    return pixels.permute(2, 1, 0).unsqueeze(0).contiguous()


def _read(path: Path | str) -> dict[str, Tensor]:
    """Read a state dict without letting the file run code."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no checkpoint {path}; check its name.") from error
    except OSError as error:
        raise CheckpointError(f"The checkpoint {path} cannot be read: {error.strerror or error}.") from error
    except (UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, AttributeError) as error:
        raise CheckpointError(
            f"{path} is damaged, or not a plain file of PyTorch weights; fetch the published file again."
        ) from error
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise CheckpointError(f"{path} does not hold weights alone, as the published checkpoints do.")
    return content


def _latent_size(path: Path | str, weights: Mapping[str, Tensor]) -> int:
    name = published_name("encoder.head_layers.2.bias")
    if name not in weights:
        raise CheckpointError(f"{path} is not a published auto-encoder: it has no weight '{name}'.")
    return weights[name].numel()


def _translate(
    path: Path | str, weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], names: Mapping[str, str]
) -> dict[str, Tensor]:
    """Check the authors' weights against ``expected`` and return them under our ``names``' keys."""
    check_layout(path, {theirs: tuple(expected[ours].shape) for ours, theirs in names.items()}, weights)
    return {ours: weights[theirs].to(expected[ours].dtype) for ours, theirs in names.items()}
