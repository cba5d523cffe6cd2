"""The 3-D view: a Qt shell around a ``Scene``. Importing this module takes about a second: do it late."""

from __future__ import annotations

import os
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


class Viewport(QtInteractor):
    """An orbiting view that redraws only when asked.

    Args:
        window: the main window. The view closes itself when its parent is destroyed, so it must be this.
    """

    painted = Signal()

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
        self._refining = False

    def set_theme(self, theme: Theme) -> None:
        """Recolour the view."""
        self.scene.set_colours(resources.palette(theme))
        self.update()

    def set_shading(self, shading: Shading) -> None:
        """Change how the surface is drawn."""
        self.scene.set_shading(shading)
        self.update()

    def reset_view(self) -> None:
        """Look at the whole object again."""
        self.scene.reset_camera()
        self.update()

    def paintGL(self) -> None:
        """Draw: quickly while things move, with smoothed edges once they stand still."""
        self.renderer.SetUseFXAA(self._refining)
        if not self._refining:
            self._still.start()
        self._refining = False
        super().paintGL()  # type: ignore[no-untyped-call]
        if not self._sampled:
            self._sampled = True
            window: Any = self.ren_win
            if "llvmpipe" not in window.ReportCapabilities():
                window.SetMultiSamples(SAMPLES_ON_A_GPU)
        self.painted.emit()

    def _refine(self) -> None:
        self._refining = True
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Leave every key to the window: VTK's own bindings quit, pick and switch to stereo."""
        event.ignore()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Leave every key to the window."""
        event.ignore()
