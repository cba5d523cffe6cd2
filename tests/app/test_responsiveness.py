"""The event loop while a job computes.

Other work on the machine can only lengthen a gap, so the best of a few attempts is what the program is
answerable for. Where drawing alone, with no job at all, is slow, a job may add no more than its share of the
processors: drawing in software takes all of them.
"""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QTimer
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from nmf_app.session import ItemState
from nmf_model.errors import Cancelled
from nmf_model.types import FlowFrame

from .conftest import ellipsoid_flow

pytestmark = pytest.mark.alone

LIMIT_S = 0.1
SHARE = 2.25
SECONDS = 1.5
ATTEMPTS = 6


def busy_stream(request, cancel):
    """Compute without a pause, in Python and in numpy, and send 2,562 vertices fifty times a second."""
    flow = ellipsoid_flow(4)
    matrix = np.random.default_rng(0).normal(size=(120, 120))
    while not cancel():
        until = time.perf_counter() + 0.02
        while time.perf_counter() < until:
            sum(number * number for number in range(2000))
            np.linalg.svd(matrix)
        shape = flow.vertices[int(time.perf_counter() * 10) % len(flow.vertices)]
        yield FlowFrame(shape, flow.faces, "Fitting", 0.5)
    raise Cancelled("stopped")


class Heart:
    """Beats every 5 ms in the GUI thread and remembers the longest pause."""

    def __init__(self):
        self.longest = 0.0
        self._last = time.perf_counter()
        self._timer = QTimer(interval=5)
        self._timer.timeout.connect(self._beat)
        self._timer.start()

    def _beat(self):
        now = time.perf_counter()
        self.longest = max(self.longest, now - self._last)
        self._last = now

    def stop(self):
        self._timer.stop()
        return self.longest


def gap_of_drawing_alone(app, qtbot):
    """The longest gap while the same shapes are drawn as often, but nothing is computed."""
    flow = ellipsoid_flow(4)
    drawn = itertools.cycle(flow.vertices)
    timer = QTimer(interval=33)
    timer.timeout.connect(lambda: app.window.stage.show_vertices(next(drawn), flow.faces))
    heart = Heart()
    timer.start()
    qtbot.wait(int(1000 * SECONDS))
    timer.stop()
    return heart.stop()


def test_no_gap_over_100_ms_while_a_job_computes(open_window, qtbot, cloud_file):
    app = open_window(busy_stream)
    alone = [gap_of_drawing_alone(app, qtbot)]
    app.controller.open_files([cloud_file])
    qtbot.waitUntil(lambda: app.session.state.live is not None, timeout=20_000)
    assert app.session.state.current_item.state is ItemState.RUNNING
    gaps = []
    for _ in range(ATTEMPTS):
        frames = app.session.state.live
        heart = Heart()
        qtbot.wait(int(1000 * SECONDS))
        gaps.append(heart.stop())
        assert app.session.state.live is not frames
        if gaps[-1] <= LIMIT_S:
            break
    app.controller.cancel_all()
    qtbot.waitUntil(lambda: app.session.state.active is None)
    alone.append(gap_of_drawing_alone(app, qtbot))
    assert min(gaps) <= max(LIMIT_S, SHARE * min(alone)), (gaps, alone)


def test_a_slow_scene_is_drawn_coarsely_while_it_moves_and_finely_once_it_stands(
    open_window, qtbot, monkeypatch
):
    from nmf_app.widgets import viewport as module

    app = open_window()
    view = app.window.stage.viewport
    app.window.drop_zone.hide()
    view.scene.set_points(ellipsoid_flow(2).vertices[0])
    full = view.ren_win.GetSize()

    def moving():
        """The picture on the screen while the scene is drawn again and again."""
        with qtbot.waitSignal(view.painted):
            view.update()
        with qtbot.waitSignal(view.painted):
            view.update()
        return shown(view)

    def still():
        """The picture on the screen once nothing was drawn for a while."""
        qtbot.wait(5 * module.STILL_AFTER_MS)
        return shown(view)

    monkeypatch.setattr(module, "SLOW_S", 1e9)
    fine, smooth = moving(), still()
    monkeypatch.setattr(module, "SLOW_S", 0.0)
    coarse = moving()
    assert view.ren_win.GetSize() == full  # what the mouse does is measured by it
    assert np.array_equal(still(), smooth)
    assert roughness(coarse) < 0.7 * roughness(fine)
    # The same scene, nevertheless: the surface in its place, points and marks as large.
    assert np.abs(coarse.astype(int) - fine).mean() < 2.0
    monkeypatch.setattr(module, "SLOW_S", 1e9)
    assert np.array_equal(moving(), fine)


def shown(view):
    """What is on the screen in the place of a widget, (H, W, 3)."""
    QApplication.processEvents()
    window = view.window()
    image = window.screen().grabWindow(window.winId()).toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    whole = rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3)
    corner = view.mapTo(window, QPoint(0, 0))
    return whole[corner.y() : corner.y() + view.height(), corner.x() : corner.x() + view.width()].copy()


def roughness(picture):
    """How much a picture bends from pixel to pixel."""
    return np.abs(np.diff(picture.astype(int), n=2, axis=1)).mean()
