"""The network's second opinion on what lies before a plain background: taken where colours mislead only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from nmf_model.silhouette import find_mask, mask, mask_photo
from nmf_model.silhouette.mask_plain import plain_mask
from nmf_model.silhouette.mask_second import better_mask
from nmf_model.types import ShapeImage

Coverage = Callable[..., np.ndarray]
SIDE = 400
GREY = (225.0, 222.0, 215.0)


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def before(
    share: np.ndarray, background: np.ndarray, colour: np.ndarray | tuple[int, int, int]
) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 1, (*share.shape, 3))
    picture = background * (1 - share[..., None]) + np.asarray(colour) * share[..., None]
    return (picture + noise).clip(0, 255).astype(np.uint8)


def plain() -> np.ndarray:
    return np.full((SIDE, SIDE, 3), GREY)


def room() -> np.ndarray:
    """A wall and, below it, a floor of another colour."""
    both = plain()
    both[260:] = (190, 205, 222)
    return both


def shadowed(share: np.ndarray) -> np.ndarray:
    """A shadow with an edge, as the sun casts it."""
    cast = ndimage.gaussian_filter(np.roll(share, (24, 34), (0, 1)), 0.7)
    return plain() * (1 - 0.45 * cast[..., None])


def lit(share: np.ndarray) -> np.ndarray:
    """Something as bright as what is behind it, but for its upper part."""
    y = np.linspace(-1, 1, SIDE)[:, None, None]
    return np.array(GREY) * (1 - 0.4 * np.maximum(0, -y)) - 5 + 0 * share[..., None]


def sight(share: np.ndarray) -> np.ndarray:
    """What a network answers that sees the object: a soft outline."""
    return ndimage.gaussian_filter(share, 1.5).astype(np.float32)


@pytest.mark.parametrize("kind", ["floor", "shadow", "bright", "framed"])
def test_where_colours_mislead_the_network_is_believed(coverage: Coverage, kind: str) -> None:
    share = np.roll(coverage("hand"), -10, axis=0)
    background = {"floor": room(), "shadow": shadowed(share)}.get(kind, plain())
    colour = lit(share) if kind == "bright" else (60, 90, 40)
    if kind == "framed":
        background[12:-12, 12:-12] = np.random.default_rng(1).integers(60, 140, (SIDE - 24, SIDE - 24, 3))
    picture = before(share, background, colour)
    found = plain_mask(picture)
    assert found is not None
    assert iou(found.object, share > 0.5) < 0.87  # or there was nothing to better
    better = better_mask(picture, found, sight(share))
    assert better is not None
    assert iou(better, share > 0.5) > 0.98


def test_where_both_agree_the_finer_outline_stays(coverage: Coverage) -> None:
    share = coverage("hand")
    picture = before(share, plain(), (60, 90, 40))
    found = plain_mask(picture)
    assert found is not None
    assert better_mask(picture, found, sight(share)) is None


def upper(share: np.ndarray, rows: int = 220) -> np.ndarray:
    """The upper part: a flower without its pot."""
    part = share.copy()
    part[rows:] = 0
    return part


@pytest.mark.parametrize("colour", [(60, 90, 40), (30, 30, 30)])
def test_a_part_that_the_network_overlooks_stays(coverage: Coverage, colour: tuple[int, int, int]) -> None:
    share = coverage("disc")
    picture = before(share, plain(), colour)
    found = plain_mask(picture)
    assert found is not None
    assert better_mask(picture, found, sight(upper(share))) is None


def test_even_what_is_as_grey_as_a_shadow_is_none_if_it_is_most(coverage: Coverage) -> None:
    share = coverage("disc")
    picture = before(share, plain(), np.array(GREY) * 0.5)
    found = plain_mask(picture)
    assert found is not None
    assert better_mask(picture, found, sight(upper(share, 170))) is None


def test_an_opening_that_shows_the_background_is_not_filled(coverage: Coverage) -> None:
    share = coverage("ring")
    share[180:220, 200:] = 0  # a letter C
    picture = before(share, plain(), (60, 90, 40))
    found = plain_mask(picture)
    assert found is not None
    assert better_mask(picture, found, sight(coverage("disc"))) is None


@pytest.mark.parametrize("kind", ["nothing", "unsure", "at the edge", "small"])
def test_a_network_that_sees_no_object_clearly_is_not_asked(coverage: Coverage, kind: str) -> None:
    share = coverage("hand")
    picture = before(share, shadowed(share), (60, 90, 40))
    found = plain_mask(picture)
    assert found is not None
    far = ndimage.zoom(share, 0.1)
    seen = {
        "nothing": np.zeros_like(share),
        "unsure": 0.7 * share,
        "at the edge": np.maximum(share, np.arange(SIDE) < 190),
        "small": np.pad(far, ((180, SIDE - 180 - far.shape[0]), (180, SIDE - 180 - far.shape[1]))),
    }[kind]
    assert better_mask(picture, found, sight(share)) is not None  # it would be, were it clear
    assert better_mask(picture, found, sight(seen)) is None


def test_the_picture_says_who_found_its_object(coverage: Coverage, monkeypatch: pytest.MonkeyPatch) -> None:
    share = coverage("hand")
    image = ShapeImage(
        np.dstack([before(share, shadowed(share), (60, 90, 40)), np.full((SIDE, SIDE), 255, np.uint8)])
    )
    monkeypatch.setattr(mask, "network_saliency", lambda rgb: None)
    assert find_mask(image).mask_source == "plain background"
    monkeypatch.setattr(mask, "network_saliency", lambda rgb: sight(share))
    found = find_mask(image)
    assert found.mask_source == mask_photo.BY_NETWORK
    assert found.notes == ("A shadow beside the object was taken for none of it.",)
    assert found.mask is not None
    assert iou(found.mask, share > 0.5) > 0.98


def test_the_network_itself_tells_an_object_from_its_hard_shadow_and_the_floor(coverage: Coverage) -> None:
    pytest.importorskip("onnxruntime")
    if mask_photo._find_model() is None:
        pytest.skip("the photo extra is not installed")
    share = coverage("disc")
    light = 1 - 0.4 * np.add.outer(np.linspace(-1, 1, SIDE), np.linspace(-1, 1, SIDE))
    for background in (shadowed(share), room()):
        picture = before(share, background, np.array([180.0, 90, 60]) * light[..., None])
        found = find_mask(ShapeImage(np.dstack([picture, np.full((SIDE, SIDE), 255, np.uint8)])))
        assert found.mask is not None
        assert iou(found.mask, share > 0.5) > 0.98
