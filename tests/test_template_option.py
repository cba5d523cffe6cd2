"""Results with the vertices of an earlier one: the same places on the sphere, in another shape."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import trimesh

from nmf_app.__main__ import main
from nmf_model.certificate import certificate_path, file_sha256
from nmf_model.errors import InputError
from nmf_model.geometry.atlas import make_atlas
from nmf_model.geometry.template import icosphere
from nmf_model.io.meshes import read_mesh, write_mesh
from nmf_model.io.templates import read_template
from nmf_model.quality import inspect_mesh
from nmf_model.reconstruct import run
from nmf_model.types import Mesh, PointCloud, ReconstructionRequest

AXES = np.array([1.0, 2.0, 1.3])


def on_a_sphere(count: int, seed: int = 0) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(count, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def egg() -> PointCloud:
    return PointCloud(on_a_sphere(1500) * AXES * 50 + [100, 0, 0], name="egg")


def pebble() -> PointCloud:
    return PointCloud(on_a_sphere(1500, 7) * [30, 20, 10], name="pebble")


def box(count: int = 1500) -> PointCloud:
    """Sharp edges, where those of another shape's template do not lie."""
    random = np.random.default_rng(1)
    points, side = random.uniform(-1, 1, (count, 3)), random.integers(0, 3, count)
    points[np.arange(count), side] = np.sign(points[np.arange(count), side])
    return PointCloud(points * [30, 10, 20], name="box")


def ball(level: int = 2) -> Mesh:
    template = icosphere(level)
    vertices = template.vertices.astype(np.float64) * AXES
    colors = (255 * (template.vertices + 1) / 2).astype(np.uint8)
    return Mesh(vertices, template.faces, template.vertices, colors)


def asked(source: PointCloud, **options: object) -> Mesh:
    return run(ReconstructionRequest(source, "network", frames=2, **options)).mesh


@pytest.mark.parametrize("suffix", [".ply", ".glb"])
@pytest.mark.parametrize("is_colored", [True, False])
def test_a_file_says_exactly_where_its_vertices_lie_on_the_sphere(tmp_path, suffix, is_colored):
    mesh = ball() if is_colored else replace(ball(), colors=None)
    path = tmp_path / f"ball{suffix}"
    write_mesh(mesh, path)
    found = read_template(path)
    assert np.array_equal(found.faces, mesh.faces)
    assert np.array_equal(found.sphere, mesh.sphere)


def test_a_mesh_without_a_sphere_is_written_as_it_always_was(tmp_path):
    write_mesh(replace(ball(), sphere=None), tmp_path / "ball.ply")
    assert b"sphere" not in (tmp_path / "ball.ply").read_bytes()
    write_mesh(replace(ball(), sphere=None), tmp_path / "ball.obj")
    assert b"vt" not in (tmp_path / "ball.obj").read_bytes()


def test_colours_of_vertices_go_before_texture_coordinates_with_which_programs_leave_them_out(tmp_path):
    write_mesh(ball(), tmp_path / "ball.obj")
    assert b"vt" not in (tmp_path / "ball.obj").read_bytes()
    read = trimesh.load_mesh(tmp_path / "ball.obj", process=False)
    assert np.array_equal(read.visual.vertex_colors[:, :3], ball().colors)


