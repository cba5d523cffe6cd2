"""Cut polygons into triangles that lie inside them.

Not by mapbox_earcut: it leaves out corners that lie at one place, which opens seams to the neighbours. Every
corner of a file has to stay in the mesh that is checked.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]

_AT_ONCE = 1 << 18
"""Corners of polygons that are looked at together, which bounds the memory."""
_FLAT = 1e-12
"""Triangles with less than this share of their polygon's area count as none: so far roundings reach."""
_AROUND = np.array([-1, 0, 1])
_MOST_CORNERS = 4096
"""Polygons with more stay fans: looking for ears takes the square of their corners."""


def cut_polygons(vertices: Reals, corners: Numbers, sizes: Numbers) -> Numbers:
    """Return (T, 3) the triangles of polygons as places in ``corners``, in the polygons' order and sense.

    A polygon is a fan from its first corner where that lies inside it. Others are seen along the axis that
    they face most, and ears are cut off there, the best shaped first; those that cross themselves stay fans,
    and those with more than ``_MOST_CORNERS`` corners do.
    A corner that is named twice in a row counts once, if three others are left.

    Args:
        vertices: (V, 3).
        corners: (C,) indices of vertices, polygon after polygon.
        sizes: (P,) how many corners each polygon has.
    """
    if (sizes == 3).all():
        return fans(sizes)
    kept, sizes = _without_repeats(corners, sizes)
    corners = corners[kept]
    triangles = fans(sizes)
    starts, rows = np.cumsum(sizes) - sizes, np.cumsum(np.maximum(sizes - 2, 0))
    coordinates = np.ascontiguousarray(vertices.T)
    for size, some in _alike(sizes):
        places = coordinates[:, corners[starts[some] + np.arange(size)[:, None]]]
        chosen, cuts = _better_than_fans(places)
        some = some[chosen]
        triangles[rows[some, None] + np.arange(2 - size, 0)] = starts[some, None, None] + cuts
    return kept[triangles]


def fans(sizes: Numbers) -> Numbers:
    """Return (T, 3) the triangles that fan out from each polygon's first corner, as ``cut_polygons`` does."""
    counts = np.maximum(sizes - 2, 0)
    first = np.repeat(np.cumsum(sizes) - sizes, counts)
    second = first + np.arange(1, len(first) + 1) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.stack([first, second, second + 1], axis=1)


def _without_repeats(corners: Numbers, sizes: Numbers) -> tuple[Numbers, Numbers]:
    """Return which corners differ from the one before them in their polygon, and how many each then has."""
    polygon = np.repeat(np.arange(len(sizes)), sizes)
    before = np.arange(len(corners)) - 1
    full = sizes > 0
    ends = np.cumsum(sizes)[full]
    before[ends - sizes[full]] = ends - 1
    repeated = corners == corners[before]
    left = sizes - np.bincount(polygon[repeated], minlength=len(sizes))
    repeated &= (left >= 3)[polygon]
    return np.flatnonzero(~repeated), np.where(left >= 3, left, sizes)


