"""The solid inside a reconstructed surface: the flow that made the surface carries a ball of tetrahedra.

A flow is a continuous map, but tetrahedra are flat: where it bends or stretches much within one of them, that
one comes out inverted or thin. So the ball is carried in small steps; after each, tetrahedra that got bad are
relaxed and joined anew (``geometry.mend``), and a step that leaves more of them inverted is halved. The
boundary is only carried: it ends as the surface's own vertices, bit for bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.geometry.ball import Ball, ball
from nmf_model.geometry.mend import coarsen, mend, untangle
from nmf_model.geometry.relax import not_positive
from nmf_model.geometry.template import Template
from nmf_model.geometry.tetrahedra import dihedral_angles, orientations, volumes
from nmf_model.types import CancelCheck, Carrier, Mesh, Normalization, Reconstruction, SolidFacts, TetMesh

STAGES = 24
"""Steps in the flow's time, unless one must be halved."""
_SHORTEST = 1 / 400
_HALVINGS = 6
"""So many in all: where the surface crosses itself on its way, no step is short enough."""
_STEPS = 4
_GOAL = 0.08
"""Quality below which tetrahedra are worked on while they are carried ..."""
_LAST_GOAL = 0.15
"""... and once they have arrived."""
_ROUNDS = 2
_ITERATIONS = 12
_LAST_ROUNDS = 6
_FEW, _FEW_SHARE = 100, 0.1
"""Tetrahedra that are worked on one by one, if no more are left: more, or a larger share of all, are no
small knots but a boundary that cannot be filled."""
_PASSES = 4
_COARSENINGS = 6
_SPARE = 0.2
"""Inner vertices that are not needed to keep this quality are left out: fewer are easier to keep right."""


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
    inside, tetrahedra = _carried(carrier, start, boundary, cancel)
    vertices = np.concatenate([surface.vertices, normalization.to_file(inside[len(boundary) :])])
    return TetMesh(vertices, tetrahedra, surface.faces)


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
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the vertices in unit-sphere units, the boundary's as given, and the tetrahedra."""
    fixed = len(boundary)
    x, tetrahedra = coarsen(start.vertices, start.tetrahedra, fixed, floor=_SPARE, rounds=_COARSENINGS)
    now, step, wrong, halvings = 0.0, 1 / STAGES, 0, 0
    while now < 1:
        until = now + step if now + 1.5 * step < 1 else 1.0
        moved = carrier.carry(x, steps=_STEPS, since=now, until=until, cancel=cancel)
        if until == 1:
            moved[:fixed] = boundary
        mended, left = _mended(moved, tetrahedra, fixed, until == 1, cancel)
        if left > wrong and until - now > _SHORTEST and halvings < _HALVINGS:
            halvings += 1
            step = (until - now) / 2
            continue
        (x, tetrahedra), now, wrong = mended, until, left
        step = min(1 / STAGES, 1.5 * step)
    return x, tetrahedra


def _mended(
    x: NDArray[np.float64], tetrahedra: NDArray[np.int64], fixed: int, last: bool, cancel: CancelCheck | None
) -> tuple[tuple[NDArray[np.float64], NDArray[np.int64]], int]:
    """Return the mesh put right as far as can be and how many tetrahedra are not positive still."""
    goal, rounds = (_LAST_GOAL, _LAST_ROUNDS) if last else (_GOAL, _ROUNDS)
    mesh = mend(x, tetrahedra, fixed, goal=goal, rounds=rounds, iterations=_ITERATIONS, cancel=cancel)
    left = not_positive(*mesh)
    if 0 < left <= min(_FEW, _FEW_SHARE * len(mesh[1])):
        mesh = untangle(*mesh, fixed, passes=_PASSES, cancel=cancel)
        left = not_positive(*mesh)
    return mesh, left
