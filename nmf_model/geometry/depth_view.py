"""Orthographic depth pictures of the unit ball, whoever makes them, and the directions to make them from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EXTENT = 1.02
"""Half the side of a picture: the unit ball and a small margin."""


@dataclass(frozen=True)
class DepthView:
    """One picture; depths are distances from the origin along ``direction``, positive towards the viewer.

    Attributes:
        direction: (3,) float64, unit length, from the object to the viewer.
        right, up: (3,) float64, the picture's axes.
        front: (R, R) float32, depth of the frontmost surface, below -1 where nothing is; row 0 is the
            lowest.
    """

    direction: NDArray[np.float64]
    right: NDArray[np.float64]
    up: NDArray[np.float64]
    front: NDArray[np.float32]

    @property
    def pixel(self) -> float:
        """Side of a pixel in the units of the object."""
        return float(2 * EXTENT / self.front.shape[0])

    def depth_behind_front(
        self, points: NDArray[np.float64], normals: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return how far (N, 3) points of the unit ball lie behind the frontmost surface, seen from here.

        The picture knows depths at pixel centres only, so each point is first moved along its own
        tangent plane to the centre of its pixel; ``normals`` (N, 3) must not be square to the direction.
        """
        across, upwards = points @ self.right, points @ self.up
        column, row = self._index(across), self._index(upwards)
        step_across = (column + 0.5) * self.pixel - EXTENT - across
        step_up = (row + 0.5) * self.pixel - EXTENT - upwards
        tilt = (normals @ self.right) * step_across + (normals @ self.up) * step_up
        depth = points @ self.direction - tilt / (normals @ self.direction)
        behind: NDArray[np.float64] = self.front[row, column] - depth
        return behind

    def _index(self, coordinate: NDArray[np.float64]) -> NDArray[np.int64]:
        index = np.floor((coordinate + EXTENT) / self.pixel).astype(np.int64)
        return np.clip(index, 0, self.front.shape[0] - 1)


def view_directions() -> NDArray[np.float64]:
    """Return the 12 corners of an icosahedron and its 30 edge middles as (42, 3) unit vectors."""
    golden = (1 + 5**0.5) / 2
    corners = np.array(
        [
            np.roll([0.0, sign_one, sign_two * golden], shift)
            for shift in range(3)
            for sign_one in (-1, 1)
            for sign_two in (-1, 1)
        ]
    )
    first, second = np.triu_indices(12, k=1)
    is_edge = np.isclose(np.linalg.norm(corners[first] - corners[second], axis=1), 2.0)
    middles = corners[first[is_edge]] + corners[second[is_edge]]
    directions = np.concatenate([corners, middles])
    unit: NDArray[np.float64] = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    return unit


def picture_axes(direction: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (right, up), unit vectors square to the direction and to each other."""
    helper = np.eye(3)[np.argmin(np.abs(direction))]
    right = np.cross(helper, direction)
    right /= np.linalg.norm(right)
    return right, np.cross(direction, right)
