"""Clouds that are hard to make sound meshes of: thin, nearly touching, branching, noisy, or far away."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def box(count: int, half: tuple[float, float, float], rng: np.random.Generator) -> Points:
    """Draw points of a box's surface, uniform by area."""
    sides = np.array(half)
    areas = np.array([sides[1] * sides[2], sides[0] * sides[2], sides[0] * sides[1]])
    axis = rng.choice(3, size=count, p=areas / areas.sum())
    points = rng.uniform(-1, 1, size=(count, 3)) * sides
    points[np.arange(count), axis] = rng.choice([-1, 1], size=count) * sides[axis]
    return points


def needle(count: int, rng: np.random.Generator) -> Points:
    """A needle, a hundred times as long as thick."""
    x, angle = rng.uniform(-1, 1, count), rng.uniform(0, 2 * np.pi, count)
    radius = 0.01 * np.sqrt(1 - x * x)
    return np.stack([x, radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def thin_plate(count: int, rng: np.random.Generator) -> Points:
    """A plate, a hundred times as wide as thick."""
    return box(count, (0.7, 0.7, 0.007), rng)


def touching_plates(count: int, rng: np.random.Generator) -> Points:
    """Two plates with a slit of a fiftieth of their width between them, joined along one side."""
    lower, upper = (box(count // 2, (0.7, 0.5, 0.06), rng) + (0, 0, z) for z in (-0.07, 0.07))
    both = np.concatenate([lower, upper])
    both[np.abs(both[:, 0] + 0.7) < 1e-9, 2] *= 0.9
    return both


def spiral(count: int, rng: np.random.Generator) -> Points:
    """A rod wound up twice, its turns four of its own radii apart."""
    along, angle = rng.uniform(0, 1, count), rng.uniform(0, 2 * np.pi, count)
    turn, distance = 4 * np.pi * along, 0.2 + 0.7 * along
    reach = distance + 0.07 * np.cos(angle)
    return np.stack([reach * np.cos(turn), reach * np.sin(turn), 0.07 * np.sin(angle)], axis=1)


def hand(count: int, rng: np.random.Generator) -> Points:
    """A palm with five fingers side by side."""
    parts = [box(count // 3, (0.42, 0.4, 0.1), rng) + (0, -0.4, 0)]
    for k in range(5):
        angle, up = rng.uniform(0, 2 * np.pi, count // 7), rng.uniform(-0.05, 0.75, count // 7)
        x = -0.4 + 0.2 * k + 0.07 * np.cos(angle)
        parts.append(np.stack([x, up, 0.07 * np.sin(angle)], axis=1))
    return np.concatenate(parts)


def deep_bowl(count: int, rng: np.random.Generator) -> Points:
    """A bowl as deep as wide with a wall of a twentieth of its width."""
    direction = rng.normal(size=(4 * count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    shell = direction[direction[:, 2] < 0.4][:count]
    return shell * rng.choice([0.9, 1.0], size=(len(shell), 1))


def noisy_box(count: int, rng: np.random.Generator) -> Points:
    """A box with 1 % of noise."""
    return box(count, (0.8, 0.5, 0.3), rng) + rng.normal(scale=0.01, size=(count, 3))


def one_to_5000(count: int, rng: np.random.Generator) -> Points:
    """A strip whose sides are as 5,000 : 500 : 1."""
    return box(count, (1000.0, 100.0, 0.2), rng)


def far_away(count: int, rng: np.random.Generator) -> Points:
    """A box of unit size a million units from the origin."""
    return box(count, (0.8, 0.5, 0.3), rng) + (1e6, -2e6, 5e5)


STRESS_SHAPES: dict[str, Callable[[int, np.random.Generator], Points]] = {
    shape.__name__.replace("_", " "): shape
    for shape in (
        needle,
        thin_plate,
        touching_plates,
        spiral,
        hand,
        deep_bowl,
        noisy_box,
        one_to_5000,
        far_away,
    )
}
