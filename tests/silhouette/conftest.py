"""Outlines to inflate and to find, drawn at twice their size and scaled down."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw

SIDE = 400


def draw_disc(pen: ImageDraw.ImageDraw, n: int) -> None:
    pen.ellipse((0.1 * n, 0.1 * n, 0.9 * n, 0.9 * n), fill=255)


def draw_ring(pen: ImageDraw.ImageDraw, n: int) -> None:
    draw_disc(pen, n)
    pen.ellipse((0.3 * n, 0.3 * n, 0.7 * n, 0.7 * n), fill=0)


def draw_star(pen: ImageDraw.ImageDraw, n: int) -> None:
    radii = [0.46, 0.19] * 5
    angles = [k * math.pi / 5 for k in range(10)]
    pen.polygon(
        [
            (n / 2 + n * r * math.sin(a), n / 2 - n * r * math.cos(a))
            for r, a in zip(radii, angles, strict=True)
        ],
        fill=255,
    )


def draw_limb(pen: ImageDraw.ImageDraw, n: int) -> None:
    """A bent limb of half-width 0.05."""
    bend = [(0.15 * n, 0.2 * n), (0.15 * n, 0.75 * n), (0.85 * n, 0.75 * n)]
    pen.line(bend, fill=255, width=round(0.1 * n), joint="curve")


def draw_hand(pen: ImageDraw.ImageDraw, n: int) -> None:
    pen.rounded_rectangle((0.3 * n, 0.5 * n, 0.7 * n, 0.95 * n), radius=0.1 * n, fill=255)
    for x, tip in ((0.33, 0.2), (0.44, 0.1), (0.56, 0.12), (0.67, 0.25)):
        pen.line([(x * n, 0.6 * n), ((1.5 * x - 0.25) * n, tip * n)], fill=255, width=round(0.06 * n))
    pen.line([(0.35 * n, 0.8 * n), (0.15 * n, 0.55 * n)], fill=255, width=round(0.07 * n))


DRAWINGS: dict[str, Callable[[ImageDraw.ImageDraw, int], None]] = {
    "disc": draw_disc, "ring": draw_ring, "star": draw_star, "limb": draw_limb, "hand": draw_hand,
}  # fmt: skip


def coverage_of(name: str, side: int = SIDE) -> np.ndarray:
    """(side, side) float, 0..1: how much of each pixel the outline covers."""
    large = Image.new("L", (4 * side, 4 * side))
    DRAWINGS[name](ImageDraw.Draw(large), 4 * side)
    return np.asarray(large.resize((side, side), Image.Resampling.BOX), dtype=np.float64) / 255


@pytest.fixture
def coverage() -> Callable[..., np.ndarray]:
    return coverage_of


@pytest.fixture
def shape_mask() -> Callable[..., np.ndarray]:
    def mask(name: str, side: int = SIDE) -> np.ndarray:
        return coverage_of(name, side) >= 0.5

    return mask
