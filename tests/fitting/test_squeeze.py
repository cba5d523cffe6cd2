"""Long and flat clouds are squeezed to where a flow has room for their profile, and stretched again."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nmf_model import found_flow, reconstruct
from nmf_model.fitting.fit import fit_flow
from nmf_model.fitting.squeeze import FLATTEST, LONGEST, squeeze_of
from nmf_model.geometry.normalization import normalize
from nmf_model.geometry.normals import enclosed_volume
from nmf_model.quality import inspect_mesh
from nmf_model.types import PointCloud, ReconstructionRequest

from .conftest import QUICK, box_surface, ellipsoid

TURN = Rotation.from_euler("xyz", [0.5, -0.8, 0.3]).as_matrix()


def unit(points: np.ndarray) -> np.ndarray:
    return normalize(points.astype(np.float64)).to_unit(points.astype(np.float64)).astype(np.float32)


def extents(points: np.ndarray) -> np.ndarray:
    """Lengths along the principal axes."""
    axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2]
    return np.ptp(points @ axes.T, axis=0)


@pytest.mark.parametrize(
    ("half", "expected"),
    [
        ((1.0, 0.02, 0.01), (LONGEST, 1.0, 0.5)),
        ((1.0, 0.6, 0.01), (1 / 0.6, 1.0, 1 / FLATTEST)),
        ((1.0, 0.05, 0.001), (LONGEST, 1.0, 1 / FLATTEST)),
    ],
    ids=["rod", "plate", "strip"],
)
def test_what_is_long_or_flat_is_squeezed_to_a_few_times_its_profile(half, expected):
    points = unit(box_surface(4000, half) @ TURN.T)
    squeeze = squeeze_of(points)
    squeezed = squeeze.into(points)
    length, width, thickness = extents(squeezed)
    assert (length / width, thickness / width) == pytest.approx((expected[0], expected[2]), rel=0.02)
    assert np.linalg.norm(squeezed, axis=1).max() == pytest.approx(1, abs=0.02)
    assert np.abs(squeeze.out(squeezed) - points).max() < 1e-5
    differences = np.diff(points, axis=0)
    assert np.abs(differences @ squeeze.metric - np.diff(squeezed, axis=0)).max() < 1e-4
    assert squeeze.detail == pytest.approx(1 / np.linalg.eigvalsh(squeeze.metric).max())


@pytest.mark.parametrize("axes", [(1.0, 0.3, 0.2), (1.0, 0.9, 0.15), (1.0, 1.0, 1.0)])
def test_other_objects_are_left_as_they_are(axes):
    assert squeeze_of(unit(ellipsoid(2000, axes))) is None


def test_a_stray_makes_nothing_long():
    points = np.concatenate([unit(ellipsoid(2000, (1.0, 0.9, 0.8))), [[30.0, 0.0, 0.0]]])
    assert squeeze_of(points.astype(np.float32)) is None


def test_what_has_no_thickness_is_given_none():
    flat = np.random.default_rng(0).uniform(-1, 1, (2000, 3)) * (1.0, 1.0, 1e-6)
    assert squeeze_of(flat.astype(np.float32)) is None


def test_what_would_be_noisy_is_left_as_it_is():
    rng = np.random.default_rng(0)
    wall = rng.uniform(-0.7, 0.7, (8000, 3)) * (1, 1, 0)
    relief = wall + np.sin(4 * wall[:, :1]) * (0, 0, 0.02)
    assert squeeze_of((wall + rng.normal(scale=0.004, size=(8000, 3)) * (0, 0, 1)).astype(np.float32)) is None
    assert squeeze_of(relief.astype(np.float32)) is not None
    rod = box_surface(8000, (1.0, 0.02, 0.02))
    assert squeeze_of(rod) is not None
    assert squeeze_of(rod + rng.normal(scale=0.002, size=rod.shape).astype(np.float32)) is None


@pytest.mark.parametrize(
    ("half", "method"),
    [((50.0, 0.5, 0.3), "network"), ((5.0, 4.0, 0.05), "network"), ((5.0, 4.0, 0.05), "auto")],
    ids=["rod", "plate", "fitted plate"],
)
def test_a_thin_object_has_its_volume_where_it_is(monkeypatch, half, method):
    """Of either, the thickness is less than points are apart, or than a cell of the flow's grid."""
    monkeypatch.setattr(found_flow, "fit_flow", partial(fit_flow, settings=QUICK))
    centre = np.array([4000.0, -70.0, 12.0])
    points = box_surface(6000, half).astype(np.float64) @ TURN.T + centre
    frames = []
    request = ReconstructionRequest(PointCloud(points), method=method)
    result = reconstruct.run(request, on_frame=frames.append)
    assert inspect_mesh(result.mesh).is_sound
    assert enclosed_volume(result.mesh.vertices, result.mesh.faces) == pytest.approx(
        8 * np.prod(half), rel=0.04
    )
    found = (result.mesh.vertices - centre) @ TURN
    assert np.abs(found).max(axis=0) == pytest.approx(half, rel=0.08, abs=0.02)
    end = result.normalization.to_file(result.carrier.carry(result.mesh.sphere))
    assert np.abs(end - result.mesh.vertices).max() < 1e-3 * half[0]
    assert np.linalg.norm(result.trajectory.vertices[0], axis=1).std() < 0.05
    long = {frame.stage for frame in frames if np.linalg.norm(np.ptp(frame.vertices, axis=0)) > 1.5}
    assert {"Network", "Checking", "Flowing"} <= long
