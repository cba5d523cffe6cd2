"""Intents in, jobs out, job events back into the session. Knows no widget."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from weakref import WeakSet

from PySide6.QtCore import QObject, Slot

from nmf_app import work
from nmf_app.jobs import Job, JobEvent, JobKind, JobState, Priority, Task
from nmf_app.ports import DialogsPort, RunnerPort, SettingsPort
from nmf_app.session import (
    ActiveJob,
    Exported,
    Item,
    ItemState,
    LiveFrame,
    Loaded,
    Notice,
    NoticeKind,
    Outcome,
    Parameters,
    Session,
    ViewOptions,
)
from nmf_app.settings import RECENT_LIMIT
from nmf_app.wording import (
    OTHER_WAYS,
    broken_sentence,
    done_sentence,
    export_sentence,
    loaded_sentence,
    other_way,
)
from nmf_model.types import Method, PointCloud, ReconstructionRequest

_FINISHING = Notice(
    NoticeKind.INFO, "Finishing what cannot be stopped halfway; the window closes after that."
)
_WRITING = (JobKind.EXPORT, JobKind.ANIMATION)
"""Work whose file would be missed."""
_STATE_WHILE_RUNNING = {JobKind.READ: ItemState.READING, JobKind.RECONSTRUCT: ItemState.RUNNING}


@dataclass(frozen=True)
class _Known:
    """A job whose events still matter, and the item it belongs to; an export's outcome, a file's name."""

    kind: JobKind
    item: int
    title: str
    outcome: Outcome | None = None
    file: str = ""


class Controller(QObject):
    """Carries out what the user asks for. All methods are for the GUI thread.

    Args:
        session: the state it reads and replaces.
        runner: where jobs go; its events must be connected to ``on_job_event``.
        dialogs: questions to the user.
        settings: what is remembered.
        stream: the reconstruction to run; None for the real one.
        writer: where exports go, as ``runner``, so that they wait for no other work; None for ``runner``.
    """

    def __init__(
        self,
        session: Session,
        runner: RunnerPort,
        dialogs: DialogsPort,
        settings: SettingsPort,
        stream: work.Stream | None = None,
        writer: RunnerPort | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._runner = runner
        self._writer = writer or runner
        self._runners = list(dict.fromkeys((runner, self._writer)))
        self._dialogs = dialogs
        self._settings = settings
        self._stream = stream
        self._ids = itertools.count(1)
        self._known: dict[int, _Known] = {}
        self._written: WeakSet[Outcome] = WeakSet()
        self._follow_running = True

    # Intents.

    @Slot()
    def choose_files(self) -> None:
        """Ask for files and open them."""
        self.open_files(self._dialogs.choose_sources(self._settings.folder()))

    @Slot(list)
    def open_files(self, paths: Iterable[Path]) -> None:
        """Read each file; several become a queue. Reconstruction follows if the user wants it at once."""
        paths = list(dict.fromkeys(Path(path) for path in paths))
        if not paths:
            return
        items = [Item(next(self._ids), path, ItemState.READING) for path in paths]
        state = self._session.state
        busy = state.active is not None
        self._follow_running = self._follow_running or not busy
        self._session.update(
            items=state.items + tuple(items),
            current=state.current if busy and state.current is not None else items[0].key,
            notice=None,
        )
        for item in items:
            self._submit(JobKind.READ, item, work.read(item.path))

    @Slot()
    def reconstruct(self) -> None:
        """Queue the shown item for reconstruction with the present parameters.

        It is read first if it is not, and again if its file has changed.
        """
        item = self._session.state.current_item
        if item is None or self._jobs_of(item.key, JobKind.RECONSTRUCT):
            return
        if item.loaded is not None and not _has_changed(item):
            self._follow_running = True
            self._submit_reconstruction(item)
        elif not self._jobs_of(item.key, JobKind.READ):
            self._session.update_item(item.key, state=ItemState.READING, sentence="", details="")
            self._submit(JobKind.READ, item, work.read(item.path))

    @Slot()
    def show_other(self) -> None:
        """Show what the other method makes of the shown picture; it is computed at the first time only."""
        item = self._session.state.current_item
        way = other_way(item)
        if item is None or way is None or self._jobs_of(item.key, JobKind.RECONSTRUCT):
            return
        if item.other is not None:
            self._session.update_item(item.key, outcome=item.other, other=item.outcome, exported=None)
            return
        self._follow_running = True
        self._submit_reconstruction(item, way[0])

    @Slot()
    def split_bodies(self) -> None:
        """Part the shown cloud into its separate bodies; each becomes an item with a job of its own."""
        item = self._session.state.current_item
        if item is None or item.loaded is None or self._jobs_of(item.key, JobKind.SPLIT):
            return
        if isinstance(item.loaded.source, PointCloud) and item.loaded.bodies > 1:
            self._submit(JobKind.SPLIT, item, work.split(item.loaded.source))

    @Slot()
    def cancel(self) -> None:
        """Stop what the shown item waits for; if it waits for nothing, stop the running job."""
        state = self._session.state
        jobs = self._jobs_of(state.current) if state.current is not None else []
        if not jobs and state.active is not None:
            jobs = [state.active.job]
        for job in jobs:
            self._cancel_job(job)

    @Slot()
    def cancel_active(self) -> None:
        """Stop the running job; the next in the queue begins."""
        active = self._session.state.active
        if active is not None:
            self._cancel_job(active.job)

    @Slot()
    def cancel_all(self) -> None:
        """Stop the running job and drop the queue."""
        for runner in self._runners:
            runner.cancel_all()

    @Slot(int)
    def select(self, key: int) -> None:
        """Show another item."""
        state = self._session.state
        if key == state.current or state.item(key) is None:
            return
        self._follow_running = state.active is not None and state.active.item == key
        self._session.update(current=key)

    @Slot(int)
    def remove(self, key: int) -> None:
        """Forget an item; its jobs are cancelled and their late events ignored, but files are written."""
        for job in self._jobs_of(key):
            if self._known[job].kind in _WRITING:
                continue
            del self._known[job]
            self._cancel_job(job)
        state = self._session.state
        items = tuple(item for item in state.items if item.key != key)
        current = state.current
        if current == key:
            row = next(row for row, item in enumerate(state.items) if item.key == key)
            current = items[min(row, len(items) - 1)].key if items else None
        active = state.active
        if active is not None and active.item == key and active.kind not in _WRITING:
            active = None
        self._session.update(items=items, current=current, active=active, waiting=self._waiting())

    @Slot()
    def remove_all(self) -> None:
        """Forget every item, back to the empty window."""
        for item in self._session.state.items:
            self.remove(item.key)
        self._session.update(notice=None)

    @Slot()
    def export(self) -> None:
        """Ask where to write the shown mesh, and write it."""
        item = self._session.state.current_item
        if item is None or item.outcome is None:
            return
        choice = self._dialogs.choose_export(item.outcome, item.stem, self._settings.folder(), item.path)
        if choice is not None:
            self._settings.save_folder(choice.path.parent)
            source = item.loaded.source if item.loaded is not None else None
            task = work.export(item.outcome, choice, source)
            self._submit(JobKind.EXPORT, item, task, item.outcome, choice.path.name)
            if self._session.state.active is not None:  # which is in sight instead
                self._notify(NoticeKind.INFO, f"“{choice.path.name}” is being written.")

    @Slot()
    def save_animation(self) -> None:
        """Ask where to write the flow as a GIF, and record it."""
        item = self._session.state.current_item
        if item is None or item.outcome is None:
            return
        path = self._dialogs.choose_animation(item.stem, self._settings.folder(), item.path)
        if path is not None:
            view = self._session.state.view
            self._settings.save_folder(path.parent)
            theme = view.theme.value
            task = work.save_animation(item.outcome, path, theme, in_color=view.show_colors)
            self._submit(JobKind.ANIMATION, item, task, file=path.name)

    @Slot(object)
    def set_parameters(self, parameters: Parameters) -> None:
        """Replace the parameters of the next reconstruction."""
        if parameters != self._session.state.parameters:
            self._settings.save_parameters(parameters)
            self._session.update(parameters=parameters)

    @Slot(object)
    def set_view(self, view: ViewOptions) -> None:
        """Replace how things are drawn."""
        if view != self._session.state.view:
            self._settings.save_view(view)
            self._session.update(view=view)

    @Slot()
    def show_details(self) -> None:
        """Show what lies behind the present notice."""
        notice = self._session.state.notice
        if notice is not None and notice.details:
            self._dialogs.show_details(notice.sentence, notice.details)

    @Slot()
    def dismiss_notice(self) -> None:
        """Take the present notice away."""
        self._session.update(notice=None)

    @Slot()
    def clear_recent(self) -> None:
        """Forget the recent files."""
        self._settings.save_recent(())
        self._session.update(recent=())

    @Slot()
    def warm_up(self) -> None:
        """Load what a reconstruction needs while nothing else is to do; the user is not told."""
        if self._stream is None:
            self._runner.submit(Job(next(self._ids), JobKind.WARM_UP, "warm up", work.warm_up()))

    def unwritten(self) -> tuple[str, ...]:
        """Return the names of the files that are still to be written."""
        return tuple(known.file for known in self._known.values() if known.kind in _WRITING)

    def unexported(self, key: int | None = None) -> tuple[int, float]:
        """Return of how many items no result was written yet, and how many seconds it took to make those.

        Of all items, or of the one with this key.
        """
        lost = [
            item.outcome.reconstruction.seconds
            for item in self._session.state.items
            if key in (None, item.key)
            and item.outcome is not None
            and not {item.outcome, item.other} & set(self._written)
        ]
        return len(lost), sum(lost)

    def shutdown(self, timeout_s: float = 10.0) -> bool:
        """Cancel everything and wait for each worker; True if they ended. May be called again to ask that."""
        self._known.clear()
        self.cancel_all()  # before any is waited for
        ended = [runner.shutdown(timeout_s) for runner in self._runners]
        if not all(ended) and self._session.state.notice != _FINISHING:
            self._session.update(active=None, live=None, waiting=0, notice=_FINISHING)
        return all(ended)

    # Job events.

    @Slot(object)
    def on_job_event(self, event: JobEvent) -> None:
        """Carry a job's event into the session; events of forgotten jobs are dropped."""
        known = self._known.get(event.job)
        if known is None:
            return
        if event.state.is_terminal:
            del self._known[event.job]
            self._leave(event.job)
            finish: dict[JobState, Callable[[_Known, JobEvent], None]] = {
                JobState.DONE: self._on_done,
                JobState.FAILED: self._on_failed,
                JobState.CANCELLED: self._on_cancelled,
            }
            finish[event.state](known, event)
        elif event.progress is None:
            self._on_started(known, event)
        else:
            self._on_progress(known, event)

    def _on_started(self, known: _Known, event: JobEvent) -> None:
        active = ActiveJob(event.job, known.kind, known.item, known.title, time.monotonic())
        changes: dict[str, object] = {"active": active, "waiting": self._waiting()}
        if known.kind is JobKind.EXPORT and self._session.state.active is not None:
            del changes["active"]  # what takes longer stays in sight
        if known.kind is JobKind.RECONSTRUCT:
            changes |= {"live": None, "notice": None}
            if self._follow_running:
                changes["current"] = known.item
        self._session.update(**changes)
        if known.kind in _STATE_WHILE_RUNNING:
            self._session.update_item(known.item, state=_STATE_WHILE_RUNNING[known.kind])

    def _on_progress(self, known: _Known, event: JobEvent) -> None:
        active, progress = self._session.state.active, event.progress
        if active is None or active.job != event.job or progress is None:
            return
        fraction = max(active.fraction, progress.fraction)
        changes: dict[str, object] = {"active": replace(active, stage=progress.stage, fraction=fraction)}
        if progress.frame is not None:
            changes["live"] = LiveFrame(known.item, progress.frame)
        self._session.update(**changes)

    def _on_done(self, known: _Known, event: JobEvent) -> None:
        result = event.result
        if isinstance(result, Loaded):
            self._on_loaded(known, result)
        elif isinstance(result, Outcome):
            item = self._session.state.item(known.item)
            before = item.outcome if item is not None else None
            is_other = before is not None and _is_other(before, result)
            self._session.update_item(
                known.item,
                state=ItemState.DONE,
                outcome=result,
                other=before if is_other else None,
                exported=None,
                sentence="",
                details="",
            )
            kind = NoticeKind.SUCCESS if result.report.is_sound else NoticeKind.INFO
            self._notify(kind, done_sentence(known.title, result))
        elif isinstance(result, Exported):
            if known.outcome is not None:
                self._written.add(known.outcome)
            item = self._session.state.item(known.item)
            # Meanwhile another outcome may be shown, of which this file says nothing.
            if item is not None and item.outcome is known.outcome:
                self._session.update_item(known.item, exported=result)
            kind = NoticeKind.SUCCESS if result.report.is_closed_sphere else NoticeKind.ERROR
            self._notify(kind, export_sentence(result))
        elif isinstance(result, tuple):
            self._on_split(known, result)
        elif isinstance(result, Path):
            self._notify(NoticeKind.SUCCESS, f"The animation was written to {result}.")

    def _on_loaded(self, known: _Known, loaded: Loaded) -> None:
        before = self._session.state.item(known.item)
        is_read_again = before is not None and before.loaded is not None
        # What was made of the file as it was is not shown beside the file as it is.
        self._session.update_item(
            known.item,
            state=ItemState.READY,
            loaded=loaded,
            outcome=None,
            other=None,
            exported=None,
            sentence="",
            details="",
        )
        self._remember(known.item)
        item = self._session.state.item(known.item)
        # The user sees what is wrong with a mesh first, unless it is one of many.
        asks = loaded.broken is not None and not self._others_pending(known.item)
        wanted = is_read_again or self._session.state.parameters.start_at_once
        if item is not None and wanted and not asks:
            self._submit_reconstruction(item)
        elif loaded.broken is not None:
            self._notify(NoticeKind.ERROR, broken_sentence(known.title, loaded.broken))
        else:
            self._notify(NoticeKind.INFO, loaded_sentence(known.title, loaded))

    def _on_split(self, known: _Known, bodies: tuple[Loaded, ...]) -> None:
        whole = self._session.state.item(known.item)
        if whole is None:
            return
        items = [
            Item(next(self._ids), whole.path, ItemState.READY, body, body=number)
            for number, body in enumerate(bodies, start=1)
        ]
        self._session.update(items=self._session.state.items + tuple(items), current=items[0].key)
        self._notify(NoticeKind.INFO, f"“{known.title}” was split into {len(items)} bodies.")
        for item in items:
            self._submit_reconstruction(item)

    def _on_failed(self, known: _Known, event: JobEvent) -> None:
        if known.kind in _STATE_WHILE_RUNNING:
            self._session.update_item(
                known.item, state=ItemState.FAILED, sentence=event.sentence, details=event.details
            )
        self._notify(NoticeKind.ERROR, event.sentence, event.details)

    def _on_cancelled(self, known: _Known, event: JobEvent) -> None:
        item = self._session.state.item(known.item)
        if item is not None and event.kind in _STATE_WHILE_RUNNING:
            back_to = ItemState.DONE if item.outcome is not None else ItemState.CANCELLED
            self._session.update_item(known.item, state=back_to)
        self._notify(NoticeKind.INFO, f"Cancelled: “{known.title}”.")

    # Helpers.

    def _others_pending(self, key: int) -> bool:
        pending = (ItemState.READING, ItemState.WAITING, ItemState.RUNNING)
        return any(item.state in pending for item in self._session.state.items if item.key != key)

    def _submit_reconstruction(self, item: Item, method: Method | None = None) -> None:
        assert item.loaded is not None
        chosen = self._session.state.parameters
        request = ReconstructionRequest(
            item.loaded.source,
            method or chosen.method,
            chosen.level,
            chosen.seed,
            chosen.device,
            weights=chosen.weights,
            findings=item.loaded.findings,
        )
        self._session.update_item(item.key, state=ItemState.WAITING)
        self._submit(JobKind.RECONSTRUCT, item, work.reconstruct(request, self._stream, item.loaded.sha256))

    def _submit(
        self, kind: JobKind, item: Item, task: Task, outcome: Outcome | None = None, file: str = ""
    ) -> None:
        priority = Priority.LONG if kind is JobKind.RECONSTRUCT else Priority.QUICK
        job = Job(next(self._ids), kind, item.title, task, priority)
        self._known[job.id] = _Known(kind, item.key, item.title, outcome, file)
        (self._writer if kind is JobKind.EXPORT else self._runner).submit(job)
        self._session.update(waiting=self._waiting())

    def _cancel_job(self, job: int) -> None:
        for runner in self._runners:
            runner.cancel(job)

    def _waiting(self) -> int:
        """Return how many jobs have not begun."""
        return sum(runner.waiting() for runner in self._runners)

    def _leave(self, job: int) -> None:
        active = self._session.state.active
        changes: dict[str, object] = {"waiting": self._waiting()}
        if active is not None and active.job == job:
            changes |= {"active": None, "live": None}
        self._session.update(**changes)

    def _jobs_of(self, item: int, kind: JobKind | None = None) -> list[int]:
        return [
            job
            for job, known in self._known.items()
            if known.item == item and (kind is None or known.kind is kind)
        ]

    def _remember(self, key: int) -> None:
        item = self._session.state.item(key)
        if item is None:
            return
        path = item.path.resolve()
        others = tuple(other for other in self._session.state.recent if other != path)
        recent = (path, *others)[:RECENT_LIMIT]
        self._settings.save_recent(recent)
        self._settings.save_folder(path.parent)
        self._session.update(recent=recent)

    def _notify(self, kind: NoticeKind, sentence: str, details: str = "") -> None:
        self._session.update(notice=Notice(kind, sentence, details))


def _is_other(before: Outcome, after: Outcome) -> bool:
    """Return whether two results are what the two methods for pictures made of one picture."""
    way = OTHER_WAYS.get(before.reconstruction.method)
    return way is not None and way[0] == after.reconstruction.method


def _has_changed(item: Item) -> bool:
    """Return whether an item's file is another than when it was read; one that is gone has not changed."""
    if item.loaded is None or item.loaded.stamp is None:
        return False
    return work.stamp_of(item.path) not in (None, item.loaded.stamp)
