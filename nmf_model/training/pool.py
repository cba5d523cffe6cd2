"""Many independent tasks: here if one process is enough, else in processes that may crash alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from nmf_model.data.workers import Failure, run_isolated

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")

TIMEOUT = 1800.0
"""Seconds after which one task is given up."""


def run_tasks(
    function: Callable[[TaskT], ResultT], tasks: Sequence[TaskT], jobs: int
) -> Iterator[tuple[int, ResultT | Failure]]:
    """Yield (number of the task, its result) as they finish.

    With one job errors are raised here as they are; in processes of their own they come as a ``Failure``.

    Args:
        function: importable by name; its process uses one thread for each operation of torch.
        tasks: picklable.
        jobs: how many processes.
    """
    if jobs > 1 and len(tasks) > 1:
        yield from run_isolated(function, tasks, jobs=jobs, timeout=TIMEOUT)
        return
    for number, task in enumerate(tasks):
        yield number, function(task)
