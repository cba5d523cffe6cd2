"""The 3-D view: a Qt shell around a ``Scene``. Importing this module takes about a second: do it late."""

from __future__ import annotations

import os
import time
from typing import Any

os.environ.setdefault("QT_API", "pyside6")

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QWidget
from pyvistaqt import QtInteractor

from nmf_app import resources
from nmf_app.session import Shading, Theme
from nmf_app.widgets.scene import Scene

SAMPLES_ON_A_GPU = 4
STILL_AFTER_MS = 180
STILL_AFTER_LIVE_MS = 700
"""The same while a shape is being made, which soon moves on."""
SLOW_S = 1 / 30
"""What drawing a moving scene may take before it is drawn coarsely."""
COARSENESS = 2
"""Pixels along the side of one that is drawn then."""


class Viewport(QtInteractor):
    """An orbiting view that redraws only when asked.

    Where drawing is slow, without a GPU, what moves is drawn with half the pixels along each side.

    Args:
        window: the main window. The view closes itself when its parent is destroyed, so it must be this.

    Signals:
        painted: something was drawn, in so many seconds.
    """

    painted = Signal(float)

    def __init__(self, window: QWidget) -> None:
        # Software rendering runs at half the speed with samples; a GPU gets them once it is known.
        super().__init__(window, auto_update=False, multi_samples=0)
        self.setAcceptDrops(False)  # drops belong to the window: Qt offers them to the parent
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(320, 240)
        self.setAccessibleName("Three-dimensional view")
        self.scene = Scene(self, window.devicePixelRatioF())
        self._sampled = False
        self._still = QTimer(self, singleShot=True, interval=STILL_AFTER_MS)
        self._still.timeout.connect(self._refine)
        self._refining = self._coarse = False

    def set_theme(self, theme: Theme) -> None:
        """Recolour the view."""
        self.scene.set_colours(resources.palette(theme))
        self.update()

    def set_shading(self, shading: Shading) -> None:
        """Change how the surface is drawn."""
        self.scene.set_shading(shading)
        self.update()

    def set_live(self, live: bool) -> None:
        """Say whether the shape is being made, and soon moves on."""
        interval = STILL_AFTER_LIVE_MS if live else STILL_AFTER_MS
        if interval != self._still.interval():
            self._still.setInterval(interval)

    def reset_view(self) -> None:
        """Look at the whole object again."""
        self.scene.reset_camera()
        self.update()

    def paintGL(self) -> None:
        """Draw: quickly while things move, with smoothed edges once they stand still."""
        started, moving = time.perf_counter(), not self._refining
        self._refining = False
        self.renderer.SetUseFXAA(not moving)
        if moving:
            self._still.start()
        self._draw(COARSENESS if moving and self._coarse else 1)
        if not self._sampled:
            self._sampled = True
            window: Any = self.ren_win
            if "llvmpipe" not in window.ReportCapabilities():
                window.SetMultiSamples(SAMPLES_ON_A_GPU)
        seconds = time.perf_counter() - started
        if moving:
            self._coarse = self._worth_coarse(seconds)
        self.painted.emit(seconds)

    def _draw(self, coarseness: int) -> None:
        """Draw with fewer pixels than are shown; the base class scales what is drawn up to the widget."""
        window: Any = self.ren_win
        width, height = window.GetSize()
        self.scene.set_scale(1 / coarseness)
        window.SetSize(-(-width // coarseness), -(-height // coarseness))
        super().paintGL()  # type: ignore[no-untyped-call]
        window.SetSize(width, height)  # what the mouse does is measured by it

    def _worth_coarse(self, seconds: float) -> bool:
        """Whether to draw the next frame coarsely; a fine one would take up to four times as long as that."""
        return seconds > (SLOW_S / COARSENESS**2 if self._coarse else SLOW_S)

    def _refine(self) -> None:
        self._refining = True
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Leave every key to the window: VTK's own bindings quit, pick and switch to stereo."""
        event.ignore()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Leave every key to the window."""
        event.ignore()
