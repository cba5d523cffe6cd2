"""Changes of a tetrahedral mesh that place a vertex: moving one, and joining a cavity to a new one.

A cavity is a set of tetrahedra with one sphere as its boundary. Joined to one point, each face of that
sphere becomes a tetrahedron; if all are positive they fill the cavity. The point is sought that makes the
lowest quality highest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from nmf_model.geometry.tet_cavities import LEAST, search_directions
from nmf_model.geometry.tet_complex import Face, TetComplex, quality_of
from nmf_model.geometry.tet_flips import least_of

_GAIN = 1e-9
_ROUNDS = 14
_SHRINK = 0.5
_FIRST_STEP = 0.25
_GROWTHS = 16
"""How many tetrahedra a cavity may take in beyond those it began with."""
_DIRECTIONS = search_directions(10)


class _Cone:
    """The tetrahedra between faces (F, 3, 3), seen counter-clockwise from within, and a point to be found."""

    def __init__(self, faces: NDArray[np.float64]) -> None:
        self.centre = faces.mean(axis=(0, 1))
        local = faces - self.centre
        a, b, c = local[:, 0], local[:, 1], local[:, 2]
        u, v = b - a, c - a
        self._normals = np.stack(
            [
                u[:, 1] * v[:, 2] - u[:, 2] * v[:, 1],
                u[:, 2] * v[:, 0] - u[:, 0] * v[:, 2],
                u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0],
            ]
        )
        self._heights = np.einsum("ki,ik->i", self._normals, a)
        self._sums = 2 * (a + b + c).T
        self._squares = (u * u + v * v + (u - v) ** 2 + a * a + b * b + c * c).sum(axis=1)
        self.size = float(np.sqrt((local * local).sum(axis=2).max()))

    def qualities(self, offsets: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (P, F) for each of (P, 3) points, given from the centre."""
        dets = offsets @ self._normals - self._heights
        squares = self._squares - offsets @ self._sums + 3 * (offsets * offsets).sum(axis=1)[:, None]
        return quality_of(dets, squares)

    def best(self, start: NDArray[np.float64], step: float) -> tuple[float, NDArray[np.float64], int]:
        """Search from a point: the lowest quality, the point, and the face it is low at.

        Where that finds no point that sees all faces, the search begins again at the one that is farthest
        from all their planes: among needles such points can be too few to be met by chance.
        """
        found = self._search(start, step)
        if found[0] <= LEAST:
            inside = self._inside()
            if inside is not None:
                found = max(found, self._search(inside, 0.1 * step), key=lambda ways: ways[0])
        return found

    def _inside(self) -> NDArray[np.float64] | None:
        """Return the point farthest from all planes on the side of all, None if there is no such side."""
        from scipy.optimize import linprog

        lengths = np.linalg.norm(self._normals, axis=0)
        if not lengths.all() or self.size == 0:
            return None
        rows = np.concatenate([-self._normals.T / lengths[:, None], np.ones((len(lengths), 1))], axis=1)
        limits = -self._heights / lengths / self.size
        found = linprog(np.array([0.0, 0.0, 0.0, -1.0]), rows, limits, bounds=[(-1, 1)] * 3 + [(None, 1)])
        place = found.x
        if not found.success or place is None or place[3] <= 0:
            return None
        inside: NDArray[np.float64] = self.centre + self.size * place[:3]
        return inside

    def _search(self, start: NDArray[np.float64], step: float) -> tuple[float, NDArray[np.float64], int]:
        offset = start - self.centre
        row = self.qualities(offset[None])[0]
        worst = int(row.argmin())
        value = float(row[worst])
        for number in range(_ROUNDS):
            offered = offset + step * _DIRECTIONS[number % len(_DIRECTIONS)]
            rows = self.qualities(offered)
            lowest = rows.min(axis=1)
            chosen = int(lowest.argmax())
            if lowest[chosen] > value:
                offset, value, worst = offered[chosen], float(lowest[chosen]), int(rows[chosen].argmin())
            else:
                step *= _SHRINK
        return value, offset + self.centre, worst


def smooth(mesh: TetComplex, vertex: int) -> bool:
    """Move an inner vertex to where the tetrahedra around it are best; whether it moved."""
    if vertex < mesh.fixed:
        return False
    star = mesh.star[vertex]
    before = mesh.worst(star)
    faces = []
    for number in star:
        tet = mesh.tets[number]
        i, j, k = mesh.face_opposite(tet, vertex)
        faces.append((mesh.points[i], mesh.points[j], mesh.points[k]))
    cone = _Cone(np.array(faces))
    value, point, _ = cone.best(np.array(mesh.points[vertex]), _FIRST_STEP * cone.size)
    wrong = sum(mesh.quality[number] <= 0 for number in star)
    still = int((cone.qualities((point - cone.centre)[None]) <= 0).sum())
    if value <= before + _GAIN or still > wrong:
        return False
    mesh.move(vertex, point.tolist())
    return True


def join(mesh: TetComplex, seed: Iterable[int]) -> list[int]:
    """Join a cavity around some tetrahedra to a new vertex if that raises their lowest quality.

    Where a face of the cavity cannot be seen well, the tetrahedron behind it is taken in too.

    Returns:
        The numbers of the new tetrahedra; none if nothing was changed.
    """
    cavity = set(seed)
    least = least_of(mesh, cavity)
    point: NDArray[np.float64] | None = None
    for _ in range(_GROWTHS):
        found = mesh.faces_inside(cavity)
        sides = list(found.values())
        cone = _Cone(np.array([[mesh.points[v] for v in face] for face, _ in sides]))
        start = cone.centre if point is None else point
        value, point, _ = cone.best(start, _FIRST_STEP * cone.size)
        if value > least:
            break
        row = cone.qualities((point - cone.centre)[None])[0]
        behind = (mesh.across(*sides[face]) for face in row.argsort().tolist() if row[face] <= least)
        taken = next((number for number in behind if number is not None), None)
        if taken is None:
            return []
        cavity.add(taken)
    else:
        return []
    faces = [face for face, _ in sides]
    if not is_sphere(faces):
        return []
    new = mesh.add_vertex(point.tolist())
    return mesh.replace(cavity, [(a, b, c, new) for a, b, c in faces])


def is_sphere(faces: Sequence[Face]) -> bool:
    """Whether oriented faces form one closed surface of genus 0 that touches itself nowhere."""
    owner: dict[tuple[int, int], int] = {}
    for number, (a, b, c) in enumerate(faces):
        for side in ((a, b), (b, c), (c, a)):
            if side in owner:
                return False
            owner[side] = number
    corners = {v for face in faces for v in face}
    if 2 * (len(corners) - 2) != len(faces) or any((b, a) not in owner for a, b in owner):
        return False
    seen, waiting = {0}, [0]
    while waiting:
        a, b, c = faces[waiting.pop()]
        for side in ((b, a), (c, b), (a, c)):
            other = owner[side]
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return len(seen) == len(faces)
