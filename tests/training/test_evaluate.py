"""Evaluation end to end, on models with random weights and on meshes from files."""

from __future__ import annotations

import dataclasses
import json
import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nmf_model import checkpoint, found_flow
from nmf_model.errors import InputError
from nmf_model.fitting.fit import fit_flow
from nmf_model.geometry.cameras import camera_rotation
from nmf_model.geometry.template import icosphere
from nmf_model.io.meshes import write_mesh
from nmf_model.training import drawing
from nmf_model.training import evaluate as evaluate_module
from nmf_model.training.cases import TILT, Item, Plan, answer, merged, placed_by_outline
from nmf_model.training.conditions import ROBUSTNESS, Condition
from nmf_model.training.evaluate import cloud_items, evaluate, mesh_items, picture_items
from nmf_model.training.evaluate_command import evaluate as command
from nmf_model.training.gallery import page, shots_of
from nmf_model.training.generate import generate, split_tasks
from nmf_model.training.reconstructing import reconstruct_cloud, reconstruct_picture
from nmf_model.training.summary import extremes, markdown, robustness_table, summarise
from nmf_model.training.targets import Targets, open_targets
from nmf_model.types import Mesh
from nmf_model.weights import shipped_path
from tests.fitting.conftest import QUICK
from tests.support import command_line, in_process, tiny_models


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    tiny_models.save_model(folder / "ae.safetensors")
    tiny_models.save_model(folder / "object.safetensors", pictures=True)
    tiny_models.save_model(folder / "camera.safetensors", pictures=True, **{"image.frame": "camera"})
    tiny_models.save_pack(folder / "points.npz")
    tiny_models.save_views(folder / "views.npz")
    return folder


def run(out: Path, **options):
    settings = {
        "checkpoint": None, "meshes": None, "method": None,
        "packed": None, "points_path": None, "views": None, "split": "test", "split_file": None, "view": "0",
        "condition": "upright", "input_points": 2500, "noise": 0.0,
        "test_time_steps": 0, "robustness": False, "frame": None,
        "merge": False, "pictures": False, "jobs": 1, "device": "cpu",
    }  # fmt: skip
    command(out, **(settings | options))
    return json.loads((out / "evaluation.json").read_text())


def test_the_command_measures_a_model_in_processes_and_writes_everything(data, tmp_path):
    script = command_line.ROOT / "training_cli.py"
    words = ["evaluate", "--checkpoint", data / "ae.safetensors", "--packed", data / "points.npz",
             "--out", tmp_path / "report", "--input_points", "100", "--jobs", "2", "--device", "cpu",
    ]  # fmt: skip
    outcome = command_line.run(tmp_path, *words, script=script)
    assert outcome.code == 0, outcome.err
    assert "Measuring: 4 of 4" in outcome.err
    report = json.loads((tmp_path / "report" / "evaluation.json").read_text())
    plan = Plan(
        (data / "points.npz",), "test", data / "ae.safetensors", condition=Condition(input_points=100)
    )
    (rows,) = evaluate([plan], cloud_items(plan))
    assert report["shapes"] == json.loads(json.dumps(rows))
    assert report["about"]["measured"] == 4
    assert "200: the data has no more" in report["about"]["samples of each surface"]
    assert report["mean"]["nm_edges"] == 0
    assert report["mean"]["closed_sphere"] == 1
    text = (tmp_path / "report" / "evaluation.md").read_text()
    assert "| egg | 2 |" in text
    page = (tmp_path / "report" / "evaluation.html").read_text()
    # Four shapes, each among the worst and the best, with four pictures; nothing is fetched from elsewhere.
    assert page.count("data:image/png;base64,") == 2 * 4 * 4
    assert "http" not in page


