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

    Rows of points turn by ``points @ camera_rotation(azimuth, elevation).T``; back by the matrix itself.

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
