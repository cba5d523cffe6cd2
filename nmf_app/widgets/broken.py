"""What is wrong with a dropped mesh, each fault beside the colour that marks it in the view."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QWidget

from nmf_app import resources
from nmf_app.session import Item, Theme
from nmf_app.widgets.basics import GRID, clear, colour_dot, column, label, rule
from nmf_app.wording import broken_explanation, broken_lines


class BrokenPanel(QWidget):
    """Lists the faults of one item's mesh; hidden where there are none."""

    def __init__(self) -> None:
        super().__init__()
        self._layout = column(self)

    def show_item(self, item: Item | None, theme: Theme) -> None:
        """Show the faults of an item's mesh until there is a result."""
        clear(self._layout)
        loaded = item.loaded if item is not None and item.outcome is None else None
        surface = loaded.broken if loaded is not None else None
        self.setVisible(surface is not None)
        if surface is None:
            return
        self._layout.addWidget(label("This mesh is not sound", "section"))
        for mark, line in broken_lines(surface):
            row = _line(resources.palette(theme).get(mark, ""), line.text)
            row.setToolTip(f"It should be: {line.meaning}")
            self._layout.addWidget(row)
        self._layout.addWidget(label(broken_explanation(surface), "caption"))
        self._layout.addWidget(rule())


def _line(colour: str, text: str) -> QWidget:
    row = QWidget()
    row.setAccessibleName(f"Fault: {text}")
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(GRID)
    layout.addWidget(colour_dot(colour), alignment=Qt.AlignmentFlag.AlignTop)
    layout.addWidget(label(text, "bad"), 1)
    return row
