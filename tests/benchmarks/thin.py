"""Measure fits of long and flat objects of known volume: ``python -m tests.benchmarks.thin``.

Each is a cloud of 10,000 points of its surface, turned at random, and fitted as ``main.py`` does: squeezed,
and for comparison as it is. ``off`` is the mean distance of the points from the mesh, as a share of the
thickness.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from unittest import mock

import igl
import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from nmf_model import found_flow
from nmf_model.geometry.normals import enclosed_volume
from nmf_model.quality import inspect_mesh
from nmf_model.reconstruct import run
from nmf_model.types import PointCloud, ReconstructionRequest

POINTS = 10_000


_RIGHT = [(3.0, 0.0), (3.0, 1.0), (0.5, 1.0), (0.5, 5.5), (3.0, 5.5), (3.0, 6.5)]
_PROFILE = np.array([(-3.0, 0.0), *_RIGHT, *((-x, y) for x, y in _RIGHT[:0:-1])])
"""Corners of an I, counter-clockwise from the lower left one, and the triangles that it is cut into."""
_CUT = np.array(
    [(0, 1, 2), (0, 2, 3), (0, 3, 10), (0, 10, 11), (3, 4, 9), (3, 9, 10)]
    + [(4, 5, 6), (4, 6, 7), (4, 7, 8), (4, 8, 9)]
)


def rail(length: float = 1000.0) -> trimesh.Trimesh:
    """Return a prism over the I."""
    count = len(_PROFILE)
    vertices = np.concatenate([np.column_stack([_PROFILE, np.full(count, z)]) for z in (0.0, length)])
    here = np.arange(count)
    there = np.roll(here, -1)
    sides = [
        np.column_stack([here, there, here + count]),
        np.column_stack([there, there + count, here + count]),
    ]
    return trimesh.Trimesh(vertices, np.concatenate([*sides, _CUT[:, ::-1], _CUT + count]), process=False)


SHAPES: dict[str, tuple[Callable[[], trimesh.Trimesh], float]] = {
    "rail, 1000 x 6 x 6.5, walls of 1": (rail, 1.0),
    "rod, 80 thick ones long": (lambda: trimesh.creation.cylinder(0.1, 16.0, sections=64), 0.2),
    "sheet, 200 x 120 x 2": (lambda: trimesh.creation.box((200.0, 120.0, 2.0)), 2.0),
    "coin, 100 times as wide as thick": (lambda: trimesh.creation.cylinder(1.0, 0.02, sections=128), 0.02),
    "strip, 300 x 20 x 1": (lambda: trimesh.creation.box((300.0, 20.0, 1.0)), 1.0),
}


def measure(points: NDArray[np.float64], solid: trimesh.Trimesh, thickness: float) -> str:
    """Fit a cloud and return cells of a table."""
    started = time.perf_counter()
    mesh = run(ReconstructionRequest(PointCloud(points))).mesh
    seconds = time.perf_counter() - started
    vertices, faces = mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64)
    off = np.sqrt(igl.point_mesh_squared_distance(points, vertices, faces)[0]).mean() / thickness
    share = enclosed_volume(vertices, faces) / solid.volume
    sound = "yes" if inspect_mesh(mesh).is_sound else "NO"
    return f"{share:.3f} | {off:.3f} | {len(vertices)} | {sound} | {seconds:.0f}"


def main() -> None:
    """Print the table row by row."""
    print("| object | squeezed | volume, of the true one | off | vertices | sound | seconds |")
    print("|---|---|---:|---:|---:|---|---:|")
    for name, (make, thickness) in SHAPES.items():
        solid = make()
        sampled, _ = trimesh.sample.sample_surface(solid, POINTS, seed=0)
        points = np.asarray(sampled) @ Rotation.random(random_state=0).as_matrix().T
        print(f"| {name} | yes | {measure(points, solid, thickness)} |", flush=True)
        with mock.patch.object(found_flow, "squeeze_of", return_value=None):
            print(f"| {name} | no | {measure(points, solid, thickness)} |", flush=True)


if __name__ == "__main__":
    main()
