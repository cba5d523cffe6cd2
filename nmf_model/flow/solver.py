"""Solve dx/dt = velocity(t, x) for all vertices of a batch; the only file that knows torchdiffeq."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor

from nmf_model.config import SolverConfig
from nmf_model.errors import Cancelled, SolverError
from nmf_model.types import CancelCheck

Velocity = Callable[[Tensor, Tensor], Tensor]
"""``velocity(t, x)``: a 0-dim time and the state (B, V, 3) to its derivative (B, V, 3)."""

MAX_EVALUATIONS = 100_000
"""More than this in one solve means that the adaptive steps have collapsed."""


class Solution(NamedTuple):
    """What a solve returns.

    Attributes:
        states: (T, B, V, 3), the state at each of the requested times.
        nfe: evaluations of the velocity that it took (those of a later backward pass not included).
    """

    states: Float[Tensor, "T B V 3"]
    nfe: int


def integrate(
    velocity: Velocity,
    x0: Float[Tensor, "B V 3"],
    times: Float[Tensor, " T"] | Sequence[float],
    config: SolverConfig,
    *,
    params: Iterable[Tensor] = (),
    cancel: CancelCheck | None = None,
) -> Solution:
    """Integrate from ``times[0]`` to ``times[-1]`` and return the state at each time.

    The steps do not depend on the times in between: those states are interpolated (fourth order for
    dopri5, cubic Hermite on a fixed grid), cost at most one evaluation in all, and leave the last
    state as it is. Falling times integrate backwards: the inverse of the flow, up to the solver's error.

    Args:
        velocity: the right-hand side.
        x0: state at ``times[0]``. Its dtype is the precision of the state.
        times: T ≥ 2, strictly rising or strictly falling. Not differentiated.
        config: method, steps or tolerances (see ``SolverConfig`` for what they mean), adjoint.
        params: with ``config.adjoint``, every tensor that needs a gradient and is used inside ``velocity``:
            weights and conditioning. What is missing here gets no gradient. Without the adjoint not needed.
        cancel: polled before every evaluation, those of the adjoint's backward pass included.

    Raises:
        SolverError: if the steps collapse or a value becomes infinite or undefined.
        Cancelled: if ``cancel`` returned True.
    """
    grid_times = torch.as_tensor(times, dtype=torch.float64, device=x0.device).detach()
    call = _Evaluations(velocity, cancel)
    try:
        states = _solve(call, x0, grid_times, config, tuple(params))
    except AssertionError as error:  # torchdiffeq's way to report a failed solve
        raise SolverError(f"The flow could not be integrated ({error}); {_advice(config)}.") from error
    if not bool(torch.isfinite(states[-1]).all()):
        raise SolverError(f"The flow's coordinates became infinite or undefined; {_advice(config)}.")
    return Solution(states, call.count)


def _solve(
    call: _Evaluations, x0: Tensor, times: Tensor, config: SolverConfig, params: tuple[Tensor, ...]
) -> Tensor:
    if config.method == "dopri5":
        return _odeint(call, x0, times, config, params, {})
    options = {"grid_constructor": _uniform_grid(config.steps)}
    if len(times) == 2:
        return _odeint(call, x0, times, config, params, options)
    if config.adjoint and torch.is_grad_enabled():
        return _odeint(call, x0, times, config, params, options | {"interp": "cubic"})
    return _solve_dense(call, x0, times, config)


def _odeint(
    call: _Evaluations,
    x0: Tensor,
    times: Tensor,
    config: SolverConfig,
    params: tuple[Tensor, ...],
    options: dict[str, Any],
) -> Tensor:
    """Hand over to torchdiffeq (imported here: half a second that a caller may never need)."""
    # It makes its tables on import; made in inference mode, they would be of no use to a gradient later on.
    with torch.inference_mode(False):
        import torchdiffeq

    settings = {"rtol": config.rtol, "atol": config.atol, "method": config.method, "options": options}
    if config.adjoint and torch.is_grad_enabled():
        return cast(Tensor, torchdiffeq.odeint_adjoint(call, x0, times, adjoint_params=params, **settings))
    return cast(Tensor, torchdiffeq.odeint(call, x0, times, **settings))


def _uniform_grid(steps: int) -> Callable[[Velocity, Tensor, Tensor], Tensor]:
    def grid(_velocity: Velocity, _x0: Tensor, times: Tensor) -> Tensor:
        return torch.linspace(times[0], times[-1], steps + 1, dtype=times.dtype, device=times.device)

    return grid


def _solve_dense(call: _Evaluations, x0: Tensor, times: Tensor, config: SolverConfig) -> Tensor:
    """Solve on the fixed grid, then interpolate with the slopes that the steps began with.

    torchdiffeq's own cubic option would evaluate the velocity again for every single frame.
    """
    grid = _uniform_grid(config.steps)(call, x0, times)
    call.keep_slopes = True
    knots = _odeint(call, x0, grid, config, (), {})
    slopes = [*call.slopes, call(grid[-1], knots[-1])]
    ascending = grid if grid[0] < grid[-1] else -grid
    wanted = times if grid[0] < grid[-1] else -times
    cells = (torch.searchsorted(ascending, wanted, right=True) - 1).clamp(0, config.steps - 1).tolist()
    length = (grid[1] - grid[0]).item()
    frames = [
        _hermite(knots[k], knots[k + 1], slopes[k], slopes[k + 1], length, (t - start) / length)
        for k, t, start in zip(cells, times.tolist(), grid[cells].tolist(), strict=True)
    ]
    return torch.stack([x0, *frames[1:-1], knots[-1]])


def _hermite(x0: Tensor, x1: Tensor, v0: Tensor, v1: Tensor, length: float, s: float) -> Tensor:
    """Return the cubic with the given ends and slopes at the fraction ``s`` of its length."""
    if s == 0:
        return x0
    tangents = length * s * (1 - s) * ((1 - s) * v0 - s * v1)
    return x0 + s * s * (3 - 2 * s) * (x1 - x0) + tangents


def _advice(config: SolverConfig) -> str:
    if config.method == "dopri5":
        return "loosen the solver's tolerances or check the model's weights"
    return "raise the solver's steps or check the model's weights"


class _Evaluations:
    """The velocity as torchdiffeq calls it: counted, cancellable, its slope at each step's start kept."""

    def __init__(self, velocity: Velocity, cancel: CancelCheck | None) -> None:
        self.count = 0
        self.keep_slopes = False
        self.slopes: list[Tensor] = []
        self._velocity = velocity
        self._cancel = cancel
        self._step_begins = False

    def __call__(self, time: Tensor, x: Tensor) -> Tensor:
        if self._cancel is not None and self._cancel():
            raise Cancelled("The flow was cancelled.")
        self.count += 1
        if self.count > MAX_EVALUATIONS:
            raise SolverError(f"The flow was given up after {MAX_EVALUATIONS} evaluations of its velocity.")
        slope = self._velocity(time, x)
        if self._step_begins and self.keep_slopes:
            self.slopes.append(slope)
        self._step_begins = False
        return slope

    def callback_step(self, _t0: Tensor, _x0: Tensor, _dt: Tensor) -> None:
        """Called by torchdiffeq at the start of each step."""
        self._step_begins = True
