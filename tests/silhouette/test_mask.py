"""Masks: each source finds the object, says what it did, and refuses in one sentence."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from nmf_model.errors import InputError
from nmf_model.io.images import read_image
from nmf_model.silhouette import find_mask, mask_photo
from nmf_model.silhouette.mask_plain import plain_mask
from nmf_model.types import ShapeImage

EXAMPLES = Path(__file__).parents[2] / "resources" / "examples"
Coverage = Callable[..., np.ndarray]


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def composed(coverage: np.ndarray, background: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    share = coverage[..., None]
    return (background * (1 - share) + np.array(colour) * share).clip(0, 255).astype(np.uint8)


def opaque(rgb: np.ndarray) -> ShapeImage:
    return ShapeImage(np.dstack([rgb, np.full(rgb.shape[:2], 255, dtype=np.uint8)]))


def jpeg(rgb: np.ndarray, quality: int) -> np.ndarray:
    packed = io.BytesIO()
    Image.fromarray(rgb).save(packed, "JPEG", quality=quality)
    return np.asarray(Image.open(packed).convert("RGB"))


def backdrop(kind: str, side: int = 400) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    plain = np.full((side, side, 3), (225.0, 222.0, 215.0))
    extra = {
        "flat": np.zeros_like(x),
        "gradient": 30 * x - 15 * y,
        "vignette": -25 * (x**2 + y**2),
        "noise": np.random.default_rng(0).normal(0, 6, x.shape),
    }
    return plain + extra[kind][..., None]


def clutter(side: int = 400) -> np.ndarray:
    """A background of many colours, smooth enough to look like a blurred room."""
    cells = np.random.default_rng(4).integers(0, 255, (7, 7, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(cells).resize((side, side), Image.Resampling.BICUBIC), dtype=float)


@pytest.mark.parametrize("name", ["disc", "star", "limb", "hand"])
def test_transparency_is_taken_as_it_is(coverage: Coverage, name: str) -> None:
    alpha = (coverage(name) * 255).astype(np.uint8)
    image = ShapeImage(np.dstack([np.zeros((*alpha.shape, 3), np.uint8), alpha]), has_alpha=True)
    found = find_mask(image)
    assert found.mask_source == "transparency"
    assert found.mask is not None
    assert found.mask.dtype == np.bool_
    assert iou(found.mask, coverage(name) >= 0.5) > 0.99
    assert image.mask is None


@pytest.mark.parametrize("strength", [40, 102, 127])
def test_what_is_translucent_all_over_is_an_object(coverage: Coverage, strength: int) -> None:
    alpha = (coverage("star") * strength).astype(np.uint8)
    found = find_mask(
        ShapeImage(np.dstack([np.full((*alpha.shape, 3), 90, np.uint8), alpha]), has_alpha=True)
    )
    assert iou(found.mask, coverage("star") >= 0.5) > 0.99


def test_a_shadow_that_was_cut_out_with_the_object_is_none_of_it(coverage: Coverage) -> None:
    share = coverage("star")
    cast = 0.8 * ndimage.gaussian_filter(np.roll(share, (18, 24), (0, 1)), 3)
    alpha = share + (1 - share) * cast
    colours = np.array([170.0, 90, 60]) * (share / np.maximum(alpha, 1e-9))[..., None]
    rgba = np.dstack([colours, 255 * alpha]).astype(np.uint8)
    assert (rgba[..., 3] >= 128).sum() > 1.2 * (share >= 0.5).sum()
    assert iou(find_mask(ShapeImage(rgba, has_alpha=True)).mask, share >= 0.5) > 0.98


def test_something_black_and_translucent_is_an_object(coverage: Coverage) -> None:
    alpha = (coverage("star") * 200).astype(np.uint8)
    found = find_mask(ShapeImage(np.dstack([np.zeros((*alpha.shape, 3), np.uint8), alpha]), has_alpha=True))
    assert iou(found.mask, coverage("star") >= 0.5) > 0.99


def test_rounded_corners_of_a_screenshot_are_no_cut_out(coverage: Coverage) -> None:
    share = coverage("hand")
    large = Image.new("L", share.shape)
    ImageDraw.Draw(large).rounded_rectangle((0, 0, 399, 399), radius=25, fill=255)
    alpha = np.asarray(large)
    rgb = composed(share, backdrop("flat"), (60, 90, 40)) * (alpha[..., None] > 0)
    found = find_mask(ShapeImage(np.dstack([rgb, alpha]).astype(np.uint8), has_alpha=True))
    assert found.mask_source == "plain background"
    assert iou(found.mask, share >= 0.5) > 0.97


DARK, LIGHT = (60, 90, 40), (150, 190, 250)


@pytest.mark.parametrize(
    ("kind", "name", "colour"),
    [
        *(
            ("flat", "star", DARK),
            ("gradient", "hand", DARK),
            ("vignette", "star", DARK),
            ("noise", "hand", DARK),
        ),
        *(
            ("flat", "hand", LIGHT),
            ("gradient", "star", LIGHT),
            ("vignette", "hand", LIGHT),
            ("noise", "star", LIGHT),
        ),
    ],
)
def test_plain_backgrounds(coverage: Coverage, kind: str, name: str, colour: tuple[int, int, int]) -> None:
    rgb = jpeg(composed(coverage(name), backdrop(kind), colour), 75)
    found = find_mask(opaque(rgb))
    assert found.mask_source == "plain background"
    assert found.mask is not None
    assert iou(found.mask, coverage(name) >= 0.5) > 0.975
    assert found.notes == ()


def test_an_object_may_touch_the_border(coverage: Coverage) -> None:
    cut = np.roll(coverage("disc"), 110, axis=0)
    cut[:100] = 0
    found = find_mask(opaque(jpeg(composed(cut, backdrop("gradient"), (90, 40, 30)), 80)))
    assert found.mask_source == "plain background"
    assert found.mask is not None
    assert iou(found.mask, cut >= 0.5) > 0.97


@pytest.mark.parametrize(
    ("rows", "columns", "told"),
    [
        (slice(30, 70), slice(60, 100), "right edge"),
        (slice(0, 70), slice(60, 100), "right and upper edge"),
        (slice(30, 70), slice(30, 70), ""),
        (slice(0, 100), slice(0, 100), ""),
        (slice(0, 100), slice(30, 70), ""),
        (slice(0, 100), slice(60, 100), "right edge"),
    ],
    ids=["at one edge", "in a corner", "free", "trimmed", "as high as it", "as high, at one edge"],
)
def test_an_object_that_the_picture_cuts_off_is_told(rows: slice, columns: slice, told: str) -> None:
    rgba = np.zeros((100, 100, 4), dtype=np.uint8)
    rgba[rows, columns] = 200
    if not told:
        rgba[:20, :35] = 0  # not quite filled
    notes = find_mask(ShapeImage(rgba, has_alpha=True)).notes
    assert bool(notes) == bool(told)
    assert all(told in note for note in notes)


@pytest.mark.parametrize(("side", "margin"), [(16, 1), (32, 1), (400, 2)])
def test_next_to_the_edge_of_a_picture_is_not_beyond_it(side: int, margin: int) -> None:
    rgba = np.zeros((side, side, 4), dtype=np.uint8)
    rgba[margin:-margin, side // 4 : -side // 4] = 200
    rgba[-side // 4 :] = 0
    assert find_mask(ShapeImage(rgba, has_alpha=True)).notes == ()


def test_an_opaque_picture_that_the_object_fills_is_told() -> None:
    rgb = np.full((100, 100, 3), 250, dtype=np.uint8)
    y, x = np.mgrid[:100, :100] - 49.5
    rgb[np.hypot(x, y) < 58] = (200, 80, 40)
    rgba = np.dstack([rgb, np.full((100, 100), 255, dtype=np.uint8)])
    found = find_mask(ShapeImage(rgba))
    assert found.notes == (
        "The object reaches all edges of the picture; if it goes on beyond them, that is missing.",
    )


def shaded(backdrop: np.ndarray, coverage: np.ndarray, *, blur: float, depth: float) -> np.ndarray:
    """Cast a shadow of an object to its lower right."""
    cast = ndimage.gaussian_filter(np.roll(coverage, (18, 24), (0, 1)), blur)
    return backdrop * (1 - depth * cast[..., None])


GLOWING, BLACK, WHITE, GREY = (200, 80, 40), (30, 30, 32), (250, 250, 255), (110, 118, 140)


@pytest.mark.parametrize(
    ("kind", "colour"),
    [
        *(("flat", GLOWING), ("gradient", BLACK), ("vignette", WHITE), ("noise", GREY)),
        *(("flat", GREY), ("gradient", WHITE), ("vignette", BLACK), ("noise", GLOWING)),
    ],
)
def test_a_soft_shadow_is_no_part_of_the_object(
    coverage: Coverage, kind: str, colour: tuple[int, int, int]
) -> None:
    share = coverage("star")
    picture = composed(share, shaded(backdrop(kind), share, blur=9, depth=0.5), colour)
    found = find_mask(opaque(jpeg(picture, 92)))
    assert found.mask_source == "plain background"
    assert iou(found.mask, share > 0.5) > 0.93
    assert found.notes == ("A shadow beside the object was taken for none of it.",)


@pytest.mark.parametrize("blur", [0.7, 1.5])
@pytest.mark.parametrize("light", [0.35, 0.6, 0.85])
def test_what_is_as_grey_as_a_shadow_but_has_an_edge_stays(
    coverage: Coverage, light: float, blur: float
) -> None:
    share = ndimage.gaussian_filter(coverage("disc"), blur)
    background = backdrop("flat")
    y = np.linspace(1, 0.8, len(share))[:, None, None]  # as a ball is lit
    picture = (background * (1 - share[..., None] * (1 - light * y))).astype(np.uint8)
    found = find_mask(opaque(picture))
    assert iou(found.mask, share > 0.5) > 0.97
    assert not found.notes


def test_what_would_be_nothing_but_shadow_is_taken_for_the_object(coverage: Coverage) -> None:
    share = coverage("disc")
    picture = shaded(backdrop("flat"), share, blur=9, depth=0.5).astype(np.uint8)
    assert find_mask(opaque(picture)).mask.sum() > 0.8 * (share > 0.5).sum()


def test_a_varied_background_is_not_plain() -> None:
    assert plain_mask(clutter().astype(np.uint8)) is None
    halves = np.zeros((200, 200, 3), dtype=np.uint8)
    halves[:100] = (120, 170, 240)
    halves[100:] = (60, 120, 40)
    assert plain_mask(halves) is None


@pytest.mark.parametrize("has_alpha", [True, False])
def test_holes_are_filled_and_told(coverage: Coverage, has_alpha: bool) -> None:
    ring = coverage("ring")
    rgba = np.dstack([composed(ring, backdrop("flat"), (20, 60, 90)), (ring * 255).astype(np.uint8)])
    found = find_mask(ShapeImage(rgba, has_alpha=True) if has_alpha else opaque(rgba[..., :3]))
    assert found.notes == ("1 hole in the outline was filled: a sphere has none.",)
    assert found.mask is not None
    assert iou(found.mask, coverage("disc") >= 0.5) > 0.98


@pytest.mark.parametrize(("wide", "parts"), [(4, 1), (12, 2)])
def test_parts_that_a_crack_parts_are_joined(wide: int, parts: int) -> None:
    """A limb whose thinnest place was missed stays with its body, on a picture of 1000 pixels."""
    alpha = np.zeros((1000, 1000), dtype=np.uint8)
    alpha[200:800, 100:600] = 255
    alpha[480:500, 600 + wide : 900] = 255
    found = find_mask(ShapeImage(np.dstack([np.zeros((*alpha.shape, 3), np.uint8), alpha]), has_alpha=True))
    assert found.mask[490, 880] == (parts == 1)
    assert ndimage.label(found.mask)[1] == 1
    assert len(found.notes) == parts - 1
    assert iou(found.mask, alpha > 0) > (0.98 if parts == 1 else 0.9)


def test_two_holes_and_a_second_part(coverage: Coverage) -> None:
    alpha = coverage("disc") >= 0.5
    alpha[150:180, 120:150] = alpha[150:180, 250:280] = False
    alpha[5:30, 5:30] = True
    rgba = np.dstack([np.zeros((*alpha.shape, 3), np.uint8), alpha.astype(np.uint8) * 255])
    found = find_mask(ShapeImage(rgba, has_alpha=True, notes=("Scaled.",)))
    assert found.notes == (
        "Scaled.",
        "2 holes in the outline were filled: a sphere has none.",
        "1 other separate part of the picture was left out; crop the picture to what you want.",
    )
    assert found.mask is not None
    assert not found.mask[:30, :30].any()


@pytest.mark.parametrize("colour", [0, 128, 255])
def test_no_object_is_one_sentence(colour: int) -> None:
    rgb = np.full((200, 300, 3), colour, dtype=np.uint8)
    with pytest.raises(InputError, match=r"^picture shows no object: use a picture .*\.$"):
        find_mask(opaque(rgb))


def test_fully_transparent_and_filled_pictures() -> None:
    rgba = np.zeros((100, 100, 4), dtype=np.uint8)
    with pytest.raises(InputError, match="shows no object"):
        find_mask(ShapeImage(rgba, has_alpha=True))
    rgba[..., 3] = 255
    rgba[0, :60, 3] = 0
    with pytest.raises(InputError, match="filled by the object"):
        find_mask(ShapeImage(rgba, has_alpha=True))


def test_photo_without_the_extra_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mask_photo, "_find_model", lambda: None)
    monkeypatch.setattr(mask_photo.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"neural-mesh-flow\[photo\]"):
        find_mask(opaque(clutter().astype(np.uint8)))


def test_photo_by_the_network() -> None:
    pytest.importorskip("onnxruntime")
    if mask_photo._find_model() is None:
        pytest.skip("the photo extra is not installed")
    found = find_mask(read_image(EXAMPLES / "hen_on_meadow.jpg"))
    assert "u2netp" in found.mask_source
    assert found.mask is not None
    assert 0.17 < found.mask.mean() < 0.21
    _, columns = np.nonzero(found.mask)
    assert abs(columns.mean() / found.mask.shape[1] - 0.5) < 0.05
    assert "rembg" not in sys.modules


def test_photo_by_grabcut(coverage: Coverage, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cv2")
    monkeypatch.setattr(mask_photo, "_find_model", lambda: None)
    rgb = composed(coverage("hand"), np.tile(clutter(100), (4, 4, 1)) * 0.5, (250, 190, 150))
    found = find_mask(opaque(rgb))
    assert "GrabCut" in found.mask_source
    assert found.mask is not None
    assert iou(found.mask, coverage("hand") >= 0.5) > 0.9


def test_examples_take_the_path_they_show() -> None:
    assert find_mask(read_image(EXAMPLES / "wood_toy.png")).mask_source == "transparency"
    assert find_mask(read_image(EXAMPLES / "cactus.jpg")).mask_source == "plain background"


def test_plain_pictures_need_neither_torch_nor_the_extra() -> None:
    code = (
        "import sys, nmf_model.io.images, nmf_model.silhouette as s;"
        "from nmf_model.silhouette import mask_photo as photo;"
        "photo._find_model = lambda: None;"
        f"s.find_mask(nmf_model.io.images.read_image({str(EXAMPLES / 'cactus.jpg')!r}));"
        "print({'torch', 'cv2', 'onnxruntime', 'rembg', 'trimesh'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "set()"
