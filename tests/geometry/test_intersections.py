from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nmf_model.geometry.fans import pairs_around_vertices
from nmf_model.geometry.intersections import count_crossing_faces, crossing_pairs, degenerate_faces
from tests.reference import crossings as oracle

ORIGIN_X_Y = [[0, 0, 0], [1, 0, 0], [0, 1, 0]]


def icosphere(level):
    import trimesh

    sphere = trimesh.creation.icosphere(level)
    return np.array(sphere.vertices), np.array(sphere.faces, dtype=np.int64)


def pairs(vertices, faces):
    found = crossing_pairs(np.array(vertices, dtype=float), np.array(faces))
    return [tuple(pair) for pair in found.tolist()]


@pytest.mark.parametrize(
    ("vertices", "faces", "crosses"),
    [
        ([*ORIGIN_X_Y, [1, 1, 0]], [[0, 1, 2], [2, 1, 3]], False),
        ([*ORIGIN_X_Y, [0.2, 0.2, 0]], [[0, 1, 2], [0, 1, 3]], True),
        ([*ORIGIN_X_Y, [0.2, 0.2, 1e-300]], [[0, 1, 2], [0, 1, 3]], False),
        (ORIGIN_X_Y, [[0, 1, 2], [0, 2, 1]], True),
        (ORIGIN_X_Y * 2, [[0, 1, 2], [3, 4, 5]], True),
        ([*ORIGIN_X_Y, [0.3, 0.3, -1], [0.3, 0.3, 1]], [[0, 1, 2], [0, 3, 4]], True),
        ([*ORIGIN_X_Y, [0.3, 0.3, 0], [0.6, 0.1, 1]], [[0, 1, 2], [0, 3, 4]], True),
        ([*ORIGIN_X_Y, [2, 0, 0], [2, 0, 1]], [[0, 1, 2], [0, 3, 4]], True),
        ([*ORIGIN_X_Y, [-0.3, -0.3, 0], [-0.6, -0.1, 1]], [[0, 1, 2], [0, 3, 4]], False),
        ([*ORIGIN_X_Y, [0.3, 0.3, 0], [0.3, 0.3, 1], [2, 2, 1]], [[0, 1, 2], [3, 4, 5]], True),
    ],
    ids=[
        "flat neighbours",
        "fold in the plane",
        "almost folded",
        "same face twice",
        "same place, other vertices",
        "pierced beside a common vertex",
        "side of one in the other",
        "sides overlap",
        "opposite fans",
        "touched by a vertex",
    ],
)
def test_two_faces(vertices, faces, crosses):
    assert pairs(vertices, faces) == ([(0, 1)] if crosses else [])


@pytest.mark.parametrize("offset", [0.0, 5e6])
def test_sphere_has_no_crossing(offset):
    vertices, faces = icosphere(4)
    assert count_crossing_faces(vertices + offset, faces) == 0


def test_sphere_pushed_through_itself():
    vertices, faces = icosphere(3)
    pushed = vertices.copy()
    cap = vertices[:, 2] > 0.8
    pushed[cap, 2] -= 2.2
    found = crossing_pairs(pushed, faces)
    assert len(found) > 20
    near_hole = pushed[faces[np.unique(found)]][..., 2].min(axis=1) < -0.5
    assert near_hole.all()


def test_two_tetrahedra_that_cross():
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=float)
    faces = np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])
    vertices = np.concatenate([corners, -corners + 0.05])
    both = np.concatenate([faces, faces + 4])
    assert {tuple(p) for p in crossing_pairs(vertices, both).tolist()} == oracle.crossing_pairs(
        vertices, both
    )
    assert count_crossing_faces(vertices, both) == 8
    assert count_crossing_faces(np.concatenate([corners, corners + 9]), both) == 0


@st.composite
def small_soups(draw):
    count = draw(st.integers(4, 7))
    grid = hnp.arrays(np.float64, (count, 3), elements=st.integers(0, 3).map(float))
    rough = hnp.arrays(np.float64, (count, 3), elements=st.floats(-1, 1, width=32))
    face = st.lists(st.integers(0, count - 1), min_size=3, max_size=3, unique=True)
    return draw(grid | rough), np.array(draw(st.lists(face, min_size=2, max_size=6)))


@given(small_soups())
@settings(max_examples=150, deadline=None)
def test_equals_rational_arithmetic(soup):
    vertices, faces = soup
    assert set(pairs(vertices, faces)) == oracle.crossing_pairs(vertices, faces)
    expected = [oracle.is_degenerate(vertices[face]) for face in faces]
    assert degenerate_faces(vertices, faces).tolist() == expected


def test_no_faces():
    assert count_crossing_faces(np.zeros((3, 3)), np.zeros((0, 3), dtype=np.int64)) == 0


def fan(directions, apex=(0.0, 0.0, 0.0)):
    """Faces around vertex 0, one for each pair of directions."""
    ends = np.concatenate(directions, axis=1).reshape(-1, 3)
    corners = 1 + np.arange(len(ends), dtype=np.int64).reshape(-1, 2)
    faces = np.column_stack([np.zeros(len(corners), dtype=np.int64), corners])
    return np.concatenate([[apex], ends + apex]), faces


@pytest.mark.parametrize("count", [40, 400])
@pytest.mark.parametrize("plane", [0.0, 1e-3, 1.0], ids=["flat", "nearly flat", "cone"])
def test_around_a_vertex_of_many_faces_the_same_cross_as_where_every_pair_is_asked(count, plane, monkeypatch):
    rng = np.random.default_rng(count)
    angle, length = rng.uniform(0, 2 * np.pi, count), rng.uniform(0.1, 3, (2, count, 1))
    # A few faces are wide, most are narrow: what a rule about near ones only would get wrong.
    width = np.where(rng.random(count) < 0.05, 2.5, 8 / count)
    ends = [
        reach * np.stack([np.cos(a), np.sin(a), plane * rng.uniform(0.9, 1.1, count)], axis=1)
        for reach, a in zip(length, (angle, angle + width), strict=True)
    ]
    vertices, faces = fan(ends, apex=(5e5, -3e6, 12.5))
    near = crossing_pairs(vertices, faces)
    monkeypatch.setattr("nmf_model.geometry.fans.MANY_FACES", count)
    assert len(near) >= count // 8
    np.testing.assert_array_equal(near, crossing_pairs(vertices, faces))


def test_a_cap_of_many_faces_is_not_asked_pair_by_pair():
    count = 3000
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    rim = np.stack([np.cos(angle), np.sin(angle), np.zeros(count)], axis=1)
    vertices = np.concatenate([[[0, 0, 0], [0, 0, -1]], rim])
    rim_ids = 2 + np.arange(count)
    following = np.roll(rim_ids, -1)
    caps = [np.stack([np.full(count, tip), rim_ids, following], axis=1) for tip in (0, 1)]
    faces = np.concatenate([caps[0], caps[1][:, ::-1]])
    assert len(pairs_around_vertices(vertices, faces)) < 20 * len(faces)
    assert count_crossing_faces(vertices, faces) == 0
    vertices[2] = rim[2]  # the first place of the rim onto the third: both caps fold there
    assert count_crossing_faces(vertices, faces) > 0
