"""Keep a tetrahedral mesh positive while it moves: relax it where it is bad, then change how it is joined."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import Cancelled
from nmf_model.geometry.relax import not_positive, relax
from nmf_model.geometry.tet_batch import collapse_edges, compact, remove_edges, swap_faces
from nmf_model.geometry.tet_complex import TetComplex, qualities
from nmf_model.geometry.tet_improve import improve
from nmf_model.geometry.tet_place import smooth_vertices, split_edges
from nmf_model.geometry.tetrahedra import faces_are_shared_well
from nmf_model.types import CancelCheck

Vertices = NDArray[np.float64]
Tetrahedra = NDArray[np.int64]

_RINGS = 2
"""How far from a bad tetrahedron the mesh may change with it, in edges."""
_WIDER, _PATIENT = (4, 6), 300
"""The same for the last that are not positive, and iterations of their relaxation."""
_POSITIVE = 1e-5
"""Quality from which a tetrahedron counts as positive whatever the rounding."""
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
    given = x, tetrahedra
    before = None
    for number in range(rounds):
        bad: NDArray[np.bool_] = qualities(x, tetrahedra) < goal
        count = int(bad.sum())
        if count == 0 or (before is not None and count > _STALLED * before):
            break
        before = count
        patch = _patch_around(x, tetrahedra, bad, fixed)
        own = relax(
            patch.x,
            patch.tetrahedra,
            np.arange(len(patch.x)) >= patch.fixed,
            iterations=iterations,
            cancel=cancel,
        )
        x, tetrahedra = _put_back(
            x,
            tetrahedra,
            fixed,
            patch,
            *_changed(own, patch.tetrahedra, patch.fixed, goal, number, cancel),
        )
    # Cavities can overlap among inverted tetrahedra: only there can a change spoil what it does not see.
    return (x, tetrahedra) if faces_are_shared_well(tetrahedra) else given


def untangle(
    x: Vertices, tetrahedra: Tetrahedra, fixed: int, *, passes: int, cancel: CancelCheck | None = None
) -> tuple[Vertices, Tetrahedra]:
    """Work on the last tetrahedra that are not positive: give them room, then change them one by one.

    What is too narrow for every change nearby often opens once the mesh farther around moves a little.
    """
    for rings in _WIDER:
        bad: NDArray[np.bool_] = qualities(x, tetrahedra) < _POSITIVE
        if not bad.any():
            return x, tetrahedra
        patch = _patch_around(x, tetrahedra, bad, fixed, rings)
        free = np.arange(len(patch.x)) >= patch.fixed
        x = x.copy()
        x[patch.vertices] = relax(patch.x, patch.tetrahedra, free, iterations=_PATIENT, cancel=cancel)
    if not_positive(x, tetrahedra) == 0:
        return x, tetrahedra
    mesh = TetComplex(x, tetrahedra, fixed)
    improve(mesh, _POSITIVE, passes, cancel)
    return mesh.arrays()


def coarsen(
    x: Vertices, tetrahedra: Tetrahedra, fixed: int, *, floor: float, rounds: int
) -> tuple[Vertices, Tetrahedra]:
    """Leave out inner vertices as long as no quality falls that is below a floor, and none falls below it."""
    for _ in range(rounds):
        every = np.ones(len(tetrahedra), dtype=bool)
        after = collapse_edges(x, tetrahedra, every, fixed, floor)
        stalled = len(after) > _STALLED * len(tetrahedra)
        tetrahedra = after
        if stalled:
            break
    return compact(x, tetrahedra, fixed)


class _Patch(NamedTuple):
    """A part of a mesh as a mesh of its own.

    Attributes:
        x: (v, 3), those that tetrahedra outside the patch share come first, with the boundary's.
        tetrahedra: (t, 4).
        fixed: how many come first.
        vertices: (v,) their numbers in the whole mesh.
        members: (T,) which tetrahedra of the whole mesh are in the patch.
    """

    x: Vertices
    tetrahedra: Tetrahedra
    fixed: int
    vertices: NDArray[np.int64]
    members: NDArray[np.bool_]


def _patch_around(
    x: Vertices, tetrahedra: Tetrahedra, bad: NDArray[np.bool_], fixed: int, rings: int = _RINGS
) -> _Patch:
    inner = np.zeros(len(x), dtype=bool)
    members = bad
    for _ in range(rings):
        inner[tetrahedra[members]] = True
        members = np.asarray(inner[tetrahedra].any(axis=1))
    inner[:fixed] = False
    used = np.zeros(len(x), dtype=bool)
    used[tetrahedra[members]] = True
    vertices = np.concatenate([np.flatnonzero(used & ~inner), np.flatnonzero(used & inner)])
    local = np.zeros(len(x), dtype=np.int64)
    local[vertices] = np.arange(len(vertices))
    return _Patch(x[vertices], local[tetrahedra[members]], int((used & ~inner).sum()), vertices, members)


def _put_back(
    x: Vertices, tetrahedra: Tetrahedra, fixed: int, patch: _Patch, own: Vertices, changed: Tetrahedra
) -> tuple[Vertices, Tetrahedra]:
    numbers = np.concatenate(
        [patch.vertices[: patch.fixed], len(x) + np.arange(len(own) - patch.fixed, dtype=np.int64)]
    )
    whole = np.concatenate([x, own[patch.fixed :]])
    return compact(whole, np.concatenate([tetrahedra[~patch.members], numbers[changed]]), fixed)


def _changed(
    x: Vertices, tetrahedra: Tetrahedra, fixed: int, goal: float, number: int, cancel: CancelCheck | None
) -> tuple[Vertices, Tetrahedra]:
    """Make one round of changes."""

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
    return compact(x, tetrahedra, fixed)
