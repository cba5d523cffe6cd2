"""The outer layers of a ball of tetrahedra: a closed front that is moved inwards, one change at a time.

The front is a triangulation of the sphere whose vertices lie on fixed rays at radii that only fall. Two
changes fill the space they pass over with positive tetrahedra, whatever came before:

* *pulling* a vertex down its ray: one tetrahedron for each face around it, since each of these faces is
  seen from the centre with the same orientation;
* *flipping* an edge to the other diagonal of its two faces, once that diagonal lies below: one tetrahedron.

So the front can start as any triangulation of the sphere and end as the one that is wanted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_GAP = 0.15
"""How far below the old edge the new one passes, as a share of the shorter of the two."""
_FLIPS_PER_EDGE = 40
"""Each flip brings the triangulation nearer to Delaunay's; more than this many mean it cannot be reached."""


class Front:
    """A front that starts on the unit sphere.

    Attributes:
        points: every position so far; the first V are those of the template.
        tetrahedra: those filled so far, positive.
        nodes: (V,) which point each vertex is at now.
        radii: (V,) how far from the centre.
    """

    def __init__(self, directions: NDArray[np.float64], faces: NDArray[np.int64]) -> None:
        self.directions = directions
        self.points: list[NDArray[np.float64]] = list(directions)
        self.tetrahedra: list[tuple[int, int, int, int]] = []
        self.nodes = list(range(len(directions)))
        self.radii = np.ones(len(directions))
        self._opposite: dict[tuple[int, int], int] = {}
        self._next: list[dict[int, int]] = [{} for _ in directions]
        for a, b, c in faces.tolist():
            self._add(a, b, c)

    def faces(self) -> NDArray[np.int64]:
        """Return (F, 3) the present triangulation in terms of the template's vertices."""
        return np.array([(a, b, c) for (a, b), c in self._opposite.items() if a < b and a < c])

    def pull(self, vertex: int, radius: float) -> None:
        """Move a vertex down its ray and fill the space it passes over."""
        if not 0 < radius < self.radii[vertex]:
            raise ValueError(f"a front moves inwards: {radius} is not between 0 and {self.radii[vertex]}")
        old, new = self.nodes[vertex], len(self.points)
        self.points.append(self.directions[vertex] * radius)
        for one, other in self._next[vertex].items():
            self.tetrahedra.append((old, self.nodes[other], self.nodes[one], new))
        self.nodes[vertex] = new
        self.radii[vertex] = radius

    def make_delaunay(self, sites: NDArray[np.float64]) -> None:
        """Flip edges until the triangulation is that of the convex hull of ``sites`` (V, 3).

        Raises:
            ValueError: if it cannot be reached, because the faces do not cover the sphere once.
        """
        queue = deque(edge for edge in self._opposite if edge[0] < edge[1])
        left = _FLIPS_PER_EDGE * len(queue)
        while queue:
            a, b = queue.popleft()
            if (a, b) not in self._opposite or not self._is_reflex(sites, a, b):
                continue
            left -= 1
            if left < 0:
                raise ValueError("the template cannot be made a Delaunay triangulation of the sphere")
            c, d = self._opposite[a, b], self._opposite[b, a]
            if self._flip(a, b):
                queue.extend([(a, c), (c, b), (b, d), (d, a)])
            else:
                queue.append((a, b))

    def _is_reflex(self, sites: NDArray[np.float64], a: int, b: int) -> bool:
        import igl.predicates

        c, d = self._opposite[a, b], self._opposite[b, a]
        side = igl.predicates.orient3d(sites[a], sites[b], sites[c], sites[d])
        return bool(side == igl.predicates.NEGATIVE)

    def _flip(self, a: int, b: int) -> bool:
        """Replace edge ab by cd, pulling c and d below it first; False if the two do not cross."""
        c, d = self._opposite[a, b], self._opposite[b, a]
        height, below = self._height(a, b, c, d), self._height(c, d, a, b)
        if height is None or below is None or (c, d) in self._opposite:
            return False
        ab, cd = (self.directions[p] - self.directions[q] for p, q in ((a, b), (c, d)))
        gap = _GAP * min(float(np.linalg.norm(ab)), float(np.linalg.norm(cd)))
        factor = (height - gap) / below
        if factor < 1:
            self.pull(c, factor * self.radii[c])
            self.pull(d, factor * self.radii[d])
        self.tetrahedra.append((self.nodes[a], self.nodes[c], self.nodes[b], self.nodes[d]))
        self._remove(a, b, c)
        self._remove(b, a, d)
        self._add(a, d, c)
        self._add(d, b, c)
        return True

    def _height(self, a: int, b: int, c: int, d: int) -> float | None:
        """Return how far from the centre edge ab is where it passes over or under cd, None if it does not."""
        normal = np.cross(self.directions[c], self.directions[d])
        start, end = (self.directions[v] * self.radii[v] for v in (a, b))
        before, after = float(start @ normal), float(end @ normal)
        if before * after >= 0:
            return None
        return float(np.linalg.norm(start + before / (before - after) * (end - start)))

    def _add(self, *face: int) -> None:
        for one, two, three in _turns(face):
            self._opposite[one, two] = three
            self._next[one][two] = three

    def _remove(self, *face: int) -> None:
        for one, two, _ in _turns(face):
            del self._opposite[one, two]
            del self._next[one][two]


def _turns(face: Sequence[int]) -> tuple[tuple[int, int, int], ...]:
    a, b, c = face
    return (a, b, c), (b, c, a), (c, a, b)
