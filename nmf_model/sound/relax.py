"""Push sheets apart that are too close for flat triangles or for the precision of a file.

Where two parts of the surface nearly touch, they are images of two parts of the sphere whose *shells*, the
spheres a little smaller or larger, lie on either side. Moving the vertices along the images of the radii,
both parts inward or both outward, widens the gap, be it of air or of material; where the shells are squeezed
as well, the normals of the surface do; a fold straightens when its vertices go back a little in time or to
the middle of their neighbours. Which of these helps is found by
trying: each place takes what leaves it the fewest crossings in exact arithmetic, and keeps what it had if
nothing does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from nmf_model.geometry.normals import area_vectors
from nmf_model.geometry.refinement import Faces, Points
from nmf_model.sound.defects import Defects, Written, find_defects
from nmf_model.sound.surface import Flow, FlowedSphere, rounded, stop_if
from nmf_model.types import CancelCheck

DISTANCES = (3e-4, 2e-3, 1e-2)
"""How far vertices are moved at most, unit-sphere units, from the smallest that helps upward."""

_RINGS = 4
_SHELL = 1e-3
_EARLIER = 0.98


class Places(NamedTuple):
    """Where to move: ``weight`` (V,) 0..1, ``label`` (V,), the number of the place or −1, and how many."""

    weight: NDArray[np.float64]
    label: NDArray[np.int64]
    number: int


def relax(
    surface: FlowedSphere,
    defects: Defects,
    flow: Flow,
    forms: Sequence[Written],
    distances: Sequence[float] = DISTANCES,
) -> tuple[FlowedSphere, Defects]:
    """Move the vertices around the defects a little; the mesh never gets worse (``Defects.severity``).

    Args:
        surface: as it is.
        defects: of it.
        flow: gives the directions to go.
        forms: the written forms in which defects count.
        distances: to try, unit-sphere units, rising.

    Raises:
        Cancelled: if the flow's ``cancel`` returned True.
    """
    for distance in distances:
        if not len(defects.faces):
            break
        places = _places(surface, defects)
        moves = [distance * way for way in _ways(surface, places, flow)]
        image = _best_of(surface, places, moves, forms, flow.cancel)
        after = find_defects(image, surface.faces, forms)
        if after.severity < defects.severity:
            surface, defects = surface.moved(image), after
    return surface, defects


def _places(surface: FlowedSphere, defects: Defects) -> Places:
    """Group the vertices near defects; two sheets that cross each other are one place."""
    count = len(surface.sphere)
    links = _neighbours(surface.faces, count)
    weight = np.zeros(count)
    weight[surface.faces[defects.faces].ravel()] = 1.0
    for _ in range(_RINGS):
        around = np.asarray((links.multiply(weight[None, :])).max(axis=1).todense()).ravel()
        weight = np.maximum(weight, around - 1.0 / (_RINGS + 1))
    near = weight > 1e-9
    crossing = surface.faces[defects.pairs][:, :, 0]
    rows, columns = links.nonzero()
    inside = near[rows] & near[columns]
    ends = np.concatenate([np.stack([rows, columns], axis=1)[inside], crossing])
    graph = csr_array((np.ones(len(ends)), tuple(ends.T)), shape=(count, count))
    _, label = connected_components(graph, directed=False)
    names, number = np.unique(label[near], return_inverse=True)
    place = np.full(count, -1)
    place[near] = number
    return Places(np.where(near, weight, 0.0), place, len(names))


def _neighbours(faces: Faces, count: int) -> csr_array:
    sides = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    return csr_array((np.ones(len(sides)), tuple(sides.T)), shape=(count, count))


def _ways(surface: FlowedSphere, places: Places, flow: Flow) -> list[Points]:
    """Return displacements (V, 3), at most 1 long and zero away from the places."""
    rows = np.flatnonzero(places.label >= 0)
    sphere = surface.sphere[rows]
    carry = flow.carrier.carry
    both = np.concatenate([sphere * (1 + _SHELL), sphere * (1 - _SHELL)])
    shells = carry(both, steps=flow.steps, cancel=flow.cancel)
    outward = shells[: len(rows)] - shells[len(rows) :]
    earlier = flow(sphere, until=_EARLIER) - surface.image[rows]
    links = _neighbours(surface.faces, len(surface.sphere))[rows]
    middle = (links @ surface.image) / np.asarray(links.sum(axis=1)).reshape(-1, 1)
    even = middle - surface.image[rows]
    normals = _normals(surface)[rows]
    ways = []
    for way in (_unit(outward), -_unit(outward), normals, -normals, _unit(even), _unit(earlier)):
        full = np.zeros_like(surface.image)
        full[rows] = way * places.weight[rows, None]
        ways.append(full)
    return ways


def _normals(surface: FlowedSphere) -> Points:
    """Return (V, 3) unit normals of the image at its vertices, weighted by area."""
    total = np.zeros_like(surface.image)
    for corner in range(3):
        np.add.at(total, surface.faces[:, corner], area_vectors(surface.image, surface.faces))
    return _unit(total)


def _unit(vectors: Points) -> Points:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Points = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return unit


def _best_of(
    surface: FlowedSphere,
    places: Places,
    moves: Sequence[Points],
    forms: Sequence[Written],
    cancel: CancelCheck | None,
) -> Points:
    """Return the image after the best move of each place, the first of equals; staying comes first."""
    tested = _faces_near(surface, places, moves)
    still = np.zeros_like(surface.image)
    options = [still, *moves]
    counts: list[NDArray[np.int64]] = []
    for move in options:
        stop_if(cancel)
        counts.append(_count(surface, places, rounded(surface.image + move), tested, forms))
        if not np.min(counts, axis=0).any():
            break
    best = np.argmin(counts, axis=0)
    total = still.copy()
    moving = places.label >= 0
    chosen = best[places.label[moving]]
    total[moving] = np.stack(options)[chosen, np.flatnonzero(moving)]
    return rounded(surface.image + total)


def _faces_near(surface: FlowedSphere, places: Places, moves: Sequence[Points]) -> NDArray[np.int64]:
    """Return the faces that may meet a moved one: those whose box reaches a place's box."""
    reach = max((float(np.abs(move).max()) for move in moves), default=0.0)
    corners = surface.image[surface.faces]
    low, high = corners.min(axis=1), corners.max(axis=1)
    near = np.zeros(len(surface.faces), dtype=bool)
    for place in range(places.number):
        own = (places.label[surface.faces] == place).any(axis=1)
        floor, ceiling = low[own].min(axis=0) - 2 * reach, high[own].max(axis=0) + 2 * reach
        near |= ((low <= ceiling) & (high >= floor)).all(axis=1)
    return np.flatnonzero(near)


def _count(
    surface: FlowedSphere,
    places: Places,
    image: Points,
    tested: NDArray[np.int64],
    forms: Sequence[Written],
) -> NDArray[np.int64]:
    """Return (P,) faces with defects at each place."""
    found = tested[find_defects(image, surface.faces[tested], forms).faces]
    label = places.label[surface.faces[found]].max(axis=1)
    counts: NDArray[np.int64] = np.bincount(label[label >= 0], minlength=places.number)
    return counts
