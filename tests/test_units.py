"""The unit of a 3MF file, from the input to whatever is written: the numbers and their unit stay together."""

from __future__ import annotations

import itertools
import json
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import trimesh

from nmf_app.__main__ import main
from nmf_model.export import unit_warning
from nmf_model.fitting.findings import split_bodies
from nmf_model.io.apart import load_cloud
from nmf_model.io.apart import main as read_apart
from nmf_model.io.archive_3mf import with_unit
from nmf_model.io.meshes import read_joined, read_mesh, write_mesh
from nmf_model.io.notes import read_note
from nmf_model.io.points import read_points
from nmf_model.io.suffixes import OUTPUT_SUFFIXES
from nmf_model.training.generate import Outcome, file_tasks, generate
from nmf_model.types import LENGTH_UNITS, Mesh
from nmf_model.verify import verify
from tests.support import tiny_models

CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
SPECIFIED = ("micron", "millimeter", "centimeter", "inch", "foot", "meter")
"""ST_Unit of the 3MF core specification."""


def ball(centres=((7.0, -2.0, 0.5),)):
    sphere = trimesh.creation.icosphere(3)
    vertices = np.concatenate([np.array(sphere.vertices) * [3.0, 2.0, 1.0] + centre for centre in centres])
    faces = [np.array(sphere.faces) + number * len(sphere.vertices) for number in range(len(centres))]
    return Mesh(vertices, np.concatenate(faces).astype(np.int64))


def theirs(path, mesh, head):
    """Write a 3MF file as another program would; ``head`` are attributes of its model."""
    corners = "".join('<vertex x="{!r}" y="{!r}" z="{!r}"/>'.format(*row) for row in mesh.vertices.tolist())
    faces = "".join('<triangle v1="{}" v2="{}" v3="{}"/>'.format(*row) for row in mesh.faces.tolist())
    model = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<!-- unit="foot" -->\n<model {head} xmlns="{CORE}">'
        f'<metadata name="Title">unit="foot"</metadata><resources><object id="1" type="model"><mesh>'
        f"<vertices>{corners}</vertices><triangles>{faces}</triangles></mesh></object></resources>"
        f'<build><item objectid="1"/></build></model>'
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("3D/3dmodel.model", model)
    return path


def unit_in(path):
    """What a file says, by another parser."""
    with zipfile.ZipFile(path) as archive:
        root = ElementTree.fromstring(archive.read("3D/3dmodel.model"))
    assert root.tag == f"{{{CORE}}}model"
    return root.get("unit")


def colored_corners(path):
    """How many corners of triangles refer to a colour."""
    with zipfile.ZipFile(path) as archive:
        root = ElementTree.fromstring(archive.read("3D/3dmodel.model"))
    triangles = root.iter(f"{{{CORE}}}triangle")
    return sum(name in triangle.attrib for triangle in triangles for name in ("p1", "p2", "p3"))


def test_all_units_of_the_format_are_known():
    assert LENGTH_UNITS == SPECIFIED


@pytest.mark.parametrize(
    ("head", "unit"),
    [*((f'unit="{unit}"', unit) for unit in SPECIFIED),
     *((f"xml:lang='en-US'\n unit = '{unit}'", unit) for unit in SPECIFIED),
     ('xml:lang="en-US"', "millimeter"), ('unit="furlong"', None), ('unit=""', None)],
)  # fmt: skip
def test_the_unit_of_another_program_s_file_is_read(tmp_path, head, unit):
    path = theirs(tmp_path / "a.3mf", ball(), head)
    assert read_mesh(path).unit == read_joined(path)[0].unit == read_points(path).unit == unit
    np.testing.assert_array_equal(read_mesh(path).vertices, ball().vertices)
    assert read_apart([str(path), str(tmp_path / "a.npz")]) == 0
    assert load_cloud(tmp_path / "a.npz", path).unit == unit


@pytest.mark.parametrize("unit", [*SPECIFIED, None])
@pytest.mark.parametrize("colored", [False, True])
@pytest.mark.parametrize("note", ["", json.dumps({"certificate": '<model unit="foot"><resources>'})])
def test_a_mesh_is_written_in_its_own_unit_and_read_again(tmp_path, unit, colored, note):
    plain = ball()
    colors = np.random.default_rng(0).integers(0, 256, plain.vertices.shape, dtype=np.uint8)
    mesh = Mesh(plain.vertices, plain.faces, colors=colors if colored else None, unit=unit)
    path = tmp_path / "a.3mf"
    write_mesh(mesh, path, note)
    found = read_mesh(path)
    assert unit_in(path) == found.unit == (unit or "millimeter")
    np.testing.assert_array_equal(found.vertices, mesh.vertices)
    np.testing.assert_array_equal(found.faces, mesh.faces)
    assert (read_note(path) or "") == note
    other = trimesh.load_scene(path)
    assert {part.metadata["units"] for part in other.geometry.values()} == {unit or "millimeter"}
    assert (colored_corners(path) == 3 * len(mesh.faces)) is colored
    # Once more, as the unit of what was read.
    write_mesh(found, tmp_path / "b.3mf", note)
    assert unit_in(tmp_path / "b.3mf") == found.unit


