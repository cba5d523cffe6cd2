"""Clouds of known shapes, and settings that make a fit short."""

import numpy as np
import pytest

from nmf_model.fitting.fit import FitSettings, Stage
from nmf_model.fitting.objective import Weights

# Without the urgency of missed points, which crumples a surface that is not given the time to smooth again.
QUICK = FitSettings(
    samples=800,
    weights=Weights(urgency=0.0),
    stages=(Stage(2, 3, 80, 2, grows=True), Stage(3, 3, 60, 3, settles=True)),
    stages_from_start=(Stage(2, 3, 30, 2), Stage(3, 3, 50, 3, settles=True)),
    stages_from_outside=(Stage(2, 3, 80, 2), Stage(3, 3, 60, 3, settles=True)),
)


def ellipsoid(count: int, axes=(1.0, 0.6, 0.4), seed: int = 0) -> np.ndarray:
    """Points on an ellipsoid, float32; not uniform by area, which no property here needs."""
    directions = np.random.default_rng(seed).normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return (directions * axes).astype(np.float32)


def ring(count: int, seed: int = 0) -> np.ndarray:
    """Points on a torus of radii 0.8 and 0.15 around z, float32."""
    u, v = np.random.default_rng(seed).uniform(0, 2 * np.pi, size=(2, count))
    tube = 0.8 + 0.15 * np.cos(v)
    return np.stack([tube * np.cos(u), tube * np.sin(u), 0.15 * np.sin(v)], axis=1).astype(np.float32)


def box_surface(count: int, half=(0.7, 0.4, 0.3), seed: int = 0) -> np.ndarray:
    """Points on a box, uniform by area, float32."""
    rng = np.random.default_rng(seed)
    sides = np.array(half)
    areas = np.array([sides[1] * sides[2], sides[0] * sides[2], sides[0] * sides[1]])
    axis = rng.choice(3, size=count, p=areas / areas.sum())
    points = rng.uniform(-1, 1, size=(count, 3)) * sides
    points[np.arange(count), axis] = rng.choice([-1, 1], size=count) * sides[axis]
    return points.astype(np.float32)


@pytest.fixture(autouse=True)
def one_thread():
    import torch

    torch.set_num_threads(1)
