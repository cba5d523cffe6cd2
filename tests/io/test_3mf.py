"""3MF files as the format's text has them: what is written keeps its rules, and colours are read by them."""

from __future__ import annotations

import io
import zipfile
from xml.etree import ElementTree

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from nmf_model.io.meshes import load_surface, write_mesh
from nmf_model.io.paint import read_looks
from nmf_model.io.points import read_points
from nmf_model.types import Mesh
from tests.support.refusals import refusal

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


def looks(path):
    surface = load_surface(path)
    return surface, *read_looks(path, surface)


@pytest.mark.parametrize("note", ["", '{"certificate": [1]}'])
def test_colors_of_an_export_come_back_exactly(tmp_path, note):
    mesh = ball(True, 3)
    write_mesh(mesh, tmp_path / "a.3mf", note)
    _, paint, notes = looks(tmp_path / "a.3mf")
    np.testing.assert_array_equal(paint.corners, mesh.colors[mesh.faces])
    np.testing.assert_array_equal(paint.vertices, mesh.vertices)
    np.testing.assert_array_equal(paint.faces, mesh.faces)
    assert notes == []


def test_an_export_without_colors_has_none(tmp_path):
    write_mesh(ball(False), tmp_path / "a.3mf")
    assert looks(tmp_path / "a.3mf")[1:] == (None, [])


def attributes(**values):
    return "".join(f' {name}="{value}"' for name, value in values.items() if value is not None)


def mesh_of(triangles, offset=0.0):
    """The text of an icosahedron with attributes for each of its triangles."""
    sphere = trimesh.creation.icosphere(0)
    places = (np.array(sphere.vertices) + offset).tolist()
    corners = "".join('<vertex x="{!r}" y="{!r}" z="{!r}"/>'.format(*place) for place in places)
    faces = "".join(
        '<triangle v1="{}" v2="{}" v3="{}"{}/>'.format(*face, attributes(**more))
        for face, more in zip(sphere.faces.tolist(), triangles, strict=True)
    )
    return f"<mesh><vertices>{corners}</vertices><triangles>{faces}</triangles></mesh>"


