"""The event loop while a job computes. Other work on the machine can only make the gaps longer, so the
best of a few attempts is what the program is answerable for."""

from __future__ import annotations

import time

import numpy as np
from PySide6.QtCore import QTimer

from nmf_app.session import ItemState
from nmf_model.errors import Cancelled
from nmf_model.types import FlowFrame

from .conftest import ellipsoid_flow

LIMIT_S = 0.1
SECONDS = 1.5
ATTEMPTS = 6


def busy_stream(request, cancel):
    """Compute without a pause, half in Python and half in numpy, and send 2,562 vertices fifty times a second."""
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


def test_no_gap_over_100_ms_while_a_job_computes(open_window, qtbot, cloud_file):
    app = open_window(busy_stream)
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
    assert min(gaps) <= LIMIT_S, gaps
