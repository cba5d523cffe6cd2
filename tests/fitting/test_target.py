import numpy as np
import pytest
import torch

from nmf_model.fitting.target import build_target, local_frames
from nmf_model.geometry.outliers import find_outliers

from .conftest import box_surface, ellipsoid


def test_stray_points_are_found_and_surface_points_are_not():
    rng = np.random.default_rng(0)
    surface = ellipsoid(2000)
    strays = rng.uniform(-1.2, 1.2, size=(100, 3)).astype(np.float32)
    far = np.abs(np.linalg.norm(strays / (1.0, 0.6, 0.4), axis=1) - 1) > 0.5
    found = find_outliers(np.concatenate([surface, strays]))
    assert found[:2000].mean() < 0.005
    assert found[2000:][far].mean() > 0.8


def test_a_sparse_side_is_not_an_outlier():
    dense, sparse = box_surface(4000), box_surface(300, seed=1)
    cloud = np.concatenate([dense[dense[:, 0] < 0], sparse[sparse[:, 0] > 0.05]])
    assert find_outliers(cloud).mean() < 0.03


@pytest.mark.parametrize("strays", [0, 60])
def test_a_side_of_a_twentieth_of_the_points_is_none_either_and_strays_are(strays):
    points = ellipsoid(20_000, (1.0, 0.9, 0.8))
    is_sparse = points[:, 0] < 0
    kept = points[~is_sparse | (np.random.default_rng(1).random(len(points)) < 0.05)]
    away = np.random.default_rng(2).uniform(-1.5, 1.5, (strays, 3))
    away = away[np.abs(np.linalg.norm(away / (1.0, 0.9, 0.8), axis=1) - 1) > 0.3]
    found = find_outliers(np.concatenate([kept, away]))
    assert found[: len(kept)][kept[:, 0] < 0].mean() < 0.15
    assert found[: len(kept)][kept[:, 0] >= 0].mean() < 0.001
    assert found[len(kept) :].sum() >= 0.9 * len(away)


def test_frames_of_a_box_are_its_axes():
    points = box_surface(6000)
    normals, planarity, spacing = local_frames(points)
    inner = (np.sort(np.abs(points) / (0.7, 0.4, 0.3), axis=1)[:, 1] < 0.7) & (planarity > 0.9)
    assert inner.sum() > 1000
    assert np.abs(normals[inner]).max(axis=1).min() > 0.99
    expected = np.sqrt(2 * 4 * (0.7 * 0.4 + 0.7 * 0.3 + 0.4 * 0.3) / 6000)
    assert 0.5 * expected < np.median(spacing) < 2 * expected


def test_the_target_keeps_the_inliers_in_order():
    points = ellipsoid(500)
    cloud = np.concatenate([points, [[1.0, 1.0, 1.0]]]).astype(np.float32)
    target = build_target(cloud, torch.device("cpu"))
    assert target.outliers >= 1
    assert len(target.points) == len(cloud) - target.outliers
    assert (target.points.numpy()[:, None] == cloud[None]).all(-1).any(1).all()
