"""From a picture to a cloud: a ResNet-18 (He et al., CVPR 2016) and a small network after it.

The ResNet's weights have torchvision's names, so ImageNet weights in that layout load as they are.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from nmf_model.config import ImageEncoderConfig

_STAGE_FACTORS = (1, 1, 2, 4, 8)


class ImageEncoder(nn.Module):
    """Regress the points of an object's surface from one picture of it."""

    def __init__(self, config: ImageEncoderConfig) -> None:
        super().__init__()
        self.backbone = ResNet18(config.features, config.width)
        widths = (config.features, *config.hidden, 3 * config.points)
        self.head = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B P 3"]:
        """Return one cloud a picture, its mean at the origin.

        Args:
            images: prepared as the configuration's ``preprocessing`` says; usually 224×224.
        """
        x = self.backbone(images)
        for layer in self.head[:-1]:
            x = layer(x).relu()
        points = self.head[-1](x).unflatten(1, (-1, 3))
        return cast(Tensor, points - points.mean(dim=1, keepdim=True))


class ResNet18(nn.Module):
    """Four stages of two residual blocks, from (B, 3, H, W) to (B, ``classes``)."""

    def __init__(self, classes: int, width: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        widths = [width * factor for factor in _STAGE_FACTORS]
        for stage, (channels_in, channels) in enumerate(pairwise(widths), start=1):
            blocks = (
                ResidualBlock(channels_in, channels, 1 if stage == 1 else 2),
                ResidualBlock(channels, channels),
            )
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
        self.fc = nn.Linear(widths[-1], classes)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B K"]:
        """Return one score a class, K of them."""
        x = self.bn1(self.conv1(images)).relu()
        x = functional.max_pool2d(x, 3, stride=2, padding=1)
        for stage in range(1, len(_STAGE_FACTORS)):
            x = self.get_submodule(f"layer{stage}")(x)
        return cast(Tensor, self.fc(x.mean(dim=(2, 3))))


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut around them."""

    def __init__(self, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels_in != channels:
            shortcut = nn.Conv2d(channels_in, channels, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(channels))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Return D feature maps of a size divided by the stride."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.bn1(self.conv1(x)).relu()
        return cast(Tensor, (self.bn2(self.conv2(x)) + shortcut).relu())
