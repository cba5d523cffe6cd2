"""What in the input a sphere cannot become: several separate bodies, and holes through a body.

*Bodies* are connected groups of points, linked where they are not much farther apart than their neighbours.

*Tunnels* are found in solids, not surfaces: the solid of a radius is wherever the centre of a ball of that
radius cannot come from outside without touching points, so its inside is full. At a radius just too big for
the voids between random points the solid keeps every hole through the object that the sampling resolves; as
the ball grows, holes close one by one. A hole counts only if it lasts well beyond the first radius, so that
chance gaps and noise do not count; nor do holes that open later, as between spikes. Tunnels are counted by
the Euler characteristic, b1 = b0 + b2 - chi, those that last by ``lasting_tunnels``; where new cells close a
hole is its place, and the ball that closes it its width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from nmf_model.defects import MeshSurface
from nmf_model.findings import Body, InputFindings, Tunnel
from nmf_model.fitting.ground import ground_share
from nmf_model.fitting.lasting import lasting_tunnels
from nmf_model.fitting.spacing import sparse_spacing
from nmf_model.geometry.normalization import normalize
from nmf_model.geometry.outliers import neighbours_of
from nmf_model.geometry.topology import analyse
from nmf_model.types import PointCloud

MAX_POINTS = 10_000
"""More points than this resolve nothing that the grid could show; a random part of them is looked at."""
MIN_BODY_SHARE = 0.04
"""Smaller groups of points are strays or parts that a gap in the sampling cut off ..."""
_APART = 0.15
"""... unless they are this far from all others, in radii of the whole: no gap in a sampling is so wide."""
_MIN_BODY_POINTS = 50
"""Fewer points than these are no body at all: nothing can be reconstructed of them."""
_LINK = 4.0
"""Points farther apart than this many times their spacing are not linked."""
_NEIGHBOURS, _SPACED = 12, 7
"""Neighbours that may be linked, and where those end whose mean distance is the spacing; itself included."""
_VOID_RATIO = 1.9
"""Radius of the largest void between some thousand random points of a surface, in units of the spacing that
four fifths of them have."""
_SPARSE_VOID_RATIO = 1.45
"""The same of the spacing that all but a twentieth have, so that a sparsely scanned side does not leak;
and of that which nine tenths of the surface have, so that one of few points among very many does not."""
_LASTING = 1.4
"""A tunnel must survive a ball this many times larger than the first one."""
_GROWTH = 1.13
_MOST_PLUGS = 8
"""Places that are asked whether a hole closed there, of those where much was filled at once."""
_FINE, _COARSE = 0.04, 0.08
"""Cells, unit-sphere units."""
_FINE_BALL, _WIDE_BALL = 0.3, 1.1
"""The largest balls on the fine grid and on the coarse one: a ball needs room around the object."""
_CONNECTED = np.ones((3, 3, 3), dtype=bool)


def findings_in(cloud: PointCloud) -> InputFindings:
    """Look for bodies, tunnels and the ground in a cloud; places and lengths are in its own file units."""
    frame = normalize(cloud.points)
    found = findings_of(frame.to_unit(cloud.points)).mapped(frame.to_file, frame.scale)
    # Of a closed mesh it is known, and not only guessed from points, that nothing goes through it, and that
    # all of it is the object.
    if cloud.surface is not None and _is_sphere(cloud.surface):
        return replace(found, tunnels=(), ground=0.0)
    return found


def _is_sphere(surface: MeshSurface) -> bool:
    found = analyse(surface.faces)
    return found.watertight and found.components == 1 and found.euler_characteristic == 2


def findings_of(points: NDArray[np.floating]) -> InputFindings:
    """Look for bodies, tunnels and the ground in (N, 3) points in unit-sphere units, N >= 50."""
    chosen = _thinned(points)
    distances, others = neighbours_of(chosen, min(_NEIGHBOURS, len(chosen)))
    spacing = distances[:, 1:_SPACED].mean(axis=1)
    labels = _body_labels(chosen, distances, others)
    count = int(labels.max()) + 1
    bodies = [Body(float(np.mean(labels == k)), chosen[labels == k].mean(axis=0)) for k in range(count)]
    kept = labels >= 0
    tunnels = [] if not kept.any() else _find_tunnels(chosen[kept], spacing[kept])
    return InputFindings(tuple(bodies), tuple(tunnels), ground_share(chosen))


def split_bodies(cloud: PointCloud) -> list[PointCloud]:
    """Return one cloud for each separate body, most points first, or the cloud itself if there is one.

    Every point of a body goes along with its colour; strays go with the body nearest to them.
    """
    chosen = np.arange(len(cloud.points))
    if len(cloud.points) > MAX_POINTS:
        chosen = np.sort(np.random.default_rng(0).choice(len(cloud.points), MAX_POINTS, replace=False))
    points = cloud.points[chosen]
    labels = _body_labels(points, *neighbours_of(points, min(_NEIGHBOURS, len(points))))
    count = int(labels.max()) + 1
    if count < 2:
        return [cloud]
    sure = labels >= 0
    _, nearest = cKDTree(points[sure]).query(cloud.points)
    owner = labels[sure][nearest]
    sizes = np.bincount(owner, minlength=count)
    # How many pieces the whole mesh has is not so of its parts.
    pieces = "" if cloud.surface is None else cloud.surface.defects.in_pieces
    others = tuple(note for note in cloud.notes if note != pieces)
    return [
        PointCloud(
            cloud.points[owner == body],
            f"{cloud.name}-{body + 1}",
            cloud.path,
            None if cloud.colors is None else cloud.colors[owner == body],
            (f"Body {body + 1} of {count}, of {sizes[body]:,} of the {len(owner):,} points.", *others),
            unit=cloud.unit,
        )
        for body in range(count)
    ]


def _thinned(points: NDArray[np.floating]) -> NDArray[np.float64]:
    if len(points) > MAX_POINTS:
        points = points[np.random.default_rng(0).choice(len(points), MAX_POINTS, replace=False)]
    return np.asarray(points, dtype=np.float64)


def _body_labels(
    points: NDArray[np.float64], distances: NDArray[np.float64], others: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return (N,) the body of each point, the largest being 0, and -1 for points of none.

    Two points are linked if they are near for the denser of the two, so that a stray between two bodies,
    whose own neighbours are far, does not link them.
    """
    spacing = distances[:, 1:_SPACED].mean(axis=1)
    typical = float(np.median(spacing))
    reach = _LINK * np.maximum(np.minimum(spacing[:, None], spacing[others]), typical)
    row, column = np.nonzero(distances <= reach)
    count = len(distances)
    ones = np.ones(len(row), dtype=np.int8)
    links = coo_array((ones, (row, others[row, column])), shape=(count, count))
    _, group = connected_components(links, directed=False)
    sizes = np.bincount(group)
    order = np.argsort(-sizes, kind="stable")
    is_body = [
        size >= _MIN_BODY_POINTS and (size >= MIN_BODY_SHARE * count or _is_apart(points, group == k))
        for k, size in enumerate(sizes)
    ]
    order = order[np.array(is_body)[order]]
    number = np.full(len(sizes), -1, dtype=np.int64)
    number[order] = np.arange(len(order))
    return number[group]


