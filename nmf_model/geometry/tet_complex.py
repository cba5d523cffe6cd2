"""A tetrahedral mesh that can be changed one small cavity at a time.

Every change takes a few tetrahedra out and puts others into the same cavity; the boundary is never touched.
The quality of a tetrahedron is its volume against that of a regular one with the same mean squared edge:
1 if regular, 0 if flat, negative if inverted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from nmf_model.geometry.tet_cavities import INWARD, REST

Tet = tuple[int, int, int, int]
Face = tuple[int, int, int]

_SCALE = 2**0.5 * 6**1.5
"""Makes the quality of a regular tetrahedron 1."""
_INWARD, _REST = INWARD.tolist(), REST.tolist()
"""As lists, which are read faster one by one."""


class TetComplex:
    """Tetrahedra by number, with the numbers of those around each vertex.

    Attributes:
        points: coordinates of each vertex, any unit.
        tets: corners of each tetrahedron.
        quality: of each tetrahedron.
        star: numbers of the tetrahedra around each vertex.
        fixed: the first so many vertices are the boundary's; they never move or vanish.
    """

    def __init__(self, vertices: NDArray[np.float64], tetrahedra: NDArray[np.int64], fixed: int) -> None:
        self.points: list[Sequence[float]] = vertices.tolist()
        self.tets: dict[int, Tet] = {n: (a, b, c, d) for n, (a, b, c, d) in enumerate(tetrahedra.tolist())}
        self.quality: dict[int, float] = dict(enumerate(qualities(vertices, tetrahedra).tolist()))
        self.star: list[set[int]] = [set() for _ in self.points]
        self.fixed = fixed
        self._next = len(self.tets)
        for number, tet in self.tets.items():
            for vertex in tet:
                self.star[vertex].add(number)

    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return vertices and tetrahedra; inner vertices that no tetrahedron uses are left out."""
        tetrahedra = np.array(list(self.tets.values()), dtype=np.int64).reshape(-1, 4)
        kept = [v for v, star in enumerate(self.star) if star or v < self.fixed]
        numbers = np.full(len(self.points), -1)
        numbers[kept] = np.arange(len(kept))
        return np.array([self.points[v] for v in kept]), numbers[tetrahedra]

    def add_vertex(self, point: Sequence[float]) -> int:
        """Return the number of a new vertex."""
        self.points.append(point)
        self.star.append(set())
        return len(self.points) - 1

    def replace(self, old: Iterable[int], new: Iterable[Tet]) -> list[int]:
        """Take tetrahedra out and put others in; returns the numbers of the new ones."""
        for number in list(old):
            for vertex in self.tets.pop(number):
                self.star[vertex].discard(number)
            del self.quality[number]
        added = []
        for tet in new:
            number = self._next
            self._next += 1
            self.tets[number] = tet
            self.quality[number] = self.of(*tet)
            for vertex in tet:
                self.star[vertex].add(number)
            added.append(number)
        return added

    def move(self, vertex: int, point: Sequence[float]) -> None:
        """Put an inner vertex elsewhere."""
        self.points[vertex] = point
        for number in self.star[vertex]:
            self.quality[number] = self.of(*self.tets[number])

    def worst(self, numbers: Iterable[int]) -> float:
        """Return the lowest quality of some tetrahedra."""
        quality = self.quality
        return min(quality[number] for number in numbers)

    def of(self, a: int, b: int, c: int, d: int) -> float:
        """Return the quality of a tetrahedron given by its corners."""
        points = self.points
        x, y, z = points[a]
        ux, uy, uz = points[b]
        vx, vy, vz = points[c]
        wx, wy, wz = points[d]
        ux -= x
        uy -= y
        uz -= z
        vx -= x
        vy -= y
        vz -= z
        wx -= x
        wy -= y
        wz -= z
        det = (uy * vz - uz * vy) * wx + (uz * vx - ux * vz) * wy + (ux * vy - uy * vx) * wz
        sx, sy, sz = ux + vx + wx, uy + vy + wy, uz + vz + wz
        squares = ux * ux + uy * uy + uz * uz + vx * vx + vy * vy + vz * vz + wx * wx + wy * wy + wz * wz
        total = 4 * squares - sx * sx - sy * sy - sz * sz
        return _SCALE * det / (total * total**0.5) if total > 0 else 0.0

    def ring(self, a: int, b: int) -> list[int] | None:
        """Return the vertices around an edge, counter-clockwise seen from b; None if the edge is outside."""
        following = {}
        numbers = self.star[a] & self.star[b]
        for number in numbers:
            tet = self.tets[number]
            third, fourth = _REST[tet.index(a)][tet.index(b)]
            following[tet[third]] = tet[fourth]
        if not following:
            return None
        start = vertex = next(iter(following))
        around = []
        for _ in numbers:
            around.append(vertex)
            after = following.get(vertex)
            if after is None:
                return None
            vertex = after
        return around if vertex == start and len(set(around)) == len(numbers) else None

    def faces_inside(self, numbers: Iterable[int]) -> dict[Face, tuple[Face, int]]:
        """Return the faces between a set of tetrahedra and the rest, seen counter-clockwise from within.

        Each sorted face maps to its corners in that order and to the tetrahedron it belongs to.
        """
        found: dict[Face, tuple[Face, int]] = {}
        for number in numbers:
            tet = self.tets[number]
            for i, j, k in _INWARD:
                face = (tet[i], tet[j], tet[k])
                key: Face = tuple(sorted(face))  # type: ignore[assignment]
                if key in found:
                    del found[key]
                else:
                    found[key] = (face, number)
        return found

    @staticmethod
    def face_opposite(tet: Tet, vertex: int) -> Face:
        """Return the face of a tetrahedron opposite a corner, counter-clockwise seen from that corner."""
        i, j, k = _INWARD[tet.index(vertex)]
        return tet[i], tet[j], tet[k]

    def across(self, face: Face, number: int) -> int | None:
        """Return the tetrahedron on the other side of a face of one, None outside."""
        a, b, c = face
        for other in self.star[a] & self.star[b] & self.star[c]:
            if other != number:
                return other
        return None


def qualities(vertices: NDArray[np.float64], tetrahedra: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (T,) the quality of each tetrahedron, rounded."""
    edges = vertices[tetrahedra[:, 1:]] - vertices[tetrahedra[:, :1]]
    return qualities_of_edges(edges[:, 0], edges[:, 1], edges[:, 2])


def qualities_of_edges(
    u: NDArray[np.float64], v: NDArray[np.float64], w: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (...) the qualities of tetrahedra whose edges from their first corner are (..., 3)."""
    (a, b, c), (d, e, f), (g, h, i) = (np.moveaxis(x, -1, 0) for x in (u, v, w))
    det = (b * f - c * e) * g + (c * d - a * f) * h + (a * e - b * d) * i
    squares = a * a + b * b + c * c + d * d + e * e + f * f + g * g + h * h + i * i
    return quality_of(det, 4 * squares - (a + d + g) ** 2 - (b + e + h) ** 2 - (c + f + i) ** 2)


def quality_of(dets: NDArray[np.float64], squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return qualities from six times the volumes and the sums of the six squared edges."""
    safe = np.maximum(squares, 1e-200)
    found: NDArray[np.float64] = _SCALE * dets / (safe * np.sqrt(safe))
    return found