def put(path, resources, items, name="3D/3dmodel.model", **others):
    model = (
        f'<model unit="millimeter" xmlns="{CORE}" xmlns:m="{MATERIALS}" xmlns:p="urn:p">'
        f"<resources>{resources}</resources><build>{items}</build></model>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, model)
        for other, content in others.items():
            archive.writestr(f"3D/{other}.model", content)
    return path


SHADES = ["#C81E14", "#00FF7fFF", "#0102FE80"]
BYTES = np.array([[200, 30, 20], [0, 255, 127], [1, 2, 254]])
GROUPS = (
    '<m:colorgroup id="7">' + "".join(f'<m:color color="{shade}"/>' for shade in SHADES) + "</m:colorgroup>"
    '<basematerials id="8">'
    + "".join(f'<base name="{k}" displaycolor="{shade}"/>' for k, shade in enumerate(SHADES))
    + "</basematerials>"
)
WHITE = np.full(3, 255)


@pytest.mark.parametrize(
    ("whole", "triangle", "wanted"),
    [
        ({"pid": 7, "pindex": 1}, {}, BYTES[[1, 1, 1]]),
        ({"pid": 8, "pindex": 2}, {}, BYTES[[2, 2, 2]]),
        ({"pid": 7, "pindex": 1}, {"pid": 7, "p1": 0}, BYTES[[0, 0, 0]]),
        ({"pid": 7, "pindex": 1}, {"pid": 7, "p1": 0, "p2": 1, "p3": 2}, BYTES),
        ({"pid": 7, "pindex": 1}, {"p1": 2, "p2": 1, "p3": 0}, BYTES[::-1]),
        ({"pid": 7, "pindex": 1}, {"p1": 2, "p3": 0}, BYTES[[2, 2, 0]]),
        ({"pid": 7, "pindex": 1}, {"pid": 8, "p1": 2, "p2": 1, "p3": 0}, BYTES[[2, 2, 2]]),
        ({"pid": 8, "pindex": 1}, {"pid": 7, "p1": 2, "p2": 1, "p3": 0}, BYTES[::-1]),
        ({}, {"pid": 7, "p1": 0, "p2": 1, "p3": 2}, BYTES),
    ],
)
@pytest.mark.parametrize("name", ["3D/3dmodel.model", "3D/3DModel.model"])
def test_properties_of_objects_and_triangles(tmp_path, name, whole, triangle, wanted):
    """One triangle has its own, the others that of their object."""
    mesh = mesh_of([triangle] + [{}] * 19)
    path = put(
        tmp_path / "a.3mf", f'{GROUPS}<object id="1"{attributes(**whole)}>{mesh}</object>',
        '<item objectid="1"/>', name,
    )  # fmt: skip
    _, paint, notes = looks(path)
    np.testing.assert_array_equal(paint.corners[0], wanted)
    rest = BYTES[whole["pindex"]] if whole else WHITE
    assert (paint.corners[1:] == rest).all()
    assert notes == []


MATRICES = st.tuples(
    st.sampled_from([np.eye(3), np.diag([-1.0, 1, 1]), np.roll(np.eye(3), 1, axis=0), 2 * np.eye(3)]),
    st.tuples(*[st.integers(-9, 9)] * 3),
)


def transform_of(matrix):
    return " ".join(repr(float(value)) for value in (*matrix[0].ravel(), *matrix[1]))


@given(
    names=st.lists(st.sampled_from([None, "a", "body", "body", "a_1", "2"]), min_size=1, max_size=4),
    links=st.lists(st.tuples(st.integers(0, 3), MATRICES), min_size=1, max_size=4),
    items=st.lists(st.tuples(st.integers(0, 7), MATRICES), min_size=1, max_size=5),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_colors_go_with_their_parts_wherever_these_are_placed(names, links, items, seed, tmp_path_factory):
    """Objects by any names, in groups of objects or not, moved and mirrored."""
    rng = np.random.default_rng(seed)
    count, text, shapes = len(names), GROUPS, {}
    for number, name in enumerate(names):
        shades = rng.integers(0, 3, (20, 3))
        triangles = [dict(zip(("p1", "p2", "p3"), row, strict=True)) for row in shades.tolist()]
        ball = trimesh.creation.icosphere(0)
        corners = np.array(ball.vertices)[ball.faces] + 3.0 * number
        shapes[number] = [(corners, BYTES[shades])]
        mesh = mesh_of(triangles, 3.0 * number)
        text += f'<object id="{number + 1}"{attributes(name=name, pid=7, pindex=0)}>{mesh}</object>'
    # Each object of components holds earlier ones.
    for number, (part, matrix) in enumerate(links):
        part %= count + number
        shapes[count + number] = [(at @ matrix[0] + matrix[1], colors) for at, colors in shapes[part]]
        text += (
            f'<object id="{count + number + 1}" name="group"><components>'
            f'<component objectid="{part + 1}" transform="{transform_of(matrix)}"/></components></object>'
        )
    built, expected = "", []
    for number, (part, matrix) in enumerate(items):
        part %= count + len(links)
        apart = (matrix[0], np.array(matrix[1]) + 1000.0 * number)
        expected += [(at @ apart[0] + apart[1], colors) for at, colors in shapes[part]]
        built += f'<item objectid="{part + 1}" transform="{transform_of(apart)}"/>'
    surface, paint, notes = looks(put(tmp_path_factory.mktemp("any") / "a.3mf", text, built))
    assert notes == []
    np.testing.assert_array_equal(paint.faces, surface.faces)

    def listed(corners, colors):
        rows = np.concatenate([corners.reshape(-1, 3).round(3) + 0.0, colors.reshape(-1, 3)], axis=1)
        return rows[np.lexsort(rows.T)]

    wanted = listed(*(np.concatenate(column) for column in zip(*expected, strict=True)))
    np.testing.assert_allclose(listed(surface.vertices[surface.faces], paint.corners), wanted, atol=2e-3)


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ('<m:texture2dgroup id="9"><m:tex2coord u="0" v="0"/></m:texture2dgroup>', "textures"),
        ('<m:compositematerials id="9" matid="8" matindices="0 1"/>', "mixed materials"),
        ('<m:multiproperties id="9" pids="7 8"/>', "colours in layers"),
    ],
)
def test_what_is_not_read_is_said(tmp_path, group, words):
    said = [f"The file has {words}, which are not read from 3MF, so its colours are not complete."]
    mesh = mesh_of([{"p1": 0}] * 19 + [{"pid": 7, "p1": 2}])
    text = f'{GROUPS}{group}<object id="1" pid="9" pindex="0">{mesh}</object>'
    _, paint, notes = looks(put(tmp_path / "a.3mf", text, '<item objectid="1"/>'))
    assert (paint.corners[:19] == WHITE).all()
    assert (paint.corners[19] == BYTES[2]).all()
    assert notes == said
    text = f'{GROUPS}{group}<object id="1" pid="9" pindex="0">{mesh_of([{}] * 20)}</object>'
    path = put(tmp_path / "b.3mf", text, '<item objectid="1"/>')
    assert looks(path)[1:] == (None, said)
    cloud = read_points(path)
    assert cloud.colors is None
    assert said[0] in cloud.notes


