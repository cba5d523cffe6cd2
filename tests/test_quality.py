from __future__ import annotations

import time

import numpy as np
import pytest

from nmf_model.quality import inspect_mesh
from nmf_model.types import Mesh


def made(shape):
    return Mesh(np.array(shape.vertices), np.array(shape.faces, dtype=np.int64))


def box():
    import trimesh

    return made(trimesh.creation.box(extents=[1, 2, 3]))


@pytest.mark.parametrize("offset", [0.0, 1e7])
def test_box(offset):
    report = inspect_mesh(Mesh(box().vertices + offset, box().faces))
    assert report.is_sound
    assert report.volume == pytest.approx(6, rel=1e-8)
    assert report.area == pytest.approx(22, rel=1e-8)
    assert (report.vertices, report.faces, report.components, report.euler_characteristic) == (8, 12, 1, 2)
    assert report.chamfer_l2 is report.method is report.seconds is report.nfe is report.seed is None


def test_torus_is_sound_but_for_its_genus():
    import trimesh

    report = inspect_mesh(made(trimesh.creation.torus(2, 0.5)))
    assert report.euler_characteristic == 0
    assert not report.is_closed_sphere
    assert report.self_intersecting_faces == report.degenerate_faces == 0


def test_inside_out():
    report = inspect_mesh(Mesh(box().vertices, box().faces[:, ::-1]))
    assert report.is_closed_sphere
    assert not report.outward
    assert not report.is_sound
    assert report.volume == pytest.approx(-6)


def test_missing_face():
    report = inspect_mesh(Mesh(box().vertices, box().faces[1:]))
    assert not report.watertight
    assert report.nonmanifold_edges == 3
    assert report.euler_characteristic == 1


def test_degenerate_faces_are_found_exactly():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [0, 0, 0], [0, 1, 0], [1, 1e-200, 0]])
    faces = np.array([[0, 1, 2], [0, 3, 4], [0, 0, 4], [0, 5, 2], [0, 1, 4]])
    assert inspect_mesh(Mesh(vertices, faces)).degenerate_faces == 3


def test_crossing_components():
    first = box()
    vertices = np.concatenate([first.vertices, first.vertices + np.array([0.5, 1, 1.5])])
    report = inspect_mesh(Mesh(vertices, np.concatenate([first.faces, first.faces + 8])))
    assert report.components == 2
    assert report.self_intersecting_faces > 0
    assert report.is_closed_sphere is report.is_sound is False


def test_empty_mesh():
    report = inspect_mesh(Mesh(np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64)))
    assert (report.faces, report.volume, report.area) == (0, 0.0, 0.0)
    assert not report.is_closed_sphere


def test_80k_faces_are_quick():
    import igl.predicates  # noqa: F401
    import trimesh

    mesh = made(trimesh.creation.icosphere(6))
    start = time.process_time()
    assert inspect_mesh(mesh).is_sound
    assert len(mesh.faces) == 81_920
    # Below a second on an idle core; the margin is for a busy one.
    assert time.process_time() - start < 3
