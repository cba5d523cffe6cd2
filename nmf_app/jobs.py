"""Background work: a runner has one worker thread, one job at a time; every outcome comes in the GUI thread.

A job ends in exactly one of DONE, FAILED or CANCELLED, whatever its function does.
"""

from __future__ import annotations

import heapq
import itertools
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, IntEnum

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from nmf_model.errors import Cancelled, NmfError
from nmf_model.types import CancelCheck, FlowFrame

DRAW_INTERVAL_S = 1 / 30
_SLOWEST_DRAW_INTERVAL_S = 0.25
_NICENESS = 5
"""Of the worker: where drawing needs the processors, it goes first."""


class JobKind(Enum):
    """What a job does; the controller routes its events by this."""

    READ = "read"
    SPLIT = "split"
    RECONSTRUCT = "reconstruct"
    EXPORT = "export"
    ANIMATION = "animation"
    WARM_UP = "warm up"


class Priority(IntEnum):
    """Lower runs first, so that a short job never waits behind a whole queue of long ones."""

    QUICK = 0
    LONG = 1


class JobState(Enum):
    """Where a job stands; the last three are terminal."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more will be heard of the job."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True)
class Progress:
    """What a job's function reports while it works.

    Attributes:
        stage: what is happening, in words for the user.
        fraction: share of the job done, 0..1.
        frame: the shape so far, or None.
    """

    stage: str
    fraction: float
    frame: FlowFrame | None = None


Report = Callable[[Progress], None]
Task = Callable[[Report, CancelCheck], object]


@dataclass(frozen=True)
class Job:
    """A callable request.

    Attributes:
        id: unique in the process; events carry it.
        kind: what it does.
        title: what the user calls it ("chair.ply").
        task: runs on the worker thread; must not touch any widget.
    """

    id: int
    kind: JobKind
    title: str
    task: Task
    priority: Priority = Priority.LONG


@dataclass(frozen=True)
class JobEvent:
    """Something that happened to a job; ``sentence`` and ``details`` are filled when it FAILED."""

    job: int
    kind: JobKind
    state: JobState
    progress: Progress | None = None
    result: object = None
    sentence: str = ""
    details: str = ""


class CancelToken:
    """A thread-safe flag; calling it answers whether the job should stop."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the job to stop; may be called from any thread, more than once."""
        self._event.set()

    def __call__(self) -> bool:
        """Return True once ``cancel`` was called."""
        return self._event.is_set()


@dataclass(order=True)
class _Entry:
    rank: tuple[int, int]
    job: Job = field(compare=False)
    token: CancelToken = field(compare=False, default_factory=CancelToken)


