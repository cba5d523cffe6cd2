"""What was dropped: a thumbnail, its name, its size, and what was noticed on reading it."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from nmf_app import resources
from nmf_app.session import Item, ItemState, Loaded, Theme, ViewOptions
from nmf_app.widgets import thumbnails
from nmf_app.widgets.basics import GRID, label
from nmf_app.wording import describe, extent, input_notes
from nmf_model.types import ShapeImage

PICTURE = QSize(88, 88)


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
        self._name.setText(_breakable(item.title) if item is not None else "")
        self._name.setToolTip(str(item.path) if item is not None else "")
        self._picture.setVisible(source is not None)
        if item is None or item.loaded is None or source is None:
            failed = item is not None and item.state is ItemState.FAILED
            self._kind.setText(item.sentence if failed and item is not None else "Reading…")
            self._extent.setText("")
            self._notes.setText("")
            return
        self._kind.setText(describe(source))
        self._extent.setText(extent(source))
        notes = input_notes(item)
        self._notes.setText("\n".join(notes))
        self._notes.setVisible(bool(notes))
        drawn = item.loaded, view.theme, view.show_colors, self.devicePixelRatioF()
        if drawn != self._drawn:
            self._drawn = drawn
            self._picture.setPixmap(_picture_of(*drawn))


def _picture_of(loaded: Loaded, theme: Theme, in_color: bool, scale: float) -> QPixmap:
    tint = resources.palette(theme)["points"]
    if isinstance(loaded.source, ShapeImage):
        return thumbnails.of_picture(loaded.source, PICTURE, tint, scale)
    return thumbnails.of_cloud(loaded.preview, PICTURE, tint, scale, loaded.colors if in_color else None)


def _breakable(name: str) -> str:
    """Let a long file name wrap after its joints."""
    for joint in "_-.":
        name = name.replace(joint, joint + "\u200b")
    return name
