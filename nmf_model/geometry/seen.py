"""Points of a surface that can be seen from outside, without any graphics library.

The definition is that of ``nmf_model.data.outer_surface``: a point belongs to the outer surface if in at
least one of 42 depth pictures from all around nothing stands before it. Here the pictures are made of
points scattered densely over the triangles, so that a worker thread can do it on any machine. Winding and
connectivity of the triangles play no part: flipped, doubled and loose faces are seen like others, where a
winding number would be misled by them.

Small holes would let the pictures look inside, so they are covered by patches that hide what is behind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nmf_model.geometry.coincidence import merge_coincident, repeated_faces
from nmf_model.geometry.depth_view import EXTENT, DepthView, picture_axes, view_directions
from nmf_model.geometry.holes import boundary_loops, loop_size, patches
from nmf_model.geometry.normals import face_areas, face_normals
from nmf_model.geometry.sampling import sample_surface

_SPLATS = 400_000
"""Points scattered over the triangles: what a second on one core can put into 42 pictures."""
_PER_PIXEL = 10.0
"""Of them, per pixel of a surface seen squarely: one in e^10 pixels stays empty."""
_MIN_RESOLUTION, _MAX_RESOLUTION = 96, 256
_MIN_FACING = 0.1
"""Least |cosine| between normal and view direction: at more grazing angles a pixel spans too much depth."""
_STEEP = np.float32(0.2)
_TOLERANCE = 0.004
"""Depth by which a point may lie behind the front and still count as seen (bounding radius 1)."""
_COVERED = 0.5
"""Holes up to this share of the object's diameter are covered before looking."""
_FILLED = 0.15
"""Holes up to this share are damage rather than an opening: their patches are sampled like the surface."""
_MAX_ROUNDS = 12


@dataclass(frozen=True)
class SeenSamples:
    """S samples, uniform by area over what is seen.

    Attributes:
        points: (S, 3) float64, in the frame of the mesh.
        faces: (S,) int64: the face each lies on, -1 on a patch over a hole.
        filled: how many holes were filled with patches.
        share: part of the whole area that is seen.
    """

    points: NDArray[np.float64]
    faces: NDArray[np.int64]
    filled: int
    share: float


def sample_seen(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], count: int, rng: np.random.Generator
) -> SeenSamples:
    """Draw ``count`` independent points from what is visible from outside, uniformly by area.

    Args:
        vertices: (V, 3), any units; those used by a face must be finite.
        faces: (F, 3), in any order and winding.
        count: S.
        rng: the only source of randomness.

    Raises:
        ValueError: the surface has no area, or almost nothing of it is visible.
    """
    used = vertices[np.unique(faces)]
    centre = (used.min(axis=0) + used.max(axis=0)) / 2
    radius = float(np.linalg.norm(used - centre, axis=1).max())
    if radius <= 0:
        raise ValueError("the surface has no extent")
    unit = (vertices - centre) / radius
    # A face that is there twice would be sampled twice, and make a hole's edges look like inner ones.
    single = np.flatnonzero(~repeated_faces(merge_coincident(unit, faces)[1]))
    covers, fills, filled = _covers(unit, faces[single])
    looked_at = _Triangles.of(unit, faces[single], fills)
    views = _depth_views(_Triangles.of(unit, faces[single], covers), rng)
    kept_points, kept_faces, missing, drawn = [], [], count, 0
    for _ in range(_MAX_ROUNDS):
        points, chosen = sample_surface(looked_at.vertices, looked_at.faces, 2 * count, rng)
        seen = _is_seen(points, looked_at.normals[chosen], views)
        drawn += len(points)
        kept_points.append(points[seen])
        kept_faces.append(chosen[seen])
        missing -= int(np.count_nonzero(seen))
        if missing <= 0:
            break
    else:
        raise ValueError("almost nothing of the surface can be seen from outside")
    owner = np.concatenate(kept_faces)
    return SeenSamples(
        points=(np.concatenate(kept_points) * radius + centre)[:count],
        faces=np.append(single, np.full(len(looked_at.faces) - len(single), -1))[owner][:count],
        filled=filled,
        share=len(owner) / drawn,
    )


