"""Random sequences of refinement and coarsening leave a sound sphere; each rule is checked by itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmf_model.geometry.coarsening import coarsen
from nmf_model.geometry.intersections import count_crossing_faces
from nmf_model.geometry.refinement import close_over_longest, edge_lengths, list_edges, middles, refine
from nmf_model.geometry.template import icosphere
from nmf_model.geometry.topology import analyse
from tests.reference import crossings as crossings_oracle

STRETCH = np.array([3.0, 1.0, 0.2])


def stretched(points):
    """A smooth injective map with strong curvature and flat parts."""
    return np.asarray(points) * STRETCH + np.array([0.0, 0.3, 0.1]) * np.sin(3 * points[:, :1])


def assert_sound_sphere(sphere, faces):
    found = analyse(faces)
    assert (found.components, found.euler_characteristic) == (1, 2)
    assert found.watertight
    assert found.winding_consistent
    assert found.nonmanifold_edges == found.nonmanifold_vertices == 0
    assert np.array_equal(np.unique(faces), np.arange(len(sphere)))
    assert np.abs(np.linalg.norm(sphere, axis=1) - 1).max() < 1e-7
    assert (np.linalg.det(sphere[faces]) > 0).all(), "a face is turned inward or has no area"


@st.composite
def programs(draw):
    steps = st.tuples(st.sampled_from(["refine", "coarsen"]), st.floats(0.0, 0.3), st.integers(0, 2**16))
    return draw(st.lists(steps, min_size=1, max_size=5))


@given(programs())
@settings(max_examples=25, deadline=None)
def test_any_sequence_leaves_a_sound_sphere(program):
    template = icosphere(1)
    sphere, faces = template.vertices.astype(np.float64), template.faces
    for action, amount, seed in program:
        image = stretched(sphere)
        if action == "refine":
            edges = list_edges(faces)
            marked = np.random.default_rng(seed).random(len(edges.ends)) < amount
            result = refine(sphere, faces, marked, edges, edge_lengths(image, edges))
            assert np.array_equal(result.sphere[: len(sphere)], sphere)
            assert len(result.faces) == len(faces) + 2 * np.count_nonzero(result.split)
            assert not (marked & ~result.split).any()
            sphere, faces = result.sphere, result.faces
        else:
            merged = coarsen(sphere, faces, image, amount, stretched, longest=2.0)
            sphere, faces = sphere[merged.kept], merged.faces
        assert_sound_sphere(sphere, faces)
        assert count_crossing_faces(sphere, faces) == 0


@given(st.integers(0, 2**16))
@settings(max_examples=4, deadline=None)
def test_refined_small_meshes_cross_nowhere_by_rational_arithmetic(seed):
    template = icosphere(0)
    sphere = template.vertices.astype(np.float64)
    edges = list_edges(template.faces)
    marked = np.random.default_rng(seed).random(len(edges.ends)) < 0.07
    result = refine(sphere, template.faces, marked, edges, edge_lengths(sphere, edges))
    assert crossings_oracle.crossing_pairs(result.sphere, result.faces) == set()


def test_refining_nothing_changes_nothing():
    template = icosphere(2)
    edges = list_edges(template.faces)
    none = np.zeros(len(edges.ends), dtype=bool)
    sphere = template.vertices.astype(np.float64)
    result = refine(sphere, template.faces, none, edges, edge_lengths(sphere, edges))
    assert np.array_equal(result.sphere, sphere)
    assert np.array_equal(result.faces, template.faces)


def test_refining_everything_is_the_next_icosphere():
    template = icosphere(2)
    sphere = template.vertices.astype(np.float64)
    edges = list_edges(template.faces)
    result = refine(
        sphere, template.faces, np.ones(len(edges.ends), dtype=bool), edges, edge_lengths(sphere, edges)
    )
    finer = icosphere(3)
    rows = {tuple(row) for row in np.round(finer.vertices.astype(float), 5)}
    assert {tuple(row) for row in np.round(result.sphere, 5)} == rows
    assert len(result.faces) == len(finer.faces)


def test_every_cut_face_is_cut_at_its_longest_side():
    template = icosphere(3)
    sphere = template.vertices.astype(np.float64)
    edges = list_edges(template.faces)
    lengths = edge_lengths(stretched(sphere), edges)
    marked = np.zeros(len(lengths), dtype=bool)
    marked[::50] = True
    rank = np.argsort(np.argsort(lengths, kind="stable"), kind="stable")
    closed = close_over_longest(marked, edges, rank)
    assert (closed | ~marked).all()
    for sides in edges.of_side[closed[edges.of_side].any(axis=1)]:
        assert closed[sides[np.argmax(rank[sides])]]


def test_refining_at_one_place_does_not_spoil_angles():
    template = icosphere(2)
    sphere, faces = template.vertices.astype(np.float64), template.faces
    for _ in range(8):
        edges = list_edges(faces)
        marked = np.zeros(len(edges.ends), dtype=bool)
        at_pole = np.argmax(sphere[faces][..., 2].sum(axis=1))
        marked[edges.of_side[at_pole]] = True
        result = refine(sphere, faces, marked, edges, edge_lengths(sphere, edges))
        sphere, faces = result.sphere, result.faces
    corners = sphere[faces]
    sides = corners - np.roll(corners, 1, axis=1)
    sides /= np.linalg.norm(sides, axis=2, keepdims=True)
    cosines = -(sides * np.roll(sides, -1, axis=1)).sum(axis=2)
    assert np.degrees(np.arccos(cosines.max())) > 20


def test_edges_are_listed_once_with_the_sides_they_are():
    faces = icosphere(1).faces
    edges = list_edges(faces)
    assert len(edges.ends) == 3 * len(faces) // 2
    assert (edges.ends[:, 0] < edges.ends[:, 1]).all()
    sides = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=2), axis=2)
    assert np.array_equal(edges.ends[edges.of_side], sides)


def test_middles_halve_the_arc():
    sphere = icosphere(1).vertices.astype(np.float64)
    ends = list_edges(icosphere(1).faces).ends
    middle = middles(sphere, ends)
    first, second = ((middle * sphere[ends[:, k]]).sum(axis=1) for k in range(2))
    assert np.allclose(first, second, atol=1e-12)


def flat_bottomed(points):
    """Flatten the lower half of the sphere: half a ball."""
    return np.asarray(points) * np.where(points[:, 2:] < 0, (1.0, 1.0, 0.0), (1.0, 1.0, 1.0))


def test_coarsening_takes_vertices_where_the_image_is_flat():
    template = icosphere(4)
    sphere, faces = template.vertices.astype(np.float64), template.faces
    below = np.count_nonzero(sphere[:, 2] < -0.05)
    for _ in range(4):
        result = coarsen(sphere, faces, flat_bottomed(sphere), 5e-4, flat_bottomed, longest=0.5)
        sphere, faces = sphere[result.kept], result.faces
        assert_sound_sphere(sphere, faces)
    assert np.count_nonzero(sphere[:, 2] < -0.05) < 0.8 * below
    above = np.count_nonzero(template.vertices[:, 2] > 0.05)
    assert np.count_nonzero(sphere[:, 2] > 0.05) == above


@pytest.mark.parametrize("tolerance", [0.003, 0.03])
def test_coarsening_stays_within_the_tolerance(tolerance):
    import igl

    template = icosphere(4)
    sphere, faces = template.vertices.astype(np.float64), template.faces
    result = coarsen(sphere, faces, stretched(sphere), tolerance, stretched, longest=2.0)
    assert len(result.kept) < len(sphere)
    gone = np.setdiff1d(np.arange(len(sphere)), result.kept)
    squares = igl.point_mesh_squared_distance(
        stretched(sphere[gone]), stretched(sphere[result.kept]), result.faces
    )[0]
    assert np.sqrt(squares.max()) <= tolerance
