from __future__ import annotations

import json

import numpy as np
import pytest

from nmf_model.geometry.template import icosphere
from nmf_model.training.evaluate import manifoldness, measure
from nmf_model.types import Mesh
from tests.support import command_line

SPHERE = icosphere(3)


def sphere_points(radius: float, offset: float = 0.0) -> np.ndarray:
    points = np.random.default_rng(1).normal(size=(10_000, 3))
    return radius * points / np.linalg.norm(points, axis=1, keepdims=True) + offset


def test_alignment_hides_place_and_size_and_nothing_else():
    mesh = Mesh(SPHERE.vertices.astype(float), SPHERE.faces)
    row = measure(mesh, sphere_points(2.0, 5.0), None)
    assert row["chamfer_l2"] < 1e-3
    assert row["chamfer_l2_unaligned"] > 10
    assert row["f1@0.1"] > 0.99
    near = measure(mesh, sphere_points(1.2), None)
    assert near["chamfer_l2_unaligned"] == pytest.approx(2 * 0.2**2, rel=0.1)


def test_normals_of_a_sphere_agree():
    target = sphere_points(1.0)
    row = measure(Mesh(SPHERE.vertices.astype(float), SPHERE.faces), target, target)
    assert row["normal_consistency"] > 0.99


def test_a_missing_face_and_a_fold_are_counted():
    cube_corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4)]
    faces = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))])
    open_cube = manifoldness(Mesh(cube_corners, faces))
    assert open_cube["nm_edges"] == pytest.approx(4 / 17)
    assert open_cube["nm_faces"] == 0
    folded = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0.1, 0.9, 0.1]])
    sheet = manifoldness(Mesh(folded, np.array([[0, 1, 2], [1, 0, 3]])))
    assert sheet["nm_faces"] == pytest.approx(1 / 6)


def test_training_then_evaluating_from_the_command_line(config_file, packed, tmp_path):
    command = ["train", "ae", "--config", config_file, "--packed", packed, "--out", tmp_path / "run"]
    script = command_line.ROOT / "training_cli.py"
    outcome = command_line.run(tmp_path, *command, "--device", "cpu", script=script)
    assert outcome.code == 0, outcome.err
    model = tmp_path / "run" / "best.safetensors"
    command = ["evaluate", "--checkpoint", model, "--packed", packed, "--out", tmp_path / "report"]
    outcome = command_line.run(tmp_path, *command, script=script)
    assert outcome.code == 0, outcome.err
    report = json.loads((tmp_path / "report" / "evaluation.json").read_text())
    assert len(report["shapes"]) == 2
    assert report["mean"]["nm_edges"] == 0
    assert "| egg | 2 |" in (tmp_path / "report" / "evaluation.md").read_text()
