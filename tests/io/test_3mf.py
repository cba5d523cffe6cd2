"""3MF files as the format's text has them: what is written keeps its rules, whoever reads it."""

from __future__ import annotations

import io
import zipfile
from xml.etree import ElementTree

import numpy as np
import pytest
import trimesh

from nmf_model.io.meshes import write_mesh
from nmf_model.types import Mesh

CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
MATERIALS = "http://schemas.microsoft.com/3dmanufacturing/material/2015/02"


def ball(colored, level=2):
    sphere = trimesh.creation.icosphere(level)
    colors = np.random.default_rng(0).integers(0, 256, sphere.vertices.shape, dtype=np.uint8)
    return Mesh(
        np.array(sphere.vertices), np.array(sphere.faces).astype(np.int64), colors=colors if colored else None
    )


def model_in(path):
    with zipfile.ZipFile(path) as archive:
        return archive.read("3D/3dmodel.model").decode()


@pytest.mark.parametrize("colored", [False, True])
@pytest.mark.parametrize("note", ["", '{"certificate": "<item xmlns=\\"a\\" xmlns:p=\\"b\\"/>"}'])
def test_namespaces_are_declared_once_and_for_all_at_the_root(tmp_path, colored, note):
    """Strict readers take a declaration on an item for an attribute that the format does not know."""
    write_mesh(ball(colored), tmp_path / "a.3mf", note)
    model = model_in(tmp_path / "a.3mf")
    events = [event for event, _ in ElementTree.iterparse(io.StringIO(model), ("start-ns", "start"))]
    assert "start-ns" not in events[events.index("start") :]
    [item] = ElementTree.fromstring(model).iter(f"{{{CORE}}}item")
    names = {name.rpartition("}")[2] for name in item.attrib}
    assert names == {"objectid", "transform", "UUID", "partnumber"}


def test_an_object_with_colored_triangles_has_a_property_of_its_own(tmp_path):
    """A MUST of the format: where triangles have a pid, their object has one with a pindex."""
    mesh = ball(True)
    write_mesh(mesh, tmp_path / "a.3mf")
    root = ElementTree.fromstring(model_in(tmp_path / "a.3mf"))
    [group] = root.iter(f"{{{MATERIALS}}}colorgroup")
    [part] = root.iter(f"{{{CORE}}}object")
    assert part.get("pid") == group.get("id")
    assert 0 <= int(part.get("pindex")) < len(group)
    assert {triangle.get("pid") for triangle in root.iter(f"{{{CORE}}}triangle")} == {group.get("id")}


def test_an_object_without_colors_has_no_property(tmp_path):
    write_mesh(ball(False), tmp_path / "a.3mf")
    assert "pid=" not in model_in(tmp_path / "a.3mf")
