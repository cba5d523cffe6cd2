"""Where a finished mesh and its points are far from each other: points missed, and films over gaps.

A part that the flow did not reach, or a gap that it had to span, is a *cluster* of far points: single ones
are noise. Far is well beyond the spacing of the points, so that ordinary inaccuracy does not count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from nmf_model.findings import Region, Residual, Shell, Tunnel
from nmf_model.fitting.growth import enclosed_places
from nmf_model.fitting.layer import is_one_layer
from nmf_model.fitting.spacing import sparse_spacing
from nmf_model.geometry.normals import enclosed_volume, face_areas
from nmf_model.geometry.outliers import find_outliers, neighbours_of
from nmf_model.geometry.sampling import sample_surface

SAMPLES = 20_000
"""Points drawn on the mesh."""
_FAR = 2.0
"""Far is this many times the spacing of the points: fits of development shapes left nothing beyond 1.5 ..."""
_LEAST = 0.08
"""... and at least this, unit-sphere units."""
_LEAST_SHARE = 0.005
"""Smaller clusters, as a share of all points or of the area, are not told ..."""
_CERTAIN = 3.0
"""... but for mesh that somewhere is this many times the spacing from any point: between random points of a
surface there is no such place ..."""
_LEAST_FILM = 0.0005
"""... if it has this share of the area."""
_LINK = 2.5
"""Far points up to this many times their spacing apart are one cluster."""
_PLACES, _FEWEST_PLACES = 1_500, 20
"""Enclosed places that are asked whether the mesh holds them: at most, and at least for an answer."""
_HOLLOW_SHARE = 0.05
_SKIN, _THIN = 0.25, 1.0
"""Share of the points' spacing below which a mesh is a skin around one layer of them, as thin sheets of
development objects, sampled on both sides, are thicker; and below which the points are asked for it."""
_CORE = 0.9
"""Share of a cluster that its ball holds."""
_NEIGHBOURS = 7
_SPARSE, _UNEVEN = 0.9, 1.5
"""Share of the points that are nearer to each other than sparse ones, unless much of the surface has so few
points that they are so many times farther apart."""


def residual_of(
    vertices: NDArray[np.floating],
    faces: NDArray[np.int64],
    points: NDArray[np.floating],
    tunnels: Sequence[Tunnel] = (),
) -> Residual:
    """Compare a mesh with the points that it was made for.

    Args:
        vertices: (V, 3), unit-sphere units.
        faces: (F, 3).
        points: (N, 3), unit-sphere units; strays among them are left out.
        tunnels: that were found in the points, unit-sphere units.
    """
    points, places = points[~find_outliers(points)], np.asarray(vertices, dtype=np.float64)
    samples, facing = _samples_of(places, faces)
    spacing = _spacing(points)
    away = np.asarray(cKDTree(samples).query(points)[0])
    missed = _clusters(points, away > max(_LEAST, _FAR * spacing), spacing)
    films = _films(samples, points)
    membranes: dict[int, Region] = {}
    elsewhere = []
    for region in films:
        tunnel = _tunnel_of(region, tunnels)
        if tunnel is None:
            elsewhere.append(region)
        else:
            membranes.setdefault(tunnel, region)
    shell = _shell_of(places, faces, points, samples, facing)
    hollow = _hollow_of(places, faces, points)
    return Residual(tuple(missed), tuple(elsewhere), tuple(membranes.items()), shell, hollow)


def emptiness_of(
    vertices: NDArray[np.floating], faces: NDArray[np.int64], points: NDArray[np.floating]
) -> float:
    """Return how much of the space that points enclose a mesh leaves out, 0..1; 1 for a mere shell.

    Args:
        vertices: (V, 3), unit-sphere units.
        faces: (F, 3).
        points: (N, 3), unit-sphere units.
    """
    points, places = points[~find_outliers(points)], np.asarray(vertices, dtype=np.float64)
    if _shell_of(places, faces, points, *_samples_of(places, faces)) is not None:
        return 1.0
    hollow = _hollow_of(places, faces, points)
    return 0.0 if hollow is None else hollow.share


def spanned_share(
    vertices: NDArray[np.floating], faces: NDArray[np.int64], points: NDArray[np.floating]
) -> float:
    """Return the share of a mesh's area that spans gaps between points, 0..1.

    Args:
        vertices: (V, 3), unit-sphere units.
        faces: (F, 3).
        points: (N, 3), unit-sphere units.
    """
    samples, _ = _samples_of(np.asarray(vertices, dtype=np.float64), faces)
    return sum(film.share for film in _films(samples, points[~find_outliers(points)]))


def _samples_of(
    vertices: NDArray[np.float64], faces: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    return sample_surface(vertices, faces, SAMPLES, np.random.default_rng(0))


def _films(samples: NDArray[np.float64], points: NDArray[np.floating]) -> list[Region]:
    """Return the clusters of mesh without points: those wide enough, and those that are beyond doubt."""
    distances, others = neighbours_of(points, _NEIGHBOURS)
    spacings = distances[:, 1:].mean(axis=1)
    spacing = _sparse(spacings)
    alone, nearest = cKDTree(points).query(samples)
    alone = np.asarray(alone)
    wide = _clusters(samples, alone > max(_LEAST, _FAR * spacing), _spacing(samples))
    # Where points are sparser than nearly everywhere, those around say how far apart they are.
    around = np.median(spacings[others], axis=1)
    times = alone / np.maximum(around[nearest], spacing)
    certain = _clusters(samples, times > _FAR, _spacing(samples), _LEAST_FILM, times > _CERTAIN)
    apart = [
        film for film in certain
        if all(np.linalg.norm(film.centre - known.centre) > film.radius + known.radius for known in wide)
    ]  # fmt: skip
    return wide + apart


def _hollow_of(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], points: NDArray[np.floating]
) -> Region | None:
    """Return what the points enclose and the mesh does not, if that is more than a little of it."""
    import igl

    seen = np.ascontiguousarray(points, dtype=np.float32)
    enclosed = enclosed_places(seen, _spacings(seen).astype(np.float32))
    if len(enclosed) > _PLACES:
        enclosed = enclosed[np.random.default_rng(0).choice(len(enclosed), _PLACES, replace=False)]
    if len(enclosed) < _FEWEST_PLACES:
        return None
    left_out = np.abs(np.asarray(igl.winding_number(vertices, faces, enclosed))) < 0.5
    share = float(left_out.mean())
    return _ball(enclosed[left_out], share) if share >= _HOLLOW_SHARE else None


def _shell_of(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    points: NDArray[np.floating],
    samples: NDArray[np.float64],
    facing: NDArray[np.int64],
) -> Shell | None:
    """Return how thick a mesh is on average, volume by half of its area, if its points cannot show that."""
    spacing = _spacing(points)
    area = float(face_areas(vertices, faces).sum())
    thickness = 2 * abs(enclosed_volume(vertices, faces)) / max(area, 1e-12)
    if thickness >= _THIN * spacing:
        return None
    is_skin = thickness < _SKIN * spacing or is_one_layer(samples, facing, vertices, faces, points, spacing)
    return Shell(thickness, spacing) if is_skin else None


def _spacing(points: NDArray[np.floating]) -> float:
    """Return how far apart neighbours are where the points are sparse, as all but a tenth are."""
    return _sparse(_spacings(points))


def _sparse(spacings: NDArray[np.float64]) -> float:
    usual, surface = float(np.quantile(spacings, _SPARSE)), sparse_spacing(spacings)
    return surface if surface > _UNEVEN * usual else usual


def _spacings(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return how far each point's neighbours are on average, (N,)."""
    mean: NDArray[np.float64] = neighbours_of(points, _NEIGHBOURS)[0][:, 1:].mean(axis=1)
    return mean


