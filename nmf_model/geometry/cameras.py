"""Where a rendering's camera stands, and the frame of someone who looks through it.

*World*: upright, y up. *Camera*: x to the right of the picture, y up in it, z towards the viewer. Both are
right-handed and share their origin, the point looked at, so a rotation leads from one to the other.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def camera_direction(azimuth: float, elevation: float) -> NDArray[np.float64]:
    """Return the (3,) unit vector from the origin to a camera, world frame.

    Args:
        azimuth: radians about y, from +z (0) towards +x (π/2).
        elevation: radians above the horizon; at ±π/2 azimuth alone decides which way is right.
    """
    across = math.cos(elevation)
    return np.array([across * math.sin(azimuth), math.sin(elevation), across * math.cos(azimuth)])


def camera_rotation(azimuth: float, elevation: float) -> NDArray[np.float64]:
    """Return the (3, 3) rotation from world to camera: its rows are the camera's x, y and z axes.

    ``turned`` turns points by it, and by its transpose back.

    Args:
        azimuth: radians, as for ``camera_direction``.
        elevation: likewise.
    """
    sin_azimuth, cos_azimuth = math.sin(azimuth), math.cos(azimuth)
    sin_elevation, cos_elevation = math.sin(elevation), math.cos(elevation)
    return np.array(
        [
            [cos_azimuth, 0.0, -sin_azimuth],
            [-sin_elevation * sin_azimuth, cos_elevation, -sin_elevation * cos_azimuth],
            [cos_elevation * sin_azimuth, sin_elevation, cos_elevation * cos_azimuth],
        ]
    )


def view_of_upright(up: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (3, 3) rotation from a world to a camera in whose frame the world's upright is ``up`` (3,).

    Of the worlds that differ by a turn about their y axis it is the one whose x axis points to the right of
    the picture, as ``camera_rotation`` at azimuth 0.
    """
    y = up / np.linalg.norm(up)
    lies = abs(y[0]) > 1 - 1e-6  # on its side, its upright along the picture's x: it is turned by a quarter
    right = np.array([0.0, -np.sign(y[0]), 0.0]) if lies else np.array([1.0, 0.0, 0.0])
    x = right - (right @ y) * y
    x /= np.linalg.norm(x)
    return np.stack([x, y, np.cross(x, y)], axis=1)


def turned(points: NDArray[np.floating], rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points (N, 3), float64, turned by a rotation (3, 3) that multiplies columns."""
    return np.asarray(points, dtype=np.float64) @ rotation.T
