"""Crashing, hanging and raising tasks cost their own result alone."""

from __future__ import annotations

import os
import signal
import time

import pytest

from nmf_model.data.workers import Failure, run_isolated


def work(task: str) -> str:
    if task == "raise":
        raise ValueError("no such thing")
    if task == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if task == "hang":
        time.sleep(60)
    print("noise that must not reach the terminal")
    return task.upper()


def test_every_task_has_one_answer_whatever_happens_to_the_others(capfd: pytest.CaptureFixture[str]) -> None:
    tasks = ["a", "crash", "b", "raise", "hang", "c", "crash"]
    answers = list(run_isolated(work, tasks, jobs=2, timeout=4.0))
    assert sorted(number for number, _ in answers) == list(range(len(tasks)))
    found = dict(answers)
    assert [found[number] for number in (0, 2, 5)] == ["A", "B", "C"]
    assert found[3] == Failure("no such thing", crashed=False)
    assert found[4] == Failure("it took longer than 4 seconds", crashed=True)
    for number in (1, 6):
        assert found[number] == Failure(f"the process crashed (exit code {-signal.SIGSEGV})", crashed=True)
    assert capfd.readouterr().out == ""


def test_nothing_to_do_starts_nothing() -> None:
    assert list(run_isolated(work, [], jobs=4, timeout=1.0)) == []