@pytest.mark.parametrize(
    "text",
    [
        f'{GROUPS}<object id="1" pid="7" pindex="3">{{}}</object>',
        f'{GROUPS}<object id="1" pid="6" pindex="0">{{}}</object>',
        f'{GROUPS}<object id="1" pid="7" pindex="red">{{}}</object>',
        f'{GROUPS}{GROUPS}<object id="1" pid="7" pindex="0">{{}}</object>',
        f'{GROUPS.replace("#C81E14", "red")}<object id="1" pid="7" pindex="0">{{}}</object>',
    ],
    ids=["index", "group", "number", "twice", "color"],
)
def test_colors_that_are_broken_are_said_and_do_not_cost_the_shape(tmp_path, text):
    path = put(tmp_path / "a.3mf", text.format(mesh_of([{}] * 20)), '<item objectid="1"/>')
    surface, paint, notes = looks(path)
    assert len(surface.faces) == 20
    assert paint is None
    assert notes == ["The colours of the file could not be matched with its parts, so they are not shown."]


@pytest.mark.parametrize("colored", [False, True])
def test_colors_of_parts_in_other_files_of_the_archive_are_said_not_to_be_shown(tmp_path, colored):
    whole = attributes(pid=7, pindex=0) if colored else ""
    part = f'<model xmlns="{CORE}" xmlns:m="{MATERIALS}"><resources>{GROUPS}'
    part += f'<object id="1"{whole}>{mesh_of([{}] * 20)}</object></resources><build/></model>'
    link = (
        '<object id="2"><components><component p:path="/3D/part.model" objectid="1"/></components></object>'
    )
    path = put(tmp_path / "a.3mf", link, '<item objectid="2"/>', part=part)
    surface, paint, notes = looks(path)
    assert len(surface.faces) == 20
    assert paint is None
    assert len(notes) == colored
    assert all("could not be matched" in note for note in notes)


def test_an_input_in_3mf_is_sampled_in_its_colors(tmp_path):
    sphere = trimesh.creation.icosphere(3)
    shades = (127.5 * (sphere.vertices + 1)).round().astype(np.uint8)
    write_mesh(Mesh(np.array(sphere.vertices), np.array(sphere.faces), colors=shades), tmp_path / "a.3mf")
    cloud = read_points(tmp_path / "a.3mf", surface_samples=2000)
    assert np.abs(cloud.colors - 127.5 * (cloud.points + 1)).max() < 3


def test_parts_in_other_files_of_the_archive_come_once_each(tmp_path):
    """Slicers write a file for each object, with its parts, whose ids count from 1 in each."""
    objects = "".join(f'<object id="{k}">{mesh_of([{}] * 20, 10.0 * k)}</object>' for k in (1, 2))
    nested = '<object id="3"><components><component objectid="2" transform="{}"/></components></object>'
    part = f'<model xmlns="{CORE}"><resources>{objects}{nested}</resources><build/></model>'
    part = part.replace("{}", "1 0 0 0 1 0 0 0 1 0 0 200")
    other = part.replace(f"{objects}", f'<object id="1">{mesh_of([{}] * 20, -50.0)}</object>').replace(
        'objectid="2"', 'objectid="1"'
    )
    links = "".join(
        f'<component p:path="/3D/{name}.model" objectid="{k}" transform="1 0 0 0 1 0 0 0 1 {x} 0 0"/>'
        for name, k, x in [("part", 1, 0), ("part", 2, 0), ("part", 1, 300), ("other", 1, 0), ("other", 3, 0)]
    )
    path = put(
        tmp_path / "a.3mf",
        f'<object id="1"><components>{links}</components></object>',
        '<item objectid="1"/><item objectid="3" p:path="/3D/PART.model"/>',
        part=part,
        other=other,
    )
    surface = looks(path)[0]
    bodies = trimesh.Trimesh(surface.vertices, surface.faces, process=False).split()
    assert all(len(body.faces) == 20 and body.is_watertight for body in bodies)
    middles = {tuple(np.round(body.vertices.mean(axis=0)).astype(int).tolist()) for body in bodies}
    assert middles == {
        (10, 10, 10), (20, 20, 20), (310, 10, 10), (-50, -50, -50), (-50, -50, 150), (20, 20, 220)
    }  # fmt: skip
    assert len(bodies) == len(middles)


def test_a_missing_part_of_the_archive_is_named(tmp_path):
    link = (
        '<object id="2"><components><component p:path="/3D/gone.model" objectid="1"/></components></object>'
    )
    part = f'<model xmlns="{CORE}"><resources/><build/></model>'
    path = put(tmp_path / "a.3mf", link, '<item objectid="2"/>', part=part)
    assert "lacks its part 3d/gone.model" in refusal(load_surface, path)
