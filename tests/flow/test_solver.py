from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from nmf_model.config import SolverConfig
from nmf_model.errors import Cancelled, SolverError
from nmf_model.flow import solver
from nmf_model.flow.solver import integrate
from tests.support.command_line import ROOT

FIXED = {"euler": 1, "midpoint": 2, "rk4": 4}
METHODS = ["dopri5", *FIXED]
MATRIX = torch.tensor([[0.1, -1.0, 0.3], [0.9, -0.2, 0.0], [-0.4, 0.2, 0.25]], dtype=torch.float64)


def linear(_time, x):
    return x @ MATRIX.T


def start(dtype=torch.float64):
    return torch.randn(2, 5, 3, dtype=dtype, generator=torch.Generator().manual_seed(0))


def exact(time):
    return start() @ torch.linalg.matrix_exp(MATRIX * time).T


def solve(config, times=(0.0, 1.0), velocity=linear, x0=None, **kwargs):
    return integrate(velocity, start() if x0 is None else x0, times, config, **kwargs)


@pytest.mark.parametrize(
    ("method", "steps", "error"), [("euler", 2000, 1e-3), ("midpoint", 200, 1e-4), ("rk4", 20, 1e-6)]
)
def test_fixed_grid_equals_the_matrix_exponential(method, steps, error):
    states = solve(SolverConfig(method, steps=steps), (0.0, 0.7)).states
    assert torch.allclose(states[-1], exact(0.7), rtol=0, atol=error)


@pytest.mark.parametrize("tolerance", [1e-4, 1e-6, 1e-9])
def test_adaptive_steps_keep_their_tolerance(tolerance):
    states = solve(SolverConfig(rtol=tolerance, atol=tolerance)).states
    assert (states[-1] - exact(1)).abs().max() < 20 * tolerance


@pytest.mark.parametrize("method", FIXED)
def test_order_of_convergence(method):
    errors = [
        (solve(SolverConfig(method, steps=n)).states[-1] - exact(1)).abs().max().item() for n in (8, 16, 32)
    ]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert orders == pytest.approx(FIXED[method], abs=0.15)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("backwards", [False, True])
def test_frames_in_between_change_neither_the_end_nor_the_cost(method, backwards):
    config = SolverConfig(method, steps=3)
    times = torch.linspace(0, 1, 33).flip(0) if backwards else torch.linspace(0, 1, 33)
    few, many = solve(config, times[[0, -1]]), solve(config, times)
    assert torch.equal(few.states[-1], many.states[-1])
    assert torch.equal(few.states[0], many.states[0])
    assert many.nfe <= few.nfe + 1


@pytest.mark.parametrize(
    ("method", "steps", "error"), [("midpoint", 200, 2e-5), ("rk4", 10, 2e-5), ("dopri5", 1, 2e-5)]
)
@pytest.mark.parametrize("backwards", [False, True])
def test_frames_lie_on_the_true_path(method, steps, error, backwards):
    times = [0.0, 0.013, 0.4, 0.55, 0.5501, 0.999, 1.0]
    if backwards:
        times = [-t for t in times]
    solution = solve(SolverConfig(method, steps=steps, rtol=1e-7, atol=1e-7), times)
    for state, time in zip(solution.states, times, strict=True):
        assert torch.allclose(state, exact(time), rtol=0, atol=error)


@pytest.mark.parametrize("method", FIXED)
def test_every_grid_state_is_kept_among_the_frames(method):
    """A frame on a grid time is the solver's own state there, not an approximation of it."""
    halves = solve(SolverConfig(method, steps=2), (0.0, 0.5))
    through = solve(SolverConfig(method, steps=4), (0.0, 0.3, 0.5, 0.8, 1.0))
    assert torch.allclose(through.states[2], halves.states[-1], rtol=0, atol=1e-14)


@pytest.mark.parametrize(("method", "stages"), [("euler", 1), ("midpoint", 2), ("rk4", 4)])
def test_evaluations_are_counted(method, stages):
    calls = []

    def spy(time, x):
        calls.append(time)
        return linear(time, x)

    assert solve(SolverConfig(method, steps=3), velocity=spy).nfe == 3 * stages == len(calls)


def test_tighter_tolerances_cost_more():
    loose, tight = (solve(SolverConfig(rtol=t, atol=t)).nfe for t in (1e-3, 1e-9))
    assert tight > loose