def _is_apart(points: NDArray[np.float64], chosen: NDArray[np.bool_]) -> bool:
    """Return whether some points, though few, are a body of their own, far from all others."""
    radius = float(np.linalg.norm(np.ptp(points, axis=0))) / 2
    gap = np.asarray(cKDTree(points[~chosen]).query(points[chosen])[0]).min()
    return bool(gap > _APART * radius)


def _find_tunnels(points: NDArray[np.float64], spacing: NDArray[np.float64]) -> list[Tunnel]:
    """Grow the ball; return the holes that last, widest first."""
    usual, sparse = np.quantile(spacing, [0.8, 0.95])
    void = float(max(_VOID_RATIO * usual, _SPARSE_VOID_RATIO * max(sparse, sparse_spacing(spacing))))
    first = max(void, 1.5 * _FINE)
    last = max(_FINE_BALL, 2 * first)
    fine = _Grid.of(points, _FINE, last)
    left, fewest, holes = _followed(fine, _radii(first, last), _LASTING * first)
    if left and fewest:
        wide = _Grid.of(points, _COARSE, _WIDE_BALL)
        holes += _followed(wide, _radii(last, _WIDE_BALL), last)[2][:left]
    return sorted(holes, key=lambda hole: -hole.radius)[:fewest]


def _radii(first: float, last: float) -> NDArray[np.float64]:
    count = int(np.ceil(np.log(max(last / first, 1.0)) / np.log(_GROWTH))) + 1
    return np.geomspace(first, last, count)


def _followed(grid: _Grid, radii: NDArray[np.float64], lasting: float) -> tuple[int, int, list[Tunnel]]:
    """Return the tunnels of the first solid left at the end and at ``lasting``, and those closed between."""
    first = before = grid.solid(float(radii[0]))
    left = fewest = tunnel_count(first)
    holes: list[Tunnel] = []
    for radius in radii[1:]:
        if left == 0:
            break
        solid, earlier = grid.solid(float(radius)), left
        left = _still_open(first, solid, left)
        if radius <= lasting:
            fewest = left
        elif left < earlier:
            holes += grid.closed_between(first, before, solid, (earlier, left))
        before = solid
    return left, fewest, holes


def _still_open(first: NDArray[np.bool_], solid: NDArray[np.bool_], most: int) -> int:
    """Return how many tunnels of a solid, ``most`` at most, a larger one still has."""
    count = tunnel_count(solid)
    if count == 0:
        return 0
    lasting = lasting_tunnels(first, solid)
    return min(most, count if lasting is None else lasting)