def test_means_are_over_shapes_and_over_classes():
    rows = [
        {"id": str(number), "category": category, "chamfer_l2": value}
        for number, (category, value) in enumerate([("a", 1.0), ("a", 2.0), ("a", 3.0), ("b", 8.0)])
    ]
    report = summarise([*rows, {"id": "x", "category": "b", "failed": "no mesh"}])
    assert report["mean"] == {"chamfer_l2": 3.5}
    assert report["median"] == {"chamfer_l2": 2.5}
    assert report["class_mean"] == {"chamfer_l2": 5.0}
    assert report["about"] == {"measured": 4, "failed": 1}
    worst, best = extremes(report, 2)
    assert [row["id"] for row in worst] == ["3", "2"]
    assert [row["id"] for row in best] == ["0", "1"]
    assert "- x: no mesh" in markdown(report)
    assert "| a | 3 | 2000.00 |" in markdown(report)


def test_means_are_told_with_their_spread_over_the_points_drawn():
    """All shapes are drawn by the same random numbers, so a mean may spread as much as they do."""
    rows = [
        {"id": str(number), "category": "a", "chamfer_l2": value}
        | {"chamfer_l2_redrawn1": value + 0.1, "chamfer_l2_redrawn2": value - 0.1}
        for number, value in enumerate([1.0, 2.0])
    ]
    report = summarise(rows)
    assert report["mean_spread"] == pytest.approx({"chamfer_l2": 0.1})
    assert report["about"]["spread of the means by sampling"] == "chamfer_l2 ±0.1"
    assert "- spread of the means by sampling: chamfer_l2 ±0.1\n" in markdown(report)


def test_an_evaluation_leaves_nothing_of_an_earlier_one_in_its_folder(data, tmp_path, capsys):
    options = {"packed": [data / "points.npz"]}
    run(tmp_path, checkpoint=data / "ae.safetensors", pictures=True, robustness=True, **options)
    assert (tmp_path / "evaluation.html").is_file()
    (tmp_path / "notes.txt").write_text("mine")
    capsys.readouterr()
    report = run(tmp_path, checkpoint=data / "ae.safetensors", condition="yaw", **options)
    assert {path.name for path in tmp_path.iterdir()} == {"evaluation.json", "evaluation.md", "notes.txt"}
    assert f"chamfer_l2: {report['mean']['chamfer_l2']:.6g} ±" in capsys.readouterr().out


def test_page_and_text_tell_the_same_facts_in_plain_words(data):
    report = summarise([], {"files of no object": [], "objects without renderings": ["a<b", "c"]})
    told = page(report, Plan((data / "points.npz",), "test"), [], [])
    assert "<li>files of no object: none</li><li>objects without renderings: a&lt;b, c</li>" in told
    assert "- files of no object: none\n- objects without renderings: a<b, c\n" in markdown(report)
    report = summarise([{"id": "a<b", "view": 2, "category": "c", "failed": "it is empty"}])
    told = page(report, Plan((data / "points.npz",), "test"), [], [])
    assert "in no mean</h2><ul><li>a&lt;b, view 2: it is empty</li></ul>" in told
    assert "- a<b, view 2: it is empty\n" in markdown(report)
    for sentence in (
        "Chamfers ×10³ (sum of both",
        "<em>Floor</em>: the chamfer",
    ):  # what the tables' units are
        assert sentence in told


def test_robustness_is_one_table_with_a_row_for_each_condition(data, tmp_path, capsys):
    options = {"checkpoint": data / "ae.safetensors", "packed": [data / "points.npz"]}
    report = run(tmp_path, robustness=True, **options)
    saved = json.loads((tmp_path / "robustness.json").read_text())
    assert len(saved) == 7
    assert saved["upright, up to 2,500 points"]["mean"] == report["mean"]
    turned = run(tmp_path / "yaw", condition="yaw", **options)
    assert saved["yaw, up to 2,500 points"]["mean"] == turned["mean"] != report["mean"]
    assert (tmp_path / "robustness.md").read_text() in capsys.readouterr().out
    assert robustness_table({"x": report}).count("\n") == 3
    # The objects have 200 points: none can be seen with 250 or 10,000, and no row says so.
    short = [label for label in saved if label.endswith(": objects that have so many")]
    assert len(short) == 3
    assert all(saved[label]["about"]["measured"] == 0 for label in short)
    assert all(f"| {label} | 0 |" in (tmp_path / "robustness.md").read_text() for label in short)
    assert all(saved[label]["about"]["measured"] == 4 for label in saved.keys() - set(short))


