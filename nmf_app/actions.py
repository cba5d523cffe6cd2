"""Every command of the window in one table: its words, icon and shortcut."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QActionGroup, QKeySequence

from nmf_app import resources
from nmf_app.session import Shading, Theme


@dataclass(frozen=True)
class Command:
    """The looks of one action."""

    text: str
    tip: str
    icon: str | None = None
    shortcut: str | None = None
    checkable: bool = False


COMMANDS = {
    "open": Command("&Open…", "Open point clouds, meshes or pictures", "open", "Ctrl+O"),
    "export": Command("&Export mesh…", "Write the finished mesh to a file and check it", "export", "Ctrl+E"),
    "animation": Command("Save &animation…", "Record the flow as a GIF", "film", "Ctrl+G"),
    "clear": Command("&Close all files", "Back to the empty window", "trash", "Ctrl+W"),
    "quit": Command("&Quit", "Close the window", None, "Ctrl+Q"),
    "smooth": Command("&Smooth", "Smooth shading", "smooth", "1", True),
    "flat": Command("&Flat", "Flat shading: every triangle visible", "flat", "2", True),
    "wireframe": Command("&Wireframe", "Edges only", "wireframe", "3", True),
    "input": Command("Show &input points", "Show or hide the points that were given", "points", "I", True),
    "colors": Command(
        "Show &colours", "Draw points and surface in the input's own colours", "palette", "C", True
    ),
    "reset": Command("&Reset view", "Look at the whole object again", "reset", "Home"),
    "dark": Command("&Dark theme", "Switch between light and dark colours", "moon", "D", True),
    "panel": Command("Side pa&nel", "Show or hide the panel on the right", None, "Ctrl+B", True),
    "play": Command("&Play the flow", "Play or pause the flow from sphere to object", "play", "Space"),
    "reconstruct": Command("&Reconstruct", "Make a mesh of the shown file", "reconstruct", "Ctrl+R"),
    "other": Command("Show the &other way", "Network or inflated outline: what the other makes of it"),
    "split": Command("Split into &bodies", "Make one mesh of each separate body of the shown file"),
    "cancel": Command("&Cancel", "Stop the work on the shown file", "cancel", "Esc"),
    "cancel_all": Command("Cancel &everything", "Stop the work and empty the queue", None, "Shift+Esc"),
    "at_once": Command("&Start at once", "Reconstruct a file as soon as it is dropped", None, None, True),
    "guide": Command("&Getting started", "What can be dropped here, and what happens then", "info", "F1"),
    "about": Command("&About and licences", "Version, authors and licences", None, None),
}


class Actions(QObject):
    """The window's QActions by name; they hold no behaviour, the window connects them."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._actions = {name: self._make(command) for name, command in COMMANDS.items()}
        self._shading = QActionGroup(self)
        for shading in Shading:
            self._shading.addAction(self._actions[shading.value])

    def __getitem__(self, name: str) -> QAction:
        """Return the action called ``name`` in ``COMMANDS``."""
        return self._actions[name]

    def all(self) -> tuple[QAction, ...]:
        """Return every action, in the order of the table."""
        return tuple(self._actions.values())

    def retheme(self, theme: Theme) -> None:
        """Redraw the icons in a theme's colours."""
        for name, command in COMMANDS.items():
            if command.icon is not None:
                self._actions[name].setIcon(resources.icon(command.icon, theme))

    def _make(self, command: Command) -> QAction:
        action = QAction(command.text, self, checkable=command.checkable)
        plain = command.text.replace("&", "").rstrip("…")
        shortcut = f" ({command.shortcut})" if command.shortcut else ""
        action.setToolTip(
            f"{plain}{shortcut}\n{command.tip}" if plain != command.tip else f"{plain}{shortcut}"
        )
        action.setStatusTip(command.tip)
        if command.shortcut is not None:
            action.setShortcut(QKeySequence(command.shortcut))
        return action
