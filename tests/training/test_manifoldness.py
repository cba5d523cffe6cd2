"""The rates against loops that follow their definitions, and against cases counted by hand."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from nmf_model.geometry.template import icosphere
from nmf_model.training.manifoldness import manifoldness
from nmf_model.types import Mesh
from tests.reference import crossings, topology

CORNERS = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
QUADS = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
CUBE = np.array([t for a, b, c, d in QUADS for t in ((a, b, c), (a, c, d))])


def rates(vertices, faces):
    return manifoldness(Mesh(np.asarray(vertices, dtype=float), np.asarray(faces, dtype=np.int64)))


def naive(vertices, faces):
    facts = topology.analyse(faces)
    sides = defaultdict(list)
    for index, face in enumerate(faces):
        for k in range(3):
            start, end = int(face[k]), int(face[(k + 1) % 3])
            if start != end:
                sides[frozenset((start, end))].append((index, start))
    normals = [np.cross(vertices[b] - vertices[a], vertices[c] - vertices[a]) for a, b, c in faces]
    joined = [pair for pair in sides.values() if len(pair) == 2]
    as_wound = sum(normals[i] @ normals[j] < 0 for (i, _), (j, _) in joined)
    against = sum(a == b for (_, a), (_, b) in joined)
    bent = sum((normals[i] @ normals[j]) * (-1 if a == b else 1) < 0 for (i, a), (j, b) in joined)
    pairs = crossings.crossing_pairs(vertices, faces)
    strangers = [(i, j) for i, j in pairs if not set(faces[i].tolist()) & set(faces[j].tolist())]
    count = len(faces)
    return {
        "nm_vertices": facts["nonmanifold_vertices"] / len(vertices),
        "nm_edges": facts["nonmanifold_edges"] / (3 * count),
        "nm_faces": as_wound / (3 * count),
        "self_intersection": len(strangers) / count,
        "nonmanifold_vertices": facts["nonmanifold_vertices"] / facts["used_vertices"],
        "nonmanifold_edges": facts["nonmanifold_edges"] / facts["edges"],
        "misoriented_edges": against / max(1, len(joined)),
        "folded_edges": bent / max(1, len(joined)),
        "self_intersecting_faces": len({face for pair in pairs for face in pair}) / count,
        "degenerate_faces": sum(crossings.is_degenerate(vertices[face]) for face in faces) / count,
    }


@pytest.mark.parametrize("seed", range(6))
def test_any_soup_equals_the_naive_loops(seed):
    rng = np.random.default_rng(seed)
    vertices = rng.integers(0, 4, (9, 3)).astype(float)
    faces = rng.integers(0, 9, (16, 3))
    measured = rates(vertices, faces)
    for name, value in naive(vertices, faces).items():
        assert measured[name] == pytest.approx(value), name


def test_a_sphere_is_sound_and_turned_inside_out_it_is_not():
    ball = icosphere(2)
    sound = rates(ball.vertices, ball.faces)
    assert {name for name, value in sound.items() if value} == {"watertight", "closed_sphere", "sound"}
    inverted = rates(ball.vertices, ball.faces[:, ::-1])
    assert inverted["closed_sphere"] == 1
    assert inverted["sound"] == 0


def test_a_cube_with_a_missing_face():
    open_cube = rates(CORNERS, CUBE[:-2])
    assert open_cube["nm_edges"] == pytest.approx(4 / 30)
    assert open_cube["nonmanifold_edges"] == pytest.approx(4 / 17)
    assert open_cube["nm_faces"] == open_cube["folded_edges"] == open_cube["self_intersecting_faces"] == 0
    assert open_cube["watertight"] == open_cube["closed_sphere"] == open_cube["sound"] == 0
    assert rates(CORNERS, CUBE)["sound"] == 1


def test_a_folded_sheet_and_the_same_sheet_wound_both_ways():
    corners = [[0, 0, 0], [1, 0, 0], [0.5, 1, 0], [0.5, 0.9, 0.1]]
    folded = rates(corners, [[0, 1, 2], [1, 0, 3]])
    assert folded["nm_faces"] == pytest.approx(1 / 6)
    assert folded["folded_edges"] == 1
    assert folded["misoriented_edges"] == 0
    # Wound against each other the normals agree: the published column misses the fold.
    mixed = rates(corners, [[0, 1, 2], [0, 1, 3]])
    assert mixed["nm_faces"] == 0
    assert mixed["folded_edges"] == mixed["misoriented_edges"] == 1


def test_two_triangles_crossing_are_one_pair_and_two_faces():
    corners = [[0, 0, 0], [2, 0, 0], [0, 2, 0], [0.5, 0.5, -1], [0.5, 0.5, 1], [0.6, 0.7, 1]]
    crossing = rates(corners, [[0, 1, 2], [3, 4, 5]])
    assert crossing["self_intersection"] == 0.5
    assert crossing["self_intersecting_faces"] == 1


def test_a_pin_through_a_stack_counts_pairs_beyond_the_number_of_faces_but_each_face_once():
    sheets = [[[-1, -1, z], [1, -1, z], [0, 1, z]] for z in range(3)]
    pins = [[[0.02 * k, 0, -1], [0.02 * k, 0.01, -1], [0.02 * k, 0, 4]] for k in range(4)]
    corners = np.array(sheets + pins, dtype=float).reshape(-1, 3)
    stack = rates(corners, np.arange(21).reshape(-1, 3))
    assert stack["self_intersection"] == pytest.approx(12 / 7)
    assert stack["self_intersecting_faces"] == 1


def test_a_duplicated_face():
    doubled = rates(CORNERS, np.concatenate([CUBE, CUBE[:1]]))
    assert doubled["nm_edges"] == pytest.approx(3 / 39)
    assert doubled["nonmanifold_edges"] == pytest.approx(3 / 18)
    # It shares all corners with its twin, so the published pairs do not see it.
    assert doubled["self_intersection"] == 0
    assert doubled["self_intersecting_faces"] == pytest.approx(2 / 13)
    assert doubled["watertight"] == 0


def test_cubes_that_touch_at_a_corner_have_one_nonmanifold_vertex():
    joined = np.where(CUBE == 0, 7, CUBE + 8)
    corners = np.concatenate([CORNERS, CORNERS + 1])
    touching = rates(corners, np.concatenate([CUBE, joined]))
    assert touching["nm_vertices"] == pytest.approx(1 / 16)
    assert touching["nonmanifold_vertices"] == pytest.approx(1 / 15)
    assert touching["nonmanifold_edges"] == 0
    assert touching["closed_sphere"] == 0
    assert rates(np.concatenate([CORNERS, CORNERS + 5]), np.concatenate([CUBE, CUBE + 8]))["watertight"] == 1


def test_the_published_rate_of_open_patches():
    """AtlasNet with 25 patches of 10 × 10 vertices is published at 7.41 % non-manifold edges."""
    grid = np.arange(100).reshape(10, 10)
    a, b, c, d = (part.ravel() for part in (grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]))
    faces = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    flat = np.stack([*np.divmod(np.arange(100), 10), np.zeros(100)], axis=1)
    assert round(100 * rates(flat, faces)["nm_edges"], 2) == 7.41


def test_no_faces_at_all():
    empty = rates(np.zeros((3, 3)), np.zeros((0, 3)))
    assert not any(empty.values())