def test_a_row_of_many_points_has_the_objects_with_so_many_alone(data, tmp_path):
    root = tmp_path / "set"
    keys = [f"egg/item{number}" for number in range(3)]
    for number, count in enumerate([9_999, 10_000, 12_000]):
        folder = root / "ShapeNetPoints" / keys[number]
        folder.mkdir(parents=True)
        np.save(folder / "points.npy", tiny_models.egg(number, count)[0])
    (root / "split.json").write_text(json.dumps({"test": keys}))
    plan = Plan((root,), "test", data / "ae.safetensors")
    (many,) = [how for how in ROBUSTNESS if how.input_points == 10_000]
    (rows,) = evaluate([dataclasses.replace(plan, condition=many)], cloud_items(plan))
    assert rows[0]["failed"] == "the data has only 9,999 points of it"
    assert [row["id"] for row in rows if "failed" not in row] == keys[1:]
    assert len(answer(dataclasses.replace(plan, condition=many), Item(2)).seen) == 10_000


def perfect(folder: Path, names, radius: float = 1.0) -> None:
    """Write the true ellipsoids of the packed set as meshes."""
    ball = icosphere(4)
    for number, name in names:
        axes = np.random.default_rng(number)
        axes.normal(size=(200, 3))
        vertices = radius * ball.vertices.astype(float) * axes.uniform(0.3, 0.8, 3) + 0.05
        write_mesh(Mesh(vertices, ball.faces), folder / name)


def test_meshes_of_any_method_are_matched_measured_and_the_missing_ones_counted(data, tmp_path):
    meshes = tmp_path / "meshes"
    (meshes / "egg").mkdir(parents=True)
    perfect(meshes, [(0, "shape0.obj"), (2, "egg/shape2.stl"), (1, "unknown.ply")])
    (meshes / "shape3.ply").write_bytes(b"ply\nnonsense")
    report = run(tmp_path / "out", meshes=meshes, packed=[data / "points.npz"])
    assert [row["id"] for row in report["shapes"]] == ["shape0", "shape2"]
    assert {row["id"] for row in report["failed"]} == {"shape1", "shape3"}
    assert report["about"]["objects without a mesh"] == 1
    assert report["about"]["files of no object"] == ["unknown.ply"]
    told = "as they are in the files; STL merged at equal positions, since it shares no corners"
    assert report["about"]["meshes"] == told
    for row in report["shapes"]:
        assert row["chamfer_l2_unaligned"] < 1.5 * row["chamfer_l2_floor"]
        assert row["missed@0.03_unaligned"] == 0
        assert row["normal_consistency"] > 0.9
        assert row["sound"] == 1


def test_broken_meshes_are_measured_as_they_are_unless_corners_are_merged(data, tmp_path):
    ball = icosphere(2)
    corners = ball.vertices.astype(float)[ball.faces].reshape(-1, 3)
    soup = Mesh(corners, np.arange(len(corners)).reshape(-1, 3))
    write_mesh(soup, tmp_path / "shape0.ply")
    twice = Mesh(np.concatenate([ball.vertices, ball.vertices + 3.0]).astype(float),
                 np.concatenate([ball.faces[1:], ball.faces + len(ball.vertices)]))  # fmt: skip
    write_mesh(twice, tmp_path / "shape1.off")
    options = {"meshes": tmp_path, "packed": [data / "points.npz"]}
    apart, open_one = run(tmp_path / "a", **options)["shapes"]
    assert apart["nonmanifold_edges"] == apart["nm_edges"] == 1
    assert open_one["nm_edges"] == pytest.approx(3 / (3 * (2 * 320 - 1)))
    assert open_one["watertight"] == open_one["closed_sphere"] == 0
    assert open_one["self_intersecting_faces"] == open_one["nonmanifold_vertices"] == 0
    joined, _ = run(tmp_path / "b", merge=True, **options)["shapes"]
    assert joined["sound"] == 1
    assert joined["chamfer_l2"] == pytest.approx(apart["chamfer_l2"], rel=1e-6)
    assert len(merged(soup).vertices) == len(ball.vertices)