def _alike(sizes: Numbers) -> Iterator[tuple[int, Numbers]]:
    """Yield (corners of each, which ones) of polygons that can be cut in several ways, in pieces."""
    for size in np.unique(sizes[(sizes > 3) & (sizes <= _MOST_CORNERS)]).tolist():
        members, step = np.flatnonzero(sizes == size), max(_AT_ONCE // size, 1)
        for start in range(0, len(members), step):
            yield size, members[start : start + step]


@np.errstate(over="ignore", invalid="ignore")  # coordinates may be anything
def _better_than_fans(places: Reals) -> tuple[Numbers, Numbers]:
    """Return which of (3, n, P) polygons are no fans, and their (Q, n - 2, 3) triangles of corners 0..n-1."""
    sides = places - places[:, :1]
    x, y, z = sides[:, 1:-1]
    u, v, w = sides[:, 2:]
    turns = np.stack([y * w - z * v, z * u - x * w, x * v - y * u])
    whole = turns.sum(axis=1)
    axis = np.abs(whole).argmax(axis=0)
    area = np.take_along_axis(whole, axis[None], axis=0)[0]
    areas = np.take_along_axis(turns, axis[None, None], axis=0)[0] * np.sign(area)
    outside = (areas <= _FLAT * np.abs(area)).any(axis=0) & np.isfinite(areas).all(axis=0) & (area != 0)
    chosen = np.flatnonzero(outside)
    seen = _seen_along(axis[chosen], area[chosen] < 0, sides[:, :, chosen])
    least = _FLAT * np.abs(area[chosen])
    simple = ~_crosses_itself(seen, least)
    chosen, seen, least = chosen[simple], seen[simple], least[simple]
    cuts, done = _without_ears(seen, least)
    return chosen[done], cuts[done]


def _seen_along(axis: Numbers, mirrored: Flags, places: Reals) -> Reals:
    """Return (P, n, 2) polygons of (3, n, P) corners as seen along an axis each, or from its other end."""
    across = np.stack([(axis + 1) % 3, (axis + 2) % 3])
    across[:, mirrored] = across[::-1, mirrored]
    flat = np.take_along_axis(places, across[:, None], axis=0)
    return np.ascontiguousarray(flat.transpose(2, 1, 0))


def _crosses_itself(seen: Reals, least: Reals) -> Flags:
    """Return (P,) whether two sides of a polygon cross between their ends; they may touch."""
    found = np.zeros(len(seen), dtype=bool)
    ends = np.roll(seen, -1, axis=1)
    for apart in range(2, seen.shape[1] // 2 + 1) if len(seen) else ():
        starts, others = np.roll(seen, -apart, axis=1), np.roll(ends, -apart, axis=1)
        found |= _crossing(seen, ends, starts, others, least).any(axis=1)
    return found


def _crossing(a: Reals, b: Reals, c: Reals, d: Reals, least: Reals) -> Flags:
    """Return (P, n) whether the segments from a to b and from c to d, (P, n or 1, 2), cross between ends."""
    one, other = b - a, d - c
    return _opposite(_cross(one, c - a), _cross(one, d - a), least) & _opposite(
        _cross(other, a - c), _cross(other, b - c), least
    )


def _opposite(one: Reals, other: Reals, least: Reals) -> Flags:
    limit = least[:, None]
    return ((one > limit) & (other < -limit)) | ((one < -limit) & (other > limit))


def _without_ears(seen: Reals, least: Reals) -> tuple[Numbers, Flags]:
    """Cut ears off until triangles are left; return (P, n - 2, 3) triangles and (P,) whether that worked."""
    count, size = seen.shape[:2]
    left = np.tile(np.arange(size), (count, 1))
    cuts = np.empty((count, size - 2, 3), dtype=np.int64)
    whole = np.ones(count, dtype=bool)
    for step in range(size - 3):
        ear = _best_ears(np.take_along_axis(seen, left[:, :, None], axis=1), least)
        whole &= ear >= 0
        ear = np.maximum(ear, 0)[:, None]
        cuts[:, step] = np.take_along_axis(left, (ear + _AROUND) % (size - step), axis=1)
        left = left[np.arange(size - step) != ear].reshape(count, size - step - 1)
    cuts[:, -1] = left
    return cuts, whole


def _best_ears(seen: Reals, least: Reals) -> Numbers:
    """Return (P,) the corner of each polygon that is best cut off, or -1 if none can be.

    One without an area, as where a side has a corner in its middle, is cut off where all others are.
    """
    one, other = seen - np.roll(seen, 1, axis=1), np.roll(seen, -1, axis=1) - seen
    area = _cross(one, other)
    longest = np.maximum((one**2).sum(axis=2), (other**2).sum(axis=2))
    longest = np.maximum(longest, ((one + other) ** 2).sum(axis=2))
    shape = np.where(area > least[:, None], area / np.where(longest > 0, longest, 1.0), 0.0)
    flat = np.abs(area) <= least[:, None]
    ears = np.where(flat.any(axis=1), flat.argmax(axis=1), -1)
    asked = np.arange(len(seen))
    while len(asked):
        best = shape[asked].argmax(axis=1)
        usable = shape[asked, best] > 0
        asked, best = asked[usable], best[usable]
        free = ~_in_the_way(seen[asked], best, least[asked])
        ears[asked[free]] = best[free]
        asked, best = asked[~free], best[~free]
        shape[asked, best] = 0.0
    return ears


def _in_the_way(seen: Reals, ear: Numbers, least: Reals) -> Flags:
    """Return (P,) whether a polygon has other corners in the triangle at a corner, or a side across it."""
    around = (ear[:, None] + _AROUND) % seen.shape[1]
    ends = np.take_along_axis(seen, around[:, :, None], axis=1)
    inside = np.ones(seen.shape[:2], dtype=bool)
    for k in range(3):
        here, there = ends[:, k, None], ends[:, (k + 1) % 3, None]
        inside &= _cross(there - here, seen - here) >= -least[:, None]
        inside &= (seen != here).any(axis=2)  # what only touches at a corner is not in the way
    # Where the outline touches itself, a side may leave the triangle from a place that corners share.
    across = _crossing(ends[:, :1], ends[:, 2:], seen, np.roll(seen, -1, axis=1), least)
    return np.asarray(inside.any(axis=1) | across.any(axis=1))


def _cross(one: Reals, other: Reals) -> Reals:
    crossed: Reals = one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]
    return crossed
