"""The example of Python use in the README does what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import trimesh

from nmf_model.export import export_reconstruction
from nmf_model.io.source import read_source
from nmf_model.reconstruct import run
from nmf_model.types import ReconstructionRequest
from tests.support import command_line


def test_the_readme_s_example_reconstructs_an_array_in_its_own_units(tmp_path, monkeypatch):
    readme = (command_line.ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = [part.split("```")[0] for part in readme.split("```python\n")[1:]]
    directions = np.random.default_rng(0).normal(size=(2000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    centre, axes = np.array([100.0, -20.0, 5.0]), np.array([10.0, 6.0, 4.0])
    np.savetxt(Path(tmp_path) / "scan.xyz", directions * axes + centre)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(code, "README.md", "exec"), names)
    mesh = trimesh.Trimesh(names["vertices"], names["faces"], process=False)
    assert mesh.is_watertight
    assert mesh.euler_number == 2
    off = np.abs(np.linalg.norm((mesh.vertices - centre) / axes, axis=1) - 1)
    assert off.max() < 0.15
    assert off.mean() < 0.03


def test_files_may_be_named_in_plain_text(tmp_path, monkeypatch):
    np.savetxt(Path(tmp_path) / "scan.xyz", np.random.default_rng(0).normal(size=(500, 3)))
    monkeypatch.chdir(tmp_path)
    result = run(ReconstructionRequest(read_source("scan.xyz"), method="network", level=2))
    assert export_reconstruction(result, "out.ply").watertight
    assert Path("out.ply").exists()