def test_a_folder_in_the_published_layout_is_measured_with_its_normals_and_its_own_frame(tmp_path):
    root = tiny_models.save_folder(tmp_path / "set")
    names = Targets((root,), "test").names
    assert names == Targets((root / "ShapeNetPoints",), "test").names
    assert names
    target = Targets((root,), "test").read(0)
    stored = np.load(root / "ShapeNetPoints" / names[0].key / "points.npy")
    assert np.array_equal(target.points, stored.astype(np.float64))
    (tmp_path / "meshes" / names[0].category).mkdir(parents=True)
    ball = icosphere(2)
    write_mesh(Mesh(ball.vertices.astype(float), ball.faces), tmp_path / "meshes" / f"{names[0].key}.ply")
    report = run(tmp_path / "out", meshes=tmp_path / "meshes", points_path=root)
    assert report["shapes"][0]["normal_consistency"] > 0.7
    assert report["about"]["failed"] == len(names) - 1


def test_a_split_file_decides_what_models_and_meshes_are_measured_on_and_what_is_made(data, tmp_path):
    root = tiny_models.save_folder(tmp_path / "set")
    keys = ["ball/item3", "egg/item2"]
    (tmp_path / "own.json").write_text(json.dumps({"train": ["egg/item0"], "test": keys}))
    assert {name.key for name in Targets((root,), "test").names} != set(keys)
    options = {"points_path": root, "split_file": tmp_path / "own.json"}
    measured = run(tmp_path / "model", checkpoint=data / "ae.safetensors", **options)
    assert [row["id"] for row in measured["shapes"]] == keys
    assert measured["about"]["split file"] == "own.json"
    words = ("generate", "--checkpoint", data / "ae.safetensors", "--points_path", root, "--device", "cpu")
    outcome = in_process.training(
        tmp_path, *words, "--split-file", "own.json", "--out", "meshes", "--jobs", 2
    )
    assert outcome.code == 0, outcome.err
    made = {path.relative_to(tmp_path / "meshes").as_posix() for path in tmp_path.glob("meshes/*/*")}
    assert made == {f"{key}.ply" for key in keys}
    read = run(tmp_path / "files", meshes=tmp_path / "meshes", **options)
    assert [row["id"] for row in read["shapes"]] == keys
    assert read["about"]["objects without a mesh"] == 0


def test_without_normals_all_figures_are_in_the_same_frame(tmp_path):
    root = tiny_models.save_folder(tmp_path / "set")
    key = Targets((root,), "test").names[0].key
    path = root / "ShapeNetPoints" / key / "points.npy"
    moved = 3 * np.load(path) + 5
    np.save(path, moved)
    (tmp_path / "meshes" / key).parent.mkdir(parents=True)
    ball = icosphere(2)
    vertices = 1.5 * ball.vertices.astype(float) + moved.mean(axis=0)
    write_mesh(Mesh(vertices, ball.faces), tmp_path / "meshes" / f"{key}.ply")
    options = {"meshes": tmp_path / "meshes", "points_path": root}
    (row,) = run(tmp_path / "with", **options)["shapes"]
    assert row["chamfer_l2_unaligned"] < 0.3
    for file in root.rglob("normals.npy"):
        file.unlink()
    open_targets.cache_clear()
    (bare,) = run(tmp_path / "without", **options)["shapes"]
    lost = {name for name in row if name.startswith("normal_consistency")}
    assert len(lost) == 2
    assert bare == {name: value for name, value in row.items() if name not in lost}


