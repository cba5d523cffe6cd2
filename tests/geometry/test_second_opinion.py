"""Our counts against implementations that share no code with them: manifold3d, and rational arithmetic."""

from __future__ import annotations

import manifold3d
import numpy as np
import pytest
import trimesh

from nmf_model.geometry.defects import find_defects
from nmf_model.geometry.intersections import crossing_pairs
from nmf_model.quality import inspect_mesh
from nmf_model.types import Mesh
from tests.reference import crossings as oracle


def solid(name):
    made = {
        "sphere": lambda: trimesh.creation.icosphere(1),
        "torus": lambda: trimesh.creation.torus(2, 0.5, major_sections=8, minor_sections=6),
        "box": lambda: trimesh.creation.box(),
        "two": lambda: trimesh.util.concatenate(
            [trimesh.creation.icosphere(1), trimesh.creation.icosphere(1).apply_translation([5, 0, 0])]
        ),
    }[name]()
    return np.array(made.vertices), np.array(made.faces, dtype=np.int64)


def edited(faces, rng):
    """Remove, flip and repeat a few faces, or leave all as they are."""
    faces = faces.copy()
    for _ in range(rng.integers(0, 4)):
        row = int(rng.integers(len(faces)))
        match rng.integers(4):
            case 0:
                faces = np.delete(faces, row, axis=0)
            case 1:
                faces[row] = faces[row, ::-1]
            case 2:
                faces = np.vstack([faces, faces[row]])
            case 3:
                faces = np.roll(faces, row, axis=0)
    return faces


def manifold(vertices, faces):
    return manifold3d.Manifold(manifold3d.Mesh64(vertices, faces.astype(np.uint64)))


@pytest.mark.parametrize("name", ["sphere", "torus", "box", "two"])
def test_manifold3d_agrees_on_topology(name):
    vertices, whole = solid(name)
    rng = np.random.default_rng(0)
    verdicts = set()
    for _ in range(12):
        faces = edited(whole, rng)
        report = inspect_mesh(Mesh(vertices, faces))
        theirs = manifold(vertices, faces)
        accepted = theirs.status() == manifold3d.Error.NoError
        closed = report.watertight and report.winding_consistent
        # It also takes edges of four faces that can be paired; two faces back to back are such.
        found = find_defects(vertices, faces)
        if not len(found.crowded_edges) and not len(found.doubled_faces):
            assert accepted == closed
        verdicts.add(closed)
        if not closed:
            continue
        assert (theirs.num_vert(), theirs.num_tri()) == (report.vertices, report.faces)
        assert theirs.volume() == pytest.approx(report.volume, rel=1e-9)
        assert theirs.surface_area() == pytest.approx(report.area, rel=1e-9)
        assert len(theirs.decompose()) == report.components
        # It counts the genus of several pieces as if they were one.
        assert 2 - 2 * theirs.genus() == report.euler_characteristic
    assert verdicts == {True, False}


@pytest.mark.parametrize("seed", range(12))
def test_rational_arithmetic_agrees_on_crossings_of_closed_meshes(seed):
    rng = np.random.default_rng(seed)
    made = trimesh.creation.icosphere(0) if seed % 3 else trimesh.creation.torus(
        2, 0.7, major_sections=5, minor_sections=3
    )  # fmt: skip
    vertices, faces = np.array(made.vertices), np.array(made.faces, dtype=np.int64)
    # From nearly round to crumpled; every other one on a coarse grid, where faces touch and overlap.
    vertices = vertices + rng.normal(scale=0.15 * (1 + seed % 4), size=vertices.shape)
    if seed % 2:
        vertices = np.round(vertices * 2) / 2
    found = {tuple(pair) for pair in crossing_pairs(vertices, faces).tolist()}
    expected = oracle.crossing_pairs(vertices, faces)
    assert found == expected
    report = inspect_mesh(Mesh(vertices, faces))
    assert report.self_intersecting_faces == len({face for pair in expected for face in pair})
    assert report.degenerate_faces == sum(oracle.is_degenerate(vertices[face]) for face in faces)


def test_the_random_meshes_really_cross_sometimes():
    rng = np.random.default_rng(1)
    ball = trimesh.creation.icosphere(0)
    rough = np.array(ball.vertices) + rng.normal(scale=0.6, size=ball.vertices.shape)
    assert oracle.crossing_pairs(rough, np.array(ball.faces))
