"""What was dropped: a thumbnail, its name, its size, and what was noticed on reading it."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from nmf_app import resources
from nmf_app.session import Item, ItemState, Loaded, Theme, ViewOptions
from nmf_app.widgets import thumbnails
from nmf_app.widgets.basics import GRID, label, tip
from nmf_app.wording import breakable, describe, extent, input_notes, shortened
from nmf_model.types import ShapeImage

PICTURE = QSize(88, 88)
NAME_LENGTH = 80
"""Of a name that is shown whole; what is longer would push the report off the panel."""


class InputCard(QWidget):
    """Describes one item's input."""

    def __init__(self) -> None:
        super().__init__()
        self._picture = QLabel()
        self._picture.setFixedSize(PICTURE)
        self._drawn: tuple[Loaded, Theme, bool, float] | None = None
        self._picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._name = label(role="section")
        self._kind = label(role="body-muted")
        self._extent = label(role="caption")
        self._notes = label(role="caption")
        words = QVBoxLayout()
        words.setSpacing(GRID // 2)
        for widget in (self._name, self._kind, self._extent):
            words.addWidget(widget)
        words.addStretch(1)
        top = QHBoxLayout()
        top.setSpacing(2 * GRID)
        top.addWidget(self._picture, alignment=Qt.AlignmentFlag.AlignTop)
        top.addLayout(words, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID)
        layout.addLayout(top)
        layout.addWidget(self._notes)

    def show_item(self, item: Item | None, view: ViewOptions) -> None:
        """Describe an item; None empties the card."""
        source = item.loaded.source if item is not None and item.loaded is not None else None
        self._name.setText(breakable(shortened(item.title, NAME_LENGTH)) if item is not None else "")
        self._name.setToolTip(tip(str(item.path)) if item is not None else "")
        self._picture.setVisible(source is not None)
        if item is None or item.loaded is None or source is None:
            self._kind.setText(_instead(item))
            self._extent.setText("")
            self._notes.setText("")
            return
        self._kind.setText(describe(source))
        self._extent.setText(extent(source))
        notes = input_notes(item)
        self._notes.setText(breakable("\n".join(notes)))
        self._notes.setVisible(bool(notes))
        drawn = item.loaded, view.theme, view.show_colors, self.devicePixelRatioF()
        if drawn != self._drawn:
            self._drawn = drawn
            self._picture.setPixmap(_picture_of(*drawn))


def _instead(item: Item | None) -> str:
    """Say why there is nothing to describe."""
    if item is not None and item.state is ItemState.FAILED:
        return breakable(item.sentence)
    if item is not None and item.state is ItemState.CANCELLED:
        return "Reading it was cancelled."
    return "Reading…"


def _picture_of(loaded: Loaded, theme: Theme, in_color: bool, scale: float) -> QPixmap:
    tint = resources.palette(theme)["points"]
    if isinstance(loaded.source, ShapeImage):
        return thumbnails.of_picture(loaded.source, PICTURE, tint, scale)
    return thumbnails.of_cloud(loaded.preview, PICTURE, tint, scale, loaded.colors if in_color else None)