def test_damaged_data_is_no_failure_of_the_method(data, tmp_path):
    root = tiny_models.save_folder(tmp_path / "set")
    names = [f"egg/item{number}" for number in (0, 2, 4)]
    (root / "split.json").write_text(json.dumps({"test": names}))
    options = {"checkpoint": data / "ae.safetensors", "points_path": root}
    path = root / "ShapeNetPoints" / names[1] / "points.npy"
    np.save(path, np.full((152, 3), 0.5))
    with pytest.raises(InputError, match=f"{names[1]}/points.npy is damaged: all its points coincide"):
        run(tmp_path / "out", **options, jobs=2)
    np.save(path, np.eye(3))
    open_targets.cache_clear()
    with pytest.raises(InputError, match=f"{names[1]}/points.npy has only 3 points, while the median"):
        run(tmp_path / "out", **options, jobs=1)
    assert not (tmp_path / "out").exists()


def test_pictures_are_answered_in_the_frame_that_the_checkpoint_names(data):
    plans = {
        frame: Plan((data / "points.npz",), "test", data / f"{frame}.safetensors", data / "views.npz")
        for frame in ("object", "camera")
    }
    items, without = picture_items(plans["object"], None)
    assert without == ["shape1"]
    assert items == [Item(index, view) for index in (0, 2, 3) for view in (0, 1)]
    with np.load(data / "views.npz") as file:
        azimuth, elevation = map(float, file["azimuth_elevation"][2, 1])
    straight, turned = (answer(plans[frame], Item(2, 1)) for frame in ("object", "camera"))
    rotation = camera_rotation(azimuth, elevation)
    np.testing.assert_allclose(turned.target.points, straight.target.points @ rotation.T, atol=1e-12)
    np.testing.assert_allclose(turned.target.normals, straight.target.normals @ rotation.T, atol=1e-12)
    mesh, view = reconstruct_picture(checkpoint.load(data / "camera.safetensors"), turned.seen)
    np.testing.assert_array_equal(view, np.eye(3))  # these weights do not say which way is up
    assert turned.facts[TILT] == pytest.approx(abs(math.degrees(elevation)))
    assert TILT not in straight.facts
    expected = placed_by_outline(mesh, turned.target.points).vertices
    box = [np.stack([v.min(axis=0), v.max(axis=0)]) for v in (turned.mesh.vertices, turned.target.points)]
    np.testing.assert_allclose(box[0].mean(axis=0)[:2], box[1].mean(axis=0)[:2], atol=1e-9)
    assert np.ptp(box[0][:, :2], axis=0).max() == pytest.approx(np.ptp(box[1][:, :2], axis=0).max())
    np.testing.assert_allclose(turned.mesh.vertices, expected, atol=1e-9)


def test_each_kind_of_answer_is_drawn_with_its_input(data):
    kinds = {"picture": Plan((data / "points.npz",), "test", data / "object.safetensors", data / "views.npz")}
    kinds["cloud"] = Plan((data / "points.npz",), "test", data / "ae.safetensors")
    drawn = shots_of(answer(kinds["picture"], Item(0, 0)), drawing.draw_mesh_as_dots)
    assert drawn["input"].shape == (20, 20, 4)
    drawn = shots_of(answer(kinds["cloud"], Item(0)), drawing.draw_mesh_as_dots)
    assert all(drawn[name][..., 3].any() for name in ("input", "result", "target", "error"))
    answered = dataclasses.replace(answer(kinds["cloud"], Item(0)), seen=None)
    assert list(shots_of(answered, drawing.draw_mesh_as_dots)) == ["result", "target", "error"]


def test_dots_draw_what_vtk_draws():
    pytest.importorskip("vtkmodules")
    ball = icosphere(3)
    mesh = Mesh(ball.vertices * [0.9, 0.4, 0.6], ball.faces)
    red = np.tile(np.array([[255, 0, 0]], dtype=np.uint8), (len(mesh.faces), 1))
    pictures = [draw(mesh, red) for draw in (drawing.draw_mesh, drawing.draw_mesh_as_dots)]
    assert not np.array_equal(*pictures)
    one, other = (picture[..., 3] > 127 for picture in pictures)
    assert (one & other).sum() > 0.95 * (one | other).sum()
    assert all((picture[one & other][:, 0] > 2 * picture[one & other][:, 1]).all() for picture in pictures)


