from __future__ import annotations

import numpy as np
import pytest

from nmf_model.errors import InputError
from nmf_model.geometry.normals import face_normals
from nmf_model.geometry.sampling import sample_surface
from nmf_model.geometry.template import icosphere
from nmf_model.training.conditions import Condition, make_case
from nmf_model.training.measuring import REDRAWN, measure, redrawn
from nmf_model.training.targets import Target
from nmf_model.types import Mesh
from tests.support.tiny_models import egg

BALL = icosphere(3)


def ball(radius=1.0, offset=0.0):
    return Mesh(radius * BALL.vertices.astype(float) + offset, BALL.faces)


def sphere_points(radius=1.0, offset=0.0, count=10_000):
    points = np.random.default_rng(1).normal(size=(count, 3))
    return radius * points / np.linalg.norm(points, axis=1, keepdims=True) + offset


def test_alignment_hides_place_and_size_and_nothing_else():
    far = measure(ball(), sphere_points(2.0, 5.0), None)
    assert far["chamfer_l2"] < 1e-3
    assert far["f1@0.1"] > 0.99
    assert far["chamfer_l2_unaligned"] > 10
    assert far["missed@0.03_unaligned"] == 1


def test_two_concentric_spheres_in_units_of_the_target():
    row = measure(ball(1.6), sphere_points(2.0), sphere_points())
    # A fifth of the target's radius apart, whatever the units; the flat faces add a little.
    assert row["chamfer_l2_unaligned"] == pytest.approx(2 * 0.2**2, rel=0.03)
    assert row["f1@0.1_unaligned"] == 0
    assert row["normal_consistency"] > 0.99
    assert row["missed@0.03"] == 0
    assert row["missed@0.03_unaligned"] == 1


@pytest.mark.parametrize("scale", [1e-3, 1e5])
def test_units_do_not_matter(scale):
    points, normals = egg(3)
    one = measure(ball(0.5), points, normals)
    other = measure(ball(0.5 * scale), points * scale, normals)
    assert other == pytest.approx(one, rel=1e-6)


def test_the_unaligned_chamfer_is_that_of_the_points_in_the_target_frame():
    points, normals = egg(1)
    mesh = ball(0.6)
    row = measure(mesh, points, normals, samples=150)
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(points), 150, replace=False)
    drawn, on_face = sample_surface(mesh.vertices, mesh.faces, 150, rng)
    between = np.linalg.norm(drawn[:, None] - points[None, chosen], axis=2)
    radius = np.linalg.norm(points[chosen] - points[chosen].mean(axis=0), axis=1).max()
    naive = ((between.min(axis=1) / radius) ** 2).mean() + ((between.min(axis=0) / radius) ** 2).mean()
    assert row["chamfer_l2_unaligned"] == pytest.approx(naive)
    there, back = (np.mean(between.min(axis=axis) <= 0.1 * radius) for axis in (1, 0))
    assert row["f1@0.1_unaligned"] == pytest.approx(2 * there * back / (there + back))
    flat = face_normals(mesh.vertices, mesh.faces)[on_face]
    cosines = np.abs(flat @ normals[chosen].T)
    to_target, to_mesh = between.argmin(axis=1), between.argmin(axis=0)
    naive = cosines[np.arange(150), to_target].mean() / 2 + cosines[to_mesh, np.arange(150)].mean() / 2
    assert row["normal_consistency_unaligned"] == pytest.approx(naive)


def test_the_floor_is_what_a_perfect_answer_scores():
    row = measure(
        Mesh(icosphere(5).vertices.astype(float), icosphere(5).faces), sphere_points(count=3000), None
    )
    assert row["chamfer_l2_unaligned"] == pytest.approx(row["chamfer_l2_floor"], rel=0.12)
    # Of points spread evenly with density d, the nearest is on average 1/(π·d) away, squared.
    assert row["chamfer_l2_floor"] == pytest.approx(2 * 4 / 3000, rel=0.12)


def test_other_samples_of_the_mesh_tell_how_far_an_aligned_figure_is_chance():
    points, normals = egg(1)
    mesh = ball(0.6)
    row = measure(mesh, points, normals, samples=150)
    chosen = np.random.default_rng(0).choice(len(points), 150, replace=False)
    goal = points[chosen] - points[chosen].mean(axis=0)
    goal /= np.linalg.norm(goal, axis=1).max()
    seen = {row["chamfer_l2"]}
    for number in range(1, REDRAWN + 1):
        drawn = sample_surface(mesh.vertices, mesh.faces, 150, np.random.default_rng(number))[0]
        drawn = drawn - drawn.mean(axis=0)
        drawn /= np.linalg.norm(drawn, axis=1).max()
        between = np.linalg.norm(drawn[:, None] - goal[None], axis=2)
        naive = (between.min(axis=1) ** 2).mean() + (between.min(axis=0) ** 2).mean()
        assert row[redrawn("chamfer_l2", number)] == pytest.approx(naive)
        seen.add(row[redrawn("chamfer_l2", number)])
    assert len(seen) == 1 + REDRAWN


def test_what_has_no_surface_is_refused():
    flat = Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]]))
    with pytest.raises(InputError):
        measure(flat, sphere_points(count=50), None)
    with pytest.raises(InputError):
        measure(ball(), np.zeros((5, 3)), None)


def test_conditions_depend_on_the_object_alone_and_do_what_they_say():
    target = Target(*egg(0, 300))
    upright = make_case(target, Condition(input_points=50), "a")
    assert np.array_equal(upright.target.points, target.points)
    assert len(upright.cloud) == 50
    seen = {tuple(point) for point in upright.cloud}
    assert seen <= {tuple(point) for point in target.points}
    again = make_case(target, Condition(input_points=50), "a")
    assert np.array_equal(again.cloud, upright.cloud)
    assert not np.array_equal(make_case(target, Condition(input_points=50), "b").cloud, upright.cloud)
    noisy = make_case(target, Condition(input_points=50, noise=0.01), "a").cloud - upright.cloud
    radius = np.linalg.norm(target.points - target.points.mean(axis=0), axis=1).max()
    assert noisy.std() == pytest.approx(0.01 * radius, rel=0.2)
    assert len(make_case(target, Condition(input_points=1000), "a").cloud) == 300


@pytest.mark.parametrize("kind", ["yaw", "any"])
def test_rotations_turn_points_and_normals_together(kind):
    target = Target(*egg(0, 300))
    case = make_case(target, Condition(kind, 300), "a")
    turned = case.target
    assert turned.normals is not None
    matrix = np.linalg.lstsq(target.points, turned.points, rcond=None)[0].T
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(matrix) == pytest.approx(1)
    np.testing.assert_allclose(turned.normals, target.normals @ matrix.T, atol=1e-9)
    assert not np.allclose(matrix, np.eye(3), atol=0.1)
    assert np.allclose(matrix @ [0, 1, 0], [0, 1, 0], atol=1e-9) == (kind == "yaw")


def test_with_points_enough_the_model_sees_none_that_it_is_measured_against():
    target = Target(*egg(0, 10_500))
    case = make_case(target, Condition(input_points=400), "a")
    assert len(case.target.points) == 10_100
    assert not {tuple(p) for p in case.cloud} & {tuple(p) for p in case.target.points}


@pytest.mark.parametrize("bad", [("sideways", 10, 0.0), ("yaw", 0, 0.0), ("yaw", 10, -1.0)])
def test_conditions_that_make_no_sense_are_refused(bad):
    with pytest.raises(InputError):
        Condition(*bad)
