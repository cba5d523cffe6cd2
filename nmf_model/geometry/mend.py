"""Keep a tetrahedral mesh positive while it moves: relax it where it is bad, then change how it is joined."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import Cancelled
from nmf_model.geometry.relax import relax
from nmf_model.geometry.tet_batch import collapse_edges, compact, remove_edges, swap_faces
from nmf_model.geometry.tet_complex import TetComplex, qualities
from nmf_model.geometry.tet_improve import improve
from nmf_model.geometry.tet_place import smooth_vertices, split_edges
from nmf_model.geometry.tetrahedra import faces_are_shared_well
from nmf_model.types import CancelCheck

Vertices = NDArray[np.float64]
Tetrahedra = NDArray[np.int64]

_RINGS = 2
"""How far from a bad tetrahedron vertices are relaxed with it, in edges."""
_STALLED = 0.97
"""A round that leaves more than this share of the bad tetrahedra is the last."""


def mend(
    x: Vertices,
    tetrahedra: Tetrahedra,
    fixed: int,
    *,
    goal: float,
    rounds: int,
    iterations: int,
    cancel: CancelCheck | None = None,
) -> tuple[Vertices, Tetrahedra]:
    """Raise qualities that are below a goal; the boundary stays as it is.

    Args:
        x: (V, 3), the boundary's vertices first.
        tetrahedra: (T, 4), may be inverted.
        fixed: number of boundary vertices.
        goal: the quality to reach, see ``tet_complex``.
        rounds: of changes, at most.
        iterations: of the relaxation in each round.
        cancel: polled throughout.

    Raises:
        Cancelled: if ``cancel`` returned True.
    """
    before = None
    for number in range(rounds):
        bad = qualities(x, tetrahedra) < goal
        count = int(bad.sum())
        if count == 0 or (before is not None and count > _STALLED * before):
            break
        before = count
        x = relax_near(x, tetrahedra, bad, fixed, iterations, cancel)
        x, tetrahedra = _changed(x, tetrahedra, fixed, goal, number, cancel)
    return x, tetrahedra


def untangle(
    x: Vertices, tetrahedra: Tetrahedra, fixed: int, *, passes: int, cancel: CancelCheck | None = None
) -> tuple[Vertices, Tetrahedra]:
    """Work on the last tetrahedra that are not positive, one by one."""
    mesh = TetComplex(x, tetrahedra, fixed)
    improve(mesh, 1e-5, passes, cancel)
    return mesh.arrays()


def coarsen(
    x: Vertices, tetrahedra: Tetrahedra, fixed: int, *, floor: float, rounds: int
) -> tuple[Vertices, Tetrahedra]:
    """Leave out inner vertices as long as no quality falls below a floor that was above it."""
    for _ in range(rounds):
        every = np.ones(len(tetrahedra), dtype=bool)
        after = collapse_edges(x, tetrahedra, every, fixed, floor)
        stalled = len(after) > _STALLED * len(tetrahedra)
        tetrahedra = after
        if stalled:
            break
    return compact(x, tetrahedra, fixed)


def relax_near(
    x: Vertices,
    tetrahedra: Tetrahedra,
    bad: NDArray[np.bool_],
    fixed: int,
    iterations: int,
    cancel: CancelCheck | None = None,
    epsilon: float = 1e-3,
) -> Vertices:
    """Relax the inner vertices within some edges of bad tetrahedra."""
    near = np.zeros(len(x), dtype=bool)
    touched = bad
    for _ in range(_RINGS):
        near[tetrahedra[touched]] = True
        touched = near[tetrahedra].any(axis=1)
    near[:fixed] = False
    region = tetrahedra[near[tetrahedra].any(axis=1)]
    if len(region) == 0:
        return x
    vertices, local = np.unique(region, return_inverse=True)
    moved = x.copy()
    moved[vertices] = relax(
        x[vertices],
        local.reshape(-1, 4),
        near[vertices],
        iterations=iterations,
        epsilon=epsilon,
        cancel=cancel,
    )
    return moved


def _changed(
    x: Vertices, tetrahedra: Tetrahedra, fixed: int, goal: float, number: int, cancel: CancelCheck | None
) -> tuple[Vertices, Tetrahedra]:
    """Make one round of changes; none at all if they would leave a face with three owners.

    That can only happen among inverted tetrahedra, where cavities overlap.
    """
    old = x, tetrahedra

    def bad() -> NDArray[np.bool_]:
        if cancel is not None and cancel():
            raise Cancelled("The solid was cancelled.")
        below: NDArray[np.bool_] = qualities(x, tetrahedra) < goal
        return below

    tetrahedra = remove_edges(x, tetrahedra, bad())
    tetrahedra = swap_faces(x, tetrahedra, bad())
    tetrahedra = collapse_edges(x, tetrahedra, bad(), fixed)
    x = smooth_vertices(x, tetrahedra, bad(), fixed, number)
    x, tetrahedra = split_edges(x, tetrahedra, bad())
    tetrahedra = remove_edges(x, tetrahedra, bad())
    x = smooth_vertices(x, tetrahedra, bad(), fixed, number)
    if not faces_are_shared_well(tetrahedra):
        return old
    return compact(x, tetrahedra, fixed)