def test_errors_are_drawn_from_blue_to_red():
    blue, red, beyond = drawing.colors_of(np.array([0.0, 0.1, 5.0]), 0.1).astype(int)
    assert blue[2] > blue[0]
    assert red[0] > red[2]
    assert np.array_equal(red, beyond)


def test_the_command_measures_a_single_view_model(data, tmp_path):
    options = {"checkpoint": data / "camera.safetensors", "packed": [data / "points.npz"]}
    report = run(tmp_path, views=data / "views.npz", view="all", **options)
    assert report["about"]["frame of prediction"] == "camera"
    assert report["about"]["objects without renderings"] == ["shape1"]
    assert [(row["id"], row["view"]) for row in report["shapes"]] == [
        (f"shape{number}", view) for number in (0, 2, 3) for view in (0, 1)
    ]
    with pytest.raises(InputError, match="views"):
        run(tmp_path, views=data / "views.npz", view="7", **options)


@pytest.mark.parametrize("frame", ["object", "camera"])
@pytest.mark.parametrize("view", ["all", "1"])
def test_meshes_of_pictures_measure_as_the_model_that_generated_them(data, tmp_path, frame, view):
    options = {"packed": [data / "points.npz"], "views": data / "views.npz", "view": view}
    model = data / f"{frame}.safetensors"
    direct = run(tmp_path / "direct", checkpoint=model, **options)
    out = tmp_path / "meshes"
    words = (
        "--packed",
        data / "points.npz",
        "--views",
        data / "views.npz",
        "--view",
        view,
        "--format",
        "obj",
    )
    outcome = in_process.training(
        tmp_path, "generate", "--checkpoint", model, *words, "--out", out, "--device", "cpu", "--jobs", 1
    )
    assert outcome.code == 0, outcome.err
    read = run(tmp_path / "read", meshes=out, **options)
    # Which way the picture branch took for up is not in a file; all else is equal to the last bit.
    expected = [{name: value for name, value in row.items() if name != TILT} for row in direct["shapes"]]
    assert read["shapes"] == expected
    assert read["about"]["frame of the meshes"] == frame
    assert read["about"]["pictures without a mesh"] == 0
    other = {"object": "camera", "camera": "object"}[frame]
    turned = run(tmp_path / "turned", meshes=out, frame=other, **options)
    assert turned["mean"]["chamfer_l2_unaligned"] != read["mean"]["chamfer_l2_unaligned"]
    (out / "generate.json").unlink()
    with pytest.raises(InputError, match="add --frame object, or --frame camera"):
        run(tmp_path / "untold", meshes=out, **options)
    assert run(tmp_path / "told", meshes=out, frame=frame, **options)["shapes"] == expected