class JobRunner(QObject):
    """Runs jobs on one worker thread and emits ``job_event`` in the thread that made the runner.

    Construct it in the GUI thread. All methods are for the GUI thread. Progress events are thinned:
    at most one waits to be drawn, the newest, and they come no faster than ``DRAW_INTERVAL_S``, nor so
    fast that drawing them takes more than half of the time.
    """

    job_event = Signal(object)
    _wake = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lock = threading.Condition()
        self._queue: list[_Entry] = []
        self._current: _Entry | None = None
        self._closing = False
        self._order = itertools.count()
        self._inbox: list[JobEvent] = []
        self._awake = False
        self._last_delivery = 0.0
        self._draw_interval = DRAW_INTERVAL_S
        self._delivery = QTimer(self, singleShot=True, timerType=Qt.TimerType.PreciseTimer)
        self._delivery.timeout.connect(self._deliver)
        self._wake.connect(self._schedule_delivery, Qt.ConnectionType.QueuedConnection)
        self._thread = threading.Thread(target=self._work, name="nmf-worker", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue a job; a quick one goes before the long ones that still wait."""
        with self._lock:
            heapq.heappush(self._queue, _Entry((job.priority, next(self._order)), job))
            self._lock.notify()

    def cancel(self, job_id: int) -> None:
        """Stop a job: at its next poll if it runs, at once if it waits. Unknown ids are ignored."""
        with self._lock:
            if self._current is not None and self._current.job.id == job_id:
                self._current.token.cancel()
            for entry in [entry for entry in self._queue if entry.job.id == job_id]:
                self._drop(entry)

    def cancel_all(self) -> None:
        """Stop the running job and drop every waiting one."""
        with self._lock:
            for entry in list(self._queue):
                self._drop(entry)
            if self._current is not None:
                self._current.token.cancel()

    def waiting(self) -> int:
        """How many jobs have not begun, but for those that the user is not told of."""
        with self._lock:
            return sum(entry.job.kind is not JobKind.WARM_UP for entry in self._queue)

    def pace(self, draw_s: float) -> None:
        """Take note of how long the window took to draw what was last delivered, seconds."""
        self._draw_interval = min(max(DRAW_INTERVAL_S, 2 * draw_s), _SLOWEST_DRAW_INTERVAL_S)

    def shutdown(self, timeout_s: float = 10.0) -> bool:
        """Cancel everything and wait for the worker; True if it ended within ``timeout_s``."""
        self.cancel_all()
        with self._lock:
            self._closing = True
            self._lock.notify()
        self._thread.join(timeout_s)
        self._delivery.stop()
        return not self._thread.is_alive()

    def _drop(self, entry: _Entry) -> None:
        self._queue.remove(entry)
        heapq.heapify(self._queue)
        self._post(JobEvent(entry.job.id, entry.job.kind, JobState.CANCELLED))

    # Worker thread from here to the next rule.

    def _work(self) -> None:
        _give_way()
        while (entry := self._next()) is not None:
            job = entry.job
            self._post(JobEvent(job.id, job.kind, JobState.RUNNING))
            outcome = _run(job, self._reporter(job), entry.token)
            with self._lock:
                self._current = None
            self._post(outcome)

    def _next(self) -> _Entry | None:
        with self._lock:
            while not self._queue and not self._closing:
                self._lock.wait()
            if self._closing:
                return None
            self._current = heapq.heappop(self._queue)
            return self._current

    def _reporter(self, job: Job) -> Report:
        def report(progress: Progress) -> None:
            self._post(JobEvent(job.id, job.kind, JobState.RUNNING, progress))

        return report

    def _post(self, event: JobEvent) -> None:
        with self._lock:
            if self._inbox and _supersedes(event, self._inbox[-1]):
                self._inbox[-1] = event
            else:
                self._inbox.append(event)
            wake = not self._awake and not self._closing
            self._awake = self._awake or wake
        if wake:
            self._wake.emit()

    # GUI thread.

    @Slot()
    def _schedule_delivery(self) -> None:
        wait = self._last_delivery + self._draw_interval - time.monotonic()
        self._delivery.start(max(0, round(wait * 1000)))

    @Slot()
    def _deliver(self) -> None:
        self._last_delivery = time.monotonic()
        with self._lock:
            events, self._inbox = self._inbox, []
            self._awake = False
        for event in events:
            self.job_event.emit(event)


def _give_way() -> None:
    """Let the window's threads go before this one and those that it starts, where threads have ranks."""
    if sys.platform == "linux":  # elsewhere a niceness is the whole process's
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _supersedes(new: JobEvent, old: JobEvent) -> bool:
    return new.job == old.job and new.progress is not None and old.progress is not None


def _run(job: Job, report: Report, cancel: CancelToken) -> JobEvent:
    """Run a job to its one terminal event."""
    try:
        result = job.task(report, cancel)
    except Cancelled:
        return JobEvent(job.id, job.kind, JobState.CANCELLED)
    except BaseException as error:  # noqa: BLE001  libraries raise SystemExit too; a job must end in a state
        sentence = explain(error, job.title)
        return JobEvent(job.id, job.kind, JobState.FAILED, sentence=sentence, details=traceback.format_exc())
    return JobEvent(job.id, job.kind, JobState.DONE, result=result)


def explain(error: BaseException, title: str) -> str:
    """Say in one sentence what went wrong with ``title``, and what to do about it."""
    if isinstance(error, NmfError):
        return str(error)
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return f"There was not enough memory for “{title}”: choose less detail, or close other programs."
    if isinstance(error, PermissionError):
        return f"There is no permission to use {error.filename or title}: choose another folder or file."
    if isinstance(error, OSError):
        return f"“{title}” could not be read or written: {error.strerror or error}."
    return f"Something went wrong inside the program with “{title}”; the details say where."
