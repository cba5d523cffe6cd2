"""Only what is seen from outside is kept, uniformly by area, with normals towards who sees it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from nmf_model.data.depth_views import view_directions
from nmf_model.data.outer_surface import sample_outer_surface
from nmf_model.errors import InputError
from nmf_model.types import Mesh

CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
RESOLUTION = 256


def _box(half: tuple[float, float, float]) -> Mesh:
    """A closed box around the origin, its winding outward."""
    faces = ConvexHull(CORNERS).simplices.astype(np.int64)
    a, b, c = (CORNERS[faces[:, corner]] for corner in range(3))
    inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), a) < 0
    faces[inward] = faces[inward][:, ::-1]
    return Mesh(CORNERS * np.array(half), faces)


def _joined(*meshes: Mesh) -> Mesh:
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    faces = [mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)]
    return Mesh(np.concatenate([mesh.vertices for mesh in meshes]), np.concatenate(faces))


def _revolved(profile: list[tuple[float, float]], segments: int = 48) -> Mesh:
    """The surface that a polyline of (radius, height) sweeps around the y axis."""
    angle = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    rings = [
        np.stack([r * np.cos(angle), np.full(segments, y), r * np.sin(angle)], axis=1) for r, y in profile
    ]
    faces = []
    for ring in range(len(profile) - 1):
        for k in range(segments):
            a, b = ring * segments + k, ring * segments + (k + 1) % segments
            faces += [[a, b, a + segments], [b, b + segments, a + segments]]
    return Mesh(np.concatenate(rings), np.array(faces, dtype=np.int64))


def _radius(points: NDArray[np.float64]) -> NDArray[np.float64]:
    radius: NDArray[np.float64] = np.hypot(points[:, 0], points[:, 2])
    return radius


def test_of_a_box_in_a_box_only_the_outer_one_remains_uniform_and_outward() -> None:
    outer, inner = (1.0, 2.0, 0.5), (0.8, 1.5, 0.3)
    surface = sample_outer_surface(_joined(_box(inner), _box(outer)), 6000, resolution=RESOLUTION)
    on_side = np.isclose(np.abs(surface.points), outer, atol=1e-9)
    assert surface.points.shape == (6000, 3)
    assert (on_side.sum(axis=1) == 1).all()
    expected = np.array([2 * 0.5, 1 * 0.5, 1 * 2]) / 3.5
    assert on_side.mean(axis=0) == pytest.approx(expected, abs=0.03)
    assert np.allclose(surface.normals, np.sign(surface.points) * on_side, atol=1e-9)


def test_winding_is_ignored() -> None:
    box = _box((1.0, 1.0, 1.0))
    flipped = Mesh(box.vertices, box.faces[:, ::-1].copy())
    surface = sample_outer_surface(flipped, 500, resolution=RESOLUTION)
    assert (np.einsum("ij,ij->i", surface.points, surface.normals) > 0.99).all()


def test_an_open_bowl_keeps_its_inside_and_a_closed_one_does_not() -> None:
    bowl = _revolved([(0, 0), (1, 0), (1, 0.8), (0.8, 0.8), (0.8, 0.2), (0, 0.2)])
    lid = _revolved([(0, 0.8), (0.8, 0.8)])
    opened = sample_outer_surface(bowl, 6000, resolution=RESOLUTION)
    closed = sample_outer_surface(_joined(bowl, lid), 6000, resolution=RESOLUTION)

    def inside(points: NDArray[np.float64]) -> NDArray[np.bool_]:
        return (_radius(points) < 0.81) & (points[:, 1] > 0.19) & (points[:, 1] < 0.79)

    wall, floor, ring = 2 * 0.8 * 0.6, 0.8**2, 1 - 0.8**2
    share = (wall + floor) / (1 + 2 * 0.8 + ring + wall + floor)
    assert inside(opened.points).mean() == pytest.approx(share, abs=0.03)
    assert inside(closed.points).mean() < 0.005


def test_normals_inside_a_bowl_point_into_its_hollow() -> None:
    bowl = _revolved([(0, 0), (1, 0), (1, 0.8), (0.8, 0.8), (0.8, 0.2), (0, 0.2)])
    surface = sample_outer_surface(bowl, 4000, resolution=RESOLUTION)
    outwards = np.einsum("ij,ij->i", surface.points[:, [0, 2]], surface.normals[:, [0, 2]])
    radius, height = _radius(surface.points), surface.points[:, 1]
    assert (outwards[(radius > 0.97) & (height > 0.05) & (height < 0.75)] > 0).all()
    assert (outwards[(radius < 0.81) & (height > 0.25) & (height < 0.75)] < 0).all()
    assert (surface.normals[(radius < 0.75) & (height > 0.1), 1] > 0.99).all()


def test_the_result_moves_and_scales_with_the_model_and_repeats_with_the_seed() -> None:
    box = _joined(_box((1.0, 0.5, 0.5)), _box((0.5, 0.2, 0.2)))
    moved = Mesh(box.vertices * 1000 + [5e5, -3e5, 70], box.faces)
    first = sample_outer_surface(box, 300, seed=3, resolution=RESOLUTION)
    second = sample_outer_surface(moved, 300, seed=3, resolution=RESOLUTION)
    assert np.allclose(second.points, first.points * 1000 + [5e5, -3e5, 70], atol=1e-3)
    assert np.array_equal(first.points, sample_outer_surface(box, 300, seed=3, resolution=RESOLUTION).points)
    assert not np.array_equal(first.points, sample_outer_surface(box, 300, resolution=RESOLUTION).points)


def test_faces_that_are_not_finite_or_have_no_area_are_passed_over() -> None:
    box = _box((1.0, 1.0, 1.0))
    vertices = np.concatenate([box.vertices, [[np.nan, 0, 0], [9.0, 9.0, 9.0]]])
    faces = np.concatenate([box.faces, [[0, 1, 8], [9, 9, 0]]])
    surface = sample_outer_surface(Mesh(vertices, faces), 200, resolution=RESOLUTION)
    assert np.abs(surface.points).max() == pytest.approx(1.0)


def test_a_model_without_area_is_refused() -> None:
    line = Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]], dtype=np.int64))
    with pytest.raises(InputError, match="no triangle with an area"):
        sample_outer_surface(line, 10)


def test_directions_are_42_unit_vectors_spread_evenly() -> None:
    directions = view_directions()
    assert directions.shape == (42, 3)
    assert np.allclose(np.linalg.norm(directions, axis=1), 1)
    closest = np.sort(directions @ directions.T, axis=1)[:, -2]
    assert np.degrees(np.arccos(closest)).min() > 31
    assert np.allclose(directions.sum(axis=0), 0, atol=1e-12)
