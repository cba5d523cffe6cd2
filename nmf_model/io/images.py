"""Read pictures: any common format and mode in, upright RGBA of at most 1024 pixels a side out."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nmf_model.errors import InputError
from nmf_model.io.pipes import refuse_pipe
from nmf_model.types import ShapeImage

WORK_SIZE = 1024
"""Longer side, in pixels, above which a picture is scaled down."""
MIN_SIZE = 16
"""Shorter side, in pixels, below which no outline can be told."""
MAX_PIXELS = 64_000_000
"""Pixels decoded at most: 256 MB as RGBA. Only baseline JPEG can be decoded at a fraction of its size."""

_FORMATS_OF_SUFFIX = {
    ".png": ("PNG",),
    ".jpg": ("JPEG", "MPO"),
    ".jpeg": ("JPEG", "MPO"),
    ".jfif": ("JPEG",),
    ".webp": ("WEBP",),
    ".avif": ("AVIF",),
    ".tif": ("TIFF",),
    ".tiff": ("TIFF",),
    ".bmp": ("BMP",),
    ".gif": ("GIF",),
}
IMAGE_SUFFIXES: tuple[str, ...] = tuple(_FORMATS_OF_SUFFIX)
"""Suffixes, lower case with the dot, that ``read_image`` opens."""

_TO_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION_TAG = 0x0112
_USEFUL_TRANSPARENT_SHARE = 0.001
_DEPTHS = (10, 12, 14, 16)
"""Bits that cameras and microscopes fill of the 16 that a file has for a grey value."""
# What Pillow's decoders raise on damaged files; a random file can reach each of them.
_DECODE_ERRORS = (
    OSError, ValueError, SyntaxError, TypeError, KeyError, IndexError, AttributeError, EOFError,
    OverflowError, ZeroDivisionError, AssertionError, NotImplementedError, RuntimeError, struct.error,
)  # fmt: skip


def read_image(path: str | Path) -> ShapeImage:
    """Read a picture upright, in 8-bit RGBA, scaled down to at most ``WORK_SIZE`` pixels a side.

    Memory stays bounded whatever the file claims: large baseline JPEGs are decoded at a fraction of
    their size, everything else over ``MAX_PIXELS`` is refused before it is decoded.

    Args:
        path: a file with one of ``IMAGE_SUFFIXES``; of an animation the first frame is read.

    Returns:
        The picture without a mask; ``notes`` say what was changed.

    Raises:
        InputError: the file is missing, empty, damaged, too large or no picture of its suffix.
    """
    path = Path(path)
    _check_suffix(path)
    try:
        with warnings.catch_warnings(), path.open("rb") as stream:
            # Pillow warns about odd metadata; nothing in it changes the pixels.
            warnings.simplefilter("ignore")
            return _read_stream(stream, path)
    except FileNotFoundError as error:
        raise InputError(f"{path.name} does not exist: check the path {path}.") from error
    except PermissionError as error:
        raise InputError(f"{path.name} may not be read: give yourself permission to read it.") from error
    except MemoryError as error:
        raise InputError(f"{path.name} does not fit into memory: save a smaller copy of it.") from error
    except _DECODE_ERRORS as error:
        raise InputError(f"{path.name} is damaged or cut short: save or download it again.") from error


def _check_suffix(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path.name} is a folder: choose a picture in it.")
    refuse_pipe(path)
    if path.suffix.lower() not in _FORMATS_OF_SUFFIX:
        known = " ".join(suffix[1:] for suffix in IMAGE_SUFFIXES)
        raise InputError(f"{path.name} is not a picture this program reads: save it as one of {known}.")


def _read_stream(stream: BinaryIO, path: Path) -> ShapeImage:
    image = _open(stream, path)
    original = image.size
    animated = bool(getattr(image, "is_animated", False)) and image.format != "MPO"
    _prepare_size(image, path)
    image.load()
    upright = _upright(_scaled_down(_to_eight_bits(image)), _orientation(image))
    rgba = np.array(upright.convert("RGBA"))
    return ShapeImage(
        rgba=rgba,
        has_alpha=_separates(rgba[..., 3]),
        name=path.stem,
        path=path,
        notes=_notes(original, (rgba.shape[1], rgba.shape[0]), animated),
    )


def _open(stream: BinaryIO, path: Path) -> Any:
    """Open by content with the decoder of the suffix; `Image.open` would refuse large JPEGs unseen."""
    prefix = stream.read(16)
    if not prefix:
        raise InputError(f"{path.name} is empty: save or download it again.")
    stream.seek(0)
    Image.init()
    found = [name for name in Image.OPEN if _accepts(name, prefix)]
    wanted = _FORMATS_OF_SUFFIX[path.suffix.lower()]
    chosen = next((name for name in wanted if name in found), None)
    if chosen is None:
        raise InputError(_wrong_content(path, found))
    return Image.OPEN[chosen][0](stream, str(path))


def _accepts(name: str, prefix: bytes) -> bool:
    accept = Image.OPEN[name][1]
    # A string instead of a truth value says that this build of Pillow lacks the decoder.
    return accept is not None and accept(prefix) is True


def _wrong_content(path: Path, found: list[str]) -> str:
    for suffix, names in _FORMATS_OF_SUFFIX.items():
        if any(name in found for name in names):
            return f"{path.name} holds a {names[0]} picture: rename it to {path.stem}{suffix}."
    kind = path.suffix[1:].upper()
    return f"{path.name} is not a {kind} picture: check that it is the right file, or save it again."


def _prepare_size(image: Any, path: Path) -> None:
    """Refuse what is too small or too large, and let a JPEG be decoded at a fraction of its size."""
    width, height = image.size
    if min(width, height) < MIN_SIZE:
        raise InputError(
            f"{path.name} is only {width} × {height} pixels: use one of at least {MIN_SIZE} × {MIN_SIZE}."
        )
    # A progressive JPEG keeps all its coefficients in memory, at any decoded size.
    if image.format in ("JPEG", "MPO") and not image.info.get("progressive"):
        image.draft(None, (WORK_SIZE, WORK_SIZE))
    if image.size[0] * image.size[1] > MAX_PIXELS:
        raise InputError(
            f"{path.name} has {width} × {height} pixels, more than the {MAX_PIXELS // 10**6} million that can"
            f" be read: save a copy scaled down to {WORK_SIZE} pixels."
        )


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Convert to L, LA, RGB or RGBA, where averaging neighbouring pixels makes sense."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(_stretched(np.asarray(image)))
    if "transparency" in image.info or image.mode in ("P", "PA", "RGBa", "La"):
        return image.convert("RGBA")
    if image.mode in ("L", "LA", "RGB", "RGBA"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _stretched(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Map (H, W) deep grey values to 0-255: 16-bit ones by the bits they fill, others by their extremes."""
    if values.dtype == np.uint16:
        filled = int(values.max()).bit_length()
        return (values >> (next(bits for bits in _DEPTHS if bits >= filled) - 8)).astype(np.uint8)
    finite = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
    low, high = float(finite.min()), float(finite.max())
    if low >= 0 and high <= 255 and values.dtype.kind == "i":
        return finite.astype(np.uint8)
    finite -= low
    finite *= 255.0 / max(high - low, 1e-30)
    return finite.astype(np.uint8)


def _scaled_down(image: Image.Image) -> Image.Image:
    width, height = image.size
    longer = max(width, height)
    if longer <= WORK_SIZE:
        return image
    width, height = (max(1, round(side * WORK_SIZE / longer)) for side in (width, height))
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except _DECODE_ERRORS:  # Damaged metadata must not cost the picture.
        return 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    operation = _TO_UPRIGHT.get(orientation)
    return image if operation is None else image.transpose(operation)


def _separates(alpha: NDArray[np.uint8]) -> bool:
    return bool(np.mean(alpha < 128) >= _USEFUL_TRANSPARENT_SHARE)


def _notes(original: tuple[int, int], size: tuple[int, int], animated: bool) -> tuple[str, ...]:
    notes = []
    if animated:
        notes.append("Only the first frame of the animation was used.")
    if max(original) > WORK_SIZE:
        notes.append(
            f"The picture of {original[0]} × {original[1]} pixels was scaled down to {size[0]} × {size[1]}."
        )
    return tuple(notes)