def test_meshes_of_pictures_are_found_by_category_and_object_too_and_missing_ones_counted(data, tmp_path):
    root = tiny_models.save_folder(tmp_path / "set")
    keys = [name.key for name in Targets((root,), "test").names][:2]
    (root / "split.json").write_text(json.dumps({"test": keys}))
    for key in keys:
        place = root / "ShapeNetRendering" / key / "rendering"
        place.mkdir(parents=True)
        for number in range(2):
            Image.new("RGBA", (16, 16), (200, 0, 0, 255)).save(place / f"{number:02}.png")
    ball = icosphere(2)
    mesh = Mesh(ball.vertices.astype(float), ball.faces)
    for name in (f"{keys[0]}/00.ply", f"{keys[0]}/01.ply", f"{keys[1].split('/')[1]}/01.ply", "stray/01.ply"):
        (tmp_path / "meshes" / name).parent.mkdir(parents=True, exist_ok=True)
        write_mesh(mesh, tmp_path / "meshes" / name)
    options = {"meshes": tmp_path / "meshes", "points_path": root}
    report = run(tmp_path / "out", views=root, view="all", frame="object", **options)
    assert [(row["id"], row["view"]) for row in report["shapes"]] == [
        (keys[0], 0),
        (keys[0], 1),
        (keys[1], 1),
    ]
    assert [(row["id"], row["view"]) for row in report["failed"]] == [(keys[1], 0)]
    assert report["about"]["pictures without a mesh"] == 1
    assert report["about"]["files of no picture"] == ["stray/01.ply"]
    one = run(tmp_path / "one", views=root, view="1", frame="object", **options)
    assert one["shapes"] == [row for row in report["shapes"] if row["view"] == 1]
    with pytest.raises(InputError, match="need --views"):
        run(tmp_path / "none", **options)
    with pytest.raises(InputError, match="are not recorded"):
        run(tmp_path / "seen", views=root, view="1", frame="camera", **options)


def test_a_reconstruction_follows_its_points_whatever_their_units(data):
    model = checkpoint.load(data / "ae.safetensors")
    points, _ = tiny_models.egg(1)
    one = reconstruct_cloud(model, points)
    other = reconstruct_cloud(model, 1000 * points + 1e5)
    np.testing.assert_allclose(other.vertices, 1000 * one.vertices + 1e5, atol=1)
    for bad in (np.zeros((0, 3)), np.zeros((5, 3)), np.full((5, 3), np.nan), np.zeros((5, 2))):
        with pytest.raises(InputError):
            reconstruct_cloud(model, bad)


def test_answers_corrected_at_test_time_are_told_as_such_and_are_those_generated(data, tmp_path):
    shipped, packed = shipped_path("ae"), data / "points.npz"
    plain = run(tmp_path / "plain", checkpoint=shipped, packed=[packed])
    better = run(tmp_path / "better", checkpoint=shipped, packed=[packed], test_time_steps=12)
    assert "test-time steps" not in plain["about"]
    assert better["about"]["test-time steps"] == 12
    for one, other in zip(plain["shapes"], better["shapes"], strict=True):
        assert other["chamfer_l2_unaligned"] != one["chamfer_l2_unaligned"]
        assert other["closed_sphere"] == 1
    plan = Plan((packed,), "test", shipped, test_time_steps=12)
    outcome = generate(split_tasks(plan, cloud_items(plan), tmp_path / "meshes", ".ply"))
    assert outcome.made == 4
    files = Plan((packed,), "test")
    (read,) = evaluate([files], mesh_items(files, tmp_path / "meshes")[0])
    assert json.loads(json.dumps(read)) == better["shapes"]


def test_the_program_is_measured_by_what_main_writes(data, tmp_path):
    packed = tiny_models.save_pack(tmp_path / "two.npz", 2)
    report = run(tmp_path / "program", method="network", packed=[packed])
    assert report["about"]["answers"] == "network 2"
    assert report["about"]["method"] == "network, the whole program"
    # Whatever answers, a small model here, sees the same points.
    plan = Plan((packed,), "test", data / "ae.safetensors")
    clouds = []
    for item in cloud_items(plan):
        answered = answer(plan, item)
        clouds.append(tmp_path / f"shape{item.index}.npy")
        np.save(clouds[-1], answered.seen)
    words = [*clouds, "--method", "network", "--output", f"{tmp_path / 'meshes'}/", "--no-certificate"]
    outcome = in_process.application(tmp_path, *words)
    assert outcome.code == 0, outcome.err
    written = run(tmp_path / "written", meshes=tmp_path / "meshes", packed=[packed])
    for one, other in zip(report["shapes"], written["shapes"], strict=True):
        assert one["sound"] == other["sound"] == 1
        assert one["normal_consistency"] > 0.9
        assert one["chamfer_l2_unaligned"] == pytest.approx(other["chamfer_l2_unaligned"], rel=1e-3)
        assert one["seconds"] > 0
    assert "## Time, s" in (tmp_path / "program" / "evaluation.md").read_text()


