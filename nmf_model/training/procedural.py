"""Procedural shapes for the batches, made while the device trains: endless, and the same when resumed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from nmf_model.data.synthetic import synthetic_batch

_FIRST_SEED = 2**32
"""Added to the seed: shapes to learn from are none of those that a small seed prepares or tests with."""


def is_procedural(rows: int, share: float) -> Tensor:
    """Return (rows,) bool: which places of a batch are procedural, spread evenly over it."""
    counts = (torch.arange(rows + 1, dtype=torch.float64) * share + 1e-9).floor()
    return counts.diff() > 0


class ProceduralShapes:
    """This process's procedural shapes of each step.

    Shape ``count · step + place`` of the seed's sequence is the one of ``place`` in a step's batch, whatever
    the number of processes and workers.

    Args:
        places: which of the procedural places of a batch are this process's.
        count: how many a whole batch has.
        points: P.
        seed: of the sequence.
        workers: processes that make them ahead of time; 0 makes them when they are needed.
    """

    def __init__(self, places: range, count: int, points: int, seed: int, workers: int) -> None:
        self._maker = _Maker(places, count, points, _FIRST_SEED + seed)
        self._workers = workers
        self._next_step = -1
        self._steps: Iterator[Tensor] = iter(())

    def at(self, step: int) -> Float[Tensor, "M P 6"]:
        """Return the shapes of a step, on the CPU: points and normals side by side."""
        if self._workers == 0:
            return self._maker[step]
        if step != self._next_step:
            self._steps = iter(self._from(step))
        self._next_step = step + 1
        return next(self._steps)

    def _from(self, step: int) -> DataLoader[Tensor]:
        return DataLoader(
            self._maker,
            batch_size=None,
            sampler=range(step, 2**62),
            num_workers=self._workers,
            prefetch_factor=2,
            worker_init_fn=_leave_signals_to_the_parent,
        )


def default_workers(device: torch.device) -> int:
    """Return how many processes make shapes: none beside a CPU that trains, most processors beside a GPU."""
    return max(1, (os.cpu_count() or 2) - 1) if device.type == "cuda" else 0


class _Maker(Dataset[Tensor]):
    def __init__(self, places: range, count: int, points: int, seed: int) -> None:
        self._places, self._count, self._points, self._seed = places, count, points, seed

    def __getitem__(self, step: int) -> Tensor:
        first = self._count * step
        made = [synthetic_batch(self._seed, first + place, 1, self._points) for place in self._places]
        if not made:
            return torch.zeros(0, self._points, 6)
        return torch.cat([torch.cat([shape.points, shape.normals], dim=2) for shape in made])


def _leave_signals_to_the_parent(_worker: int) -> None:
    """Ignore what ends a run: the parent finishes its step first, for which it needs its workers.

    Ctrl-C reaches the whole group, and so does the SIGTERM of ``timeout`` and of batch systems. Workers end
    when the parent tells them to, or is gone.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