def _clusters(
    points: NDArray[np.floating],
    far: NDArray[np.bool_],
    spacing: float,
    least: float = _LEAST_SHARE,
    needed: NDArray[np.bool_] | None = None,
) -> list[Region]:
    """Return the connected groups of far points, the largest first; each has one of ``needed``, if given."""
    chosen = points[far]
    if not len(chosen) or (needed is not None and not needed.any()):
        return []
    pairs = cKDTree(chosen).query_pairs(_LINK * spacing, output_type="ndarray")
    links = coo_array((np.ones(len(pairs), dtype=np.int8), tuple(pairs.T)), shape=(len(chosen),) * 2)
    _, label = connected_components(links, directed=False)
    sizes = np.bincount(label)
    counts = sizes >= least * len(points)
    if needed is not None:
        counts &= np.bincount(label, needed[far]) > 0
    large = [k for k in np.argsort(-sizes, kind="stable") if counts[k]]
    return [_ball(chosen[label == k], sizes[k] / len(points)) for k in large]


def _ball(cluster: NDArray[np.floating], share: float) -> Region:
    away = np.linalg.norm(cluster - cluster.mean(axis=0), axis=1)
    # The middle of a bent cluster, as of a rim, can be far from all of it.
    centre = np.asarray(cluster[np.argmin(away)], dtype=np.float64)
    return Region(centre, float(np.quantile(away, _CORE)), float(share))


def _tunnel_of(film: Region, tunnels: Sequence[Tunnel]) -> int | None:
    """Return the tunnel that a film lies in: their balls hold each other's middles, or nearly so."""
    gaps = [float(np.linalg.norm(film.centre - hole.centre)) / max(film.radius, hole.radius)
            for hole in tunnels]  # fmt: skip
    if not gaps or min(gaps) > 1.0:
        return None
    return int(np.argmin(gaps))
