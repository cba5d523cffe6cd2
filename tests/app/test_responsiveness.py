"""The event loop while a job computes.

Other work on the machine can only lengthen a gap, so the best of a few attempts is what the program is
answerable for; where drawing alone, with no job at all, already takes that long, nothing can be measured.
"""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from PySide6.QtCore import QTimer

from nmf_app.session import ItemState
from nmf_model.errors import Cancelled
from nmf_model.types import FlowFrame

from .conftest import ellipsoid_flow

LIMIT_S = 0.1
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
    if min(gaps) > LIMIT_S:
        app.controller.cancel_all()
        qtbot.waitUntil(lambda: app.session.state.active is None)
        alone.append(gap_of_drawing_alone(app, qtbot))
        if min(alone) > LIMIT_S / 2:
            pytest.skip(f"too busy: gaps of {min(alone):.2f} s without a job, {min(gaps):.2f} s with one")
    assert min(gaps) <= LIMIT_S, (gaps, alone)
