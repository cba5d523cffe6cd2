"""What a model is given of an object: how it is turned, how many points, how noisy; the same in every run."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.geometry.cameras import turned
from nmf_model.training.measuring import SAMPLES, unit_frame
from nmf_model.training.targets import Target

Rotation = Literal["upright", "yaw", "any"]
INPUT_POINTS = 2500


@dataclass(frozen=True)
class Condition:
    """How inputs are made.

    Attributes:
        rotation: "upright" leaves the object as it is, "yaw" turns it about the vertical axis y, "any" turns
            it any way.
        input_points: points the model sees; fewer if the data has fewer.
        noise: standard deviation added to each coordinate of them, the object's radius being 1.
        exact: leave out objects that have fewer points, where their number is what is compared.
    """

    rotation: Rotation = "upright"
    input_points: int = INPUT_POINTS
    noise: float = 0.0
    exact: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        if self.rotation not in get_args(Rotation):
            raise InputError(f"--condition must be upright, yaw or any, not {self.rotation!r}.")
        if self.input_points < 1 or not 0 <= self.noise < np.inf:
            raise InputError("--input-points must be at least 1 and --noise not negative.")

    @property
    def label(self) -> str:
        """The condition in words, true of any data: "yaw, up to 2,500 points, noise 0.01"."""
        noise = f", noise {self.noise:g}" if self.noise else ""
        if self.exact:
            return f"{self.rotation}, {self.input_points:,} points{noise}: objects that have so many"
        return f"{self.rotation}, up to {self.input_points:,} points{noise}"


ROBUSTNESS = (
    Condition(),
    Condition("yaw"),
    Condition("any"),
    Condition(input_points=250, exact=True),
    Condition(input_points=10_000, exact=True),
    Condition(noise=0.01),
    Condition("any", 250, 0.01, exact=True),
)
"""The conditions of ``--robustness``: one change at a time, then the hardest together."""


@dataclass(frozen=True)
class Case:
    """An object as a model meets it.

    Attributes:
        target: what the result is measured against, turned as the condition says.
        cloud: (N, 3) the points the model sees, in the same frame.
    """

    target: Target
    cloud: NDArray[np.float64]


def make_case(target: Target, condition: Condition, object_id: str) -> Case:
    """Turn an object and draw the model's input, by random numbers that depend on the object's id alone.

    If the data has points enough, those the model sees are none of those it is measured against.
    """
    rng = np.random.default_rng(zlib.crc32(object_id.encode()))
    matrix = _rotation(condition.rotation, rng)
    target = turned_target(target, matrix)
    order = rng.permutation(len(target.points))
    count = min(condition.input_points, len(order))
    cloud = target.points[order[:count]]
    if len(order) - count >= SAMPLES:
        rest = order[count:]
        target = Target(target.points[rest], None if target.normals is None else target.normals[rest])
    if condition.noise:
        cloud = cloud + condition.noise * unit_frame(target.points)[1] * rng.standard_normal(cloud.shape)
    return Case(target, cloud)


def turned_target(target: Target, rotation: NDArray[np.float64]) -> Target:
    """Return the object turned by a (3, 3) rotation; see ``cameras.turned``."""
    normals = None if target.normals is None else turned(target.normals, rotation)
    return Target(turned(target.points, rotation), normals)


def _rotation(kind: Rotation, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a rotation; every kind takes the same random numbers, so that the points stay the same."""
    quaternion = rng.standard_normal(4)
    if kind == "upright":
        return np.eye(3)
    if kind == "yaw":
        half = np.pi * (np.arctan2(quaternion[0], quaternion[1]) / (2 * np.pi))
        quaternion = np.array([np.cos(half), 0.0, np.sin(half), 0.0])
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
