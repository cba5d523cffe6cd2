"""Run a function on many tasks in processes that may crash or hang without taking the rest along."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Failure:
    """Why a task has no result.

    Attributes:
        reason: in words: the error's text, or how the process ended.
        crashed: the process died or was stopped, rather than raising an error.
    """

    reason: str
    crashed: bool


def run_isolated(
    function: Callable[[TaskT], ResultT], tasks: Sequence[TaskT], *, jobs: int, timeout: float
) -> Generator[tuple[int, ResultT | Failure], None, None]:
    """Yield (number of the task, its result or failure) as they finish, in any order; closing stops all.

    Args:
        function: importable by name, since the processes are started afresh ("spawn").
        tasks: picklable arguments.
        jobs: how many processes, at least 1.
        timeout: seconds after which a task's process is stopped.
    """
    waiting = list(range(len(tasks)))[::-1]
    workers = [_Worker(function) for _ in range(min(jobs, len(tasks)))]
    try:
        for worker in workers:
            worker.give(waiting.pop(), tasks)
        while busy := [worker for worker in workers if worker.number is not None]:
            wait([worker.connection for worker in busy], timeout=min(1.0, timeout))
            for worker in busy:
                number, outcome = worker.number, worker.outcome(timeout)
                if number is None or outcome is None:
                    continue
                yield number, outcome.value
                if waiting:
                    worker.give(waiting.pop(), tasks)
    finally:
        for worker in workers:
            worker.stop()


@dataclass(frozen=True)
class _Outcome(Generic[ResultT]):
    value: ResultT | Failure


class _Worker(Generic[TaskT, ResultT]):
    """One process and the number of the task it has."""

    def __init__(self, function: Callable[[TaskT], ResultT]) -> None:
        self._function = function
        self.number: int | None = None
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection: Connection[Any, Any]
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._function, theirs), daemon=True)
        with _ctrl_c_ignored():
            self._process.start()
        theirs.close()

    def give(self, number: int, tasks: Sequence[TaskT]) -> None:
        if not self._process.is_alive():
            self.stop()
            self._start()
        self.connection.send(tasks[number])
        self.number, self._since = number, time.monotonic()

    def outcome(self, timeout: float) -> _Outcome[ResultT] | None:
        """Return what became of the task, or None while it runs; afterwards the worker is free."""
        if self.connection.poll():
            try:
                value = self.connection.recv()
            except EOFError:
                self._process.join()
                value = Failure(f"the process crashed (exit code {self._process.exitcode})", crashed=True)
        elif time.monotonic() - self._since > timeout:
            self.stop()
            value = Failure(f"it took longer than {timeout:.0f} seconds", crashed=True)
        else:
            return None
        self.number = None
        return _Outcome(value)

    def stop(self) -> None:
        self._process.kill()
        self._process.join()
        self.connection.close()


@contextmanager
def _ctrl_c_ignored() -> Iterator[None]:
    """Let a process that is started inherit that Ctrl-C is none of its business: its parent will stop it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(function: Callable[[Any], Any], connection: Connection[Any, Any]) -> None:
    """Answer tasks until the other end closes; libraries' own messages would spoil a progress bar."""
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer = function(task)
        except Exception as error:  # noqa: BLE001  whatever a broken model raises is its own failure alone
            answer = Failure(str(error) or type(error).__name__, crashed=False)
        connection.send(answer)
