"""In which order a body grows into its points: from its deepest place outwards, through its inside.

A sphere that is shrunk onto a chair spans a film across every opening, and no flow can tear a film. A small
sphere that starts inside and grows along the body never makes one: it reaches into a leg because the leg
starts where the seat ends, and two arms that come around an opening meet without gluing. So the fit shows
the cloud to the flow little by little, by the distance travelled inside the body from the starting place.

"Inside" is judged on a coarse grid: cells near points, and cells that cannot be reached from the border
without crossing such cells. No normals are needed.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

_CELLS = 32
_HALF_SIDE = 1.15
_CELL = 2 * _HALF_SIDE / _CELLS
_VOID_RATIO = 2.2
"""Radius of the largest void between some thousand random points of a surface, in units of their spacing."""
_MIN_RADIUS, _MAX_RADIUS = 0.12, 0.6


@dataclass(frozen=True)
class Growth:
    """Where to start and when each point is reached.

    Attributes:
        centre: (3,) float32, centre of the starting sphere, unit-sphere units, inside the body.
        radius: of the starting sphere, about the depth of the body there.
        order: (N,) float32: distance from the centre through the body, 0 for the nearest point, 1 for the
            farthest.
    """

    centre: NDArray[np.float32]
    radius: float
    order: NDArray[np.float32]


def plan_growth(points: NDArray[np.float32], spacing: NDArray[np.float32]) -> Growth:
    """Find the deepest place of the body and the distance of every point from it.

    Args:
        points: (N, 3), unit-sphere units.
        spacing: (N,), mean distance of each point to its nearest neighbours.
    """
    centres = _cell_centres()
    solid = solid_cells(points, spacing)
    depth = ndimage.distance_transform_edt(solid)[solid]
    cells = centres[solid]
    deepest = np.flatnonzero(depth >= depth.max() - 0.01)
    offsets = np.linalg.norm(cells[deepest] - points.mean(axis=0), axis=1)
    seed = int(deepest[np.argmin(offsets)])
    distance = dijkstra(_cell_graph(solid), directed=False, indices=seed)  # type: ignore[call-overload]
    reached = np.isfinite(distance)
    distance[~reached] = distance[reached].max()
    order = distance[cKDTree(cells).query(points)[1]]
    return Growth(
        centre=cells[seed].astype(np.float32),
        radius=float(np.clip(0.9 * depth[seed] * _CELL, _MIN_RADIUS, _MAX_RADIUS)),
        order=((order - order.min()) / max(np.ptp(order), 1e-12)).astype(np.float32),
    )


def solid_cells(points: NDArray[np.float32], spacing: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return (R, R, R) True for cells near the points or closed off by them.

    A morphological closing: the outside is what a ball too big for the largest void between random points
    of this density can reach from the border, so that a surface does not leak; gaps narrower than the ball
    fill up, which costs the growth a detour and the fit nothing.
    """
    near, ball = max(0.87 * _CELL, 0.9 * float(np.median(spacing))), _void_radius(spacing)
    distances, _ = cKDTree(points).query(_cell_centres().reshape(-1, 3))
    distance = np.asarray(distances).reshape((_CELLS,) * 3)
    regions, _ = ndimage.label(distance >= ball)
    outside = np.isin(regions, _at_border(regions))
    away = ndimage.distance_transform_edt(~outside) * _CELL
    solid: NDArray[np.bool_] = (away > ball - near + 0.5 * _CELL) | (distance < near)
    return solid


def enclosed_places(points: NDArray[np.float32], spacing: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (K, 3) places that the points enclose on all sides, well away from any of them.

    The middles of cells that nothing reaches from outside without passing between points, so far from these
    that no gap between two walls, too narrow for the sampling to tell, is among them.
    """
    inside = _cell_centres()[solid_cells(points, spacing)]
    return inside[cKDTree(points).query(inside)[0] > 1.25 * _void_radius(spacing)]


def _at_border(regions: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return the numbers of the regions that reach the border; 0, the space between all, where none does.

    They are one, unless few points are so far apart that the ball passes between them and the border nowhere.
    """
    ends = [np.take(regions, [0, -1], axis=axis).ravel() for axis in range(3)]
    found = np.unique(np.concatenate(ends))
    return found[found > 0] if found[-1] > 0 else found


def _void_radius(spacing: NDArray[np.float32]) -> float:
    """Return the radius of a ball that passes between no neighbouring points of a surface."""
    return max(0.87 * _CELL, _VOID_RATIO * float(np.median(spacing)))


def _cell_centres() -> NDArray[np.float64]:
    """Return the centres of all cells, (R, R, R, 3)."""
    along = (np.arange(_CELLS) + 0.5) * _CELL - _HALF_SIDE
    return np.stack(np.meshgrid(along, along, along, indexing="ij"), axis=-1)


def _cell_graph(solid: NDArray[np.bool_]) -> csr_matrix:
    """Return the sparse graph of neighbouring solid cells (26 neighbours), weighted by distance."""
    number = np.full(solid.shape, -1)
    number[solid] = np.arange(np.count_nonzero(solid))
    rows, columns, lengths = [], [], []
    for step in itertools.product((-1, 0, 1), repeat=3):
        if step <= (0, 0, 0):
            continue
        here = number[tuple(slice(max(0, -s), _CELLS - max(0, s)) for s in step)]
        there = number[tuple(slice(max(0, s), _CELLS + min(0, s)) for s in step)]
        linked = (here >= 0) & (there >= 0)
        rows.append(here[linked])
        columns.append(there[linked])
        lengths.append(np.full(np.count_nonzero(linked), _CELL * np.linalg.norm(step)))
    count = int(number.max()) + 1
    edges = (np.concatenate(rows), np.concatenate(columns))
    return coo_matrix((np.concatenate(lengths), edges), shape=(count, count)).tocsr()