def test_the_program_s_answers_to_pictures_are_compared_in_the_frame_of_their_method(data, monkeypatch):
    """With a short fit of the outline; the rest is real."""
    monkeypatch.setattr(found_flow, "fit_flow", partial(fit_flow, settings=QUICK))

    def asked(method, weights=None):
        plan = Plan((data / "points.npz",), "test", weights, data / "views.npz", method=method)
        return answer(plan, Item(2, 1))

    # A rectangle of one colour: nothing but its outline tells its shape.
    inflated = asked("auto")
    assert inflated.facts["method"] == "silhouette"
    for frame in ("camera", "object"):
        weights = data / f"{frame}.safetensors"
        found = asked("network", weights)
        assert found.facts["method"] == "network"
        bare = asked(None, weights)
        np.testing.assert_array_equal(found.target.points, bare.target.points)
        assert np.array_equal(found.target.points, inflated.target.points) == (frame == "camera")


@pytest.mark.parametrize(
    "options",
    [
        {"checkpoint": Path("a"), "meshes": Path("b")},
        {"method": "network", "meshes": Path("b")},
        {"method": "magic"},
        {"method": "silhouette"},
        {"method": "fit", "views": "views.npz"},
        {"method": "network", "test_time_steps": 3},
        {"method": "fit", "checkpoint": "ae.safetensors"},
        {"checkpoint": "ae.safetensors", "view": "1"},
        {"checkpoint": "ae.safetensors", "split": "vali"},
        {"checkpoint": "ae.safetensors", "merge": True},
        {"method": "network", "checkpoint": "ae.safetensors", "views": "views.npz"},
        {},
        {"meshes": Path("b"), "noise": 0.1},
        {"meshes": Path("b"), "robustness": True},
        {"meshes": Path("b"), "view": "first"},
        {"meshes": Path("nowhere")},
        {"checkpoint": "ae.safetensors", "views": "views.npz"},
        {"checkpoint": "ae.safetensors", "split": "train"},
        {"checkpoint": "ae.safetensors", "test_time_steps": 3},
        {"checkpoint": "camera.safetensors", "views": "views.npz", "test_time_steps": 3},
        {"meshes": Path("b"), "test_time_steps": 3},
        {"meshes": Path("b"), "frame": "camera"},
        {"meshes": Path("b"), "views": "views.npz", "frame": "world"},
        {"checkpoint": "camera.safetensors", "views": "views.npz", "frame": "camera"},
        {"checkpoint": "ae.safetensors", "packed": None},
        {"checkpoint": "ae.safetensors", "jobs": -1},
        {"checkpoint": "ae.safetensors", "packed": ["points.npz", "points.npz"]},
    ],
)
def test_what_cannot_be_done_is_a_sentence(data, tmp_path, options):
    placed = {
        key: data / value if isinstance(value, str) and "." in value else value
        for key, value in options.items()
    }
    packed = placed.get("packed", [data / "points.npz"])
    placed["packed"] = packed and [data / path for path in packed]
    with pytest.raises(InputError):
        run(tmp_path, **placed)
    assert not (tmp_path / "evaluation.json").exists()


def test_no_mesh_that_fits_is_an_error_not_an_empty_table(data, tmp_path):
    perfect(tmp_path, [(0, "stranger.ply")])
    with pytest.raises(InputError, match="must be named"):
        mesh_items(Plan((data / "points.npz",), "test"), tmp_path)


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_measured(data, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("kept")
    monkeypatch.setattr(evaluate_module, "evaluate", lambda *_: pytest.fail("measured for nothing"))
    for out in (tmp_path / "file", tmp_path / "file" / "report"):
        with pytest.raises(InputError, match="cannot be made"):
            run(out, checkpoint=data / "ae.safetensors", packed=[data / "points.npz"])
    assert (tmp_path / "file").read_text() == "kept"
