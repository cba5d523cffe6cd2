"""From hard clouds to files: what was certified is sound when it is read back."""

from __future__ import annotations

import numpy as np
import pytest

from nmf_model.export import precision_warning
from nmf_model.fitting.fit import FitSettings, Stage, fit_flow
from nmf_model.geometry.normalization import normalize
from nmf_model.geometry.template import icosphere
from nmf_model.io.meshes import read_mesh, write_mesh
from nmf_model.quality import inspect_mesh
from nmf_model.sound.certify import Budget, make_sound
from nmf_model.sound.forms import written_forms
from nmf_model.streams import drain
from nmf_model.types import Mesh
from tests.support.stress_shapes import STRESS_SHAPES

QUICK = FitSettings(
    samples=1200,
    stages=(Stage(2, 3, 150, 2, grows=True), Stage(3, 3, 150, 3, settles=True)),
)


@pytest.mark.parametrize("name", ["touching plates", "noisy box", "far away"])
def test_a_hard_cloud_becomes_a_sound_file(name, tmp_path):
    cloud = STRESS_SHAPES[name](1500, np.random.default_rng(0))
    normalization = normalize(cloud)
    unit = normalization.to_unit(cloud)
    carrier = drain(fit_flow(unit, settings=QUICK)).carrier
    surface = make_sound(
        carrier, unit, icosphere(3), Budget(vertices=1500), forms=written_forms(normalization)
    )
    assert surface.report.is_clean
    assert surface.report.solve.is_proved
    assert surface.report.largest_move < 0.015  # of the radius: a push, no repair
    mesh = Mesh(normalization.to_file(surface.image), surface.faces, surface.sphere)
    for suffix in ("ply", "obj", "glb", "stl"):
        path = tmp_path / f"mesh.{suffix}"
        if precision_warning(mesh, path):
            continue
        write_mesh(mesh, path)
        assert inspect_mesh(read_mesh(path)).is_sound, suffix
