from __future__ import annotations

import numpy as np
import pytest

from nmf_model.geometry.normals import face_areas, face_normals
from nmf_model.geometry.sampling import sample_surface

VERTICES = np.array([[0, 0, 0], [3, 0, 0], [0, 1, 0], [0, 0, 7], [1e-3, 0, 0]], dtype=float)
FACES = np.array([[0, 1, 2], [0, 2, 3], [0, 4, 1]])


def test_samples_lie_on_their_faces():
    points, index = sample_surface(VERTICES, FACES, 1000, np.random.default_rng(0))
    a, b, c = (VERTICES[FACES[index, k]] for k in range(3))
    parts = []
    for first, second in ((a, b), (b, c), (c, a)):
        corners = np.stack([points, first, second], axis=1).reshape(-1, 3)
        parts.append(face_areas(corners, np.arange(len(corners)).reshape(-1, 3)))
    whole = face_areas(VERTICES, FACES)[index]
    np.testing.assert_allclose(sum(parts), whole, rtol=1e-9)


def test_density_follows_area_and_never_picks_a_flat_face():
    _, index = sample_surface(VERTICES, FACES, 40_000, np.random.default_rng(1))
    share = np.bincount(index, minlength=3) / 40_000
    np.testing.assert_allclose(share, [0.3, 0.7, 0.0], atol=0.012)
    assert share[2] == 0


def test_density_is_even_inside_a_face():
    points, _ = sample_surface(VERTICES, FACES[:1], 40_000, np.random.default_rng(2))
    np.testing.assert_allclose(points.mean(axis=0), [1, 1 / 3, 0], atol=0.02)
    # The second moment of a uniform triangle tells it from one that favours its middle.
    np.testing.assert_allclose(points[:, 0].var(), 9 / 18, rtol=0.03)


def test_seed_decides():
    first, second = (sample_surface(VERTICES, FACES, 50, np.random.default_rng(3))[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("faces", [np.zeros((0, 3), dtype=np.int64), FACES[2:]])
def test_surface_without_area(faces):
    with pytest.raises(ValueError, match="area"):
        sample_surface(VERTICES, faces, 10, np.random.default_rng(0))


def test_normals():
    np.testing.assert_allclose(face_normals(VERTICES, FACES), [[0, 0, 1], [1, 0, 0], [0, 0, 0]], atol=1e-12)
