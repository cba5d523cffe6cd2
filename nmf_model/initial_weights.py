"""Weights that a new network begins from."""

from __future__ import annotations

from torch import Tensor, nn


def draw_small(weight: Tensor, std: float) -> None:
    """Draw a weight from a normal distribution, in place.

    One on the meta device, to be filled from a file, is left: torch would import its compiler, which takes
    more than a second, to find that nothing is to be done.
    """
    if not weight.is_meta:
        nn.init.normal_(weight, std=std)
