"""Make the benchmark's ten pictures: four drawn here, six CC0 renderings from the prepared library views.

Run once, from the repository's root: ``python tests/benchmarks/silhouette_pictures.py library_views.npz
library_points.npz``. Without arguments only the drawn ones are made again.
"""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

PICTURES = Path(__file__).parent / "pictures"
# Catalogue id of the object and the number of its view: varied outlines, none from the test part.
VIEWS = {
    "horse": ("Blend Swap CC-0#horse2", 4),
    "biplane": ("Blend Swap CC-0#cartoon_biplane", 2),
    "armchair": ("Blend Swap CC-0#armchair2", 0),
    "extinguisher": ("Blend Swap CC-0#fireExtinguisher", 8),
    "wheelbarrow": ("Blend Swap CC-0#wheelbarrow", 1),
    "rocking_horse": ("Blend Swap CC-0#caballito", 0),
}
SIDE = 480
FINE = 2


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    drawn(hand, "#f2efe9", "#c98d6b").save(PICTURES / "hand.jpg", quality=85)
    drawn(star, "#20304a", "#f4c542").save(PICTURES / "star.png")
    shaded(drawn(bottle, "#d8dde2", "#2e6b4f")).save(PICTURES / "bottle.jpg", quality=80)
    drawn(snake, "#ffffff", "#7a4fa3").save(PICTURES / "snake.webp", quality=80)
    if len(sys.argv) == 3:
        copy_views(Path(sys.argv[1]), Path(sys.argv[2]))


def drawn(draw: Callable[..., None], background: str, colour: str) -> Image.Image:
    """Draw one outline at twice the size and scale it down, so that its edge is smooth."""
    large = Image.new("RGB", (SIDE * FINE, SIDE * FINE), background)
    draw(ImageDraw.Draw(large), SIDE * FINE, colour)
    return large.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def hand(pen: ImageDraw.ImageDraw, n: int, colour: str) -> None:
    pen.rounded_rectangle((0.34 * n, 0.48 * n, 0.68 * n, 0.94 * n), radius=0.08 * n, fill=colour)
    for x, tip in ((0.385, 0.22), (0.47, 0.12), (0.555, 0.15), (0.64, 0.27)):
        limb(pen, [(x, 0.6), (x + (x - 0.51) * 0.5, tip)], 0.07, n, colour)
    limb(pen, [(0.4, 0.8), (0.26, 0.66), (0.2, 0.5)], 0.085, n, colour)


def star(pen: ImageDraw.ImageDraw, n: int, colour: str) -> None:
    corners = []
    for k in range(10):
        radius, angle = n * (0.46 if k % 2 == 0 else 0.2), k * math.pi / 5
        corners.append((n / 2 + radius * math.sin(angle), n / 2 - radius * math.cos(angle)))
    pen.polygon(corners, fill=colour)


def bottle(pen: ImageDraw.ImageDraw, n: int, colour: str) -> None:
    pen.rounded_rectangle((0.36 * n, 0.4 * n, 0.64 * n, 0.95 * n), radius=0.04 * n, fill=colour)
    pen.ellipse((0.36 * n, 0.27 * n, 0.64 * n, 0.55 * n), fill=colour)
    pen.rectangle((0.455 * n, 0.08 * n, 0.545 * n, 0.4 * n), fill=colour)
    pen.rounded_rectangle((0.44 * n, 0.05 * n, 0.56 * n, 0.1 * n), radius=0.015 * n, fill=colour)


def snake(pen: ImageDraw.ImageDraw, n: int, colour: str) -> None:
    bends = [(0.08 + 0.84 * t, 0.5 + 0.3 * math.sin(2.6 * math.pi * t)) for t in np.linspace(0, 1, 120)]
    limb(pen, bends, 0.09, n, colour)


def limb(pen: ImageDraw.ImageDraw, places: list, width: float, n: int, colour: str) -> None:
    """A thick line with round ends and joints; places and width as shares of the picture."""
    for start, end in pairwise(places):
        steps = max(2, int(math.dist(start, end) / width * 12))
        for t in np.linspace(0, 1, steps):
            x, y = ((1 - t) * a + t * b for a, b in zip(start, end, strict=True))
            half = width / 2
            pen.ellipse(((x - half) * n, (y - half) * n, (x + half) * n, (y + half) * n), fill=colour)


def shaded(picture: Image.Image) -> Image.Image:
    """Add soft light from the left and sensor noise, as a picture taken in a studio has."""
    values = np.asarray(picture.filter(ImageFilter.GaussianBlur(0.7)), dtype=np.float64)
    light = np.linspace(12, -12, values.shape[1])[None, :, None]
    noise = np.random.default_rng(0).normal(0, 2.5, values.shape)
    return Image.fromarray((values + light + noise).clip(0, 255).astype(np.uint8))


def copy_views(views_file: Path, points_file: Path) -> None:
    """Copy the chosen renderings as they are and write who made the models."""
    with np.load(views_file) as views, np.load(points_file) as library:
        data, offset = views["webp"], views["offset"]
        ids = [str(name) for name in library["id"]]
        about = {key: library[key] for key in ("name", "creator", "license", "split")}
    lines = ["| picture | catalogue id | model | creator | licence |", "|---|---|---|---|---|"]
    for name, (identity, view) in VIEWS.items():
        k = ids.index(identity)
        if str(about["license"][k]) != "CC0" or str(about["split"][k]) == "test":
            raise SystemExit(f"{identity} may not be used here: {about['license'][k]}, {about['split'][k]}")
        start, end = offset[12 * k + view], offset[12 * k + view + 1]
        Image.open(io.BytesIO(data[start:end].tobytes())).verify()
        (PICTURES / f"{name}.webp").write_bytes(data[start:end].tobytes())
        lines.append(f"| {name}.webp | {identity} | {about['name'][k]} | {about['creator'][k]} | CC0 |")
    (PICTURES / "credits.md").write_text(CREDITS + "\n".join(lines) + "\n", encoding="utf-8")


CREDITS = """# Pictures of the silhouette benchmark

`hand.jpg`, `star.png`, `bottle.jpg` and `snake.webp` are drawn by `../silhouette_pictures.py` (CC0).

The others are renderings of models from the Sweet Home 3D furniture library "Blend Swap CC-0", public domain
(CC0); thanks to their creators.

"""

if __name__ == "__main__":
    main()
