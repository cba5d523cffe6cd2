"""The menu bar."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtWidgets import QMenu, QMenuBar

from nmf_app.actions import Actions
from nmf_app.widgets.basics import tip
from nmf_app.wording import shortened

NAME_LENGTH = 60
MENUS = {
    "&File": ("open", "recent", "|", "export", "animation", "|", "clear", "quit"),
    "&View": ("smooth", "flat", "wireframe", "|", "input", "colors", "reset", "play", "|", "dark", "panel"),
    "&Reconstruct": ("reconstruct", "split", "cancel", "cancel_all", "|", "at_once"),
    "&Help": ("guide", "about"),
}


def build_menus(bar: QMenuBar, actions: Actions) -> QMenu:
    """Fill the menu bar; returns the menu of recent files."""
    recent = QMenu("Open &recent", bar)
    for title, names in MENUS.items():
        menu = bar.addMenu(title)
        menu.setToolTipsVisible(True)
        for name in names:
            if name == "|":
                menu.addSeparator()
            elif name == "recent":
                menu.addMenu(recent)
            else:
                menu.addAction(actions[name])
    return recent


def fill_recent(
    menu: QMenu, paths: tuple[Path, ...], open_one: Callable[[Path], None], forget: Callable[[], None]
) -> None:
    """List the recent files, newest first, and a command that forgets them."""
    menu.clear()
    menu.setProperty("shown", [str(path) for path in paths])
    menu.setEnabled(bool(paths))
    for number, path in enumerate(paths, start=1):
        name = " ".join(shortened(path.name, NAME_LENGTH).split()).replace("&", "&&")
        action = menu.addAction(f"&{number}  {name}")
        action.setToolTip(tip(str(path)))
        action.triggered.connect(partial(_open, open_one, path))
    if paths:
        menu.addSeparator()
        menu.addAction("&Forget these files").triggered.connect(forget)


def _open(open_one: Callable[[Path], None], path: Path, _checked: bool = False) -> None:
    open_one(path)
