"""The flow as training computes it: fixed steps, gradients of the computation itself, no waiting.

The same numbers as ``MeshFlow.forward``, without what an answer to a user needs and a training step
cannot afford: checks that make the processor wait for a GPU after each ODE, and the solver library's
bookkeeping. The hidden layers may run in bfloat16; the state, the first layer, which reads coordinates,
and the last, which writes velocities, stay float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from nmf_model.config import SolverConfig
from nmf_model.flow.block import FlowBlock
from nmf_model.flow.dynamics import Conditioning, Dynamics
from nmf_model.flow.mesh_flow import MeshFlow

Velocity = Callable[[Dynamics, Tensor, Conditioning, bool], Tensor]


def flow_surfaces(
    flow: MeshFlow,
    template: Float[Tensor, "V 3"],
    code: Float[Tensor, "B Z"],
    *,
    low_precision: bool = False,
    velocity: Velocity | None = None,
) -> tuple[Float[Tensor, "B V 3"], ...]:
    """Return the vertices after each block.

    Args:
        flow: whose solver decides the steps; with dopri5 or the adjoint ``flow`` itself is called.
        template: points on the unit sphere.
        code: one row a shape.
        low_precision: run the hidden layers in bfloat16.
        velocity: ``velocity`` below, or a compiled form of it.
    """
    if flow.solver.method == "dopri5" or flow.solver.adjoint:
        return flow(template, code).vertices  # type: ignore[no-any-return]
    find = velocity or evaluate_velocity
    x = cast(Tensor, flow.rescales[0](template.expand(len(code), -1, -1), code))
    surfaces = []
    for block, rescale in zip(flow.blocks, flow.rescales[1:], strict=True):
        x = rescale(_through(cast(FlowBlock, block), x, code, flow.solver, low_precision, find), code)
        surfaces.append(x)
    return tuple(surfaces)


def evaluate_velocity(
    dynamics: Dynamics, x: Float[Tensor, "B V 3"], conditioning: Conditioning, low_precision: bool
) -> Float[Tensor, "B V 3"]:
    """Return ``dynamics(x, conditioning)`` with the hidden layers in bfloat16 if ``low_precision``."""
    if not low_precision:
        return cast(Tensor, dynamics(x, conditioning))
    hidden = dynamics.enter(x, conditioning).to(torch.bfloat16)
    with torch.autocast(x.device.type, torch.bfloat16):
        hidden = dynamics.deepen(hidden)
    return dynamics.leave(hidden.to(x.dtype))


def _through(
    block: FlowBlock, x: Tensor, code: Tensor, solver: SolverConfig, low_precision: bool, velocity: Velocity
) -> Tensor:
    length = block.integration_time / solver.steps
    for node in block.nodes:
        dynamics = cast(Dynamics, node)
        conditioning = dynamics.condition(code)

        def slope(y: Tensor, dynamics: Dynamics = dynamics, given: Conditioning = conditioning) -> Tensor:
            return velocity(dynamics, y, given, low_precision)

        for _ in range(solver.steps):
            x = x + length * _STEPS[solver.method](slope, x, length)
    return x


def _euler(slope: Callable[[Tensor], Tensor], x: Tensor, length: float) -> Tensor:
    return slope(x)


def _midpoint(slope: Callable[[Tensor], Tensor], x: Tensor, length: float) -> Tensor:
    return slope(x + length / 2 * slope(x))


def _rk4(slope: Callable[[Tensor], Tensor], x: Tensor, length: float) -> Tensor:
    """Kutta's three-eighths rule, the one that torchdiffeq calls rk4."""
    k1 = slope(x)
    k2 = slope(x + length / 3 * k1)
    k3 = slope(x + length * (k2 - k1 / 3))
    k4 = slope(x + length * (k1 - k2 + k3))
    return (k1 + 3 * (k2 + k3) + k4) / 8


_STEPS: dict[str, Callable[[Callable[[Tensor], Tensor], Tensor, float], Tensor]] = {
    "euler": _euler,
    "midpoint": _midpoint,
    "rk4": _rk4,
}
