"""Batch norm over the whole batch when several processes share it."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def synchronized(module: nn.Module, device: torch.device) -> nn.Module:
    """Replace every batch norm inside a module by one that sees the batches of all processes."""
    if device.type == "cuda":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
        return converted
    for name, child in module.named_children():
        replaced = _SharedBatchNorm(child) if isinstance(child, _BatchNorm) else synchronized(child, device)
        setattr(module, name, replaced)
    return module


class _SharedBatchNorm(_BatchNorm):
    """torch's own for several processes needs a GPU; this one works on any device, with equal shares."""

    def __init__(self, source: _BatchNorm) -> None:
        super().__init__(source.num_features, source.eps, source.momentum, source.affine)
        self._parameters, self._buffers = source._parameters, source._buffers
        self.training = source.training

    def _check_input_dim(self, input: Tensor) -> None:
        pass

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        dims = [0, *range(2, input.dim())]
        shape = [1, -1, *[1] * (input.dim() - 2)]
        world = dist.get_world_size()
        count = input.numel() // input.shape[1] * world
        mean = _total(input.mean(dim=dims)) / world
        centred = input - mean.reshape(shape)
        variance = _total(centred.square().mean(dim=dims)) / world
        with torch.no_grad():
            self._update(mean, variance * count / max(1, count - 1))
        scale = self.weight * (variance + self.eps).rsqrt()
        result: Tensor = centred * scale.reshape(shape) + self.bias.reshape(shape)
        return result

    def _update(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.running_mean.lerp_(mean, self.momentum or 0.0)
        self.running_var.lerp_(variance, self.momentum or 0.0)
        self.num_batches_tracked.add_(1)


def _total(value: Tensor) -> Tensor:
    """Return the sum over the processes; gradients are summed over them too."""
    result: Tensor = _Total.apply(value)  # type: ignore[no-untyped-call]
    return result


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(_context: Any, value: Tensor) -> Tensor:
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total
