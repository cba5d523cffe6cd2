"""The quality report: what holds and what does not, in plain words and in green or red."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QWidget

from nmf_app import resources
from nmf_app.session import Item, Theme
from nmf_app.widgets.basics import GRID, clear, colour_dot, column, label, rule
from nmf_app.widgets.seal import Seal
from nmf_app.wording import breakable, facts, result_lines, result_notes
from nmf_model.checks import CheckLine

ICON = QSize(16, 16)


class ReportPanel(QWidget):
    """Shows the checks, the numbers and the notes of one item's result."""

    def __init__(self) -> None:
        super().__init__()
        self._layout = column(self)

    def show_item(self, item: Item | None, theme: Theme) -> None:
        """Show an item's result; nothing if it has none."""
        clear(self._layout)
        outcome = item.outcome if item is not None else None
        self.setVisible(outcome is not None)
        if item is None or outcome is None:
            return
        report = item.exported.report if item.exported is not None else outcome.report
        self._layout.addWidget(Seal(report, theme))
        self._layout.addSpacing(GRID)
        self._layout.addWidget(label("Quality", "section"))
        if item.exported is not None:
            self._layout.addWidget(
                label(breakable(f"As read back from {item.exported.path.name}"), "caption")
            )
        for mark, line in result_lines(report, len(outcome.crossing_faces) > 0):
            self._layout.addWidget(_line(line, theme, mark))
        self._layout.addWidget(rule())
        self._layout.addWidget(_table(facts(outcome, report)))
        notes = result_notes(item)
        if notes:
            self._layout.addWidget(rule())
            self._layout.addWidget(label("Notes", "section"))
            for note in notes:
                self._layout.addWidget(label(breakable(note), "caption"))


def _line(line: CheckLine, theme: Theme, mark_colour: str) -> QWidget:
    row = QWidget()
    row.setToolTip(line.meaning)
    row.setAccessibleName(f"{'Passed' if line.good else 'Failed'}: {line.text}")
    mark = QLabel()
    role = "good" if line.good else "bad"
    mark.setPixmap(resources.icon("check" if line.good else "cross", theme, role).pixmap(ICON))
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(GRID)
    layout.addWidget(mark)
    layout.addWidget(label(line.text, "good" if line.good else "bad"), 1)
    if mark_colour:
        layout.addWidget(colour_dot(resources.palette(theme)[mark_colour]))
        row.setToolTip(f"{line.meaning} The view marks these places in this colour.")
    return row


def _table(rows: tuple[tuple[str, str], ...]) -> QWidget:
    table = QWidget()
    grid = QGridLayout(table)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setHorizontalSpacing(2 * GRID)
    grid.setVerticalSpacing(GRID // 2)
    for row, (name, value) in enumerate(rows):
        grid.addWidget(label(name, "body-muted", wrap=False), row, 0)
        grid.addWidget(label(value, "value", wrap=False), row, 1, Qt.AlignmentFlag.AlignRight)
    return table
