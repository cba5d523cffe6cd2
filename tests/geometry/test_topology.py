from __future__ import annotations

from dataclasses import asdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nmf_model.geometry.topology import analyse
from tests.reference import topology as oracle

TETRAHEDRON = np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])


@given(st.lists(st.tuples(*[st.integers(0, 7)] * 3), min_size=1, max_size=14))
@settings(max_examples=300, deadline=None)
def test_equals_naive_oracle(faces):
    faces = np.array(faces)
    assert asdict(analyse(faces)) == oracle.analyse(faces)


def test_closed_surface():
    found = analyse(TETRAHEDRON)
    assert (found.euler_characteristic, found.components, found.edges) == (2, 1, 6)
    assert found.watertight
    assert found.winding_consistent
    assert found.nonmanifold_edges == found.nonmanifold_vertices == 0


def test_one_flipped_face_spoils_the_winding_only():
    faces = TETRAHEDRON.copy()
    faces[0] = faces[0, ::-1]
    found = analyse(faces)
    assert not found.winding_consistent
    assert found.watertight


def test_missing_face_leaves_three_open_edges():
    found = analyse(TETRAHEDRON[1:])
    assert not found.watertight
    assert found.nonmanifold_edges == 3
    assert found.nonmanifold_vertices == 0


def test_two_surfaces_that_share_a_vertex():
    found = analyse(np.concatenate([TETRAHEDRON, np.where(TETRAHEDRON == 0, 0, TETRAHEDRON + 3)]))
    assert found.components == 1
    assert found.nonmanifold_vertices == 1
    assert found.nonmanifold_edges == 0
    assert found.euler_characteristic == 3


def test_unused_vertices_do_not_count():
    assert asdict(analyse(TETRAHEDRON * 5)) == asdict(analyse(TETRAHEDRON))


def test_no_faces():
    assert not analyse(np.zeros((0, 3), dtype=np.int64)).watertight
