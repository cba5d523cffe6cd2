"""The ball of tetrahedra inside a template."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from nmf_model.geometry.ball import ball
from nmf_model.geometry.normals import enclosed_volume
from nmf_model.geometry.template import Template, icosphere
from nmf_model.geometry.tetrahedra import boundary_faces, dihedral_angles, orientations, volumes


def turned(faces: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(np.roll(face, -face.argmin())) for face in faces}


def random_sphere(count: int, crowding: float) -> Template:
    """Points of very different density, joined by the hull of other points: far from Delaunay."""
    rng = np.random.default_rng(1)
    points = rng.normal(size=(count, 3))
    points[: count // 2, 2] += crowding
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    stretched = points * (1.0, 1.0, 1.6)
    hull = ConvexHull(stretched / np.linalg.norm(stretched, axis=1, keepdims=True)).simplices
    normals = np.cross(points[hull[:, 1]] - points[hull[:, 0]], points[hull[:, 2]] - points[hull[:, 0]])
    inward = np.einsum("ij,ij->i", normals, points[hull].sum(axis=1)) < 0
    hull[inward] = hull[inward][:, ::-1]
    return Template(points.astype(np.float32), hull.astype(np.int64))


def assert_fills(template: Template) -> None:
    vertices, tetrahedra = ball(template)
    count = len(template.vertices)
    np.testing.assert_allclose(vertices[:count], template.vertices, atol=1e-7)
    assert (orientations(vertices, tetrahedra) == 1).all()
    owners = Counter(tuple(sorted(face)) for tet in tetrahedra.tolist() for face in combinations(tet, 3))
    outside = {tuple(sorted(face)) for face in template.faces.tolist()}
    assert {face for face, number in owners.items() if number == 1} == outside
    assert set(owners.values()) == {1, 2}
    assert turned(boundary_faces(tetrahedra)) == turned(template.faces)
    assert len(np.unique(tetrahedra)) == len(vertices)
    whole = enclosed_volume(vertices[:count], template.faces)
    assert volumes(vertices, tetrahedra).sum() == pytest.approx(whole, rel=1e-9)
    assert (tetrahedra >= count).any(axis=1).all(), "every tetrahedron can be improved by moving a vertex"


@pytest.mark.parametrize("level", [0, 2, 3, 4])
def test_an_icosphere_is_filled_up_to_its_own_faces(level):
    assert_fills(icosphere(level))


@pytest.mark.parametrize("crowding", [0.0, 4.0])
def test_any_triangulation_of_the_sphere_is_filled(crowding):
    template = random_sphere(300, crowding)
    hull = ConvexHull(template.vertices.astype(float)).simplices
    assert len({*map(frozenset, hull.tolist())} - {*map(frozenset, template.faces.tolist())}) > 20
    assert_fills(template)


def test_faces_that_cover_the_sphere_twice_are_refused():
    sphere = icosphere(1)
    with pytest.raises(ValueError, match="exactly once"):
        ball(Template(sphere.vertices, np.concatenate([sphere.faces, sphere.faces])))
    with pytest.raises(ValueError, match="exactly once"):
        ball(Template(sphere.vertices, sphere.faces[:, ::-1]))


def test_angles_volume_and_sign_of_known_tetrahedra():
    corner = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)], dtype=float)
    both = np.array([(0, 1, 2, 3), (0, 2, 1, 3)])
    np.testing.assert_array_equal(orientations(corner, both), [1, -1])
    np.testing.assert_allclose(volumes(corner, both), [1 / 6, -1 / 6])
    slanted = np.degrees(np.arccos(1 / 3**0.5))
    np.testing.assert_allclose(np.sort(dihedral_angles(corner, both[:1])[0]), [slanted] * 3 + [90] * 3)
    assert turned(boundary_faces(both[:1])) == turned(np.array([(0, 2, 1), (0, 1, 3), (1, 2, 3), (2, 0, 3)]))