@dataclass(frozen=True)
class _Triangles:
    """Faces of the mesh and then those of patches, with the unit normals of all."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    normals: NDArray[np.float64]

    @classmethod
    def of(
        cls, vertices: NDArray[np.float64], faces: NDArray[np.int64], extra: NDArray[np.float64]
    ) -> _Triangles:
        added = len(vertices) + np.arange(3 * len(extra)).reshape(-1, 3)
        all_vertices = np.concatenate([vertices, extra.reshape(-1, 3)])
        all_faces = np.concatenate([faces, added])
        return cls(all_vertices, all_faces, face_normals(all_vertices, all_faces))


def _covers(
    unit: NDArray[np.float64], faces: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Return the patches that hide, (P, 3, 3), those of them to sample as well, and of how many holes."""
    welded, joined = merge_coincident(unit, faces)
    sized = [(loop_size(welded, loop), loop) for loop in boundary_loops(joined) if len(loop) >= 3]
    loose = _loose_corners(joined)
    # The outline of a face that hangs on nothing is no hole.
    holes = [(size, loop) for size, loop in sized if not loose[loop].all()]
    small = [loop for size, loop in holes if size <= 2 * _FILLED]
    return (
        patches(welded, [loop for size, loop in holes if size <= 2 * _COVERED]),
        patches(welded, small),
        len(small),
    )


def _loose_corners(faces: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (V,) True for vertices that belong to one face only."""
    loose: NDArray[np.bool_] = np.bincount(faces.ravel()) < 2
    return loose


def _depth_views(triangles: _Triangles, rng: np.random.Generator) -> list[DepthView]:
    """Scatter points over the triangles and draw them into pictures from 42 directions."""
    area = float(face_areas(triangles.vertices, triangles.faces).sum())
    fitting = 2 * EXTENT * np.sqrt(_SPLATS / (_PER_PIXEL * area))
    resolution = int(np.clip(fitting, _MIN_RESOLUTION, _MAX_RESOLUTION))
    points, chosen = sample_surface(triangles.vertices, triangles.faces, _SPLATS, rng)
    places = np.ascontiguousarray(points.T, dtype=np.float32)
    normals = np.ascontiguousarray(triangles.normals[chosen].T, dtype=np.float32)
    # Opposite directions look along one axis: the far side of one picture is the front of the other.
    half = [direction for direction in view_directions() if direction @ (1.0, 1e-3, 1e-6) > 0]
    return [view for direction in half for view in _pair(places, normals, direction, resolution)]


def _pair(
    places: NDArray[np.float32], normals: NDArray[np.float32], direction: NDArray[np.float64], resolution: int
) -> list[DepthView]:
    """Draw (3, N) points into the picture from a direction and the one from its opposite."""
    right, up = picture_axes(direction)
    frame = np.stack([right, up, direction]).astype(np.float32)
    pixel, extent = np.float32(2 * EXTENT / resolution), np.float32(EXTENT)
    place, facing = frame @ places, frame @ normals
    index = np.clip(((place[:2] + extent) / pixel).astype(np.intp), 0, resolution - 1)
    step = (index.astype(np.float32) + np.float32(0.5)) * pixel - extent - place[:2]
    # What is seen edge-on would be carried far beyond its own border.
    steep = np.abs(facing[2]) < _STEEP
    slope = np.where(steep, np.float32(0), 1 / np.where(steep, np.float32(1), facing[2]))
    depth = place[2] - (facing[0] * step[0] + facing[1] * step[1]) * slope
    cell = index[1] * resolution + index[0]
    near = np.full(resolution**2, -2.0, dtype=np.float32)
    far = np.full(resolution**2, 2.0, dtype=np.float32)
    np.maximum.at(near, cell, depth)
    np.minimum.at(far, cell, depth)
    return [
        DepthView(direction, right, up, _without_pits(near, resolution)),
        DepthView(-direction, right, up, _without_pits(-far, resolution)),
    ]


def _without_pits(front: NDArray[np.float32], resolution: int) -> NDArray[np.float32]:
    """Return the picture with single pixels that no point fell into raised to what surrounds them."""
    closed: NDArray[np.float32] = ndimage.grey_closing(front.reshape(resolution, resolution), size=(3, 3))
    return closed


def _is_seen(
    points: NDArray[np.float64], normals: NDArray[np.float64], views: list[DepthView]
) -> NDArray[np.bool_]:
    """Return (N,) whether nothing stands before a point in at least one picture."""
    seen = np.zeros(len(points), dtype=bool)
    for view in views:
        waiting = np.flatnonzero(~seen)
        usable = waiting[np.abs(normals[waiting] @ view.direction) >= _MIN_FACING]
        seen[usable] = view.depth_behind_front(points[usable], normals[usable]) <= _TOLERANCE
    return seen
