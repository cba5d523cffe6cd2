"""Changes of a tetrahedral mesh that add no vertex; each is made only if it raises the lowest quality.

Every function returns the numbers of the new tetrahedra, or nothing if it changed nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from nmf_model.geometry.tet_cavities import LEAST
from nmf_model.geometry.tet_complex import Face, Tet, TetComplex

_LONGEST_RING = 8
"""Edges with more tetrahedra around them are left alone: too many ways to fill the ring, few good ones."""
_GAIN = 1e-9


def least_of(mesh: TetComplex, old: Iterable[int]) -> float:
    """Return what the qualities of new tetrahedra must exceed if they take the place of old ones.

    Always positive: a lowest quality that rises below zero can hide more inverted tetrahedra.
    """
    return max(mesh.worst(old) + _GAIN, LEAST)


def remove_edge(mesh: TetComplex, a: int, b: int) -> list[int]:
    """Fill the ring around an inner edge without it, in the best way (Klincsek's recursion)."""
    old = mesh.star[a] & mesh.star[b]
    if not 3 <= len(old) <= _LONGEST_RING:
        return []
    ring = mesh.ring(a, b)
    if ring is None:
        return []
    triangles = _best_filling(mesh, a, b, ring, least_of(mesh, old))
    if not triangles or not _is_new(mesh, ring, triangles):
        return []
    new: list[Tet] = []
    for i, j, k in triangles:
        new += [(ring[i], ring[j], ring[k], b), (ring[j], ring[i], ring[k], a)]
    return mesh.replace(old, new)


def _best_filling(mesh: TetComplex, a: int, b: int, ring: list[int], least: float) -> list[Face]:
    """Return triangles of ring positions, none if every filling has a quality of ``least`` or worse."""
    count = len(ring)
    best: dict[tuple[int, int], tuple[float, int]] = {(i, i + 1): (9.0, -1) for i in range(count - 1)}
    for span in range(2, count):
        for i in range(count - span):
            k = i + span
            found = (least, -1)
            for j in range(i + 1, k):
                limit = min(best[i, j][0], best[j, k][0])
                if limit <= found[0]:
                    continue
                limit = min(limit, mesh.of(ring[i], ring[j], ring[k], b))
                if limit <= found[0]:
                    continue
                limit = min(limit, mesh.of(ring[j], ring[i], ring[k], a))
                if limit > found[0]:
                    found = (limit, j)
            best[i, k] = found
    triangles: list[Face] = []
    open_spans = [(0, count - 1)]
    while open_spans:
        i, k = open_spans.pop()
        if k - i < 2:
            continue
        j = best[i, k][1]
        if j < 0:
            return []
        triangles.append((i, j, k))
        open_spans += [(i, j), (j, k)]
    return triangles


def _is_new(mesh: TetComplex, ring: list[int], triangles: list[Face]) -> bool:
    """Whether no diagonal or face of a filling is in the mesh already."""
    if len(ring) == 3:
        return not mesh.star[ring[0]] & mesh.star[ring[1]] & mesh.star[ring[2]]
    for triangle in triangles:
        for i, j in combinations(triangle, 2):
            if (j - i) % len(ring) not in (1, len(ring) - 1) and mesh.star[ring[i]] & mesh.star[ring[j]]:
                return False
    return True


def swap_face(mesh: TetComplex, number: int, face: Face) -> list[int]:
    """Replace the face between two tetrahedra by an edge between their other corners.

    Args:
        mesh: changed in place.
        number: one of the two.
        face: of it, counter-clockwise seen from within.
    """
    other = mesh.across(face, number)
    if other is None:
        return []
    above = next(v for v in mesh.tets[number] if v not in face)
    below = next(v for v in mesh.tets[other] if v not in face)
    if mesh.star[above] & mesh.star[below]:
        return []
    least = least_of(mesh, (number, other))
    a, b, c = face
    new = [(below, above, a, b), (below, above, b, c), (below, above, c, a)]
    if any(mesh.of(*tet) <= least for tet in new):
        return []
    return mesh.replace((number, other), new)


def collapse(mesh: TetComplex, vertex: int, onto: int) -> list[int]:
    """Move an inner vertex onto a neighbour and drop the tetrahedra between the two."""
    if vertex < mesh.fixed:
        return []
    star = mesh.star[vertex]
    gone = star & mesh.star[onto]
    least = least_of(mesh, star)
    new: list[Tet] = []
    for number in star - gone:
        a, b, c, d = (onto if v == vertex else v for v in mesh.tets[number])
        if mesh.of(a, b, c, d) <= least:
            return []
        new.append((a, b, c, d))
    if not gone or not _links_meet_well(mesh, vertex, onto):
        return []
    return mesh.replace(star, new)


def _links_meet_well(mesh: TetComplex, one: int, other: int) -> bool:
    """Whether the links of an edge's ends meet in its own link only, so that joining them is harmless."""
    between = mesh.star[one] & mesh.star[other]
    shared = _link(mesh, one, between) & _link(mesh, other, between)
    own: set[tuple[int, ...]] = set()
    for number in between:
        rest = sorted(v for v in mesh.tets[number] if v not in (one, other))
        own |= {(rest[0],), (rest[1],), (rest[0], rest[1])}
    return shared <= own


def _link(mesh: TetComplex, vertex: int, besides: set[int]) -> set[tuple[int, ...]]:
    """Return corners, edges and faces opposite a vertex in the tetrahedra around it."""
    simplices: set[tuple[int, ...]] = set()
    for number in mesh.star[vertex] - besides:
        a, b, c = sorted(v for v in mesh.tets[number] if v != vertex)
        simplices |= {(a,), (b,), (c,), (a, b), (b, c), (a, c), (a, b, c)}
    return simplices
