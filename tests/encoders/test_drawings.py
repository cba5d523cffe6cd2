"""Drawings, whose colours tell nothing of a shape, against bodies in the light."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from nmf_model.encoders.drawings import why_drawn
from nmf_model.io.images import read_image
from tests.support import command_line

RED, BLUE, GREY, WHITE = (200, 30, 30), (20, 40, 190), (130, 130, 130), (255, 255, 255)
SIZE = 400


def drawn(*parts, blurred: bool = False):
    """Draw discs (radius, colour) onto each other, smooth at their borders as any drawing is."""
    picture = Image.new("RGBA", (4 * SIZE, 4 * SIZE))
    for radius, colour in parts:
        box = [2 * SIZE - 4 * radius, 2 * SIZE - 4 * radius, 2 * SIZE + 4 * radius, 2 * SIZE + 4 * radius]
        ImageDraw.Draw(picture).ellipse(box, fill=colour)
    rgba = np.asarray(picture.resize((SIZE, SIZE), Image.Resampling.LANCZOS))
    return rgba, rgba[..., 3] > 127


def cube(*colours):
    """Three faces of a body, each in a shade of the colours, one colour a half."""
    picture = Image.new("RGBA", (SIZE, SIZE))
    draw = ImageDraw.Draw(picture)
    for k, face in enumerate(
        (
            [(200, 40), (340, 110), (200, 180), (60, 110)],
            [(60, 110), (200, 180), (200, 340), (60, 270)],
            [(200, 180), (340, 110), (340, 270), (200, 340)],
        )
    ):
        whole = np.array(face, dtype=float)
        for colour, corners in zip(colours, (whole, 0.5 * (whole + whole[:1])), strict=False):
            shade = tuple(int(level * (1.0, 0.75, 0.5)[k]) for level in colour)
            draw.polygon([tuple(corner) for corner in corners], fill=shade)
    rgba = np.asarray(picture)
    return rgba, rgba[..., 3] > 127


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ([(150, RED)], "one colour"),
        ([(150, GREY)], "one colour"),
        ([(150, RED), (80, BLUE)], "few flat colours"),
        ([(150, BLUE), (80, WHITE)], "few flat colours"),
        ([(150, RED), (120, WHITE), (90, BLUE), (50, GREY)], "few flat colours"),
        # As the lid of a pot looks from above: one material, its faces lighter and darker.
        ([(150, GREY), (80, WHITE)], ""),
        ([(150, (100, 15, 15)), (80, RED)], ""),
        # Too dark to tell one colour from another.
        ([(150, (30, 10, 10)), (80, (10, 10, 50))], ""),
    ],
)
def test_flat_colours_that_are_no_shades_of_each_other_are_drawn(parts, why):
    assert why_drawn(*drawn(*parts)) == why


@pytest.mark.parametrize("colours", [(RED,), (GREY,), (RED, BLUE)])
def test_a_cube_in_the_light_is_not_drawn(colours):
    assert why_drawn(*cube(*colours)) == ""


def test_compression_hides_no_drawing(tmp_path):
    rgba, mask = drawn((150, RED), (80, BLUE))
    Image.fromarray(np.where(mask[..., None], rgba, 255)[..., :3]).save(tmp_path / "logo.jpg", quality=90)
    assert (
        why_drawn(np.asarray(Image.open(tmp_path / "logo.jpg").convert("RGBA")), mask) == "few flat colours"
    )


@pytest.mark.parametrize("name", ["armchair.webp", "wood_toy.png"])
def test_examples_are_not_drawn(name):
    image = read_image(command_line.ROOT / "resources" / "examples" / name)
    assert why_drawn(image.rgba, image.rgba[..., 3] > 127) == ""
