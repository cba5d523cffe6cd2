"""Bundled files: the style, the icons in the theme's colours, and the examples."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import Template
from typing import Any, Literal

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from nmf_app.session import Theme
from nmf_model.resources import resource

Palette = dict[str, str]

_ICON_SIZES = (16, 20, 24, 32, 48, 64, 96)


@dataclass(frozen=True)
class Example:
    """A bundled input to try."""

    path: Path
    title: str
    kind: Literal["cloud", "picture"]
    license: str
    credit: str


@lru_cache
def root() -> Path:
    """Return the resources folder of a checkout or an installation."""
    found = resource("style/palette.json")
    if found is None:
        raise FileNotFoundError(
            "The resources folder is missing: reinstall the program or set NMF_RESOURCES."
        )
    return found.parents[1]


@lru_cache
def palette(theme: Theme) -> Palette:
    """Return the named colours of a theme."""
    colours: dict[str, Palette] = json.loads((root() / "style" / "palette.json").read_text("utf-8"))
    return colours[theme.value]


def style_sheet(theme: Theme) -> str:
    """Return the application's style sheet in a theme's colours."""
    colours = palette(theme)
    values = {
        **colours,
        "icon_chevron": _icon_file("chevron", colours["muted"]),
        "icon_check": _icon_file("check", colours["accent_text"]),
    }
    return Template((root() / "style" / "app.qss").read_text("utf-8")).substitute(values)


def icon(name: str, theme: Theme, role: str = "text") -> QIcon:
    """Return a line icon drawn in the colour ``role`` of a theme, sharp at every scale factor."""
    colours = palette(theme)
    return _icon(name, colours[role], colours["disabled"])


@lru_cache
def _icon(name: str, colour: str, disabled: str) -> QIcon:
    result = QIcon()
    for size in _ICON_SIZES:
        result.addPixmap(_draw(name, colour, size), QIcon.Mode.Normal)
        result.addPixmap(_draw(name, disabled, size), QIcon.Mode.Disabled)
    return result


def app_icon() -> QIcon:
    """Return the application's own icon."""
    result = QIcon()
    for size in (16, 32, 48, 64, 128, 256):
        result.addPixmap(_draw("app", "", size))
    return result


def _svg(name: str, colour: str) -> bytes:
    text = (root() / "icons" / f"{name}.svg").read_text("utf-8")
    return text.replace("currentColor", colour).encode()


def _draw(name: str, colour: str, size: int) -> QPixmap:
    pixmap = QPixmap(size, size)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    QSvgRenderer(QByteArray(_svg(name, colour))).render(painter, QRectF(0, 0, size, size))
    painter.end()
    return pixmap


def _icon_file(name: str, colour: str) -> str:
    """Write a coloured icon where a style sheet can name it; style sheets take no icons from memory."""
    folder = _icon_folder()
    path = Path(folder.name) / f"{name}-{colour.strip('#')}.svg"
    if not path.exists():
        path.write_bytes(_svg(name, colour))
    return path.as_posix()


@lru_cache
def _icon_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="nmf-icons-")


def examples() -> tuple[Example, ...]:
    """Return the bundled examples that are really there; none if their list is missing or damaged."""
    folder = root() / "examples"
    try:
        entries = json.loads((folder / "examples.json").read_text("utf-8"))
        found = [_example(folder, entry) for entry in entries]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return ()
    return tuple(example for example in found if example.path.is_file())


def _example(folder: Path, entry: dict[str, Any]) -> Example:
    kind: Literal["cloud", "picture"] = "picture" if entry["kind"] == "picture" else "cloud"
    path = folder / entry["file"]
    return Example(path, entry["title"], kind, entry.get("license", ""), entry.get("credit", ""))
