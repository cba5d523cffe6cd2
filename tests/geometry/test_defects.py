from __future__ import annotations

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from nmf_model.diagnosis import Diagnosis, diagnose, main
from nmf_model.geometry.coincidence import coincident_vertices, merge_coincident
from nmf_model.geometry.defects import find_defects
from nmf_model.geometry.topology import analyse
from nmf_model.io.meshes import write_mesh
from nmf_model.types import Mesh


def sphere(level=2):
    made = trimesh.creation.icosphere(level)
    return np.array(made.vertices), np.array(made.faces, dtype=np.int64)


def counts(vertices, faces):
    found = find_defects(vertices, faces)
    edges = (found.open_edges, found.crowded_edges, found.flipped_edges)
    return (found.holes, *map(len, edges), len(found.crossing_faces))


def test_a_sphere_has_none():
    assert counts(*sphere()) == (0, 0, 0, 0, 0)


def test_two_holes_are_counted_apart():
    vertices, faces = sphere()
    far = int(np.argmin(vertices[faces].mean(axis=1) @ vertices[faces[0]].mean(axis=0)))
    assert counts(vertices, np.delete(faces, [0, far], axis=0)) == (2, 6, 0, 0, 0)


def test_a_flipped_face_shows_its_three_edges():
    vertices, faces = sphere()
    faces[7] = faces[7, ::-1]
    assert counts(vertices, faces) == (0, 0, 0, 3, 0)
    wanted = {tuple(sorted(faces[7, [k, (k + 1) % 3]])) for k in range(3)}
    assert {tuple(edge) for edge in find_defects(vertices, faces).flipped_edges} == wanted


def test_a_fin_has_a_crowded_edge_and_two_open_ones():
    vertices, faces = sphere()
    vertices = np.vstack([vertices, vertices[faces[0]].mean(axis=0) * 1.5])
    faces = np.vstack([faces, [faces[0, 0], faces[0, 1], len(vertices) - 1]])
    found = find_defects(vertices, faces)
    assert (len(found.open_edges), found.crowded_edges.tolist()) == (2, [sorted(faces[0, :2].tolist())])


def test_a_spike_through_the_far_side_crosses():
    vertices, faces = sphere()
    vertices[0] *= -1.5
    found = find_defects(vertices, faces)
    assert len(found.crossing_faces) > 3
    own = set(np.flatnonzero((faces == 0).any(axis=1)))
    assert own & set(found.crossing_faces)


def test_a_diagnosis_by_a_process_of_its_own_is_the_same(tmp_path):
    vertices, faces = sphere()
    vertices[0] *= -1.5
    mesh = Mesh(vertices, np.delete(faces, 100, axis=0))
    write_mesh(mesh, tmp_path / "a.stl")
    assert main([str(tmp_path / "a.stl"), str(tmp_path / "a.npz")]) == 0
    stored, direct = Diagnosis.load(tmp_path / "a.npz"), diagnose(tmp_path / "a.stl")
    assert stored.report == direct.report
    assert (stored.defects.holes, len(stored.defects.open_edges)) == (1, 3)
    for name in ("open_edges", "crowded_edges", "flipped_edges", "crossing_faces"):
        np.testing.assert_array_equal(getattr(stored.defects, name), getattr(direct.defects, name))
    np.testing.assert_array_equal(stored.vertices, direct.vertices)
    np.testing.assert_array_equal(stored.faces, direct.faces)


def test_solids_and_clouds_need_no_diagnosis(tmp_path):
    write_mesh(Mesh(*sphere()), tmp_path / "a.ply")
    (tmp_path / "b.obj").write_text("v 1 2 3\n")
    assert (
        diagnose(tmp_path / "a.ply") is diagnose(tmp_path / "b.obj") is diagnose(tmp_path / "c.xyz") is None
    )


@given(st.lists(st.tuples(*[st.integers(0, 7)] * 3), min_size=1, max_size=14))
@settings(max_examples=40, deadline=None)
def test_agrees_with_the_topology(faces):
    faces = np.array(faces)
    found, known = find_defects(np.random.default_rng(0).random((8, 3)), faces), analyse(faces)
    assert len(found.open_edges) + len(found.crowded_edges) == known.nonmanifold_edges
    if not len(found.crowded_edges):
        assert (len(found.flipped_edges) == 0) == known.winding_consistent


@pytest.mark.parametrize("seed", range(5))
def test_coincidence_equals_a_naive_count(seed):
    rng = np.random.default_rng(seed)
    vertices = rng.integers(-1, 2, (30, 3)) * rng.choice([1.0, -1.0], (30, 1))
    faces = rng.integers(0, 24, (12, 3))
    used = set(faces.ravel().tolist())
    naive = [
        v in used and any(v != w and (vertices[v] == vertices[w]).all() for w in used) for v in range(30)
    ]
    assert coincident_vertices(vertices, faces).tolist() == naive
    merged, joined = merge_coincident(vertices, faces)
    np.testing.assert_array_equal(merged[joined], vertices[faces] + 0.0)
    assert not coincident_vertices(merged, joined).any()
