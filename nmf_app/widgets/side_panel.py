"""The panel on the right: the input, the parameters, the button, the report."""

from __future__ import annotations

from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication, QFrame, QPushButton, QVBoxLayout, QWidget

from nmf_app.actions import Actions
from nmf_app.session import Item, ItemState, SessionState
from nmf_app.widgets.basics import GRID, action_button, rule, scrolled, show_all
from nmf_app.widgets.broken import BrokenPanel
from nmf_app.widgets.input_card import InputCard
from nmf_app.widgets.parameters import ParametersPanel
from nmf_app.widgets.report import ReportPanel
from nmf_app.wording import other_way

WIDTH = 38 * GRID


class SidePanel(QFrame):
    """Everything about the shown item."""

    def __init__(self, actions: Actions, state: SessionState) -> None:
        super().__init__()
        self.setObjectName("sidePanel")
        self.setFixedWidth(WIDTH)
        self.input = InputCard()
        self.parameters = ParametersPanel(state.parameters)
        self.report = ReportPanel()
        self.broken = BrokenPanel()
        self._reconstruct = action_button(actions["reconstruct"], primary=True)
        self._cancel = action_button(actions["cancel"])
        self._export = action_button(actions["export"], primary=True)
        self._other = action_button(actions["other"])
        for button in (self._reconstruct, self._cancel, self._export, self._other):
            button.setMinimumHeight(4 * GRID + 4)
        self._build()
        self._show(state)

    def apply(self, old: SessionState, new: SessionState) -> None:
        """Show what differs between two snapshots."""
        if old.parameters != new.parameters:
            self.parameters.show_parameters(new.parameters)
        looks = [(state.view.theme, state.view.show_colors) for state in (old, new)]
        if old.current_item is not new.current_item or looks[0] != looks[1]:
            self._show(new)

    def _show(self, state: SessionState) -> None:
        item, theme = state.current_item, state.view.theme
        working = state.reconstructing_current
        done = item is not None and item.outcome is not None and not working
        self._reconstruct.setVisible(not working)
        self._reconstruct.setText(_offer(item))
        self._cancel.setVisible(working)
        self._export.setVisible(done)
        way = other_way(item)
        self._other.setVisible(done and way is not None)
        if way is not None:
            self._other.setText(way[1])
        _set_primary(self._reconstruct, not done)
        self.input.show_item(item, state.view)
        self.report.show_item(item if not working else None, theme)
        self.broken.show_item(item, theme)
        loaded = item.loaded if item is not None else None
        self.parameters.show_source(loaded.source if loaded is not None else None)
        self._arrange()

    def _arrange(self) -> None:
        """Give everything its height now: left to later, new lines share the height of old ones."""
        for panel in (self.broken, self.report, self._content):
            show_all(panel)
        QApplication.sendEvent(self._scroll, QEvent(QEvent.Type.LayoutRequest))

    def _build(self) -> None:
        self._content = QWidget()
        layout = QVBoxLayout(self._content)
        layout.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        layout.setSpacing(2 * GRID)
        layout.addWidget(self.input)
        layout.addWidget(rule())
        layout.addWidget(self.broken)
        layout.addWidget(self.report)
        layout.addWidget(self.parameters)
        layout.addStretch(1)
        self._scroll = scrolled(self._content)
        buttons = QVBoxLayout()
        buttons.setContentsMargins(2 * GRID, GRID + 4, 2 * GRID, GRID + 4)
        buttons.setSpacing(GRID)
        for button in (self._export, self._other, self._reconstruct, self._cancel):
            buttons.addWidget(button)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(self._scroll, 1)
        outer.addWidget(rule())
        outer.addLayout(buttons)


def _offer(item: Item | None) -> str:
    """Say what can be done next with an item."""
    if item is not None and item.outcome is not None:
        return "Reconstruct again"
    if item is not None and item.loaded is None and item.state is not ItemState.READING:
        return "Read again"
    broken = item is not None and item.loaded is not None and item.loaded.broken is not None
    return "Repair by wrapping" if broken else "Reconstruct"


def _set_primary(button: QPushButton, primary: bool) -> None:
    if button.property("primary") != primary:
        button.setProperty("primary", primary)
        button.style().unpolish(button)
        button.style().polish(button)
