"""Compiled loops side by side: they leave the interpreter free, so plain threads do."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

_MOST = 4


def side_by_side(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Return what the calls return, in their order; which thread ran which makes no difference to it."""
    pool = _pool()
    if pool is None or len(calls) == 1:
        return [call() for call in calls]
    waiting = [pool.submit(call) for call in calls[1:]]
    return [calls[0](), *(future.result() for future in waiting)]


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor | None:
    """Return threads beside the one that asks, if there are processors for them and one more for a window."""
    try:
        processors = len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        processors = os.cpu_count() or 1
    others = min(_MOST, processors - 1) - 1
    return ThreadPoolExecutor(others, thread_name_prefix="fit") if others > 0 else None


if hasattr(os, "register_at_fork"):
    # A forked process has the pool but none of its threads, and would wait for them forever.
    os.register_at_fork(after_in_child=_pool.cache_clear)
