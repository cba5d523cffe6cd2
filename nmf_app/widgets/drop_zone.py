"""The empty window: a large drop target, a button, and examples to try."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QIcon, QPixmap, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from nmf_app import resources
from nmf_app.resources import Example
from nmf_app.session import Theme
from nmf_app.widgets import thumbnails
from nmf_app.widgets.basics import GRID, action_button, label, scrolled, set_flag

PICTURE = QSize(128, 88)
CARD_WIDTH = 144
MARGIN, GAP = 4 * GRID, 2 * GRID


class ExampleCard(QPushButton):
    """One example: its picture, its name and what kind of input it is."""

    chosen = Signal(object)

    def __init__(self, example: Example) -> None:
        super().__init__()
        self.example = example
        self.setObjectName("exampleCard")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip(f"{example.title}\n{example.credit} · {example.license}".strip(" ·\n"))
        self.setAccessibleName(f"Example: {example.title}")
        self._picture = QLabel()
        self._picture.setFixedSize(PICTURE)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID, GRID, GRID, GRID)
        layout.setSpacing(2)
        layout.addWidget(self._picture, alignment=Qt.AlignmentFlag.AlignCenter)
        title = label(wrap=False)
        short = example.title.split(",")[0]
        title.setText(title.fontMetrics().elidedText(short, Qt.TextElideMode.ElideRight, PICTURE.width()))
        layout.addWidget(title, alignment=Qt.AlignmentFlag.AlignCenter)
        kind = "Picture" if example.kind == "picture" else "Point cloud"
        layout.addWidget(label(kind, "caption", wrap=False), alignment=Qt.AlignmentFlag.AlignCenter)
        for child in self.findChildren(QLabel):
            child.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.clicked.connect(self._choose)

    def show_picture(self, pixmap: QPixmap) -> None:
        """Show a thumbnail."""
        self._picture.setPixmap(pixmap)

    def _choose(self) -> None:
        self.chosen.emit(self.example.path)


class DropZone(QWidget):
    """What the window shows while no file is open.

    Args:
        open_action: the window's Open… command.
        examples: what to offer below the target.
    """

    example_chosen = Signal(object)

    def __init__(self, open_action: QAction, examples: tuple[Example, ...]) -> None:
        super().__init__()
        self.setObjectName("dropZone")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme = Theme.LIGHT
        self._previews: dict[Path, NDArray[np.float32]] = {}
        self._cards = [ExampleCard(example) for example in examples]
        self._target = self._make_target(open_action)
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(MARGIN, MARGIN, MARGIN, 3 * GRID)
        layout.setSpacing(GAP)
        layout.addWidget(self._target, 1)
        if self._cards:
            layout.addSpacing(GRID)
            layout.addWidget(label("Or try an example", "section"), alignment=Qt.AlignmentFlag.AlignHCenter)
            layout.addWidget(self._make_cards(), alignment=Qt.AlignmentFlag.AlignHCenter)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(scrolled(page))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put as many examples beside each other as there is room for, in rows of one length."""
        super().resizeEvent(event)
        columns = columns_for(len(self._cards), self.width())
        for index, card in enumerate(self._cards):
            self._grid.addWidget(card, index // columns, index % columns)

    def set_theme(self, theme: Theme) -> None:
        """Redraw icon and thumbnails in a theme's colours."""
        self._icon.setPixmap(resources.icon("drop", theme, "accent").pixmap(QSize(64, 64)))
        colour, scale = resources.palette(theme)["accent"], self.devicePixelRatioF()
        for card in self._cards:
            path = card.example.path
            if card.example.kind == "picture":
                card.show_picture(thumbnails.of_file(path, PICTURE, scale))
            elif path in self._previews:
                card.show_picture(thumbnails.of_cloud(self._previews[path], PICTURE, colour, scale))
        self._theme = theme

    def set_preview(self, path: Path, points: NDArray[np.float32]) -> None:
        """Show an example cloud's points once they are read."""
        self._previews[path] = points
        self.set_theme(self._theme)

    def set_hot(self, hot: bool) -> None:
        """Light the target up while something is dragged over the window."""
        set_flag(self._target, "hot", hot)

    def _make_target(self, open_action: QAction) -> QFrame:
        target = QFrame()
        target.setObjectName("dropTarget")
        self._icon = QLabel()
        layout = QVBoxLayout(target)
        layout.setContentsMargins(4 * GRID, 3 * GRID, 4 * GRID, 3 * GRID)
        layout.setSpacing(GRID)
        layout.addStretch(1)
        centre = Qt.AlignmentFlag.AlignHCenter
        layout.addWidget(self._icon, alignment=centre)
        layout.addSpacing(GRID)
        layout.addWidget(label("Drop a scan or a picture here", "display", wrap=False), alignment=centre)
        for line in (
            "A sphere flows into its shape and becomes a closed mesh you can export.",
            "Point clouds and meshes: PLY, OBJ, STL, GLB, XYZ, LAS …   Pictures: PNG, JPEG, WebP …",
        ):
            layout.addWidget(label(line, "body-muted", wrap=False), alignment=centre)
        layout.addSpacing(GRID)
        button = action_button(open_action, primary=True)
        button.setIcon(QIcon())
        layout.addWidget(button, alignment=centre)
        layout.addStretch(1)
        return target

    def _make_cards(self) -> QWidget:
        cards = QWidget()
        self._grid = QGridLayout(cards)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(GAP)
        for number, card in enumerate(self._cards):
            card.chosen.connect(self.example_chosen)
            self._grid.addWidget(card, 0, number)
        return cards


def columns_for(cards: int, width: int) -> int:
    """Return how many of the cards to put in a row of a page so many pixels wide."""
    fitting = max(1, (width - 2 * MARGIN + GAP) // (CARD_WIDTH + GAP))
    rows = max(1, -(-cards // fitting))
    return max(1, -(-cards // rows))


class DropHint(QLabel):
    """Covers the window while files are dragged over it and something is already open."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__("Drop to add to the queue", parent)
        self.setObjectName("dropHint")
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()
