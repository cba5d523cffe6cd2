from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from nmf_model.checks import check_lines
from nmf_model.defects import Defects
from nmf_model.errors import InputError
from nmf_model.geometry.coincidence import coincident_vertices, merge_coincident
from nmf_model.geometry.defects import find_defects
from nmf_model.geometry.intersections import degenerate_faces
from nmf_model.geometry.topology import analyse
from nmf_model.io.apart import load_cloud, main
from nmf_model.io.meshes import write_mesh
from nmf_model.io.points import read_points
from nmf_model.quality import inspect_mesh
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


def test_a_reading_by_a_process_of_its_own_is_the_same(tmp_path):
    vertices, faces = sphere()
    vertices[0] *= -1.5
    mesh = Mesh(vertices, np.delete(faces, 100, axis=0))
    write_mesh(mesh, tmp_path / "a.stl")
    assert main([str(tmp_path / "a.stl"), str(tmp_path / "a.npz")]) == 0
    stored, direct = load_cloud(tmp_path / "a.npz", tmp_path / "a.stl"), read_points(tmp_path / "a.stl")
    assert (stored.name, stored.path, stored.notes) == (direct.name, direct.path, direct.notes)
    np.testing.assert_array_equal(stored.points, direct.points)
    assert stored.colors is direct.colors is None
    one, other = stored.surface.defects, direct.surface.defects
    assert one.sentences() == other.sentences()
    assert (one.holes, len(one.open_edges), one.pieces, one.inside_out) == (1, 3, 1, False)
    for entry in fields(Defects):
        np.testing.assert_array_equal(getattr(one, entry.name), getattr(other, entry.name))
    np.testing.assert_array_equal(stored.surface.vertices, direct.surface.vertices)
    np.testing.assert_array_equal(stored.surface.faces, direct.surface.faces)


def test_what_a_process_of_its_own_cannot_read_is_the_same_sentence(tmp_path):
    (tmp_path / "b.obj").write_text("f 1 2 3\n")
    assert main([str(tmp_path / "b.obj"), str(tmp_path / "b.npz")]) == 0
    with pytest.raises(InputError) as direct:
        read_points(tmp_path / "b.obj")
    with pytest.raises(InputError) as told:
        load_cloud(tmp_path / "b.npz", tmp_path / "b.obj")
    assert str(told.value) == str(direct.value)


def test_bare_points_have_no_surface_to_be_broken(tmp_path):
    points = np.random.default_rng(0).normal(size=(60, 3))
    (tmp_path / "b.obj").write_text("".join(f"v {x} {y} {z}\n" for x, y, z in points))
    assert read_points(tmp_path / "b.obj").surface is None


def test_crossings_of_large_meshes_are_not_looked_for_and_that_is_said(tmp_path, monkeypatch):
    vertices, faces = sphere()
    vertices[0] *= -1.5
    write_mesh(Mesh(vertices, faces[1:]), tmp_path / "a.ply")
    monkeypatch.setattr("nmf_model.geometry.defects.MAX_FACES_FOR_CROSSINGS", len(faces) - 2)
    cloud = read_points(tmp_path / "a.ply")
    assert cloud.surface.defects.crossings is None
    assert cloud.surface.defects.holes == 1
    assert "The mesh has 1 hole." in cloud.notes
    assert any("not checked for crossings" in note for note in cloud.notes)


def test_of_a_repeated_face_only_the_repetition_is_told():
    vertices, faces = sphere()
    found = find_defects(vertices, np.vstack([faces, faces[3, [1, 0, 2]], faces[5]]))
    assert found.doubled_faces.tolist() == [len(faces), len(faces) + 1]
    assert found.crossing_faces.tolist() == [3, 5, len(faces), len(faces) + 1]
    assert found.sentences() == ["2 faces of the mesh repeat another one."]
    report = inspect_mesh(Mesh(vertices, np.vstack([faces, faces[3]])))
    (joints,) = [
        line for line in check_lines(report, find_defects(vertices, np.vstack([faces, faces[3]])))
        if "repeat" in line.text
    ]  # fmt: skip
    assert (joints.good, joints.text) == (False, "1 face repeats another one")


def test_a_flat_face_between_two_others_leaves_the_surface_closed():
    """As slivers do that exporters put where the corners of one side lie on the edge of another."""
    vertices, faces = sphere()
    vertices = np.round(1024 * vertices) / 1024  # so that the middle of an edge is exact
    a, b, c = faces[0]
    vertices = np.vstack([vertices, [(vertices[a] + vertices[b]) / 2]])
    middle = len(vertices) - 1
    faces = np.vstack([faces[1:], [[a, middle, c], [middle, b, c], [a, b, middle]]])
    found = find_defects(vertices, faces)
    assert found.collapsed_faces.tolist() == [len(faces) - 1]
    assert found.sentences()[0] == "1 face of the mesh has no area."
    assert (found.holes, len(found.crowded_edges), len(found.flipped_edges), found.pieces) == (0, 0, 0, 1)


@given(st.lists(st.tuples(*[st.integers(0, 7)] * 3), min_size=1, max_size=14))
@settings(max_examples=60, deadline=None)
def test_agrees_with_the_topology(faces):
    faces = np.array(faces)
    vertices = np.random.default_rng(0).random((8, 3))
    found = find_defects(vertices, faces)
    corners = [frozenset(face) for face in faces.tolist()]
    collapsed = [row for row, face in enumerate(corners) if len(face) < 3]
    doubled = [row for row, face in enumerate(corners) if face in corners[:row] and len(face) == 3]
    assert found.collapsed_faces.tolist() == collapsed
    assert found.doubled_faces.tolist() == doubled
    assert (degenerate_faces(vertices, faces).nonzero()[0] == collapsed).all()
    known = analyse(np.delete(faces, collapsed + doubled, axis=0))
    assert len(found.open_edges) + len(found.crowded_edges) == known.nonmanifold_edges
    assert found.pieces == known.components
    if known.used_vertices and not len(found.crowded_edges):
        assert (len(found.flipped_edges) == 0) == known.winding_consistent
    report = inspect_mesh(Mesh(vertices, faces))
    assert report.self_intersecting_faces == len(found.crossing_faces)
    # Whatever is told apart, something is told if and only if something is wrong.
    assert all(line.good for line in check_lines(report, found)) == report.is_sound


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
