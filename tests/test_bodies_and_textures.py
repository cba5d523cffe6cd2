"""The command line's --bodies and --texture, with a fit that takes no time."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest
import trimesh

from nmf_app.__main__ import main
from nmf_app.targets import Target, numbered
from nmf_model import reconstruct
from nmf_model.errors import Cancelled, InputError
from nmf_model.geometry.normalization import normalize
from nmf_model.geometry.template import icosphere
from nmf_model.io.meshes import read_mesh
from nmf_model.types import Mesh, Reconstruction, Trajectory


def bounding_ball(request, cancel=None, on_frame=None):
    """A sphere around the cloud instead of a fitted one."""
    frame, ball = normalize(request.source.points), icosphere(2)
    mesh = Mesh(frame.to_file(ball.vertices), ball.faces, ball.vertices)
    flow = Trajectory(ball.vertices[None], ball.faces, np.zeros(1), np.zeros(1, dtype=np.int64))
    return Reconstruction(mesh, flow, frame, request.source.points, "fit", 0.0, 1, request.seed)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(reconstruct, "run", bounding_ball)


@pytest.fixture
def pair(tmp_path):
    points = np.random.default_rng(0).normal(size=(3000, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points[1000:, 0] += 5.0
    np.savetxt(tmp_path / "pair.xyz", points)
    return tmp_path / "pair.xyz"


def test_each_body_becomes_a_file_of_its_own(pair, tmp_path, capsys):
    report = tmp_path / "all.json"
    options = ["--bodies", "split", "--output", str(tmp_path / "out.ply"), "--report", str(report)]
    assert main([str(pair), *options]) == 0
    middles = [read_mesh(tmp_path / f"out-{number}.ply").vertices.mean(axis=0)[0] for number in (1, 2)]
    assert middles == pytest.approx([5.0, 0.0], abs=0.1)
    assert not (tmp_path / "out.ply").exists()
    assert [entry["output"][-9:] for entry in json.loads(report.read_text())] == ["out-1.ply", "out-2.ply"]
    assert "Body 2 of 2" not in capsys.readouterr().err


def test_an_interruption_between_bodies_tells_what_was_written(pair, tmp_path, monkeypatch, capsys):
    calls = iter([True, False])

    def once(*args, **options):
        if not next(calls):
            raise Cancelled("stopped")
        return bounding_ball(*args, **options)

    monkeypatch.setattr(reconstruct, "run", once)
    report = tmp_path / "all.json"
    options = ["--bodies", "split", "--output", str(tmp_path / "out.ply"), "--report", str(report)]
    assert main([str(pair), *options]) == 130
    assert (tmp_path / "out-1.ply").is_file()
    assert not (tmp_path / "out-2.ply").exists()
    assert "interrupted; only the first body of it was written." in capsys.readouterr().err
    written, stopped = json.loads(report.read_text())
    assert written["output"].endswith("out-1.ply")
    assert "interrupted" in stopped["error"]


def test_a_report_tells_of_an_interruption_and_of_what_was_not_begun(pair, tmp_path, monkeypatch, capsys):
    def interrupted(request, cancel=None, on_frame=None):
        signal.raise_signal(signal.SIGINT)
        assert cancel()
        raise Cancelled("stopped")

    monkeypatch.setattr(reconstruct, "run", interrupted)
    report = tmp_path / "all.json"
    report.write_text("yesterday")
    for name in ("next.xyz", "last.xyz"):
        (tmp_path / name).write_bytes(pair.read_bytes())
    inputs = [str(tmp_path / name) for name in ("pair.xyz", "next.xyz", "last.xyz")]
    assert main([*inputs, "--output", f"{tmp_path}/out/", "--report", str(report)]) == 130
    assert len(capsys.readouterr().err.splitlines()) == 1
    first, *rest = json.loads(report.read_text())
    assert first == {"input": inputs[0], "error": "interrupted; nothing was written for it."}
    assert rest == [{"input": path, "error": "interrupted before it was begun."} for path in inputs[1:]]
    report.write_text("yesterday")
    assert main([inputs[0], "--output", str(tmp_path / "out.ply"), "--report", str(report)]) == 130
    assert json.loads(report.read_text()) == [first]


def test_together_is_the_default_and_one_body_keeps_its_name(pair, tmp_path):
    assert main([str(pair), "--output", str(tmp_path / "out.ply")]) == 0
    assert (tmp_path / "out.ply").is_file()
    np.savetxt(tmp_path / "one.xyz", np.loadtxt(pair)[:1000])
    assert main([str(tmp_path / "one.xyz"), "--bodies", "split", "--output", str(tmp_path / "one.ply")]) == 0
    assert (tmp_path / "one.ply").is_file()


def test_bodies_never_overwrite_another_input_or_result(tmp_path):
    target = Target(tmp_path / "a.xyz", tmp_path / "a.ply")
    other = Target(tmp_path / "a-2.xyz", tmp_path / "a-2.ply")
    assert [body.output.name for body in numbered(target, 3, [])] == ["a-1.ply", "a-2.ply", "a-3.ply"]
    with pytest.raises(InputError, match=r"a-2\.ply is another input or its result"):
        numbered(target, 2, [other])


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("toy-2.obj", r"toy-2\.obj would be overwritten by its own result"),
        ("toy-2.png", r"toy-2\.png would be overwritten by what goes with .*toy-2\.obj"),
        ("toy-2.obj.certificate.json", r"certificate\.json would be overwritten"),
    ],
)
def test_nothing_of_a_body_is_written_over_the_input_itself(source, words, tmp_path):
    target = Target(tmp_path / source, tmp_path / "toy.obj", certificate=True, texture=True)
    assert len(numbered(target, 1, [])) == 1
    with pytest.raises(InputError, match=words):
        numbered(target, 2, [])


def test_nothing_of_a_body_is_written_over_another_input_or_the_report(tmp_path):
    target = Target(tmp_path / "a.xyz", tmp_path / "a.obj", certificate=True, texture=True)
    other = Target(tmp_path / "a-1.png", tmp_path / "b.obj")
    with pytest.raises(InputError, match=r"a-1\.png is another input or its result"):
        numbered(target, 2, [other])
    with pytest.raises(InputError, match="also the certificate"):
        numbered(target, 2, [], tmp_path / "a-1.obj.certificate.json")


@pytest.mark.parametrize("output", ["my toy.obj", "my_toy.obj"])
def test_a_texture_never_replaces_the_picture_it_is_baked_from(output, tmp_path, capsys):
    picture = tmp_path / "my_toy.png"
    picture.write_bytes(b"mine")
    assert main([str(picture), "--output", str(tmp_path / output), "--texture"]) == 2
    assert "my_toy.png would be overwritten" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["my_toy.png"]
    assert picture.read_bytes() == b"mine"


def test_a_coloured_mesh_becomes_a_textured_one(tmp_path, capsys):
    ball = trimesh.creation.icosphere(3)
    ball.visual.vertex_colors = np.where(ball.vertices[:, :1] > 0, [255, 0, 0, 255], [0, 0, 255, 255])
    ball.export(tmp_path / "ball.ply")
    assert main([str(tmp_path / "ball.ply"), "--texture", "--output", str(tmp_path / "out.glb")]) == 0
    assert "seams of a texture" in capsys.readouterr().out
    (part,) = trimesh.load_scene(tmp_path / "out.glb").geometry.values()
    assert part.visual.uv.min() >= 0
    assert part.visual.uv.max() <= 1
    shown = part.visual.to_color().vertex_colors[:, :3]
    right = part.vertices[:, 0] > 0.2
    assert np.abs(shown[right] - [255, 0, 0]).max() < 10


@pytest.mark.parametrize(
    ("output", "sentence"), [("out.stl", "holds a texture"), ("out.glb", "has no colours")]
)
def test_a_texture_that_cannot_be_is_one_sentence(pair, tmp_path, capsys, output, sentence):
    assert main([str(pair), "--texture", "--output", str(tmp_path / output)]) == 2
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert sentence in line
    assert not (tmp_path / output).exists()


@pytest.mark.parametrize("suffix", [".ply", ".obj", ".glb"])
def test_the_colours_of_a_cloud_reach_the_vertices_of_the_file(tmp_path, suffix):
    ball = icosphere(3).vertices.astype(float)
    colors = np.where(ball[:, :1] > 0, (255, 0, 0), (0, 0, 255)).astype(np.uint8)
    path = tmp_path / f"cloud{suffix}"
    if suffix == ".obj":
        np.savetxt(path, np.c_[ball, colors / 255], fmt="v" + 6 * " %.9g")
    else:
        trimesh.PointCloud(ball, colors=colors).export(path)
    assert main([str(path), "--output", str(tmp_path / "mesh.ply")]) == 0
    mesh = trimesh.load_mesh(tmp_path / "mesh.ply", process=False)
    left = mesh.vertices[:, 0] < -0.3
    assert (mesh.visual.vertex_colors[left, :3] == (0, 0, 255)).all()
