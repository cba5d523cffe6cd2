"""From pictures with alpha to the image encoder's input, the same in training and in use."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def network_input(pictures: Float[Tensor, "B 4 H W"]) -> Float[Tensor, "B 3 H W"]:
    """Lay pictures (red, green, blue, alpha in 0 … 1, not premultiplied) on white and normalise the colours.

    What lies behind the object cannot matter then: all of the background is white.
    """
    colour, alpha = pictures[:, :3], pictures[:, 3:]
    mean = torch.tensor(IMAGENET_MEAN, dtype=pictures.dtype, device=pictures.device)[:, None, None]
    std = torch.tensor(IMAGENET_STD, dtype=pictures.dtype, device=pictures.device)[:, None, None]
    return (colour * alpha + (1 - alpha) - mean) / std
