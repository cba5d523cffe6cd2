"""How many threads torch uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def single_thread(device: torch.device | str) -> Iterator[None]:
    """Let torch use one thread while the block runs, where a CPU computes; afterwards as many as before.

    One shape is thousands of tiny operations: a second thread gains little on an idle machine, and on a busy
    one its barriers cost minutes. Where several shapes are wanted they are the parallel dimension, and a
    window needs a core to draw.
    """
    before = torch.get_num_threads()
    if torch.device(device).type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