@pytest.mark.parametrize("method", METHODS)
def test_backward_integration_undoes_the_forward_one(method):
    config = SolverConfig(method, steps=1000 if method == "euler" else 20, rtol=1e-8, atol=1e-8)
    there = solve(config).states[-1]
    back = solve(config, (1.0, 0.0), x0=there).states[-1]
    assert torch.allclose(back, start(), rtol=0, atol=5e-3 if method == "euler" else 1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_the_state_keeps_its_dtype(method):
    velocity = lambda _time, x: -x  # noqa: E731
    assert (
        solve(SolverConfig(method), [0.0, 0.5, 1.0], velocity, start(torch.float32)).states.dtype
        == torch.float32
    )


@pytest.mark.parametrize("method", METHODS)
def test_cancelling_stops_before_the_next_evaluation(method):
    evaluations = []

    def velocity(time, x):
        evaluations.append(time)
        return linear(time, x)

    with pytest.raises(Cancelled):
        solve(SolverConfig(method, steps=50), velocity=velocity, cancel=lambda: len(evaluations) >= 3)
    assert len(evaluations) == 3


def test_cancelling_reaches_the_backward_pass():
    rate = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    stop = []
    states = solve(
        SolverConfig("rk4", adjoint=True),
        velocity=lambda _t, x: rate * x,
        params=[rate],
        cancel=lambda: bool(stop),
    ).states
    stop.append(True)
    with pytest.raises(Cancelled):
        states.sum().backward()


@pytest.mark.parametrize("method", METHODS)
def test_an_explosion_is_reported_in_words(method):
    with pytest.raises(SolverError, match=r"[.]$"):
        solve(SolverConfig(method, steps=40), (0.0, 4.0), lambda _t, x: 1 + x**4)


@pytest.mark.parametrize("method", METHODS)
def test_an_undefined_velocity_is_reported_in_words(method):
    with pytest.raises(SolverError):
        solve(SolverConfig(method), velocity=lambda _t, x: x * float("nan"))


def test_endless_adaptive_steps_are_given_up(monkeypatch):
    monkeypatch.setattr(solver, "MAX_EVALUATIONS", 50)
    with pytest.raises(SolverError, match="50 evaluations"):
        solve(SolverConfig(rtol=1e-12, atol=1e-12), (0.0, 50.0))


@pytest.mark.parametrize("method", ["dopri5", "rk4", "midpoint"])
@pytest.mark.parametrize("times", [(0.0, 1.0), (0.0, 0.37, 0.8, 1.0)])
def test_adjoint_and_direct_gradients_agree(method, times):
    """Also through interpolated frames, and for the start as well as for a parameter."""
    gradients = []
    for adjoint in (False, True):
        matrix, x0 = MATRIX.clone().requires_grad_(), start().requires_grad_()
        config = SolverConfig(method, steps=60, rtol=1e-9, atol=1e-9, adjoint=adjoint)
        states = solve(config, times, lambda _t, x, m=matrix: torch.tanh(x @ m.T), x0, params=[matrix]).states
        (states**2 * torch.arange(1, len(times) + 1)[:, None, None, None]).sum().backward()
        gradients.append((matrix.grad, x0.grad))
    for direct, adjoint in zip(*gradients, strict=True):
        assert torch.allclose(direct, adjoint, rtol=2e-3, atol=1e-5)


_ANSWERS_THEN_LEARNS = """
import torch
from nmf_model.config import SolverConfig
from nmf_model.flow.solver import integrate

def solve(rate):
    velocity = lambda time, x: rate * x
    x = torch.ones(1, 2, 3, dtype=torch.float64)
    return integrate(velocity, x, (0.0, 1.0), SolverConfig("dopri5"), params=(rate,)).states[-1]

with torch.inference_mode():
    solve(torch.tensor(0.5, dtype=torch.float64))
rate = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
solve(rate).sum().backward()
print(rate.grad.item())
"""


def test_what_is_first_solved_in_inference_mode_has_gradients_later():
    """In a process of its own, since the solver's library is loaded by the first solve."""
    done = subprocess.run(
        [sys.executable, "-c", _ANSWERS_THEN_LEARNS], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(6 * np.exp(0.5), rel=1e-3)
