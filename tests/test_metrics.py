"""The metrics against loops that follow their definitions, and against cases computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.metrics import chamfer_l2, f1_score, normal_consistency

Points = NDArray[np.float64]


def _two_clouds() -> tuple[Points, Points]:
    rng = np.random.default_rng(7)
    return rng.normal(size=(37, 3)), rng.normal(size=(53, 3)) * 0.7


def _unit(vectors: Points) -> Points:
    normalized: Points = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return normalized


def _nearest(point: Points, others: Points) -> tuple[float, int]:
    distances = [float(np.sqrt(sum((point - other) ** 2))) for other in others]
    return min(distances), int(np.argmin(distances))


def test_chamfer_equals_the_naive_loop() -> None:
    first, second = _two_clouds()
    there = [_nearest(point, second)[0] ** 2 for point in first]
    back = [_nearest(point, first)[0] ** 2 for point in second]
    naive = sum(there) / len(there) + sum(back) / len(back)
    assert chamfer_l2(first, second) == pytest.approx(naive, rel=1e-12)


def test_f1_equals_the_naive_loop() -> None:
    first, second = _two_clouds()
    for threshold in (0.1, 0.4, 1.0):
        precision = sum(_nearest(point, second)[0] <= threshold for point in first) / len(first)
        recall = sum(_nearest(point, first)[0] <= threshold for point in second) / len(second)
        naive = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        assert f1_score(first, second, threshold) == pytest.approx(naive, rel=1e-12)


def test_normal_consistency_equals_the_naive_loop_whatever_the_signs() -> None:
    first, second = _two_clouds()
    rng = np.random.default_rng(8)
    first_normals, second_normals = _unit(rng.normal(size=first.shape)), _unit(rng.normal(size=second.shape))
    there = [
        abs(float(first_normals[i] @ second_normals[_nearest(point, second)[1]]))
        for i, point in enumerate(first)
    ]
    back = [
        abs(float(second_normals[i] @ first_normals[_nearest(point, first)[1]]))
        for i, point in enumerate(second)
    ]
    naive = (np.mean(there) + np.mean(back)) / 2
    flipped = first_normals * rng.choice([-1.0, 1.0], size=(len(first), 1))
    assert normal_consistency(first, first_normals, second, second_normals) == pytest.approx(naive)
    assert normal_consistency(first, flipped, second, second_normals) == pytest.approx(naive)


def test_hand_computed_case() -> None:
    first = np.array([[0.0, 0.0, 0.0]])
    second = np.array([[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]])
    assert chamfer_l2(first, second) == pytest.approx(9 + (9 + 16) / 2)
    # Precision 1 (the one point has a neighbour at 3), recall 1/2.
    assert f1_score(first, second, 3.0) == pytest.approx(2 / 3)
    assert f1_score(first, second, 2.9) == 0.0


def test_concentric_spheres() -> None:
    """Every point of a sphere of radius r lies |1 - r| from the unit sphere, with the same normal."""
    directions = _unit(np.random.default_rng(1).normal(size=(20_000, 3)))
    inner = 0.9 * directions
    assert chamfer_l2(directions, inner) == pytest.approx(2 * 0.1**2, rel=1e-9)
    assert f1_score(directions, inner, 0.1001) == 1.0
    assert normal_consistency(directions, directions, inner, directions) == pytest.approx(1.0)


def test_a_set_equals_itself_and_order_does_not_matter() -> None:
    first, second = _two_clouds()
    assert chamfer_l2(first, first) == 0.0
    assert f1_score(first, first, 0.0) == 1.0
    assert chamfer_l2(first, second) == pytest.approx(chamfer_l2(second[::-1], first[::-1]), rel=1e-12)


@pytest.mark.parametrize("bad", [np.zeros((0, 3)), np.zeros((4, 2)), np.full((3, 3), np.nan)])
def test_points_that_cannot_be_compared_are_refused(bad: Points) -> None:
    with pytest.raises(InputError):
        chamfer_l2(bad, np.zeros((1, 3)))
    with pytest.raises(InputError):
        f1_score(np.zeros((1, 3)), bad, 0.1)


def test_normals_must_match_their_points() -> None:
    points = np.zeros((2, 3))
    with pytest.raises(InputError):
        normal_consistency(points, np.zeros((1, 3)), points, points)
    with pytest.raises(InputError):
        normal_consistency(points, np.full((2, 3), np.nan), points, points)