@pytest.mark.parametrize("suffix", [".ply", ".obj", ".off", ".stl", ".glb"])
def test_formats_without_a_unit_say_none(tmp_path, suffix):
    write_mesh(Mesh(ball().vertices, ball().faces, unit="inch"), tmp_path / f"a{suffix}")
    assert read_mesh(tmp_path / f"a{suffix}").unit is None
    assert read_points(tmp_path / f"a{suffix}").unit is None


@pytest.mark.parametrize(("before", "after"), itertools.permutations(SPECIFIED, 2))
def test_only_the_model_s_own_unit_is_replaced(before, after):
    body = f'<metadata name="{before}">unit="{before}"</metadata><item unit="{before}"/></model>'
    for head in (f'<model unit="{before}" xmlns="a">', f'<model xmlns:p="b"\n  unit="{before}">'):
        changed = with_unit(f'<?xml version="1.0"?>{head}{body}'.encode(), after).decode()
        assert changed == f'<?xml version="1.0"?>{head.replace(before, after)}{body}'


def run(*words):
    return main([*map(str, words), "--method", "network", "--level", "2", "--quiet"])


@pytest.mark.parametrize(("unit", "certificate"), [("micron", True), ("millimeter", True), ("inch", False)])
def test_the_command_line_keeps_numbers_and_unit(tmp_path, unit, certificate):
    """That each of the units is read and written is tested above; the way between is the same for all."""
    mesh, path = ball(), tmp_path / "out.3mf"
    theirs(tmp_path / "in.3mf", mesh, f'unit="{unit}"')
    words = () if certificate else ("--no-certificate",)
    assert run(tmp_path / "in.3mf", "--output", path, *words) == 0
    assert unit_in(path) == read_mesh(path).unit == unit
    assert (read_note(path) is not None) is certificate
    assert main(["--verify", str(path), "--quiet"]) == 0
    assert len(verify(path).certificate_lines) == (2 if certificate else 0)
    found = read_mesh(path).vertices
    np.testing.assert_allclose(found.min(axis=0), mesh.vertices.min(axis=0), atol=0.4)
    np.testing.assert_allclose(found.max(axis=0), mesh.vertices.max(axis=0), atol=0.4)


def test_a_unit_that_the_format_loses_is_told_by_the_command_line(tmp_path):
    """An inch file written as STL would be printed 25.4 times too small."""
    theirs(tmp_path / "in.3mf", ball(), 'unit="inch"')
    notes = {}
    for suffix in (".stl", ".3mf"):
        report = tmp_path / "report.json"
        assert run(tmp_path / "in.3mf", "--output", tmp_path / f"out{suffix}", "--report", report) == 0
        notes[suffix] = [note for note in json.loads(report.read_text())["notes"] if "unit" in note]
    assert notes == {
        ".stl": [
            "out.stl cannot say that its lengths are in the input's unit (inch), and other programs may take "
            "them for another one (millimeter); 3MF keeps it."
        ],
        ".3mf": [],
    }


@pytest.mark.parametrize("unit", [*SPECIFIED, None])
def test_only_a_unit_that_would_be_guessed_wrong_is_told(unit):
    mesh = Mesh(ball().vertices, ball().faces, unit=unit)
    told = {suffix for suffix in OUTPUT_SUFFIXES if unit_warning(mesh, Path(f"a{suffix}"))}
    right = {None: OUTPUT_SUFFIXES, "millimeter": OUTPUT_SUFFIXES, "meter": (".3mf", ".glb")}
    assert told == set(OUTPUT_SUFFIXES) - set(right.get(unit, (".3mf",)))
    assert ".msh" in OUTPUT_SUFFIXES


def test_the_command_line_keeps_the_unit_of_each_body(tmp_path):
    theirs(tmp_path / "in.3mf", ball([(0.0, 0, 0), (12.0, 0, 0)]), 'unit="inch"')
    assert {body.unit for body in split_bodies(read_points(tmp_path / "in.3mf"))} == {"inch"}
    assert run(tmp_path / "in.3mf", "--output", tmp_path / "out.3mf", "--bodies", "split") == 0
    assert [unit_in(tmp_path / f"out-{number}.3mf") for number in (1, 2)] == ["inch", "inch"]


def test_the_command_line_says_millimetres_where_nothing_is_known(tmp_path):
    write_mesh(ball(), tmp_path / "in.stl")
    assert run(tmp_path / "in.stl", "--output", tmp_path / "out.3mf") == 0
    assert unit_in(tmp_path / "out.3mf") == "millimeter"
    assert main(["--verify", str(tmp_path / "out.3mf"), "--quiet"]) == 0


def test_generation_keeps_the_unit(tmp_path):
    model = tiny_models.save_model(tmp_path / "ae.safetensors")
    theirs(tmp_path / "in.3mf", ball(), 'unit="foot"')
    tasks = file_tasks([tmp_path / "in.3mf"], model, "cpu", tmp_path / "out", ".3mf")
    assert generate(tasks) == Outcome(1, 0, ())
    assert unit_in(tmp_path / "out" / "in.3mf") == "foot"
