"""Separate bodies and holes through the object are found where they are, and nowhere else."""

from __future__ import annotations

import re

import numpy as np
import pytest
import trimesh

from nmf_model.findings import Body, InputFindings, Tunnel, notes_of
from nmf_model.fitting.findings import (
    euler_characteristic,
    findings_in,
    findings_of,
    split_bodies,
    tunnel_count,
)
from nmf_model.fitting.lasting import lasting_tunnels
from nmf_model.geometry.defects import diagnose
from nmf_model.geometry.normalization import normalize
from nmf_model.geometry.sampling import sample_surface
from nmf_model.io.source import read_source
from nmf_model.types import PointCloud

COUNT = 6000


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def sphere(rng, count=COUNT):
    points = rng.normal(size=(count, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def torus(rng, ring, tube, count=COUNT):
    around, along, kept = rng.uniform(0, 1, (3, 4 * count)) * [[2 * np.pi], [2 * np.pi], [1]]
    around, along = (angle[kept < (ring + tube * np.cos(along)) / (ring + tube)] for angle in (around, along))
    distance = ring + tube * np.cos(along)
    return np.stack([distance * np.cos(around), distance * np.sin(around), tube * np.sin(along)], 1)[:count]


def revolved(rng, profile, count=COUNT):
    """Points, uniform by area, of what a polyline of (radius, height) sweeps around the z axis."""
    start, end = np.array(profile[:-1], float), np.array(profile[1:], float)
    area = np.linalg.norm(end - start, axis=1) * (start[:, 0] + end[:, 0])
    part = rng.choice(len(area), 4 * count, p=area / area.sum())
    radius, height = (start[part] + (end - start)[part] * rng.uniform(size=(4 * count, 1))).T
    kept = rng.uniform(size=4 * count) * np.maximum(start[part, 0], end[part, 0]) <= radius
    radius, height = radius[kept][:count], height[kept][:count]
    angle = rng.uniform(0, 2 * np.pi, len(radius))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)


def box(rng, centre, half, count):
    half = np.array(half, float)
    axis = rng.choice(3, count, p=(1 / half) / (1 / half).sum())
    points = rng.uniform(-1, 1, (count, 3))
    points[np.arange(count), axis] = rng.choice([-1, 1], count)
    return points * half + centre


def chair(rng):
    legs = [([x, y, -0.5], [0.05, 0.05, 0.45]) for x in (-0.42, 0.42) for y in (-0.42, 0.42)]
    parts = [([0, 0, 0], [0.5, 0.5, 0.05]), ([0, 0.45, 0.6], [0.5, 0.05, 0.55]), *legs]
    areas = np.array([8 * (a * b + b * c + a * c) for _, (a, b, c) in parts])
    return np.concatenate(
        [box(rng, *part, int(COUNT * area / areas.sum())) for part, area in zip(parts, areas, strict=True)]
    )


def mug(rng):
    body = revolved(rng, [(0, 0), (0.6, 0), (0.6, 1.4), (0.52, 1.4), (0.52, 0.08), (0, 0.08)], 10_000)
    handle = torus(rng, 0.4, 0.07, 3000)[:, [0, 2, 1]] + [0.6, 0, 0.7]
    return np.concatenate([body, handle[handle[:, 0] > 0.6]])


BOWL = [(0, -1), (0.5, -0.87), (0.87, -0.5), (1, 0), (0.95, 0), (0.82, -0.48), (0.46, -0.82), (0, -0.95)]
OUTSIDE = [(0, 0), (0.4, 0), (0.4, 1), (0.12, 1.3), (0.12, 1.7)]
BOTTLE = [*OUTSIDE, (0.09, 1.7), (0.09, 1.3), (0.36, 0.98), (0.36, 0.04)]

PLAIN = {
    "sphere": sphere,
    "bowl": lambda rng: revolved(rng, BOWL),
    "bowl of one sheet": lambda rng: revolved(rng, BOWL[:4]),
    "bottle": lambda rng: revolved(rng, BOTTLE),
    "chair": chair,
}


def look(points, rng, noise=0.0):
    """Return the findings in the units of ``points``."""
    frame = normalize(points)
    unit = frame.to_unit(points)
    noisy = unit + rng.normal(scale=noise, size=unit.shape).astype(np.float32)
    return findings_of(noisy).mapped(frame.to_file, frame.scale)


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("name", PLAIN)
def test_a_body_of_genus_0_has_one_body_and_no_tunnel(name, noise, rng):
    found = look(PLAIN[name](rng), rng, noise)
    assert len(found.bodies) == 1
    assert found.tunnels == ()
    assert notes_of(found) == ()


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_between_spikes_there_are_no_holes(noise, rng):
    ball = trimesh.creation.icosphere(1, radius=0.5)
    tips = ball.face_normals
    corners = np.concatenate([ball.vertices, tips])
    faces = [
        [face[k], face[k - 2], len(ball.vertices) + n] for n, face in enumerate(ball.faces) for k in range(3)
    ]
    points, _ = sample_surface(corners, np.array(faces), 4000, rng)
    assert look(points, rng, noise).tunnels == ()


def test_a_hole_lasts_if_it_is_still_the_same_in_the_larger_solid():
    plate = np.zeros((12, 12, 6), dtype=bool)
    plate[2:10, 2:10, 2:4] = True
    left, right, both = plate.copy(), plate.copy(), plate.copy()
    for solid in (left, both):
        solid[3:5, 3:5] = False
    for solid in (right, both):
        solid[7:9, 7:9] = False
    bar = left & right & ~plate
    bar[2:10, 2, 2:4] = True
    assert [lasting_tunnels(both, solid) for solid in (both, left, right, plate)] == [2, 1, 1, 0]
    # The bar has no hole, though what it is a part of has one.
    assert tunnel_count(left) == 1
    assert lasting_tunnels(bar, left) == 0


@pytest.mark.parametrize("seed", range(5))
def test_all_holes_of_a_solid_last_in_itself(seed):
    solid = np.random.default_rng(seed).random((7, 8, 9)) < 0.45
    assert lasting_tunnels(solid, solid) == tunnel_count(solid) > 20


@pytest.mark.parametrize(("ring", "tube"), [(1.0, 0.3), (1.0, 0.6), (1.0, 0.06), (40.0, 12.0)])
def test_the_hole_of_a_torus_is_found_in_its_middle_with_its_width(ring, tube, rng):
    found = look(torus(rng, ring, tube) + 7.0, rng, 0.005)
    (hole,) = found.tunnels
    assert np.linalg.norm(hole.centre - 7.0) < 0.3 * ring  # anywhere in a wide hole closes it
    assert hole.radius == pytest.approx(ring - tube, abs=0.12 * ring)
    assert len(found.bodies) == 1


def test_the_handle_of_a_mug_is_found_and_its_cavity_is_not(rng):
    (hole,) = look(mug(rng), rng).tunnels
    # The ball that passes between handle and wall is centred half way from the wall to the handle.
    assert np.linalg.norm(hole.centre - [0.76, 0.0, 0.7]) < 0.15
    assert 0.1 < hole.radius < 0.25


def test_two_rings_side_by_side_have_two_tunnels(rng):
    one = torus(rng, 1.0, 0.3)
    pair = np.concatenate([one, one[:, [0, 1, 2]] + [2.2, 0, 0]])  # they overlap: one body
    found = look(pair, rng)
    assert len(found.bodies) == 1
    assert sorted(round(float(hole.centre[0])) for hole in found.tunnels) == [0, 2]


@pytest.mark.parametrize("strays", [0, 60])
def test_two_spheres_apart_are_two_bodies_and_splitting_parts_their_points(strays, rng):
    points = np.concatenate(
        [sphere(rng, 4000), 0.5 * sphere(rng, 1500) + [2.2, 0, 0], rng.uniform(-3, 3, (strays, 3))]
    )
    order = rng.permutation(len(points))
    colors = rng.integers(0, 255, (len(points), 3), dtype=np.uint8)
    found = look(points[order], rng)
    assert len(found.bodies) == 2
    assert np.allclose(found.bodies[0].centre, 0, atol=0.1)
    assert np.allclose(found.bodies[1].centre, [2.2, 0, 0], atol=0.1)
    assert "separate bodies" in notes_of(found)[0]
    big, small = split_bodies(PointCloud(points[order], "pair", colors=colors[order]))
    true_small = (order >= 4000) & (order < 5500)
    true_big = order < 4000
    place = {tuple(point): index for index, point in enumerate(points[order])}
    for part, members, others in ((big, true_big, true_small), (small, true_small, true_big)):
        index = np.array([place[tuple(point)] for point in part.points])
        assert set(np.flatnonzero(members)) <= set(index)
        assert not others[index].any()
        assert np.array_equal(part.colors, colors[order][index])
    assert len(big.points) + len(small.points) == len(points)
    assert (big.name, small.name) == ("pair-1", "pair-2")


def test_an_object_scanned_ten_times_denser_on_one_side_is_one_body_without_tunnels(rng):
    dense, sparse = sphere(rng, 12_000), sphere(rng, 1500)
    uneven = np.concatenate([dense[dense[:, 0] > 0], sparse[sparse[:, 0] <= 0]])
    found = look(uneven, rng)
    assert len(found.bodies) == 1
    assert found.tunnels == ()


def test_a_cloud_without_several_bodies_is_not_split(rng):
    cloud = PointCloud(sphere(rng))
    assert split_bodies(cloud) == [cloud]


def clasp():
    """A rod bent into a ring whose ends nearly touch: a mesh of genus 0 that looks like a ring to points."""
    rod = trimesh.creation.capsule(height=5.6, radius=0.3, count=(32, 32)).subdivide().subdivide()
    x, y, z = rod.vertices.T
    angle, distance = z / 1.0, 1.0 + x
    rod.vertices = np.stack([distance * np.cos(angle), distance * np.sin(angle), y], axis=1)
    return rod


def test_what_goes_through_a_closed_mesh_is_known_from_its_topology(rng):
    ring = trimesh.creation.torus(1.0, 0.3, major_sections=64, minor_sections=24)
    for mesh, holes in ((clasp(), 0), (ring, 1)):
        assert mesh.is_watertight
        assert mesh.euler_number == 2 - 2 * holes
        points = np.asarray(mesh.sample(COUNT, seed=1))
        surface = diagnose(np.asarray(mesh.vertices), np.asarray(mesh.faces))
        assert len(findings_in(PointCloud(points)).tunnels) == 1
        assert len(findings_in(PointCloud(points, surface=surface)).tunnels) == holes
    opened = diagnose(np.asarray(clasp().vertices), np.asarray(clasp().faces)[5:])
    points = np.asarray(clasp().sample(COUNT, seed=1))
    assert len(findings_in(PointCloud(points, surface=opened)).tunnels) == 1


def test_places_are_told_to_what_they_are_wide_however_far_the_origin_is(rng):
    far = torus(rng, 40, 12) + [500_000, 4_500_000.25, 310]
    (sentence,) = notes_of(findings_in(PointCloud(far)))
    (place,) = re.findall(r"near \(([^)]*)\)", sentence)
    assert np.abs(np.array(place.split(", "), float) - [500_000, 4_500_000, 310]).max() < 6


def test_findings_are_frozen_values_that_can_be_compared_by_their_words(rng):
    found = look(torus(rng, 1.0, 0.3), rng)
    assert isinstance(found, InputFindings)
    (sentence,) = notes_of(found)
    assert "hole through it near (" in sentence
    assert "genus 0" in sentence


def test_euler_characteristic_and_tunnels_of_hand_made_solids():
    solid = np.zeros((7, 7, 7), dtype=bool)
    assert euler_characteristic(solid) == 0
    solid[1:6, 1:6, 3] = True
    assert (euler_characteristic(solid), tunnel_count(solid)) == (1, 0)
    solid[2, 2, 3] = False
    assert (euler_characteristic(solid), tunnel_count(solid)) == (0, 1)
    solid[4, 4, 3] = False
    assert (euler_characteristic(solid), tunnel_count(solid)) == (-1, 2)
    hollow = np.zeros((7, 7, 7), dtype=bool)
    hollow[1:6, 1:6, 1:6] = True
    hollow[3, 3, 3] = False
    assert (euler_characteristic(hollow), tunnel_count(hollow)) == (2, 0)


@pytest.mark.parametrize(("count", "away", "bodies"), [(80, 2.5, 2), (80, 1.25, 1), (20, 2.5, 1)])
def test_a_small_body_counts_if_it_is_far_from_all_else(rng, count, away, bodies):
    small = 0.15 * sphere(rng, count) + [away, 0, 0]
    cloud = PointCloud(np.concatenate([sphere(rng), small]) * 40 + 7)
    frame = normalize(cloud.points)
    assert len(findings_of(frame.to_unit(cloud.points)).bodies) == bodies
    sizes = [len(part.points) for part in split_bodies(cloud)]
    assert sizes == ([COUNT, count] if bodies == 2 else [COUNT + count])


@pytest.mark.parametrize(("count", "bodies"), [(7, 1), (49, 1), (60, 2)])
def test_what_is_too_small_to_be_reconstructed_is_no_body_whatever_its_share(rng, count, bodies):
    small = 0.3 * sphere(rng, count) + [3, 0, 0]
    parts = split_bodies(PointCloud(np.concatenate([sphere(rng, 150), small])))
    assert [len(part.points) for part in parts] == ([150, count] if bodies == 2 else [150 + count])


def test_two_ways_around_through_one_place_are_told_once():
    centres = [(0, 0, 0), (0, 0, 0.001), (2, 0, 0), (4, 0, 0), (6, 0, 0)]
    tunnels = tuple(Tunnel(np.array(centre, dtype=float), 0.2) for centre in centres)
    notes = notes_of(InputFindings((Body(1.0, np.zeros(3)),), tunnels))
    assert len(notes) == len(set(notes)) == 4
    assert notes[-1].startswith("4 holes of that kind")


@pytest.mark.parametrize("share", [0.2, 0.05])
@pytest.mark.parametrize("ring", [False, True])
def test_a_side_of_few_of_the_points_has_no_holes_of_its_own(ring, share, rng):
    points = torus(rng, 1, 0.4, 40_000) if ring else sphere(rng, 30_000)
    points = points[(points[:, 0] > 0) | (rng.uniform(size=len(points)) < share)]
    assert len(look(points, rng).tunnels) == ring


def test_a_body_has_no_notes_that_are_so_of_the_whole_alone(tmp_path):
    ball = trimesh.creation.icosphere(3)
    beside = ball.copy().apply_translation([3, 0, 0])
    trimesh.util.concatenate([ball, beside]).export(tmp_path / "pair.stl")
    whole = read_source(tmp_path / "pair.stl")
    assert "The mesh consists of 2 separate pieces." in whole.notes
    parts = split_bodies(whole)
    assert len(parts) == 2
    for number, part in enumerate(parts, start=1):
        first = f"Body {number} of 2, of {len(part.points):,} of the {len(whole.points):,} points."
        assert part.notes == (first, *(note for note in whole.notes if "pieces" not in note))
        assert len(part.notes) > 1
