"""Raise the quality of the worst tetrahedra of a mesh by local changes, one after the other."""

from __future__ import annotations

from itertools import combinations

from nmf_model.errors import Cancelled
from nmf_model.geometry.tet_cavity import join, smooth
from nmf_model.geometry.tet_complex import TetComplex
from nmf_model.geometry.tet_flips import collapse, remove_edge, swap_face
from nmf_model.types import CancelCheck


def improve(mesh: TetComplex, goal: float, passes: int, cancel: CancelCheck | None = None) -> None:
    """Change the mesh until all qualities reach ``goal``, nothing helps any more or ``passes`` are over.

    The lowest quality of what is changed rises with every change, so that it comes to an end.
    """
    for _ in range(passes):
        bad = sorted((q, n) for n, q in mesh.quality.items() if q < goal)
        changed = False
        for _, number in bad:
            if cancel is not None and cancel():
                raise Cancelled("The solid was cancelled.")
            if number in mesh.tets and mesh.quality[number] < goal:
                changed |= _improve_one(mesh, number, goal)
        if not changed:
            return


def _improve_one(mesh: TetComplex, number: int, goal: float) -> bool:
    """Try the changes that could help one tetrahedron, cheap ones first; whether one did."""
    tet = mesh.tets[number]
    for a, b in combinations(tet, 2):
        if remove_edge(mesh, a, b):
            return True
    for vertex in tet:
        face = mesh.face_opposite(tet, vertex)
        if swap_face(mesh, number, face):
            return True
    moved = False
    for vertex in tet:
        moved |= smooth(mesh, vertex)
    if moved and mesh.quality[number] >= goal:
        return True
    for vertex in tet:
        if vertex >= mesh.fixed:
            for onto in tet:
                if onto != vertex and collapse(mesh, vertex, onto):
                    return True
    if join(mesh, (number,)):
        return True
    for a, b in combinations(tet, 2):
        if join(mesh, mesh.star[a] & mesh.star[b]):
            return True
    for vertex in tet:
        if join(mesh, mesh.star[vertex]):
            return True
    return moved
