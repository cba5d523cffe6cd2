"""The inflated body: closed, symmetric, round, and exactly as wide as its silhouette."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial import cKDTree

from nmf_model.errors import InputError
from nmf_model.geometry.normals import face_areas
from nmf_model.geometry.topology import analyse
from nmf_model.quality import enclosed_volume, inspect_mesh
from nmf_model.silhouette import inflate, outline_iou
from nmf_model.silhouette.inflation import inflated_mesh
from nmf_model.silhouette.outline import MaskFrame, rasterise
from nmf_model.types import Mesh

MakeMask = Callable[..., np.ndarray]
SHAPES = ["disc", "ring", "star", "limb", "hand"]


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("side", [100, 700])
def test_outline_is_kept(shape_mask: MakeMask, name: str, side: int) -> None:
    mask = shape_mask(name, side)
    assert outline_iou(inflated_mesh(mask), mask) >= 0.985


@pytest.mark.parametrize("name", SHAPES)
def test_surface_is_one_closed_sphere(shape_mask: MakeMask, name: str) -> None:
    mesh = inflated_mesh(shape_mask(name))
    topology = analyse(mesh.faces)
    assert topology.watertight
    assert topology.winding_consistent
    assert topology.components == 1
    assert topology.euler_characteristic == 2
    assert topology.nonmanifold_vertices == 0
    assert enclosed_volume(mesh.vertices, mesh.faces) > 0


def test_surface_has_no_crossings(shape_mask: MakeMask) -> None:
    assert inspect_mesh(inflated_mesh(shape_mask("limb"))).is_sound


@pytest.mark.parametrize("name", SHAPES)
def test_points_lie_on_the_surface_and_mirror_each_other(shape_mask: MakeMask, name: str) -> None:
    points = inflate(shape_mask(name), points=3000, seed=3).points
    assert points.shape == (3000, 3)
    assert np.isfinite(points).all()
    mirrored = points * (1, 1, -1)
    assert cKDTree(points).query(mirrored)[0].max() < 1e-12
    box = points.max(0) - points.min(0)
    assert box[:2].max() == pytest.approx(2.0, abs=0.06)
    assert np.abs(points[:, :2].max(0) + points[:, :2].min(0)).max() < 0.06


def test_points_are_uniform_by_area(shape_mask: MakeMask) -> None:
    mask = shape_mask("disc")
    points = inflate(mask, points=20_000, seed=0).points
    mesh = inflated_mesh(mask)
    centres = mesh.vertices[mesh.faces].mean(1)
    areas = face_areas(mesh.vertices, mesh.faces)
    for low, high in ((0.0, 0.3), (0.3, 0.6), (0.6, 0.9)):
        radius = np.hypot(points[:, 0], points[:, 1])
        share = np.mean((radius >= low) & (radius < high))
        ring = np.hypot(centres[:, 0], centres[:, 1])
        expected = areas[(ring >= low) & (ring < high)].sum() / areas.sum()
        assert share == pytest.approx(expected, rel=0.08)


def test_rim_points_keep_the_outline(shape_mask: MakeMask) -> None:
    mask = shape_mask("star")
    points = inflate(mask, seed=0).points
    frame = MaskFrame.of(mask)
    tips = frame.to_space(np.argwhere(mask)[[0, -1]][:, ::-1] + 0.5)
    on_rim = points[points[:, 2] == 0]
    assert len(on_rim) > 200
    assert cKDTree(on_rim[:, :2]).query(tips)[0].max() < 0.05


@pytest.mark.parametrize(("half_width", "tolerance"), [(2, 0.15), (5, 0.06), (20, 0.03)])
def test_a_limb_is_round(half_width: int, tolerance: float) -> None:
    mask = np.zeros((400, 100), dtype=bool)
    mask[20:380, 50 - half_width : 50 + half_width] = True
    mesh = inflated_mesh(mask)
    middle = mesh.vertices[np.abs(mesh.vertices[:, 1]) < 0.3]
    radius = half_width / MaskFrame.of(mask).pixels_per_unit
    assert middle[:, 2].max() == pytest.approx(radius, rel=tolerance)
    assert np.abs(np.hypot(middle[:, 0], middle[:, 2]) - radius).max() < tolerance * radius


def test_a_disc_is_a_lens_of_known_thickness(shape_mask: MakeMask) -> None:
    mesh = inflated_mesh(shape_mask("disc"))
    x, y, z = mesh.vertices.T
    expected = np.sqrt((1 - x**2 - y**2).clip(0) / 2)
    assert np.abs(np.abs(z) - expected).max() < 0.08
    assert np.sqrt(np.mean((np.abs(z) - expected) ** 2)) < 0.01
    assert enclosed_volume(mesh.vertices, mesh.faces) == pytest.approx(4 / 3 * np.pi * np.sqrt(0.5), rel=0.01)


def test_seed_decides(shape_mask: MakeMask) -> None:
    mask = shape_mask("hand")
    first, again, other = (inflate(mask, points=500, seed=seed).points for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_up_is_up_and_right_is_right() -> None:
    mask = np.zeros((100, 100), dtype=bool)
    mask[10:90, 10:20] = True
    mask[80:90, 10:90] = True
    points = inflate(mask, points=2000, seed=0).points
    assert points[points[:, 1] > 0.5, 0].max() < -0.5
    assert points[points[:, 0] > 0.5, 1].max() < -0.5


def test_holes_and_parts_are_told(shape_mask: MakeMask) -> None:
    ring = shape_mask("ring")
    assert inflate(ring, points=500, seed=0).notes == (
        "1 hole in the outline was filled: a sphere has none.",
    )
    ring[2:20, 2:20] = True
    cloud = inflate(ring, points=500, seed=0)
    assert (
        cloud.notes[1]
        == "1 other separate part of the picture was left out; crop the picture to what you want."
    )
    assert np.hypot(cloud.points[:, 0], cloud.points[:, 1]).max() < 1.01


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(InputError, match="empty"):
        inflate(np.zeros((50, 50), dtype=bool), seed=0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (2, 300)])
def test_slivers_do_not_crash(shape: tuple[int, int]) -> None:
    mask = np.pad(np.ones(shape, dtype=bool), 3)
    points = inflate(mask, points=200, seed=0).points
    assert np.isfinite(points).all()
    assert len(points) == 200


def test_a_full_picture_takes_under_four_seconds_of_processor() -> None:
    started = time.process_time()
    inflate(np.ones((1024, 1024), dtype=bool), seed=0)
    assert time.process_time() - started < 4.0


def test_rasterise_agrees_with_a_naive_test_of_every_pixel() -> None:
    rng = np.random.default_rng(0)
    triangles = rng.uniform(-5, 35, (12, 3, 2))
    seen = rasterise(triangles, (30, 25))
    for row in range(30):
        for column in range(25):
            centre = np.array([column + 0.5, row + 0.5])
            assert seen[row, column] == any(contains(t, centre) for t in triangles)


def contains(triangle: np.ndarray, point: np.ndarray) -> bool:
    """Barycentric coordinates, independent of the sides that the rasteriser tests."""
    basis = np.column_stack([triangle[1] - triangle[0], triangle[2] - triangle[0]])
    u, v = np.linalg.solve(basis, point - triangle[0])
    return u >= 0 and v >= 0 and u + v <= 1


def test_iou_of_known_squares() -> None:
    mask = np.zeros((100, 120), dtype=bool)
    mask[10:90, 20:100] = True
    corners = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], dtype=float)
    square = Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]]))
    assert outline_iou(square, mask) == 1.0
    assert outline_iou(Mesh(corners * (0.5, 1, 1), square.faces), mask) == pytest.approx(0.5)
    assert outline_iou(Mesh(corners * (1.25, 1, 1), square.faces), mask) == pytest.approx(0.8)
    assert outline_iou(Mesh(corners + np.array([1, 0, 0]), square.faces), mask) == pytest.approx(1 / 3)
