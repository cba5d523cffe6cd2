"""Small screens and long names: nothing covers anything else, nothing is pushed out of sight."""

from __future__ import annotations

import functools
import itertools

import pytest
from PySide6.QtCore import QPoint, QRect, QSize
from PySide6.QtWidgets import QLabel

from nmf_app.session import ItemState, Notice, NoticeKind
from nmf_app.widgets.drop_zone import CARD_WIDTH, GAP, MARGIN, columns_for
from nmf_app.widgets.main_window import SMALLEST, MainWindow

from .conftest import short_stream
from .test_window import drop, texts, wait_for


def place(widget, within):
    return QRect(widget.mapTo(within, QPoint(0, 0)), widget.size())


def test_a_new_window_fits_on_a_small_screen(open_window, monkeypatch):
    class Screen:
        def availableSize(self):
            return QSize(1024, 600)

    monkeypatch.setattr(MainWindow, "screen", lambda _: Screen())
    app = open_window(viewport=False)
    assert app.window.width() == 1024
    assert SMALLEST.height() < app.window.height() <= 560, "and leaves room for its frame"


@pytest.mark.parametrize("size", [SMALLEST, QSize(1024, 560), QSize(1280, 680)])
def test_the_empty_page_covers_none_of_its_parts(open_window, qtbot, size):
    app = open_window(viewport=False)
    app.window.resize(size)
    qtbot.wait(100)
    zone = app.window.drop_zone
    cards = [place(card, zone) for card in zone._cards]
    assert len(cards) > 4
    assert not [pair for pair in itertools.combinations(cards, 2) if pair[0].intersects(pair[1])]
    assert all(card.left() >= 0 and card.right() < zone.width() for card in cards)
    labels = [found for found in zone.findChildren(QLabel) if found.text()]
    assert all(found.height() >= found.sizeHint().height() for found in labels)


@pytest.mark.parametrize(("fitting", "columns"), [(8, 7), (7, 7), (6, 4), (4, 4), (3, 3), (0, 1)])
def test_the_rows_of_examples_have_one_length(fitting, columns):
    width = 2 * MARGIN + fitting * (CARD_WIDTH + GAP) - GAP
    assert columns_for(7, width) == columns


def test_the_flow_s_controls_fit_beside_the_list_of_files(open_window, qtbot, cloud_file, tmp_path):
    app = open_window(viewport=False)
    app.window.resize(SMALLEST)
    other = tmp_path / "other.xyz"
    other.write_bytes(cloud_file.read_bytes())
    app.controller.open_files([cloud_file, other])
    qtbot.waitUntil(
        lambda: {item.state for item in app.session.state.items} == {ItemState.DONE}, timeout=20_000
    )
    qtbot.wait(100)
    timeline = app.window.timeline
    assert app.window.queue.isVisible()
    assert timeline.width() >= timeline.minimumSizeHint().width()


@pytest.mark.parametrize("stem", ["x" * 200, "a_long_name_of_a_scan_" * 9])
def test_a_long_name_hides_neither_the_stage_nor_the_report(open_window, qtbot, cloud_file, stem):
    path = cloud_file.rename(cloud_file.with_name(f"{stem}.xyz"))
    app = open_window(functools.partial(short_stream, pause=0.05), viewport=False)
    app.window.resize(1024, 560)
    stages = []
    app.session.changed.connect(
        lambda _, new: stages.append(texts(app.window.job_bar)) if new.active is not None else None
    )
    drop(app.window, [path])
    wait_for(qtbot, app, ItemState.DONE)
    qtbot.wait(100)
    assert any(f"…{stem[-11:]}.xyz” · Flowing" in words for words in stages)
    panel = app.window.side_panel
    for found in panel.findChildren(QLabel):
        if found.isVisible():
            assert place(found, panel).right() < panel.width(), found.text()
    bar = app.window.job_bar
    assert place(bar.dismiss, bar).right() < bar.width() <= app.window.width()


def test_a_long_notice_is_seen_to_its_end(open_window, qtbot):
    app = open_window(viewport=False)
    app.window.resize(SMALLEST)
    bar = app.window.job_bar
    usual = bar.height()
    app.session.update(notice=Notice(NoticeKind.ERROR, "It could not be written. " * 20))
    qtbot.waitUntil(lambda: bar.height() > usual, timeout=20_000)
    sentence = bar._sentence
    assert sentence.height() >= sentence.heightForWidth(sentence.width())
    app.session.update(notice=None)
    qtbot.waitUntil(lambda: bar.height() == usual, timeout=20_000)


def test_a_report_has_its_height_at_once(open_window, qtbot, cloud_file):
    """Not in the next picture or the one after it: the first would show its lines one over the other."""
    app = open_window(viewport=False)
    panel, heights = app.window.side_panel.report, []

    def look(_, new):
        if new.current_item is not None and new.current_item.outcome is not None:
            heights.append((panel.height(), panel.heightForWidth(panel.width())))

    app.session.changed.connect(look)
    drop(app.window, [cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    assert heights
    assert all(given >= needed > 200 for given, needed in heights)


def test_a_name_of_two_lines_is_one_line(open_window, qtbot, cloud_file, tmp_path):
    path = cloud_file.rename(tmp_path / "one\ntwo & <b>three.xyz")
    app = open_window(viewport=False)
    app.controller.open_files([path])
    wait_for(qtbot, app, ItemState.DONE)
    assert app.session.state.current_item.title == "one two & <b>three.xyz"
    assert app.window.windowTitle().startswith("one two & <b>three.xyz")
    first = app.window.recent_menu.actions()[0]
    assert first.text() == "&1  one two && <b>three.xyz"
