from __future__ import annotations

import numpy as np
import pytest

from nmf_model.errors import InputError
from nmf_model.geometry.template import icosphere

LEVELS = range(8)


@pytest.mark.parametrize("level", LEVELS)
def test_counts_follow_the_closed_formulas(level):
    vertices, faces = icosphere(level)
    assert vertices.shape == (10 * 4**level + 2, 3)
    assert faces.shape == (20 * 4**level, 3)
    assert vertices.dtype == np.float32
    assert faces.dtype == np.int64


@pytest.mark.parametrize("level", range(6))
def test_is_a_closed_consistently_oriented_sphere(level):
    vertices, faces = icosphere(level)
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    assert len(np.unique(directed, axis=0)) == len(directed), "a directed edge is used twice"
    edges, uses = np.unique(np.sort(directed, axis=1), axis=0, return_counts=True)
    assert (uses == 2).all()
    assert len(vertices) - len(edges) + len(faces) == 2
    assert np.array_equal(np.unique(faces), np.arange(len(vertices)))


@pytest.mark.parametrize("level", range(6))
def test_faces_wind_outward(level):
    vertices, faces = icosphere(level)
    corners = vertices[faces].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert ((normals * corners.mean(axis=1)).sum(axis=1) > 0).all()


@pytest.mark.parametrize("level", LEVELS)
def test_vertices_lie_on_the_unit_sphere(level):
    radius = np.linalg.norm(icosphere(level).vertices.astype(np.float64), axis=1)
    assert np.abs(radius - 1).max() < 1e-7


@pytest.mark.parametrize("level", range(7))
def test_levels_are_nested(level):
    coarse, fine = icosphere(level), icosphere(level + 1)
    assert np.array_equal(fine.vertices[: len(coarse.vertices)], coarse.vertices)
    corner_children = fine.faces.reshape(-1, 4, 3)
    assert np.array_equal(corner_children[:, [0, 1, 2], [0, 1, 2]], coarse.faces)


def test_edges_are_nearly_equal():
    vertices, faces = icosphere(4)
    lengths = np.linalg.norm(vertices[faces] - vertices[np.roll(faces, 1, axis=1)], axis=2)
    assert lengths.max() / lengths.min() < 1.25


def test_cached_arrays_cannot_be_changed_by_a_caller():
    with pytest.raises(ValueError, match="read-only"):
        icosphere(2).vertices[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        icosphere(2).faces[0] = 0


@pytest.mark.parametrize("level", [-1, 8])
def test_unknown_levels_are_refused_in_words(level):
    with pytest.raises(InputError, match="from 0 to 7"):
        icosphere(level)
