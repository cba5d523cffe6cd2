"""The solid inside a reconstructed surface: the flow that made the surface carries a ball of tetrahedra.

A flow is a continuous map, but tetrahedra are flat: where it bends or stretches much within one of them, that
one comes out inverted or thin. So the ball is carried in stages; after each its inner vertices move
to where the tetrahedra are most regular, while they are still nearly so. The boundary is never moved:
it ends as the surface's own vertices, bit for bit.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.geometry.ball import Ball, ball
from nmf_model.geometry.relax import not_positive, relax
from nmf_model.geometry.template import Template
from nmf_model.geometry.tetrahedra import dihedral_angles, orientations, volumes
from nmf_model.types import CancelCheck, Carrier, Mesh, Normalization, Reconstruction, SolidFacts, TetMesh

STAGES = 12
_STEPS = 8
_ITERATIONS = 10
"""Of the relaxation after each stage; it starts near its goal."""
_LAST_ROUNDS = 4
_LAST_ITERATIONS = 30


def solid_of(result: Reconstruction, cancel: CancelCheck | None = None) -> TetMesh:
    """Return the solid inside a reconstruction, in file units.

    Raises:
        InputError: the reconstruction has no flow, or its template cannot be filled.
        Cancelled: if ``cancel`` returned True.
    """
    if result.carrier is None or result.mesh.sphere is None:
        raise InputError("A solid needs the flow that made the surface, which is not kept here.")
    return flow_solid(result.carrier, result.mesh, result.normalization, cancel=cancel)


def flow_solid(
    carrier: Carrier, surface: Mesh, normalization: Normalization, *, cancel: CancelCheck | None = None
) -> TetMesh:
    """Carry a ball of tetrahedra into a shape.

    Args:
        carrier: the flow.
        surface: its image of the template ``surface.sphere``, file units; becomes the solid's boundary.
        normalization: from the carrier's unit-sphere units to file units.
        cancel: polled throughout.

    Returns:
        The solid in file units; ``measure`` tells how many tetrahedra are not positive.

    Raises:
        InputError: the template cannot be filled.
        Cancelled: if ``cancel`` returned True.
    """
    if surface.sphere is None:
        raise InputError("A solid needs the template of its surface, which is not known here.")
    try:
        start = ball(Template(surface.sphere, surface.faces))
    except ValueError as error:
        raise InputError(f"The solid could not be made: {error}.") from error
    boundary = (surface.vertices - normalization.offset) / normalization.scale
    inside = _carried(carrier, start, boundary, cancel)
    vertices = np.concatenate([surface.vertices, normalization.to_file(inside[len(boundary) :])])
    return TetMesh(vertices, start.tetrahedra, surface.faces)


def measure(solid: TetMesh) -> SolidFacts:
    """Measure a solid exactly as it is; angles of tetrahedra that are not positive count as 0."""
    positive = orientations(solid.vertices, solid.tetrahedra) > 0
    smallest = np.where(positive, dihedral_angles(solid.vertices, solid.tetrahedra).min(axis=1), 0.0)
    # Far from the origin the products would swallow the volume.
    centred = solid.vertices - solid.vertices.mean(axis=0)
    return SolidFacts(
        tetrahedra=len(solid.tetrahedra),
        inverted_tetrahedra=int(np.count_nonzero(~positive)),
        min_dihedral_degrees=float(smallest.min()),
        p5_dihedral_degrees=float(np.percentile(smallest, 5)),
        mean_dihedral_degrees=float(smallest.mean()),
        solid_volume=float(volumes(centred, solid.tetrahedra).sum()),
    )


def _carried(
    carrier: Carrier, start: Ball, boundary: NDArray[np.float64], cancel: CancelCheck | None
) -> NDArray[np.float64]:
    """Return the vertices in unit-sphere units, the boundary's as given."""
    free = np.ones(len(start.vertices), dtype=bool)
    free[: len(boundary)] = False
    x = relax(start.vertices, start.tetrahedra, free, iterations=_ITERATIONS, cancel=cancel)
    moments = np.linspace(0.0, 1.0, STAGES + 1)
    for since, until in itertools.pairwise(moments.tolist()):
        x = carrier.carry(x, steps=_STEPS, since=since, until=until, cancel=cancel)
        x = relax(x, start.tetrahedra, free, iterations=_ITERATIONS, cancel=cancel)
    x[: len(boundary)] = boundary
    for _ in range(_LAST_ROUNDS):
        before = not_positive(x, start.tetrahedra)
        x = relax(x, start.tetrahedra, free, iterations=_LAST_ITERATIONS, epsilon=1e-4, cancel=cancel)
        if before == 0 or not_positive(x, start.tetrahedra) > 0.9 * before:
            break
    return x
