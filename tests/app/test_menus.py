from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QMenu

from nmf_app import resources
from nmf_app.actions import COMMANDS
from nmf_app.session import Theme
from nmf_app.widgets.menus import MENUS


def drawn(menu, action):
    """The pixels of a menu's entry."""
    image = menu.grab(menu.actionGeometry(action)).toImage().convertToFormat(QImage.Format.Format_RGB32)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 4 * image.width()].copy()


@pytest.mark.parametrize("theme", Theme)
def test_a_menu_shows_what_is_on(open_window, theme):
    """Also where an icon stands in the place of the tick."""
    window = open_window(viewport=False).window
    window.setStyleSheet(resources.style_sheet(theme))
    actions = window.actions_by_name
    (menu,) = [menu for menu in window.menuBar().findChildren(QMenu) if menu.title() == "&View"]
    menu.resize(menu.sizeHint())
    names = [name for name in MENUS["&View"] if name in COMMANDS and COMMANDS[name].checkable]
    assert len(names) > 5
    for name in names:
        action = actions[name]
        action.setEnabled(True)
        action.setActionGroup(None)
        action.setChecked(False)
        off = drawn(menu, action)
        action.setChecked(True)
        changed = (drawn(menu, action) != off).any(axis=0).sum()
        assert changed > 4 * 4, name
