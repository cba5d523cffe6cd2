"""One mesh against the points of its target: the published protocol, aligned and unaligned.

*Aligned*: prediction and target are each centred on the mean of their samples and scaled so that the farthest
sample lies at distance 1; errors of place and size then cannot be seen. *Unaligned*: what brings the target
into that frame is done to both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.geometry.normals import face_normals
from nmf_model.geometry.sampling import sample_surface
from nmf_model.metrics import NearestPairs, nearest_pairs
from nmf_model.training.manifoldness import has_exact_tests, manifoldness
from nmf_model.types import Mesh

SAMPLES = 10_000
"""Points a surface; as many as the target has, if it has fewer."""
THRESHOLDS = (0.01, 0.03, 0.05, 0.07, 0.1)
MISSED_BEYOND = 0.03
SPREAD_OF = ("chamfer_l2", "f1@0.03")
"""Measures of which is told how much they depend on which points were drawn."""
REDRAWN = 2
"""How often points are drawn of a mesh for that, besides those that are reported."""
_FEWEST_HALVED = 8

Points = NDArray[np.float64]


def measure(
    mesh: Mesh, target: Points, target_normals: Points | None, samples: int = SAMPLES
) -> dict[str, Any]:
    """Measure one mesh.

    Args:
        mesh: in the target's frame; any triangles, closed or not.
        target: (M, 3) points of the true surface; at most ``samples`` of them are used.
        target_normals: (M, 3), of either sign, or None.
        samples: points on each surface.

    Returns:
        ``chamfer_l2``, ``f1@…`` and ``normal_consistency`` between samples, ``missed@0.03``, the share of the
        target farther than that from the mesh itself (where libigl is installed), each also ``…_unaligned``;
        ``chamfer_l2_floor``, what two samples of one surface would score; the measures in ``SPREAD_OF`` of
        other samples of the mesh, aligned (see ``redrawn``); the rates of ``manifoldness``.

    Raises:
        InputError: the mesh has no finite area, or the target no extent.
    """
    rng = np.random.default_rng(0)
    target, target_normals = _thinned(target, target_normals, samples, rng)
    drawn, normals = _drawn(mesh, len(target), rng)
    own, true = unit_frame(drawn), unit_frame(target)
    goal = _in(true, target)
    row: dict[str, Any] = {}
    for ending, frame in (("", own), ("_unaligned", true)):
        pairs = nearest_pairs(_in(frame, drawn), goal)
        row |= _distances(pairs, normals, target_normals, ending)
        row |= _missed(Mesh(_in(frame, mesh.vertices), mesh.faces), goal, ending)
    row["chamfer_l2_floor"] = _floor(goal, rng)
    return row | _drawn_anew(mesh, goal) | manifoldness(mesh)


def unit_frame(points: Points) -> tuple[Points, float]:
    """Return the mean of the points, (3,), and the distance of the farthest from it.

    Raises:
        InputError: all points coincide, or one is not finite.
    """
    centre = points.mean(axis=0)
    radius = float(np.linalg.norm(points - centre, axis=1).max())
    if not 0 < radius < np.inf:
        raise InputError("The points to compare have no extent or are not finite.")
    return centre, radius


def _in(frame: tuple[Points, float], points: Points) -> Points:
    moved: Points = (points - frame[0]) / frame[1]
    return moved


def _thinned(
    target: Points, normals: Points | None, count: int, rng: np.random.Generator
) -> tuple[Points, Points | None]:
    if len(target) <= count:
        return target, normals
    chosen = rng.choice(len(target), count, replace=False)
    return target[chosen], None if normals is None else normals[chosen]


def _drawn(mesh: Mesh, count: int, rng: np.random.Generator) -> tuple[Points, Points]:
    """Draw points of the mesh and the normals there."""
    try:
        points, on_face = sample_surface(mesh.vertices, mesh.faces, count, rng)
    except ValueError as error:
        raise InputError("The mesh has no surface, or one without finite area.") from error
    return points, face_normals(mesh.vertices, mesh.faces)[on_face]


def _distances(
    pairs: NearestPairs, normals: Points, target_normals: Points | None, ending: str
) -> dict[str, Any]:
    row = {f"chamfer_l2{ending}": pairs.chamfer_l2}
    row |= {f"f1@{threshold}{ending}": pairs.f1_score(threshold) for threshold in THRESHOLDS}
    if target_normals is not None:
        row[f"normal_consistency{ending}"] = pairs.normal_consistency(normals, target_normals)
    return row


def _missed(mesh: Mesh, target: Points, ending: str) -> dict[str, float]:
    """Measure to the faces: samples of the mesh lie too far apart to tell."""
    if not has_exact_tests():
        return {}
    import igl

    vertices, faces = np.ascontiguousarray(mesh.vertices), np.ascontiguousarray(mesh.faces)
    squared = igl.point_mesh_squared_distance(np.ascontiguousarray(target), vertices, faces)[0]
    return {f"missed@{MISSED_BEYOND}{ending}": float(np.mean(squared > MISSED_BEYOND**2))}


def _drawn_anew(mesh: Mesh, goal: Points) -> dict[str, float]:
    """Return the aligned measures of other samples of the mesh: by how much they differ is chance.

    Centre and radius of the frame are those of the sample, and the radius its farthest point: so these
    measures scatter by several percent. The random numbers are the same for all meshes, so errors do not
    cancel out in a mean of many: the means of each sample are to be compared.
    """
    row: dict[str, float] = {}
    for number in range(1, REDRAWN + 1):
        drawn, _ = _drawn(mesh, len(goal), np.random.default_rng(number))
        pairs = nearest_pairs(_in(unit_frame(drawn), drawn), goal)
        found = _distances(pairs, drawn, None, "")
        row |= {redrawn(name, number): found[name] for name in SPREAD_OF}
    return row


def redrawn(name: str, number: int) -> str:
    """Return what a measure of another sample is called."""
    return f"{name}_redrawn{number}"


def _floor(target: Points, rng: np.random.Generator) -> float:
    """Return the chamfer of two perfect samples of this size.

    The mean squared distance to the nearest sample falls with their number, so two halves of the target,
    each half as dense, score twice as much.
    """
    if len(target) < _FEWEST_HALVED:
        return 0.0
    order = rng.permutation(len(target))
    middle = len(order) // 2
    return nearest_pairs(target[order[:middle]], target[order[middle:]]).chamfer_l2 / 2
