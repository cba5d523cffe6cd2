"""Flows that are known in closed form, so that what must come out is known too."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

# Turned against the icosphere's symmetries, which would pair the vertices of opposite sheets.
_TURN = np.linalg.qr(np.array([[0.3, 0.8, -0.5], [0.9, -0.2, 0.4], [0.1, 0.6, 0.7]]))[0]
TURN = _TURN * np.linalg.det(_TURN)


@dataclass
class WavyPlate:
    """A plate of the given thickness, bent in waves: one to one for every thickness above 0."""

    thickness: float = 0.02
    calls: list = field(default_factory=list)

    def carry(self, points, *, steps=8, until=1.0, cancel=None):
        self.calls.append((len(points), steps, until))
        x, y, z = (np.asarray(points, dtype=np.float64) @ TURN.T).T
        waves = 0.2 * np.sin(5 * x) + 0.1 * np.cos(4 * y)
        return np.stack([x, y, (1 - until) * z + until * (self.thickness * z + waves)], axis=1)


class FoldedBall:
    """Lays the lower half of the ball on the upper one, late in its time: no flow, and no mesh can help."""

    def carry(self, points, *, steps=8, until=1.0, cancel=None):
        x, y, z = (np.asarray(points, dtype=np.float64) @ TURN.T).T
        return np.stack([x, y, (1 - until) * z + until * z * z], axis=1)


@dataclass
class Dented:
    """A ball dented from both poles until the dents pass through each other.

    Attributes:
        meet: share of the time at which they meet.
    """

    meet: float = 0.97

    def carry(self, points, *, steps=8, until=1.0, cancel=None):
        x, y, z = (np.asarray(points, dtype=np.float64) @ TURN.T).T
        dent = np.exp(-8 * (x * x + y * y)) * until / self.meet
        return np.stack([x, y, z * (1 - dent)], axis=1)


@dataclass
class Tangled:
    """Lays the lower half of the ball across the upper one in waves: whole sheets cross, and stay crossed."""

    calls: list = field(default_factory=list)

    def carry(self, points, *, steps=8, until=1.0, cancel=None):
        self.calls.append(len(points))
        x, y, z = (np.asarray(points, dtype=np.float64) @ TURN.T).T
        return np.stack([x, y, z * z + 0.2 * z * np.sin(25 * x) * np.sin(25 * y)], axis=1)


class Coarse:
    """A flow whose solver folds space if it takes fewer than 20 steps."""

    def carry(self, points, *, steps=8, until=1.0, cancel=None):
        points = np.asarray(points, dtype=np.float64)
        return points * (1.0, 1.0, 1.0 if steps >= 20 else -1.0)
