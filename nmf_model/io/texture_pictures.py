"""The pictures of a mesh's textures, as 8-bit colours: of any size and depth, and once each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from nmf_model.io.gltf_colors import light_of, shown

LARGEST_SIDE = 8192
"""Pixels; a larger picture is scaled down. Scans have some of 16,384, which take a gigabyte."""
MOST_PIXELS = 300_000_000
"""A picture of more is not decoded; JPEG is, at a fraction of its size."""
_DEEP = 65535
_WHITE = (1.0, 1.0, 1.0)


@contextmanager
def pictures_of_any_size() -> Iterator[None]:
    """Let Pillow open large pictures, which it takes for an attack; ``Pictures`` has a bound of its own.

    Opening reads no more than a picture's head, so this is about moments.
    """
    from PIL import Image

    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def is_picture(file: Path | BinaryIO) -> bool:
    """Whether a file begins as a picture does that can be opened; of one on disk only the head is read."""
    from PIL import Image

    with pictures_of_any_size():
        try:
            Image.open(file).close()
        except Exception:  # noqa: BLE001  what is wrong with it is of no interest
            return False
    return True


class Pictures:
    """The textures of a scene, each decoded once though many parts show it.

    Attributes:
        shown: pictures (H, W, 3) uint8.
        unshown: sentences on those that cannot be decoded.
    """

    def __init__(self) -> None:
        self.shown: list[NDArray[np.uint8]] = []
        self.unshown: list[str] = []
        self._numbers: dict[tuple[int, tuple[float, ...]], int | None] = {}
        self._opened: list[Any] = []  # they live as long as their ids are keys

    def number(
        self, picture: Any, name: str, factor: NDArray[np.floating] | tuple[float, ...] = _WHITE
    ) -> int | None:
        """Return the place in ``shown`` of a picture; None if it cannot be decoded.

        Args:
            picture: of Pillow, perhaps not decoded yet.
            name: to call it by.
            factor: (3,) that multiplies its light.
        """
        key = (id(picture), tuple(float(channel) for channel in factor))
        if key not in self._numbers:
            self._opened.append(picture)
            self._numbers[key] = self._decoded(picture, name, key[1])
        return self._numbers[key]

    def _decoded(self, picture: Any, name: str, factor: tuple[float, ...]) -> int | None:
        sentence = f"The {name} is damaged, so it is not shown; export it again."
        try:
            _make_smaller(picture)
            if picture.width * picture.height > MOST_PIXELS:
                sentence = (
                    f"The {name} has {picture.width:,} x {picture.height:,} pixels, more than can be read, "
                    f"so it is not shown; save it with {LARGEST_SIDE:,} pixels a side or as JPEG."
                )
                raise ValueError("too large")
            rgb = _eight_bits(picture)
        except Exception:  # noqa: BLE001  decoders raise anything, and none of it must cost the user the shape
            if sentence not in self.unshown:
                self.unshown.append(sentence)
            return None
        self.shown.append(rgb if factor == _WHITE else _lit(rgb, np.array(factor)))
        return len(self.shown) - 1


def _make_smaller(picture: Any) -> None:
    """Let a large JPEG be decoded at a fraction of its size."""
    if (times := _times_too_large(picture)) > 1:
        picture.draft("RGB", tuple(side // times for side in picture.size))


def _times_too_large(picture: Any) -> int:
    longer: int = max(picture.size)
    return -(-longer // LARGEST_SIDE)


def _eight_bits(picture: Any) -> NDArray[np.uint8]:
    """Return a picture as (H, W, 3), without its transparency."""
    # Pillow would clip deep values at 255.
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        picture = _grey(np.asarray(picture).clip(0, _DEEP) / _DEEP)
    elif picture.mode == "F":
        picture = _grey(np.nan_to_num(np.asarray(picture)).clip(0, 1))
    picture = picture.convert("RGB")
    times = _times_too_large(picture)
    return np.asarray(picture.reduce(times) if times > 1 else picture)


def _grey(values: NDArray[np.floating]) -> Any:
    from PIL import Image

    return Image.fromarray((255 * values).round().astype(np.uint8))


def _lit(picture: NDArray[np.uint8], factor: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3) multiplied by a factor (3,) as glTF says: as light, not as written."""
    light = light_of(np.arange(256)[:, None] / 255) * factor
    table = (255 * shown(light)).round().astype(np.uint8)
    return np.stack([table[picture[..., channel], channel] for channel in range(3)], axis=-1)
