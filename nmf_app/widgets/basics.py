"""Small building blocks on the 8-pixel grid, so that every panel looks alike."""

from __future__ import annotations

import html

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QFrame,
    QLabel,
    QLayout,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

GRID = 8


def label(text: str = "", role: str = "body", wrap: bool = True) -> QLabel:
    """Return a label in one of the style sheet's roles."""
    result = QLabel(text)
    result.setProperty("role", role)
    result.setWordWrap(wrap)
    result.setTextFormat(Qt.TextFormat.PlainText)
    return result


def tip(text: str) -> str:
    """Return text for a tooltip that holds names of files: Qt would take “<b>” in one for markup."""
    if "<" not in text and "&lt;" not in text:
        return text
    return f"<qt>{html.escape(text, quote=False).replace(chr(10), '<br>')}</qt>"


def rule() -> QFrame:
    """Return a thin horizontal line."""
    result = QFrame()
    result.setObjectName("rule")
    return result


def action_button(action: QAction, primary: bool = False) -> QPushButton:
    """Return a push button that follows an action's text, icon, tip and state."""
    button = QPushButton(action.icon(), action.text().replace("&", ""))
    button.setProperty("primary", primary)
    button.setToolTip(action.toolTip())
    button.setEnabled(action.isEnabled())
    button.setCursor(Qt.CursorShape.PointingHandCursor)
    button.clicked.connect(action.trigger)
    action.enabledChanged.connect(button.setEnabled)
    return button


def tool_button(action: QAction) -> QToolButton:
    """Return a flat icon button for an action."""
    button = QToolButton()
    button.setDefaultAction(action)
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
    button.setCursor(Qt.CursorShape.PointingHandCursor)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button


def link_button(text: str) -> QPushButton:
    """Return a button that looks like a link."""
    button = QPushButton(text)
    button.setProperty("link", True)
    button.setCursor(Qt.CursorShape.PointingHandCursor)
    return button


def spaced(layout: QLayout, margin: int = 2 * GRID, spacing: int = GRID) -> QLayout:
    """Set a layout's margins and spacing, in pixels of the grid."""
    layout.setContentsMargins(margin, margin, margin, margin)
    layout.setSpacing(spacing)
    return layout


def column(panel: QWidget) -> QVBoxLayout:
    """Lay a panel's widgets out below each other, without a margin."""
    layout = QVBoxLayout(panel)
    spaced(layout, margin=0)
    return layout


def set_flag(widget: QWidget, name: str, value: bool) -> None:
    """Change a property the style sheet looks at, and restyle the widget."""
    widget.setProperty(name, value)
    widget.style().unpolish(widget)
    widget.style().polish(widget)


def scrolled(page: QWidget) -> QScrollArea:
    """Let a page be moved up and down where it does not fit: squeezed, its parts would cover each other."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(page)
    return area


def show_all(panel: QWidget) -> None:
    """Show new widgets of a panel and lay them out now, not later as their layout would."""
    layout = panel.layout()
    assert layout is not None
    for item in (layout.itemAt(row) for row in range(layout.count())):
        widget = item.widget() if item is not None else None
        if widget is not None and not widget.testAttribute(Qt.WidgetAttribute.WA_WState_ExplicitShowHide):
            widget.show()
    layout.activate()


def clear(layout: QLayout) -> None:
    """Delete every widget in a layout."""
    while (item := layout.takeAt(0)) is not None:
        widget = item.widget()
        if widget is not None:
            # A layout shows new widgets later; one that was not hidden would then appear as a window.
            widget.hide()
            widget.setParent(None)
            widget.deleteLater()


def colour_dot(colour: str) -> QFrame:
    """Return a small disc that says in which colour the view marks something; "" leaves its place empty."""
    dot = QFrame()
    dot.setFixedSize(12, 12)
    dot.setStyleSheet(f"background: {colour or 'transparent'}; border: none; border-radius: 6px;")
    return dot
