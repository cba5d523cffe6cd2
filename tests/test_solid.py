"""The solid that a flow makes of a ball."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
import torch

from nmf_model.errors import Cancelled, InputError
from nmf_model.export import export_reconstruction
from nmf_model.flow.carrier import GridCarrier
from nmf_model.geometry.ball import ball
from nmf_model.geometry.normals import enclosed_volume
from nmf_model.geometry.relax import not_positive
from nmf_model.geometry.template import icosphere
from nmf_model.io.solids import read_solid
from nmf_model.quality import inspect_mesh
from nmf_model.solid import flow_solid, measure, solid_of
from nmf_model.types import Mesh, Normalization, Reconstruction, Trajectory

FRAME = Normalization(np.array([445_000.0, 5_412_000.0, 310.0]), 2.5)


def carrier_of(strength: float) -> GridCarrier:
    generator = torch.Generator().manual_seed(3)
    fields = strength * torch.randn(2, 3, 5, 5, 5, generator=generator)
    return GridCarrier(fields, np.array([0.05, 0.0, -0.02], dtype=np.float32), 0.6)


def surface_of(carrier: GridCarrier, level: int) -> Mesh:
    template = icosphere(level)
    return Mesh(FRAME.to_file(carrier.carry(template.vertices)), template.faces, template.vertices)


def test_a_smooth_flow_gives_a_conforming_solid_of_positive_tetrahedra():
    carrier = carrier_of(0.1)
    surface = surface_of(carrier, 2)
    solid = flow_solid(carrier, surface, FRAME)
    facts = measure(solid)
    assert facts.inverted_tetrahedra == 0
    assert facts.min_dihedral_degrees > 5
    assert facts.min_dihedral_degrees <= facts.p5_dihedral_degrees <= facts.mean_dihedral_degrees <= 70.6
    np.testing.assert_array_equal(solid.vertices[: len(surface.vertices)], surface.vertices)
    owners = Counter(
        tuple(sorted(face)) for tet in solid.tetrahedra.tolist() for face in combinations(tet, 3)
    )
    outside = {face for face, count in owners.items() if count == 1}
    assert outside == {tuple(sorted(face)) for face in surface.faces.tolist()}
    assert max(owners.values()) == 2
    whole = enclosed_volume(surface.vertices, surface.faces)
    assert facts.solid_volume == pytest.approx(whole, rel=1e-9)


@pytest.mark.parametrize("strength", [0.15, 0.2])
def test_tetrahedra_that_a_strong_flow_inverts_are_put_right(strength):
    carrier = carrier_of(strength)
    surface = surface_of(carrier, 2)
    assert inspect_mesh(surface).self_intersecting_faces == 0, "else there is nothing to fill"
    start = ball(icosphere(2))
    assert not_positive(carrier.carry(start.vertices), start.tetrahedra) > 0
    assert measure(flow_solid(carrier, surface, FRAME)).inverted_tetrahedra == 0


def test_tetrahedra_that_cannot_be_put_right_are_counted():
    carrier = carrier_of(0.1)
    surface = surface_of(carrier, 1)
    inside_out = Mesh(surface.vertices * [1, 1, -1], surface.faces, surface.sphere)
    facts = measure(flow_solid(carrier, inside_out, FRAME))
    assert facts.inverted_tetrahedra > 0
    assert facts.min_dihedral_degrees == 0
    assert facts.solid_volume < 0


@pytest.fixture(scope="module")
def result():
    carrier = carrier_of(0.1)
    mesh = surface_of(carrier, 1)
    states = np.stack([mesh.sphere, mesh.sphere])
    trajectory = Trajectory(states, mesh.faces, np.array([0.0, 2.0]), np.array([0, 1]))
    return Reconstruction(mesh, trajectory, FRAME, mesh.vertices, "fit", 1.0, 5, 0, carrier=carrier)


@pytest.mark.parametrize("suffix", [".vtu", ".msh"])
def test_an_export_reports_on_the_solid_and_its_surface(result, suffix, tmp_path):
    report = export_reconstruction(result, tmp_path / f"a{suffix}")
    assert report.is_sound
    assert report.vertices == len(result.mesh.vertices)
    assert report.faces == len(result.mesh.faces)
    written = report.to_dict()
    assert written["inverted_tetrahedra"] == 0
    assert written["tetrahedra"] == len(read_solid(tmp_path / f"a{suffix}").tetrahedra)
    assert written["solid_volume"] == pytest.approx(written["volume"], rel=1e-9)
    assert "solid" not in written


def test_a_cancelled_solid_leaves_no_file(result, tmp_path):
    with pytest.raises(Cancelled):
        export_reconstruction(result, tmp_path / "a.vtu", cancel=lambda: True)
    assert list(tmp_path.iterdir()) == []


def test_a_mesh_without_a_flow_is_refused(result):
    from dataclasses import replace

    with pytest.raises(InputError, match="flow"):
        solid_of(replace(result, carrier=None))
