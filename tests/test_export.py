from __future__ import annotations

import json

import numpy as np
import pytest

from nmf_model.certificate import Origin
from nmf_model.errors import Cancelled, InputError
from nmf_model.export import export_reconstruction, precision_warning, write_report
from nmf_model.io.suffixes import EXPORT_SUFFIXES
from nmf_model.types import Mesh, Normalization, QualityReport, Reconstruction, Trajectory
from tests.support.disks import contents

UTM = np.array([448_262.1, 5_411_932.7, 311.3])
KEYS = (
    "vertices faces components euler_characteristic watertight winding_consistent outward "
    "nonmanifold_edges nonmanifold_vertices self_intersecting_faces degenerate_faces coincident_vertices "
    "area volume "
    "chamfer_l2 method seconds nfe seed"
)


def reconstruction(scale=1.0, offset=(0.0, 0.0, 0.0), level=3, radius=1.0):
    """A sphere of the given radius, in unit-sphere units, made for points on the unit sphere."""
    import trimesh

    ball = trimesh.creation.icosphere(level)
    faces = np.array(ball.faces, dtype=np.int64)
    target = np.random.default_rng(0).normal(size=(5000, 3))
    target /= np.linalg.norm(target, axis=1, keepdims=True)
    normalization = Normalization(np.array(offset), scale)
    vertices = np.array(ball.vertices) * radius
    return Reconstruction(
        mesh=Mesh(vertices * scale + offset, faces),
        trajectory=Trajectory(vertices[None].astype(np.float32), faces, np.zeros(1), np.zeros(1, np.int64)),
        normalization=normalization,
        target=target * scale + offset,
        method="fit",
        seconds=1.5,
        nfe=42,
        seed=7,
    )


@pytest.mark.parametrize("suffix", EXPORT_SUFFIXES)
def test_report_of_the_written_file(tmp_path, suffix):
    report = export_reconstruction(reconstruction(), tmp_path / f"a{suffix}")
    assert report.is_sound
    assert (report.method, report.seconds, report.nfe, report.seed) == ("fit", 1.5, 42, 7)
    assert report.volume == pytest.approx(4 / 3 * np.pi, rel=0.02)
    assert (tmp_path / f"a{suffix}").is_file()


@pytest.mark.parametrize(("scale", "offset"), [(1, 0 * UTM), (1e-6, 0 * UTM), (1e3, UTM), (1.0, UTM)])
def test_chamfer_is_in_unit_sphere_units(tmp_path, scale, offset):
    bigger = export_reconstruction(reconstruction(scale, offset, 4, 1.2), tmp_path / "a.ply")
    # Each way the nearest neighbour is 0.2 away, plus the spacing of the samples.
    assert bigger.chamfer_l2 == pytest.approx(2 * 0.2**2, rel=0.03)
    same = export_reconstruction(reconstruction(scale, offset, 4), tmp_path / "a.ply")
    assert 1e-5 < same.chamfer_l2 < 2e-3
    again = export_reconstruction(reconstruction(scale, offset, 4), tmp_path / "a.ply")
    assert again == same


def test_chamfer_equals_a_naive_one(tmp_path):
    from nmf_model.export import _mean_squared_distance

    one, other = np.random.default_rng(0).normal(size=(2, 60, 3))
    squared = np.square(one[:, None] - other[None]).sum(axis=2)
    assert _mean_squared_distance(one, other) == pytest.approx(squared.min(axis=1).mean())
    assert _mean_squared_distance(other, one) == pytest.approx(squared.min(axis=0).mean())


def test_coarse_format_far_away_shows_in_the_report_and_is_warned_of(tmp_path):
    result = reconstruction(1.0, UTM)
    assert not export_reconstruction(result, tmp_path / "a.stl").is_sound
    warning = precision_warning(result.mesh, tmp_path / "a.stl")
    assert warning is not None
    assert "a.stl" in warning
    assert "PLY or 3MF" in warning
    for suffix in (".ply", ".obj", ".off", ".3mf", ".glb"):
        assert precision_warning(result.mesh, tmp_path / f"a{suffix}") is None
        assert export_reconstruction(result, tmp_path / f"a{suffix}").is_sound


def test_no_warning_near_the_origin(tmp_path):
    assert precision_warning(reconstruction(1e-3).mesh, tmp_path / "a.stl") is None


def test_failure_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        export_reconstruction(reconstruction(), tmp_path / "none" / "a.ply")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", EXPORT_SUFFIXES)
@pytest.mark.parametrize("earlier", [True, False])
def test_a_mesh_whose_certificate_cannot_be_written_is_not_written_either(tmp_path, suffix, earlier):
    """A name just short enough for a file, with which that of its certificate is too long."""
    path = tmp_path / f"{'a' * 240}{suffix}"
    if earlier:
        export_reconstruction(reconstruction(), path)
    files = contents(tmp_path)
    with pytest.raises(InputError, match=r"certificate\.json could not be written: the name is too long"):
        export_reconstruction(reconstruction(level=2), path, Origin())
    assert contents(tmp_path) == files


def test_report_file(tmp_path):
    report = export_reconstruction(reconstruction(), tmp_path / "a.ply")
    write_report(report, tmp_path / "a.json")
    stored = json.loads((tmp_path / "a.json").read_text())
    assert QualityReport(**stored) == report
    assert list(stored) == KEYS.split()


def test_report_is_json_whatever_the_numbers(tmp_path):
    from dataclasses import replace

    report = export_reconstruction(reconstruction(level=0), tmp_path / "a.ply")
    write_report(replace(report, volume=float("inf")), tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text())["volume"] is None
    with pytest.raises(InputError, match="is a folder"):
        write_report(report, tmp_path)


@pytest.mark.parametrize(
    ("origin", "answers"),
    [(None, [True]), (Origin("a.xyz"), [True]), (Origin("a.xyz"), [False, True])],
)
def test_a_cancelled_export_leaves_older_files_as_they_were(tmp_path, origin, answers):
    (tmp_path / "a.ply").write_bytes(b"old")
    polled = iter(answers)
    with pytest.raises(Cancelled):
        export_reconstruction(reconstruction(), tmp_path / "a.ply", origin, lambda: next(polled))
    assert contents(tmp_path) == {"a.ply": b"old"}
