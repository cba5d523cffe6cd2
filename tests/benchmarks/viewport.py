"""Measure the window: ``python -m tests.benchmarks.viewport``, under a display or ``xvfb-run -a``.

Prints the time to a usable window, frames per second while a sphere moves, and the largest gap of the event
loop during a reconstruction of a bundled or made-up cloud.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QApplication

from nmf_app.app import App, build, make_application
from nmf_app.settings import Settings
from nmf_model.geometry.template import icosphere

SECONDS = 4.0


def spin(seconds: float, done: Callable[[], bool] = lambda: False) -> None:
    """Run the event loop until ``done`` or for ``seconds``."""
    loop, ends, timer = QEventLoop(), time.perf_counter() + seconds, QTimer(interval=10)
    timer.timeout.connect(lambda: loop.quit() if done() or time.perf_counter() > ends else None)
    timer.start()
    loop.exec()
    timer.stop()


def frame_rate(app: App, level: int) -> float:
    """Return frames per second while the vertices of a level's sphere move."""
    sphere, viewport, drawn = icosphere(level), app.window.stage.viewport, 0

    def count() -> None:
        nonlocal drawn
        drawn += 1

    viewport.painted.connect(count)
    ends = time.perf_counter() + SECONDS
    while time.perf_counter() < ends:
        scale = np.float32(0.8 + 0.1 * np.sin(drawn / 5))
        viewport.scene.set_mesh(sphere.vertices * scale, sphere.faces)
        viewport.update()
        QApplication.processEvents()
    viewport.painted.disconnect(count)
    return drawn / SECONDS


class Gaps:
    """Remembers when the event loop was away for how long."""

    def __init__(self) -> None:
        self.all: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer(interval=5)
        self._timer.timeout.connect(self._beat)
        self._timer.start()

    def _beat(self) -> None:
        now = time.perf_counter()
        self.all.append(now - self._last)
        self._last = now


def cloud(folder: Path) -> Path:
    """Write 2,500 points of a bumpy ball."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(2500, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    radii = 1 + 0.2 * np.sin(4 * directions[:, :1]) * np.cos(3 * directions[:, 1:2])
    np.save(folder / "ball.npy", directions * radii)
    return folder / "ball.npy"


def _since_start() -> float:
    """Seconds since the process was started, imports included."""
    ticks = float(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
    return float(Path("/proc/uptime").read_text().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        make_application(["benchmark"])
        app = build(Settings(Path(folder) / "settings.ini"))
        ready: list[float] = []
        app.window.ready.connect(lambda: ready.append(time.perf_counter()))
        app.window.start()
        spin(0.05)
        print(f"usable window          {_since_start() - 0.05:6.2f} s after the start of the process")
        spin(60, lambda: bool(ready))
        print(f"3-D view ready         {_since_start() - time.perf_counter() + ready[0]:6.2f} s")
        app.window.drop_zone.hide()
        spin(0.5)
        for level in (4, 5):
            vertices = 10 * 4**level + 2
            print(f"{vertices:6,} vertices        {frame_rate(app, level):6.1f} frames/s")
        app.controller.warm_up()  # runs behind the one of the start; both are over before the clock starts
        spin(60, lambda: "nmf_model.reconstruct" in sys.modules and not app.runner.waiting())
        spin(1)
        gaps = Gaps()
        app.controller.open_files([cloud(Path(folder))])
        spin(300, lambda: app.session.state.active is None and app.session.state.notice is not None)
        longest, most = 1000 * max(gaps.all), 1000 * np.quantile(gaps.all, 0.99)
        print(f"largest gap in a job   {longest:6.0f} ms; 99 % below {most:.0f} ms")
        print(app.session.state.notice.sentence)
        app.window.close()


if __name__ == "__main__":
    main()
