"""Naive oracles in rational arithmetic for crossing and degenerate faces."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

Vector = tuple[Fraction, Fraction, Fraction]


def _exact(point) -> Vector:
    return tuple(Fraction(float(x)) for x in point)


def _sub(a, b):
    return tuple(x - y for x, y in zip(a, b, strict=True))


def _cross(a, b):
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def _dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def is_degenerate(triangle) -> bool:
    a, b, c = map(_exact, triangle)
    return not any(_cross(_sub(b, a), _sub(c, a)))


def _clip(polygon, inward, origin):
    """Keep the part of a convex polygon (or segment, or point) where inward . (p - origin) >= 0."""
    heights = [_dot(inward, _sub(p, origin)) for p in polygon]
    kept = []
    for i, (p, h) in enumerate(zip(polygon, heights, strict=True)):
        q, g = polygon[i - 1], heights[i - 1]
        if (h > 0 > g) or (h < 0 < g):
            t = g / (g - h)
            kept.append(tuple(x + t * (y - x) for x, y in zip(q, p, strict=True)))
        if h >= 0:
            kept.append(p)
    return kept


def intersection(one, other) -> set[Vector]:
    """Return corners that span the common part of two triangles with area."""
    a, b = [_exact(p) for p in one], [_exact(p) for p in other]
    normal = _cross(_sub(a[1], a[0]), _sub(a[2], a[0]))
    part = _clip(_clip(b, normal, a[0]), tuple(-x for x in normal), a[0])
    for i in range(3):
        part = _clip(part, _cross(normal, _sub(a[(i + 1) % 3], a[i])), a[i]) if part else part
    return set(part)


def crossing_pairs(vertices, faces) -> set[tuple[int, int]]:
    """Return pairs of faces whose common part is more than the vertex or edge they share by index."""
    solid = [f for f in range(len(faces)) if not is_degenerate(vertices[faces[f]])]
    found = set()
    for f, g in combinations(solid, 2):
        shared = set(faces[f].tolist()) & set(faces[g].tolist())
        common = intersection(vertices[faces[f]], vertices[faces[g]])
        if len(shared) == 3 or common - {_exact(vertices[v]) for v in shared}:
            found.add((f, g))
    return found
