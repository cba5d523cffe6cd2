from __future__ import annotations

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from nmf_app.jobs import DRAW_INTERVAL_S, Job, JobKind, JobRunner, JobState, Priority, Progress, explain
from nmf_model.errors import Cancelled, InputError


class Panic(BaseException):
    pass


class Recorder:
    def __init__(self, runner):
        self.events = []
        self.threads = set()
        runner.job_event.connect(self.on_event)

    def on_event(self, event):
        self.events.append(event)
        self.threads.add(threading.current_thread())

    def states(self, job):
        return [event.state for event in self.events if event.job == job and event.progress is None]


@pytest.fixture
def runner(qapp):
    runner = JobRunner()
    yield runner
    assert runner.shutdown(5.0)


def job(number, task, priority=Priority.LONG):
    return Job(number, JobKind.RECONSTRUCT, f"job {number}", task, priority)


def until_cancelled(report, cancel):
    while not cancel():
        time.sleep(0.002)
    raise Cancelled("stopped")


def test_a_job_ends_done_with_its_result_and_events_arrive_in_the_gui_thread(runner, qtbot):
    seen = Recorder(runner)
    runner.submit(job(1, lambda report, cancel: 42))
    qtbot.waitUntil(lambda: seen.states(1)[-1:] == [JobState.DONE])
    assert seen.states(1) == [JobState.RUNNING, JobState.DONE]
    assert seen.events[-1].result == 42
    assert seen.threads == {threading.main_thread()}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("boom"), "Something went wrong"),
        (MemoryError(), "not enough memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "not enough memory"),
        (InputError("chair.ply is empty; choose another file."), "chair.ply is empty"),
        (StopIteration(), "Something went wrong"),
        (SystemExit(2), "Something went wrong"),  # as a mesh library ends where a file is broken
        (Panic("index out of bounds"), "Something went wrong"),  # as libraries in Rust raise
    ],
)
def test_every_error_ends_in_failed_with_a_sentence_and_details(runner, qtbot, error, words):
    def task(report, cancel):
        raise error

    seen = Recorder(runner)
    runner.submit(job(1, task))
    runner.submit(job(2, lambda report, cancel: None))
    qtbot.waitUntil(lambda: seen.states(2)[-1:] == [JobState.DONE])
    assert seen.states(1) == [JobState.RUNNING, JobState.FAILED]
    failed = next(event for event in seen.events if event.state is JobState.FAILED)
    assert words in failed.sentence
    assert "Traceback" in failed.details
    assert "Traceback" not in failed.sentence


def test_a_running_job_is_cancelled_and_a_waiting_one_never_begins(runner, qtbot):
    seen = Recorder(runner)
    runner.submit(job(1, until_cancelled))
    runner.submit(job(2, until_cancelled))
    qtbot.waitUntil(lambda: seen.states(1) == [JobState.RUNNING])
    runner.cancel(2)
    runner.cancel(1)
    started = time.monotonic()
    qtbot.waitUntil(lambda: seen.states(1)[-1] is JobState.CANCELLED)
    assert time.monotonic() - started < 1.0
    assert seen.states(2) == [JobState.CANCELLED]


def test_a_quick_job_overtakes_waiting_long_ones(runner, qtbot):
    seen = Recorder(runner)
    gate = threading.Event()
    runner.submit(job(1, lambda report, cancel: gate.wait(5)))
    qtbot.waitUntil(lambda: seen.states(1) == [JobState.RUNNING])
    for number in (2, 3):
        runner.submit(job(number, lambda report, cancel: None))
    runner.submit(job(4, lambda report, cancel: None, Priority.QUICK))
    gate.set()
    qtbot.waitUntil(lambda: seen.states(3)[-1:] == [JobState.DONE])
    order = [event.job for event in seen.events if event.state is JobState.DONE]
    assert order == [1, 4, 2, 3]


def test_progress_is_thinned_to_the_newest_and_never_follows_the_end(runner, qtbot):
    def task(report, cancel):
        for step in range(2000):
            report(Progress("working", step / 2000))

    seen = Recorder(runner)
    started = time.monotonic()
    runner.submit(job(1, task))
    qtbot.waitUntil(lambda: seen.states(1)[-1:] == [JobState.DONE])
    progress = [event.progress.fraction for event in seen.events if event.progress is not None]
    assert 1 <= len(progress) <= 2 + (time.monotonic() - started) / DRAW_INTERVAL_S
    assert progress == sorted(progress)
    assert progress[-1] == 1999 / 2000
    assert seen.events[-1].state is JobState.DONE


def test_progress_comes_more_slowly_where_drawing_it_is_slow(runner, qtbot):
    def chatter(report, cancel):
        for number in range(10_000):
            if cancel():
                break
            report(Progress("", number / 10_000))
            time.sleep(0.001)

    seen = Recorder(runner)
    runner.pace(0.1)
    started = time.monotonic()
    runner.submit(job(1, chatter))
    qtbot.wait(1000)
    runner.cancel_all()
    qtbot.waitUntil(lambda: bool(seen.states(1)) and seen.states(1)[-1].is_terminal)
    told = sum(event.progress is not None for event in seen.events)
    assert 1 <= told <= 2 + (time.monotonic() - started) / 0.2


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a niceness is the whole process's")
def test_the_window_and_what_it_starts_go_before_the_job_and_what_that_starts(runner, qtbot):
    def niceness():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def of_job_and_its_thread(report, cancel):
        with ThreadPoolExecutor(1) as pool:
            return niceness(), pool.submit(niceness).result()

    before = niceness()
    seen = Recorder(runner)
    runner.submit(job(1, of_job_and_its_thread))
    qtbot.waitUntil(lambda: seen.states(1)[-1:] == [JobState.DONE])
    assert min(seen.events[-1].result) > before
    assert niceness() == before


def test_shutdown_cancels_and_waits(qapp):
    runner = JobRunner()
    runner.submit(job(1, until_cancelled))
    runner.submit(job(2, until_cancelled))
    assert runner.shutdown(5.0)
    assert runner.waiting() == 0


def test_explain_names_the_file_and_never_shows_a_class_name():
    for error in (
        PermissionError(13, "denied", "/x/y.obj"),
        OSError(28, "No space left on device"),
        KeyError("k"),
    ):
        sentence = explain(error, "chair.ply")
        assert "chair.ply" in sentence or "/x/y.obj" in sentence
        assert "Error" not in sentence
