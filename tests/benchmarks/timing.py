"""How long something takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def median_seconds(action: Callable[[], object], repeats: int = 5, warm_ups: int = 1) -> float:
    """Return the median time of so many calls, after some that do not count."""
    for _ in range(warm_ups):
        action()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
