"""The list of dropped files, each with its state; a click shows its input or result."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QIcon, QKeySequence, QPainter, QShortcut
from PySide6.QtWidgets import (
    QFrame,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
)

from nmf_app import resources
from nmf_app.session import Item, ItemState, SessionState, Theme
from nmf_app.widgets.basics import GRID, label, tip
from nmf_app.wording import STATES, folders_apart

ROW = QSize(0, 7 * GRID)
_KEY = Qt.ItemDataRole.UserRole
_STATE = Qt.ItemDataRole.UserRole + 1
_WORDS = Qt.ItemDataRole.UserRole + 2
_ICONS = {
    ItemState.READING: ("clock", "muted"),
    ItemState.READY: ("dot", "muted"),
    ItemState.WAITING: ("clock", "muted"),
    ItemState.RUNNING: ("reconstruct", "accent"),
    ItemState.DONE: ("check", "good"),
    ItemState.FAILED: ("warning", "bad"),
    ItemState.CANCELLED: ("cancel", "muted"),
}


class QueuePanel(QFrame):
    """Shown when more than one file is open; ``selected`` and ``removed`` carry an item's key."""

    selected = Signal(int)
    removed = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("queuePanel")
        self.setFixedWidth(27 * GRID)
        self._list = QListWidget()
        self._list.setAccessibleName("Open files")
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self._list.customContextMenuRequested.connect(self._menu)
        self._list.currentItemChanged.connect(self._on_selected)
        delete = QShortcut(QKeySequence.StandardKey.Delete, self._list)
        delete.setContext(Qt.ShortcutContext.WidgetShortcut)
        delete.activated.connect(self._on_delete)
        self._delegate = _RowPainter(self._list)
        self._list.setItemDelegate(self._delegate)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID, 2 * GRID, GRID, GRID)
        layout.setSpacing(GRID)
        heading = label("Files", "section")
        heading.setContentsMargins(GRID, 0, 0, 0)
        layout.addWidget(heading)
        layout.addWidget(self._list, 1)

    def show_state(self, state: SessionState) -> None:
        """List a snapshot's items."""
        self._delegate.theme = state.view.theme
        self._list.blockSignals(True)
        while self._list.count() > len(state.items):
            self._list.takeItem(self._list.count() - 1)
        while self._list.count() < len(state.items):
            self._list.addItem(QListWidgetItem())
        folders = folders_apart(state.items)
        for row, item in enumerate(state.items):
            self._fill(self._list.item(row), item, folders.get(item.key, ""))
            if item.key == state.current:
                self._list.setCurrentRow(row)
        self._list.blockSignals(False)
        self._list.viewport().update()

    def _fill(self, row: QListWidgetItem, item: Item, folder: str) -> None:
        row.setText(item.title)
        row.setToolTip(tip(f"{item.path}\n{item.sentence}".strip()))
        row.setData(_KEY, item.key)
        row.setData(_STATE, item.state)
        words = f"{STATES[item.state]} · in {folder}" if folder else STATES[item.state]
        row.setData(_WORDS, words)
        row.setData(Qt.ItemDataRole.AccessibleTextRole, f"{item.title}, {words}")

    def _on_selected(self, row: QListWidgetItem | None) -> None:
        if row is not None:
            self.selected.emit(row.data(_KEY))

    def _on_delete(self) -> None:
        row = self._list.currentItem()
        if row is not None:
            self.removed.emit(row.data(_KEY))

    def _menu(self, position: object) -> None:
        row = self._list.itemAt(position)  # type: ignore[call-overload]
        if row is not None:
            menu = QMenu(self)
            remove = menu.addAction("Remove from the list")
            remove.setShortcut(QKeySequence.StandardKey.Delete)  # shown only; the list has its own
            if menu.exec(self._list.mapToGlobal(position)) is remove:  # type: ignore[call-overload]
                self.removed.emit(row.data(_KEY))
            menu.deleteLater()


class _RowPainter(QStyledItemDelegate):
    """Draws a state icon, the file name and the state in words."""

    theme = Theme.LIGHT

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return ROW

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        colours = resources.palette(self.theme)
        state: ItemState = index.data(_STATE)
        area: QRect = option.rect.adjusted(0, 2, 0, -2)
        _background(painter, area, option, colours)
        name, role = _ICONS[state]
        icon: QIcon = resources.icon(name, self.theme, role)
        icon.paint(painter, QRect(area.left() + GRID, area.center().y() - 9, 20, 20))
        left, width = area.left() + 5 * GRID - 4, area.width() - 5 * GRID - 4
        font = option.font
        painter.setFont(font)
        painter.setPen(QColor(colours["text"]))
        text = QFontMetrics(font).elidedText(str(index.data()), Qt.TextElideMode.ElideMiddle, width)
        half = area.height() // 2
        top = QRect(left, area.top() + 2, width, half - 2)
        painter.drawText(top, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom, text)
        font.setPixelSize(12)
        painter.setFont(font)
        painter.setPen(QColor(colours["bad" if state is ItemState.FAILED else "muted"]))
        bottom = QRect(left, area.top() + half + 1, width, half - 2)
        words = QFontMetrics(font).elidedText(str(index.data(_WORDS)), Qt.TextElideMode.ElideMiddle, width)
        painter.drawText(bottom, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, words)


def _background(
    painter: QPainter, area: QRect, option: QStyleOptionViewItem, colours: dict[str, str]
) -> None:
    flags: QStyle.StateFlag = option.state
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    if flags & QStyle.StateFlag.State_HasFocus:
        painter.setPen(QColor(colours["accent"]))
    if flags & QStyle.StateFlag.State_Selected:
        painter.setBrush(QColor(colours["accent_soft"]))
        painter.drawRoundedRect(area, 6, 6)
    elif flags & QStyle.StateFlag.State_MouseOver:
        painter.setBrush(QColor(colours["surface_alt"]))
        painter.drawRoundedRect(area, 6, 6)
