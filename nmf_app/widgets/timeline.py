"""Play, scrub and slow down the flow from the sphere to the object."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QSlider

from nmf_app import resources
from nmf_app.session import Theme
from nmf_app.widgets.basics import GRID, label, tool_button
from nmf_model.types import Trajectory

SECONDS_AT_NORMAL_SPEED = 4.0
TICK_MS = 33
STEPS = 20  # slider positions between two frames
WIDE = 62 * GRID
SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)


class Timeline(QFrame):
    """A player of one trajectory; ``moved`` carries the vertices (V, 3) to draw, interpolated in time."""

    moved = Signal(object)

    def __init__(self, play: QAction) -> None:
        super().__init__()
        self.setObjectName("timeline")
        self._play = play
        self._trajectory: Trajectory | None = None
        self._theme = Theme.LIGHT
        self._timer = QTimer(self, interval=TICK_MS, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._ticked = 0.0
        self._position = 0.0
        self._build()
        play.triggered.connect(self.toggle)
        self.set_trajectory(None)

    @property
    def playing(self) -> bool:
        """Whether the flow is being played."""
        return self._timer.isActive()

    @property
    def position(self) -> float:
        """Where the player is, in frames: 0 is the sphere."""
        return self._position

    def set_trajectory(self, trajectory: Trajectory | None, play: bool = False) -> None:
        """Load a flow, standing at its end, or play it from its beginning once; None empties the player."""
        self.pause()
        self._trajectory = trajectory
        last = 0 if trajectory is None else len(trajectory.vertices) - 1
        self._slider.blockSignals(True)
        self._slider.setRange(0, last * STEPS)
        self._slider.blockSignals(False)
        self.setEnabled(trajectory is not None)
        self._play.setEnabled(trajectory is not None)
        self._go(0.0 if play else float(last))
        if play:
            self.play()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave out where the flow stands where words and slider would cover each other."""
        super().resizeEvent(event)
        self._label.setVisible(self.width() >= WIDE)

    def set_theme(self, theme: Theme) -> None:
        """Redraw the play button in a theme's colours."""
        self._theme = theme
        self._show_icon()

    def toggle(self) -> None:
        """Pause, or play; from the beginning if it stands at the end."""
        if self.playing:
            self.pause()
        elif self._trajectory is not None:
            if self._position >= self._last():
                self._go(0.0)
            self.play()

    def play(self) -> None:
        """Play on from where it stands."""
        self._ticked = time.monotonic()
        self._timer.start()
        self._show_icon()

    def pause(self) -> None:
        """Stand still."""
        self._timer.stop()
        self._show_icon()

    def _build(self) -> None:
        self._button = tool_button(self._play)
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setMinimumWidth(12 * GRID)
        self._slider.setSingleStep(STEPS)
        self._slider.setPageStep(5 * STEPS)
        self._slider.setAccessibleName("Position in the flow")
        self._slider.setToolTip("Drag through the flow from sphere to object")
        self._slider.valueChanged.connect(self._on_slider)
        self._label = label(role="caption", wrap=False)
        self._label.setMinimumWidth(128)
        self._speed = QComboBox()
        self._speed.setToolTip("Playing speed")
        self._speed.setAccessibleName("Playing speed")
        for speed in SPEEDS:
            self._speed.addItem(f"{speed:g}×", speed)
        self._speed.setCurrentIndex(SPEEDS.index(1.0))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(2 * GRID, GRID, 2 * GRID, GRID)
        layout.setSpacing(GRID)
        layout.addWidget(self._button)
        layout.addWidget(label("Sphere", "caption", wrap=False))
        layout.addWidget(self._slider, 1)
        layout.addWidget(label("Object", "caption", wrap=False))
        layout.addSpacing(GRID)
        layout.addWidget(self._label)
        layout.addWidget(self._speed)

    def _show_icon(self) -> None:
        self._play.setIcon(resources.icon("pause" if self.playing else "play", self._theme))
        self._play.setText("&Pause the flow" if self.playing else "&Play the flow")

    def _last(self) -> int:
        return 0 if self._trajectory is None else len(self._trajectory.vertices) - 1

    def _tick(self) -> None:
        now = time.monotonic()
        passed, self._ticked = now - self._ticked, now
        per_second = self._last() / SECONDS_AT_NORMAL_SPEED * float(self._speed.currentData())
        target = self._position + passed * per_second
        self._go(min(target, float(self._last())))
        if target >= self._last():
            self.pause()

    def _on_slider(self, value: int) -> None:
        self.pause()
        self._go(value / STEPS)

    def _go(self, position: float) -> None:
        self._position = position
        self._slider.blockSignals(True)
        self._slider.setValue(round(position * STEPS))
        self._slider.blockSignals(False)
        trajectory = self._trajectory
        if trajectory is None:
            self._label.setText("No flow to play yet")
            return
        nearest = round(position)
        self._label.setText(
            f"Frame {nearest + 1} of {self._last() + 1} · block {trajectory.blocks[nearest] + 1}"
        )
        self.moved.emit(between(trajectory, position))


def between(trajectory: Trajectory, position: float) -> NDArray[np.float32]:
    """Return the vertices (V, 3) at a fractional frame, linear between its neighbours."""
    first = min(int(position), len(trajectory.vertices) - 1)
    share = np.float32(position - first)
    if share <= 0 or first + 1 >= len(trajectory.vertices):
        exact: NDArray[np.float32] = trajectory.vertices[first]
        return exact
    mixed: NDArray[np.float32] = (1 - share) * trajectory.vertices[first] + share * trajectory.vertices[
        first + 1
    ]
    return mixed
