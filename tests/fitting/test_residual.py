"""What a finished mesh misses, and where it spans gaps, is found where it is; a good mesh is told nothing."""

from __future__ import annotations

import numpy as np
import pytest

from nmf_model.findings import Region, Residual, Shell, Tunnel, residual_notes
from nmf_model.fitting.residual import emptiness_of, residual_of, spanned_share
from nmf_model.geometry.sampling import sample_surface
from nmf_model.geometry.template import icosphere

BALL = icosphere(4)


def on_sphere(rng, count):
    points = rng.normal(size=(count, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def torus(rng, count, ring=0.75, tube=0.25):
    around, along, kept = rng.uniform(0, 1, (3, 4 * count)) * [[2 * np.pi], [2 * np.pi], [1]]
    inside = kept < (ring + tube * np.cos(along)) / (ring + tube)
    around, along = around[inside][:count], along[inside][:count]
    distance = ring + tube * np.cos(along)
    return np.stack([distance * np.cos(around), distance * np.sin(around), tube * np.sin(along)], axis=1)


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.03])
@pytest.mark.parametrize("count", [250, 2_500, 10_000])
def test_a_mesh_that_fits_is_told_nothing(count, noise):
    rng = np.random.default_rng(count)
    points = on_sphere(rng, count) + rng.normal(scale=noise, size=(count, 3))
    strays = rng.uniform(-1, 1, (count // 50, 3))
    found = residual_of(BALL.vertices, BALL.faces, np.concatenate([points, strays]))
    assert found == Residual()
    assert residual_notes(found, ()) == ()


def test_where_a_side_has_few_of_the_points_only_real_gaps_are_told():
    rng = np.random.default_rng(0)
    points = on_sphere(rng, 30_000)
    points = points[(points[:, 0] > 0) | (rng.uniform(size=len(points)) < 0.05)]
    assert residual_of(BALL.vertices, BALL.faces, points) == Residual()
    (film,) = residual_of(BALL.vertices, BALL.faces, points[points[:, 0] > -0.75]).films
    assert np.linalg.norm(film.centre - [-1, 0, 0]) < 0.4


def test_a_part_that_the_mesh_leaves_out_is_found_with_its_place_size_and_share():
    rng = np.random.default_rng(0)
    angle, height = rng.uniform(0, 2 * np.pi, 300), rng.uniform(0, 0.4, 300)
    rod = np.stack([0.1 * np.cos(angle), 0.1 * np.sin(angle), 1 + height], axis=1)
    found = residual_of(BALL.vertices, BALL.faces, np.concatenate([on_sphere(rng, 5_700), rod]))
    assert (found.films, found.membranes) == ((), ())
    (part,) = found.missed
    assert np.linalg.norm(part.centre - [0, 0, 1.27]) < 0.12
    assert 0.1 < part.radius < 0.2
    assert 0.02 < part.share < 0.045, "300 of 5,900 points, without those that are not far"


def test_two_parts_left_out_are_two_places_the_larger_first():
    rng = np.random.default_rng(0)
    left, right = (0.2 * on_sphere(rng, count) + [x, 0, 0] for count, x in ((200, -1.5), (400, 1.5)))
    found = residual_of(BALL.vertices, BALL.faces, np.concatenate([on_sphere(rng, 4_400), left, right]))
    assert [1.25 < abs(part.centre[0]) < 1.75 for part in found.missed] == [True, True]
    assert [bool(part.centre[0] > 0) for part in found.missed] == [True, False]
    assert [part.share for part in found.missed] == pytest.approx([0.08, 0.04], abs=0.002)
    (sentence,) = residual_notes(found, ())
    assert sentence.startswith("The mesh stays away from 12 % of the points, in 2 places: near (1.")


def test_a_film_over_a_gap_in_the_points_is_found_with_its_share_of_the_area():
    rng = np.random.default_rng(0)
    points = on_sphere(rng, 5_000)
    found = residual_of(BALL.vertices, BALL.faces, points[points[:, 2] < 0.8])
    assert (found.missed, found.membranes) == ((), ())
    (film,) = found.films
    assert np.allclose(film.centre[:2], 0, atol=0.06)
    # A cap's share of the sphere is its height over the diameter; its rim is near the points.
    assert 0.03 < film.share < 0.1
    assert 0.25 < film.radius < 0.6
    (sentence,) = residual_notes(found, ())
    assert "of the mesh spans gaps where the input has no points, in one place: near (" in sentence


def test_a_film_over_a_narrow_mouth_is_found_if_the_points_are_dense():
    rng = np.random.default_rng(0)
    points = on_sphere(rng, 20_000)
    mouths = points[np.hypot(points[:, 0], points[:, 1]) > 0.12]
    found = residual_of(BALL.vertices, BALL.faces, mouths)
    assert len(found.films) == 2
    for film in found.films:
        assert np.allclose(np.abs(film.centre), [0, 0, 1], atol=0.05)
        assert 0.0005 <= film.share < 0.003
    assert any("% of the mesh spans gaps" in note for note in residual_notes(found, ()))
    assert spanned_share(BALL.vertices, BALL.faces, points) == 0
    assert spanned_share(BALL.vertices, BALL.faces, mouths) == sum(film.share for film in found.films)


def test_a_side_with_fewer_points_is_no_gap():
    rng = np.random.default_rng(0)
    points = on_sphere(rng, 20_000)
    kept = (points[:, 2] < 0.9) | (rng.uniform(size=len(points)) < 0.25)
    assert residual_of(BALL.vertices, BALL.faces, points[kept]).films == ()


def test_a_film_across_a_tunnel_confirms_it():
    rng = np.random.default_rng(0)
    pillow = BALL.vertices * np.array([1.0, 1.0, 0.25], dtype=np.float32)
    found = residual_of(pillow, BALL.faces, torus(rng, 5_000), [Tunnel(np.zeros(3), 0.5)])
    assert found.films == ()
    assert len(found.missed) == 1, "the side of the tube that faces the hole"
    ((index, film),) = found.membranes
    assert index == 0
    assert np.allclose(film.centre[:2], 0, atol=0.06)
    spanned, _ = residual_notes(found, [Tunnel(np.zeros(3), 0.5)])
    assert spanned.startswith(
        "The mesh spans this hole through the object with a film: near (0.00, 0.00, 0.00)"
    )
    elsewhere = residual_of(pillow, BALL.faces, torus(rng, 5_000), [Tunnel(np.array([3.0, 0, 0]), 0.5)])
    assert elsewhere.membranes == ()
    assert elsewhere.films


def test_words_are_in_the_units_they_are_given_in():
    near = Region(np.array([1.0, 2.0, 3.0]), 0.25, 0.004)
    hole = Tunnel(np.zeros(3), 0.5)
    moved = Residual((near,), (), ((0, near),)).mapped(lambda places: 10 * places + 1, 10)
    (spanned, missed) = residual_notes(moved, [hole])
    assert spanned == (
        "The mesh spans this hole through the object with a film: near (0.0, 0.0, 0.0), about 5 wide."
    )
    assert missed == (
        "The mesh stays away from 0.4 % of the points, in one place: near (11.0, 21.0, 31.0), about 5 wide."
    )


def lens(thickness):
    """A mesh of two sheets, so far apart, around the points of the upper half of a sphere."""
    inside = BALL.vertices[:, 2] < 0
    mirrored = BALL.vertices * np.where(inside, -1, 1)[:, None] ** np.array([0, 0, 1])
    return mirrored * np.where(inside, 1 - thickness, 1)[:, None]


def dome_plate(thickness):
    return lens(thickness)


def leaf(thickness):
    """A bent leaf, thickest in its middle."""
    x, y, z = BALL.vertices.T
    return np.stack([x, 0.8 * y, 0.75 * thickness * z + 0.2 * x**2 + 0.1 * y], axis=1)


def knife(thickness):
    """A blade: flat faces that meet in an edge."""
    x, y, z = BALL.vertices.T
    return np.stack(
        [x, 0.8 * y, np.sign(z) * thickness * (x + 1.05) / 2 * np.minimum(1, 4 * np.abs(z))], axis=1
    )


def test_a_mesh_that_is_two_sheets_around_one_layer_of_points_is_called_a_shell():
    rng = np.random.default_rng(0)
    dome = on_sphere(rng, 4_000)
    dome = dome[dome[:, 2] > 0]
    found = residual_of(lens(0.01), BALL.faces, dome)
    assert found.shell is not None
    assert found.shell.thickness == pytest.approx(0.01, rel=0.15)
    spacing = np.sqrt(2 * np.pi / len(dome))
    assert 0.8 * spacing < found.shell.spacing < 2 * spacing
    (sentence,) = residual_notes(found, ())
    assert sentence.startswith("The mesh is a shell, on average 0.0")
    assert found.mapped(lambda places: places, 10).shell == Shell(
        10 * found.shell.thickness, 10 * found.shell.spacing
    )


@pytest.mark.parametrize("noise", [0.0, 0.03, 0.3])
@pytest.mark.parametrize("thickness", [0.3, 0.5, 0.75])
def test_points_that_are_one_layer_between_the_sides_make_a_shell(thickness, noise):
    rng = np.random.default_rng(0)
    dome = on_sphere(rng, 4_000)
    dome = dome[dome[:, 2] > 0]
    spacing = 1.3 * np.sqrt(2 * np.pi / len(dome))
    middle = dome * (1 - thickness * spacing / 2)
    found = residual_of(
        lens(thickness * spacing), BALL.faces, middle + noise * spacing * rng.normal(size=dome.shape)
    )
    assert found.shell is not None
    assert emptiness_of(lens(thickness * spacing), BALL.faces, middle) == 1


@pytest.mark.parametrize("noise", [0.0, 0.03, 0.1])
@pytest.mark.parametrize("thickness", [0.35, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("solid", [dome_plate, leaf, knife])
def test_a_solid_thinner_than_its_points_are_apart_is_no_shell_if_they_are_of_both_sides(
    solid, thickness, noise
):
    rng = np.random.default_rng(0)
    spacing = 1.3 * np.sqrt(2 * np.pi / 4_000)
    vertices = solid(thickness * spacing)
    points, _ = sample_surface(vertices, BALL.faces, 4_000, rng)
    points += noise * thickness * spacing * rng.normal(size=points.shape)
    assert residual_of(vertices, BALL.faces, points).shell is None


@pytest.mark.parametrize("seed", range(3))
def test_a_rod_of_few_points_is_no_shell(seed):
    thin = BALL.vertices * np.array([1, 0.08, 0.08])
    points, _ = sample_surface(thin, BALL.faces, 200, np.random.default_rng(seed))
    assert residual_of(thin, BALL.faces, points).shell is None


def test_a_plate_whose_points_tell_its_sides_apart_is_no_shell():
    rng = np.random.default_rng(0)
    flat = BALL.vertices * np.array([1, 1, 0.12])
    points = on_sphere(rng, 8_000) * np.array([1, 1, 0.12])
    assert residual_of(flat, BALL.faces, points).shell is None


def test_a_hollow_skin_around_a_solid_s_points_is_told_with_its_place():
    rng = np.random.default_rng(0)
    # Both halves of the sphere lie on the whole ball's surface, joined around the pole: nothing is inside.
    away = np.arccos(np.clip(BALL.vertices[:, 2], -1, 1))
    around = np.arctan2(BALL.vertices[:, 1], BALL.vertices[:, 0])
    outer = away <= np.pi / 2
    angle = np.where(outer, 2 * away, 2 * (np.pi - away)) * 0.97
    radius = np.where(outer, 1.0, 0.97)
    skin = radius[:, None] * np.stack(
        [np.sin(angle) * np.cos(around), np.sin(angle) * np.sin(around), np.cos(angle)], axis=1
    )
    found = residual_of(skin, BALL.faces, on_sphere(rng, 4_000))
    assert found.hollow is not None
    assert found.hollow.share > 0.95
    assert np.linalg.norm(found.hollow.centre) < 0.3
    assert 0.4 < found.hollow.radius < 0.9
    assert any(note.startswith("The mesh leaves out 1") for note in residual_notes(found, ()))
    moved = found.mapped(lambda places: 10 * places + 1, 10)
    assert moved.hollow.radius == 10 * found.hollow.radius
    assert np.allclose(moved.hollow.centre, 10 * found.hollow.centre + 1)


def test_a_bowl_is_not_hollow():
    rng = np.random.default_rng(0)
    bowl = BALL.vertices.copy()
    inside = bowl[:, 2] > 0
    bowl[inside, 2] *= -0.9
    bowl[inside, :2] *= 0.9
    points = on_sphere(rng, 8_000)
    upper = points[:, 2] > 0
    points[upper] *= [0.9, 0.9, -0.9]
    assert residual_of(bowl, BALL.faces, points).hollow is None
