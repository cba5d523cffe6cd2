"""The window without a mouse."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from nmf_app.actions import COMMANDS
from nmf_app.session import ItemState
from nmf_app.widgets.menus import MENUS

from .test_window import wait_for


def reached_by_tab(window):
    """Every widget that Tab can reach, in order, from the window on."""
    chain, widget = [], window
    while (widget := widget.nextInFocusChain()) is not window:
        if widget.isVisible() and widget.isEnabled() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            chain.append(widget)
    return chain


def test_the_keyboard_does_not_reach_what_lies_behind_the_empty_page(open_window, qtbot, cloud_file):
    app = open_window()
    hidden = app.window.stage._scene
    assert reached_by_tab(app.window)
    assert not [widget for widget in reached_by_tab(app.window) if hidden.isAncestorOf(widget)]
    app.controller.open_files([cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    chain = reached_by_tab(app.window)
    assert app.window.stage.viewport in chain
    assert chain.index(app.window.stage.viewport) < chain.index(app.window.timeline._slider)


def test_delete_takes_a_file_off_the_list(open_window, qtbot, cloud_file, tmp_path):
    other = tmp_path / "other.xyz"
    other.write_bytes(cloud_file.read_bytes())
    app = open_window(viewport=False)
    app.controller.open_files([cloud_file, other])
    qtbot.waitUntil(
        lambda: {item.state for item in app.session.state.items} == {ItemState.DONE}, timeout=20_000
    )
    app.controller.select(app.session.state.items[0].key)
    app.window.activateWindow()
    app.window.queue._list.setFocus()
    qtbot.waitUntil(lambda: QApplication.focusWidget() is app.window.queue._list, timeout=20_000)
    qtbot.keyClick(app.window.queue._list, Qt.Key.Key_Delete)
    assert [item.path for item in app.session.state.items] == [other]


def test_no_two_commands_of_a_menu_share_their_letter():
    for names in MENUS.values():
        texts = [COMMANDS[name].text for name in names if name in COMMANDS]
        letters = [text[text.index("&") + 1].lower() for text in texts]
        assert len(letters) > 1
        assert len(letters) == len(set(letters))