def test_an_obj_file_has_texture_coordinates_in_which_no_two_faces_overlap(tmp_path):
    mesh, path = replace(ball(), colors=None), tmp_path / "ball.obj"
    write_mesh(mesh, path)
    assert np.array_equal(read_mesh(path).faces, mesh.faces)
    lines = [line.split() for line in path.read_text().splitlines()]
    uv = np.array([line[1:] for line in lines if line[0] == "vt"], dtype=float)
    corners = np.array([[c.split("/") for c in line[1:]] for line in lines if line[0] == "f"], dtype=int) - 1
    assert np.array_equal(corners[:, :, 0], mesh.faces)
    assert np.allclose(uv[corners[:, :, 1]], make_atlas(mesh).uv[make_atlas(mesh).faces], atol=1e-6)
    assert uv.min() >= 0
    assert uv.max() <= 1
    a, b, c = np.moveaxis(uv[corners[:, :, 1]], 1, 0)

    def side(p, q, r):
        return (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (
            r[..., 0] - p[..., 0]
        )

    assert (side(a, b, c) > 0).all()  # not mirrored
    middle = ((a + b + c) / 3)[:, None]
    inside = (side(a[None], b[None], middle) > 0) & (side(b[None], c[None], middle) > 0)
    inside &= side(c[None], a[None], middle) > 0
    assert np.array_equal(inside, np.eye(len(inside), dtype=bool))


def test_two_results_of_one_template_correspond_vertex_for_vertex():
    first = asked(egg(), level=4)
    second = asked(pebble(), template=first)
    assert np.array_equal(second.faces, first.faces)
    assert np.array_equal(second.sphere, first.sphere)
    halfway = replace(first, vertices=(first.vertices + second.vertices) / 2)
    for mesh in (first, second, halfway):
        assert inspect_mesh(mesh).is_sound
    assert np.array_equal(make_atlas(first).uv, make_atlas(second).uv)
    # The same place of the sphere lies on the same side of both.
    outward = [
        (mesh.vertices - mesh.vertices.mean(axis=0)) / scale
        for mesh, scale in ((first, AXES), (second, [3, 2, 1]))
    ]
    one, other = (places / np.linalg.norm(places, axis=1, keepdims=True) for places in outward)
    assert np.median((one * other).sum(axis=1)) > 0.8


def test_where_faces_would_cross_vertices_are_added_behind_those_of_the_template():
    first = asked(egg(), level=2)
    result = run(ReconstructionRequest(box(), "network", frames=2, template=first))
    added = len(result.mesh.vertices) - len(first.vertices)
    assert inspect_mesh(result.mesh).is_sound
    assert np.array_equal(result.mesh.sphere[: len(first.sphere)], first.sphere)
    assert any("to those of the template" in note for note in result.notes) == (added > 0)


def test_from_the_command_line_to_a_certificate_that_names_the_template(tmp_path, capsys):
    for cloud in (egg(), pebble()):
        np.savetxt(tmp_path / f"{cloud.name}.xyz", cloud.points)
    common = ["--method", "network", "--quiet", "--output"]
    assert main([str(tmp_path / "egg.xyz"), *common, str(tmp_path / "egg.ply")]) == 0
    shared = ["--template", str(tmp_path / "egg.ply")]
    assert main([str(tmp_path / "pebble.xyz"), *common, str(tmp_path / "pebble.glb"), *shared]) == 0
    first, second = read_template(tmp_path / "egg.ply"), read_template(tmp_path / "pebble.glb")
    assert np.array_equal(second.faces, first.faces)
    assert np.array_equal(second.sphere, first.sphere)
    settings = json.loads(certificate_path(tmp_path / "pebble.glb").read_text())["settings"]
    assert settings["template_sha256"] == file_sha256(tmp_path / "egg.ply")
    capsys.readouterr()
    assert main(["--verify", str(tmp_path / "egg.ply"), str(tmp_path / "pebble.glb")]) == 0
    assert "template" in capsys.readouterr().out


def test_a_result_does_not_take_the_place_of_its_template(tmp_path, capsys):
    write_mesh(ball(3), tmp_path / "egg.ply")
    before = (tmp_path / "egg.ply").read_bytes()
    for cloud in (egg(), pebble()):
        np.savetxt(tmp_path / f"{cloud.name}.xyz", cloud.points)
    inputs = [str(tmp_path / "egg.xyz"), str(tmp_path / "pebble.xyz")]
    options = ["--method", "network", "--quiet", "--template", str(tmp_path / "egg.ply")]
    assert main([*inputs, "--output", str(tmp_path), *options]) == 2
    assert "egg.ply is the template: choose another --output." in capsys.readouterr().err
    assert (tmp_path / "egg.ply").read_bytes() == before
    assert np.array_equal(read_template(tmp_path / "pebble.ply").faces, ball(3).faces)  # the others go on


def refused(tmp_path, capsys, template, words):
    cloud = tmp_path / "egg.xyz"
    np.savetxt(cloud, egg().points)
    before = sorted(tmp_path.iterdir())
    assert main([str(cloud), "--output", str(tmp_path / "new.ply"), "--template", str(template)]) == 2
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert words in err
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_that_is_no_template_is_refused_in_a_sentence(tmp_path, capsys):
    write_mesh(ball(), tmp_path / "ball.stl")
    refused(tmp_path, capsys, tmp_path / "ball.stl", "take a .ply or .glb")
    refused(tmp_path, capsys, tmp_path / "missing.ply", "missing.ply")
    trimesh.creation.icosphere(2).export(tmp_path / "other.ply")
    refused(tmp_path, capsys, tmp_path / "other.ply", "does not say where its vertices lie")
    trimesh.creation.icosphere(2).export(tmp_path / "other.glb")
    refused(tmp_path, capsys, tmp_path / "other.glb", "does not say where its vertices lie")
    (tmp_path / "words.ply").write_text("no mesh")
    refused(tmp_path, capsys, tmp_path / "words.ply", "words.ply")


@pytest.mark.parametrize("change", ["flipped", "holed", "shrunk", "moved"])
def test_a_template_that_was_changed_is_refused(tmp_path, change):
    mesh = ball()
    if change == "flipped":
        mesh = replace(mesh, faces=mesh.faces[:, ::-1])
    elif change == "holed":
        mesh = replace(mesh, faces=mesh.faces[1:])
    elif change == "shrunk":
        mesh = replace(mesh, sphere=mesh.sphere * np.float32(0.5))
    else:
        moved = mesh.sphere.copy()
        moved[0] = -moved[0]
        mesh = replace(mesh, sphere=moved)
    write_mesh(mesh, tmp_path / "changed.ply")
    with pytest.raises(InputError, match="was changed"):
        read_template(tmp_path / "changed.ply")


def test_a_textured_file_repeats_vertices_so_its_ply_is_asked_for(tmp_path):
    np.savetxt(tmp_path / "egg.xyz", np.hstack([egg().points, np.full((1500, 3), 200)]), fmt="%.6g")
    common = ["--method", "network", "--quiet", "--level", "2", "--texture"]
    assert main([str(tmp_path / "egg.xyz"), *common, "--output", str(tmp_path / "egg.glb")]) == 0
    part = next(iter(trimesh.load_scene(tmp_path / "egg.glb", process=False).geometry.values()))
    assert np.allclose(np.linalg.norm(part.vertex_attributes["_SPHERE"], axis=1), 1, atol=1e-6)
    with pytest.raises(InputError, match="seams of its texture"):
        read_template(tmp_path / "egg.glb")


@pytest.mark.parametrize(
    ("others", "words"),
    [
        (["--output", "new.ply", "--level", "3"], "leave out --level"),
        ([], "needs --output"),
        (["--verify"], "makes no mesh"),
    ],
)
def test_a_template_goes_with_results_of_its_own_vertices_only(capsys, others, words):
    with pytest.raises(SystemExit) as end:
        main(["egg.xyz", "--template", "egg.ply", *others])
    assert end.value.code == 2
    assert words in capsys.readouterr().err