@dataclass(frozen=True)
class _Grid:
    """Distances (X, Y, Z) from the cells of a grid to the points; ``origin`` is its lowest corner."""

    distance: NDArray[np.float64]
    cell: float
    origin: NDArray[np.float64]

    @classmethod
    def of(cls, points: NDArray[np.float64], cell: float, room: float) -> _Grid:
        """Lay a grid around (N, 3) points, with ``room`` on all sides."""
        low, high = points.min(axis=0) - room - cell, points.max(axis=0) + room + cell
        shape = tuple(np.ceil((high - low) / cell).astype(int))
        index = np.minimum(((points - low) / cell).astype(int), np.array(shape) - 1)
        flat = np.ravel_multi_index(tuple(index.T), shape)
        count = np.bincount(flat, minlength=int(np.prod(shape)))
        sums = np.stack([np.bincount(flat, column, minlength=len(count)) for column in points.T])
        mean = sums / np.maximum(count, 1)
        # The nearest occupied cell, then the exact distance to the mean of its points.
        nearest = ndimage.distance_transform_edt(
            (count == 0).reshape(shape), return_distances=False, return_indices=True
        )
        target = mean[:, np.ravel_multi_index(tuple(nearest), shape)]
        squared = np.zeros(shape)
        for axis in range(3):
            along = low[axis] + (np.arange(shape[axis]) + 0.5) * cell
            squared += (target[axis] - along.reshape([-1 if k == axis else 1 for k in range(3)])) ** 2
        return cls(np.sqrt(squared), cell, low)

    def solid(self, radius: float) -> NDArray[np.bool_]:
        """Return the cells where the centre of a ball of this radius cannot come from outside."""
        regions, _ = ndimage.label(self.distance >= radius)
        solid: NDArray[np.bool_] = regions != regions[0, 0, 0]
        return solid

    def closed_between(
        self,
        first: NDArray[np.bool_],
        before: NDArray[np.bool_],
        after: NDArray[np.bool_],
        counts: tuple[int, int],
    ) -> list[Tunnel]:
        """Return the tunnels of ``first`` that are still there in ``before`` and closed in ``after``.

        As the ball grows the solid gains a thin layer all around. Where it gains more than that, far from
        any place the ball still reaches, a passage has closed.

        Args:
            first: a solid.
            before: one that it is within.
            after: one that both are within.
            counts: how many tunnels of the first the others have.
        """
        earlier, wanted = counts[0], counts[0] - counts[1]
        new = after & ~before
        away = ndimage.distance_transform_edt(after)
        best: list[Tunnel] = []
        for least in (2.5, 1.5, 0.0):
            found: list[Tunnel] = []
            for plug in _plugs(new & (away > least), before):
                closed = earlier - _still_open(first, before | plug, earlier)
                found += [self._hole(plug, away)] * closed
                if len(found) >= wanted:
                    return found[:wanted]
            best = max(best, found, key=len)
        return best

    def _hole(self, plug: NDArray[np.bool_], away: NDArray[np.float64]) -> Tunnel:
        """Return the middle of a plug's deepest cells, and the ball that just fitted there."""
        depth = np.where(plug, away, -1.0)
        deepest = depth >= depth.max() - 0.5
        middle = np.argwhere(deepest).mean(axis=0)
        return Tunnel(self.origin + (middle + 0.5) * self.cell, float(self.distance[deepest].max()))


def _plugs(new: NDArray[np.bool_], solid: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    """Yield a few pieces of new cells, first those that close more holes of a solid than they open."""
    regions, _ = ndimage.label(new, structure=_CONNECTED)
    closing = []
    for number, box in enumerate(ndimage.find_objects(regions), start=1):
        near = tuple(slice(max(0, part.start - 1), part.stop + 1) for part in box)
        plug, old = regions[near] == number, solid[near]
        gain = euler_characteristic(old | plug) - euler_characteristic(old)
        closing.append((gain > 0, int(np.count_nonzero(plug)), number))
    for _, _, number in sorted(closing, reverse=True)[:_MOST_PLUGS]:
        yield regions == number


def tunnel_count(solid: NDArray[np.bool_]) -> int:
    """Return the number of independent tunnels of a solid of cells, b1 = b0 + b2 - chi."""
    pieces = int(ndimage.label(solid, structure=_CONNECTED)[1])
    outside = int(ndimage.label(~np.pad(solid, 1))[1])
    return pieces + (outside - 1) - euler_characteristic(np.pad(solid, 1))


def euler_characteristic(solid: NDArray[np.bool_]) -> int:
    """Return V - E + F - C of the union of closed cubic cells; cells that touch in a corner are connected."""
    filled = np.pad(solid, 1)
    total = 0
    for axes in range(8):
        touched = filled
        for axis in range(3):
            if axes >> axis & 1:
                ahead = [slice(None)] * 3
                behind = [slice(None)] * 3
                ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
                touched = touched[tuple(ahead)] | touched[tuple(behind)]
        # A cube, then its squares, edges and corners, by how many axes the cells were joined along.
        total += (-1 if axes.bit_count() % 2 == 0 else 1) * int(np.count_nonzero(touched))
    return total
