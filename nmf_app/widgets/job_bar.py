"""The strip at the bottom: what runs, how far it is, how long it takes; else the latest notice."""

from __future__ import annotations

import time

from PySide6.QtCore import QSize, QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QStackedLayout, QWidget

from nmf_app import resources
from nmf_app.jobs import JobKind
from nmf_app.session import ActiveJob, Notice, NoticeKind, SessionState, Theme
from nmf_app.widgets.basics import GRID, label, link_button, tip
from nmf_app.wording import breakable, duration, remaining, shortened

STEPS = 1000
HEIGHT = 48
NAME_LENGTH = 32
"""Of a name beside the bar; what is longer would hide the stage."""
ICON = QSize(16, 16)
_NOTICE_ICONS = {
    NoticeKind.INFO: ("info", "muted"),
    NoticeKind.SUCCESS: ("check", "good"),
    NoticeKind.ERROR: ("warning", "bad"),
}
_VERBS = {
    JobKind.READ: "Reading",
    JobKind.SPLIT: "Splitting",
    JobKind.RECONSTRUCT: "Reconstructing",
    JobKind.EXPORT: "Exporting",
    JobKind.ANIMATION: "Recording",
    JobKind.WARM_UP: "Preparing",
}

_READY = Notice(NoticeKind.INFO, "Ready")
_PREPARING = Notice(NoticeKind.INFO, "Preparing: reading begins in a moment.")


def _rest(state: SessionState) -> Notice:
    """Say what goes on while no job is told of: a first file waits for what every one needs."""
    return _PREPARING if state.waiting else _READY


class JobBar(QFrame):
    """Shows ``active``, ``waiting`` and ``notice`` of the session; the window connects its buttons."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("jobBar")
        self.setFixedHeight(HEIGHT)
        self._active: ActiveJob | None = None
        self._reached = (0, 0.0, 0.0)  # which job came how far, and after how many seconds
        self._texts: tuple[str, str, str] | None = None
        self._clock = QTimer(self, interval=500)
        self._clock.timeout.connect(self._show_times)
        self.details = link_button("Details…")
        self.dismiss = link_button("Dismiss")
        self.cancel = link_button("Cancel")
        self.cancel.setToolTip("Stop what is running; what waits goes on")
        self._pages = QStackedLayout(self)
        self._pages.addWidget(self._make_notice())
        self._pages.addWidget(self._make_progress())

    def show_state(self, state: SessionState) -> None:
        """Show a snapshot of the session."""
        self._active = state.active
        if state.active is None:
            self._clock.stop()
            self._pages.setCurrentIndex(0)
            self._show_notice(state.notice or _rest(state), state.view.theme)
            self._fit()
            return
        job = state.active
        self._pages.setCurrentIndex(1)
        self._fit()
        stage = f" · {job.stage}" if job.stage else ""
        if self._reached[:2] != (job.job, job.fraction):
            self._reached = job.job, job.fraction, time.monotonic() - job.started
        self._bar.setValue(round(job.fraction * STEPS))
        texts = (
            f"{_VERBS[job.kind]} “{shortened(job.title, NAME_LENGTH)}”{stage}",
            f"{int(100 * job.fraction)} %",
            f"{state.waiting} waiting" if state.waiting else "",
        )
        if texts != self._texts:
            self._texts = texts
            for widget, text in zip((self._stage, self._percent, self._queue), texts, strict=True):
                widget.setText(text)
        if not self._clock.isActive():
            self._clock.start()
            self._show_times()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep a long notice whole."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Be as high as the notice needs: its end says what to do."""
        needed = self._notice_layout.totalHeightForWidth(self.width()) + GRID
        self.setFixedHeight(max(HEIGHT, needed if self._active is None else 0))

    def _show_times(self) -> None:
        if self._active is not None:
            elapsed = time.monotonic() - self._active.started
            left = remaining(elapsed, *self._reached[1:])
            self._times.setText(" · ".join(filter(None, [duration(elapsed), left])))

    def _show_notice(self, notice: Notice, theme: Theme) -> None:
        name, role = _NOTICE_ICONS[notice.kind]
        self._icon.setPixmap(resources.icon(name, theme, role).pixmap(ICON))
        self._sentence.setText(breakable(notice.sentence))
        self._sentence.setToolTip(tip(notice.sentence))
        self._sentence.setProperty("role", "bad" if notice.kind is NoticeKind.ERROR else "body")
        self._sentence.style().polish(self._sentence)
        self.details.setVisible(bool(notice.details))
        self.dismiss.setVisible(notice not in (_READY, _PREPARING))

    def _make_notice(self) -> QWidget:
        page, self._icon, self._sentence = QWidget(), QLabel(), label()
        layout = QHBoxLayout(page)
        layout.setContentsMargins(2 * GRID, 0, GRID, 0)
        layout.setSpacing(GRID)
        self._notice_layout = layout
        layout.addWidget(self._icon)
        layout.addWidget(self._sentence, 1)
        layout.addWidget(self.details)
        layout.addWidget(self.dismiss)
        return page

    def _make_progress(self) -> QWidget:
        page, self._bar = QWidget(), QProgressBar(textVisible=False, maximum=STEPS)
        self._bar.setAccessibleName("Progress of the running job")
        self._stage = label(wrap=False)
        self._percent, self._times, self._queue = (label(role="caption", wrap=False) for _ in range(3))
        self._percent.setMinimumWidth(40)
        self._times.setMinimumWidth(168)
        layout = QHBoxLayout(page)
        layout.setContentsMargins(2 * GRID, 0, GRID, 0)
        layout.setSpacing(2 * GRID)
        layout.addWidget(self._stage)
        layout.addWidget(self._bar, 1)
        for widget in (self._percent, self._times, self._queue, self.cancel):
            layout.addWidget(widget)
        return page
