"""Where a run computes: one device by plain torch, several devices and nodes by Lightning Fabric."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from nmf_model.errors import InputError, NmfError

T = TypeVar("T")
VOTE_SECONDS = 3.0
"""Between two votes of several processes; torchrun kills what has not ended 30 seconds after SIGTERM."""


class SingleDevice:
    """The part of Fabric's interface that the loop uses, for one process."""

    world_size = 1
    global_rank = 0

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def setup(
        self, module: nn.Module, optimiser: torch.optim.Optimizer
    ) -> tuple[nn.Module, torch.optim.Optimizer]:
        """Return both as they are; the module is on the device already."""
        return module, optimiser

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss."""
        loss.backward()

    def no_backward_sync(self, module: nn.Module, enabled: bool = True) -> AbstractContextManager[None]:
        """Nothing to synchronise."""
        return nullcontext()

    def all_reduce(self, value: Tensor, reduce_op: str = "mean") -> Tensor:
        """Return the value: there is nothing to reduce over."""
        return value


def open_devices(device: str, devices: int, nodes: int) -> Any:
    """Return a ``SingleDevice``, or a launched ``lightning.Fabric`` for several processes.

    Args:
        device: "auto", "cpu" or "cuda".
        devices: on this node; processes that ``torchrun`` started are joined, whatever this says.
        nodes: how many.

    Raises:
        InputError: if the device is not there, or several are asked for and lightning is missing.
    """
    kind = device if device != "auto" else ("cuda" if torch.cuda.is_available() else "cpu")
    if kind == "cuda" and not torch.cuda.is_available():
        raise InputError("No CUDA GPU was found; use --device cpu, or auto.")
    world = int(os.environ.get("WORLD_SIZE", 1))
    if max(world, devices * nodes) == 1:
        return SingleDevice(torch.device(kind, 0) if kind == "cuda" else torch.device(kind))
    try:
        from lightning.fabric import Fabric
    except ImportError as error:
        raise InputError(
            "Training on several devices needs the package lightning; install it or use one device."
        ) from error
    if world > 1:
        nodes = max(nodes, world // int(os.environ.get("LOCAL_WORLD_SIZE", world)))
        devices = world // nodes
    fabric = Fabric(accelerator=kind, devices=devices, num_nodes=nodes, strategy="ddp", precision="32-true")
    fabric.launch()
    return fabric


class Votes:
    """What several processes want, asked at steps that are the same on all and at most seconds apart.

    Each vote waits for the device, so there is not one at every step; how many steps there are to the next,
    the first process reckons from its clock and tells the others with the vote.

    Args:
        devices: see ``open_devices``.
        step: updates done so far.
    """

    def __init__(self, devices: Any, step: int) -> None:
        self._devices = devices
        self._last, self._next, self._asked = step, step + 1, time.monotonic()

    def count(self, step: int, wishes: Sequence[bool], *, now: bool) -> list[bool]:
        """Return which of the wishes any process has; False for all while no vote is due.

        Args:
            step: updates done, the same on all processes.
            wishes: of this process.
            now: whether to vote in any case; the same on all processes.
        """
        if self._devices.world_size == 1:
            return list(wishes)
        if step < self._next and not now:
            return [False] * len(wishes)
        ahead = self._steps_ahead(step) if self._devices.global_rank == 0 else 0
        ballot = torch.tensor([*map(float, wishes), float(ahead)], device=self._devices.device)
        *votes, ahead = self._devices.all_reduce(ballot, reduce_op="sum").tolist()
        self._last, self._next, self._asked = step, step + int(ahead), time.monotonic()
        return [vote > 0 for vote in votes]

    def _steps_ahead(self, step: int) -> int:
        """Return how many steps take ``VOTE_SECONDS``; at most twice as many as last time."""
        done = max(1, step - self._last)
        seconds = max(1e-6, time.monotonic() - self._asked)
        return max(1, min(2 * done, int(done * VOTE_SECONDS / seconds)))


def told_by_first(devices: Any, error: NmfError) -> BaseException:
    """Return what a process ends with when all of them know of an error: the first one says it, others leave.

    They leave as if all were well: a process that fails has its launcher kill the others, the first included.
    """
    return error if devices.global_rank == 0 else SystemExit(0)


def by_first(devices: Any, act: Callable[[], T]) -> T | None:
    """Let the first process do something while the others wait; if it cannot, all end.

    Args:
        devices: see ``open_devices``.
        act: what to do.

    Returns:
        the answer of ``act`` on the first process, None on the others.

    Raises:
        NmfError: of ``act``, on the first process.
        SystemExit: on the others then, see ``told_by_first``.
    """
    answer, refusal = None, None
    if devices.global_rank == 0:
        try:
            answer = act()
        except NmfError as error:
            refusal = error
    refused = devices.all_reduce(
        torch.tensor(float(refusal is not None), device=devices.device), reduce_op="sum"
    )
    if refusal is not None:
        raise refusal
    if devices.world_size > 1 and refused.item() > 0:
        raise SystemExit(0)
    return answer


def by_all(devices: Any, act: Callable[[], T]) -> T:
    """Let every process do the same; if any cannot, all end, and only the first of those says why.

    Args:
        devices: see ``open_devices``.
        act: what to do.

    Raises:
        NmfError: of ``act``, on the first process that cannot.
        SystemExit: on the others then, see ``told_by_first``.
    """
    try:
        answer = act()
    except NmfError as error:
        _agree(devices, error)
        raise
    _agree(devices, None)
    return answer


def _agree(devices: Any, refusal: NmfError | None) -> None:
    """Return on all processes if none refuses, else on the first that does alone."""
    if devices.world_size == 1:
        return
    votes = torch.zeros(devices.world_size, device=devices.device)
    votes[devices.global_rank] = float(refusal is not None)
    failed = devices.all_reduce(votes, reduce_op="sum").nonzero().flatten().tolist()
    if not failed or (refusal is not None and failed[0] == devices.global_rank):
        return
    if refusal is None and devices.global_rank == 0:
        # Its exit code is the command's.
        raise InputError(f"Process {failed[0]} of {devices.world_size} cannot begin, and says why.")
    raise SystemExit(0)


def clip_gradients(parameters: Iterable[Tensor], limit: float) -> Tensor:
    """Scale gradients down to a norm of at most ``limit`` (0: leave them) and return their norm."""
    return nn.utils.clip_grad_norm_(parameters, limit if limit > 0 else float("inf"))
