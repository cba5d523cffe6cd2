"""Small pictures of inputs: a scatter for a cloud, the picture with its mask for a photo."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QImageReader, QPainter, QPen, QPixmap

from nmf_model.types import ShapeImage

Pixel = TypeVar("Pixel", bound=np.generic)

DOTS = 1500
_DOT = 2.2
_SHADES = 8

_TURN, _TILT = 0.52, 0.36  # radians, as the viewport looks at first


def of_cloud(
    points: NDArray[np.float32],
    size: QSize,
    colour: str,
    scale: float = 1.0,
    own: NDArray[np.uint8] | None = None,
) -> QPixmap:
    """Draw (N, 3) points in unit-sphere units, nearer ones stronger.

    Args:
        points: these.
        size: of the picture.
        colour: of all points.
        scale: the device pixel ratio.
        own: their own colours (N, 3) instead.
    """
    pixmap = _blank(size, scale)
    step = max(1, -(-len(points) // DOTS))
    depth, flat = _project(points[::step])
    colours = None if own is None else own[::step]
    radius = 0.46 * min(size.width(), size.height())
    places = np.array([size.width(), size.height()]) / 2 + radius * flat * (1, -1)
    band = ((depth + 1) / 2 * _SHADES).astype(int).clip(0, _SHADES - 1)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    ink = QColor(colour)
    for shade in range(_SHADES):  # the farthest first
        ink.setAlphaF(0.15 + 0.85 * (shade + 0.5) / _SHADES)
        for chosen in _of_one_colour(np.flatnonzero(band == shade), colours):
            if colours is not None:
                red, green, blue = colours[chosen[0]].tolist()
                ink.setRgb(red, green, blue, ink.alpha())
            painter.setPen(QPen(ink, _DOT, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
            painter.drawPoints([QPointF(x, y) for x, y in places[chosen].tolist()])
    painter.end()
    return pixmap


def _of_one_colour(
    chosen: NDArray[np.int64], colours: NDArray[np.uint8] | None
) -> Iterable[NDArray[np.int64]]:
    """Part points into some that are drawn at once: all of them, or one by one if they have colours."""
    return [chosen] if colours is None else chosen[:, None]


def of_file(path: Path, size: QSize, scale: float = 1.0) -> QPixmap:
    """Draw a picture file fitted into ``size``; empty if Qt cannot read it."""
    reader = QImageReader(str(path))
    reader.setAutoTransform(True)
    whole = reader.size()
    if whole.isValid():
        reader.setScaledSize(whole.scaled(size * scale, Qt.AspectRatioMode.KeepAspectRatio))
    image = reader.read()
    return _centred(image, size, scale)


def of_picture(picture: ShapeImage, size: QSize, tint: str, scale: float = 1.0) -> QPixmap:
    """Draw a picture with everything but its object dimmed and the object's outline tinted."""
    rgba = _shrink(picture.rgba, size, scale)
    if picture.mask is not None:
        rgba = _marked(rgba, _shrink(picture.mask, size, scale), QColor(tint))
    rgba = np.ascontiguousarray(rgba)
    height, width = rgba.shape[:2]
    image = QImage(rgba.data, width, height, 4 * width, QImage.Format.Format_RGBA8888).copy()
    return _centred(image, size, scale)


def _marked(rgba: NDArray[np.uint8], mask: NDArray[np.bool_], tint: QColor) -> NDArray[np.uint8]:
    marked = rgba.copy()
    grey = rgba[..., :3].mean(axis=-1, keepdims=True)
    marked[..., :3] = np.where(mask[..., None], rgba[..., :3], 160 + 0.25 * grey)
    marked[..., 3] = np.where(mask, rgba[..., 3], 90)
    marked[_outline(mask)] = (tint.red(), tint.green(), tint.blue(), 255)
    return marked


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(mask, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    edge: NDArray[np.bool_] = mask & ~inside
    return edge


def _shrink(array: NDArray[Pixel], size: QSize, scale: float) -> NDArray[Pixel]:
    height, width = array.shape[:2]
    factor = min(size.width() * scale / width, size.height() * scale / height, 1.0)
    rows = (np.arange(max(1, int(height * factor))) / factor).astype(int).clip(0, height - 1)
    columns = (np.arange(max(1, int(width * factor))) / factor).astype(int).clip(0, width - 1)
    small: NDArray[Pixel] = array[rows[:, None], columns[None, :]]
    return small


def _project(points: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y, z = np.asarray(points, dtype=np.float64).T
    across, away = x * np.cos(_TURN) - z * np.sin(_TURN), x * np.sin(_TURN) + z * np.cos(_TURN)
    up, depth = y * np.cos(_TILT) - away * np.sin(_TILT), y * np.sin(_TILT) + away * np.cos(_TILT)
    return depth, np.stack([across, up], axis=1)


def _blank(size: QSize, scale: float) -> QPixmap:
    pixmap = QPixmap(size * scale)
    pixmap.setDevicePixelRatio(scale)
    pixmap.fill(Qt.GlobalColor.transparent)
    return pixmap


def _centred(image: QImage, size: QSize, scale: float) -> QPixmap:
    pixmap = _blank(size, scale)
    if image.isNull():
        return pixmap
    fitted = image.scaled(
        size * scale, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    )
    fitted.setDevicePixelRatio(scale)
    painter = QPainter(pixmap)
    shown = fitted.deviceIndependentSize()
    painter.drawImage(
        QPointF((size.width() - shown.width()) / 2, (size.height() - shown.height()) / 2), fitted
    )
    painter.end()
    return pixmap
