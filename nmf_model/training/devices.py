"""Where a run computes: one device by plain torch, several devices and nodes by Lightning Fabric."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from nmf_model.errors import InputError


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

    def barrier(self) -> None:
        """Nobody to wait for."""


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


def clip_gradients(parameters: Iterable[Tensor], limit: float) -> Tensor:
    """Scale gradients down to a norm of at most ``limit`` (0: leave them) and return their norm."""
    return nn.utils.clip_grad_norm_(parameters, limit if limit > 0 else float("inf"))
