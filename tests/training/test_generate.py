"""Generation end to end: files and data sets, shards, resuming, bad inputs among good ones."""

from __future__ import annotations

import hashlib
import json
from typing import get_args

import igl
import numpy as np
import pytest
import torch
from PIL import Image

from nmf_model import checkpoint
from nmf_model.errors import InputError
from nmf_model.fitting.correction import GUESSED, MEASURED
from nmf_model.io.meshes import read_mesh
from nmf_model.io.source import read_source
from nmf_model.model import NeuralMeshFlow
from nmf_model.training import options
from nmf_model.training.cases import Plan
from nmf_model.training.evaluate import cloud_items, evaluate, mesh_items, picture_items
from nmf_model.training.generate import (
    Outcome,
    checked_suffix,
    file_tasks,
    generate,
    kept_endings_note,
    shard,
    split_tasks,
)
from nmf_model.training.legacy_flags import translate
from nmf_model.training.reconstructing import OBJECT_SHARE, framed, reconstruct_cloud
from nmf_model.types import ShapeImage
from nmf_model.weights import shipped_path
from tests.support import command_line, in_process, tiny_models


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    tiny_models.save_model(folder / "ae.safetensors")
    tiny_models.save_model(folder / "svr.safetensors", pictures=True)
    tiny_models.save_pack(folder / "points.npz")
    tiny_models.save_views(folder / "views.npz")
    return folder


@pytest.fixture
def inputs(tmp_path):
    """A folder with a cloud, a picture and a damaged cloud."""
    folder = tmp_path / "inputs"
    (folder / "deeper").mkdir(parents=True)
    np.savetxt(folder / "cloud.xyz", 50 + 10 * tiny_models.egg(0)[0])
    picture = np.full((60, 80, 4), 255, dtype=np.uint8)
    picture[..., 3] = 0
    picture[20:40, 10:70] = [200, 40, 40, 255]
    Image.fromarray(picture).save(folder / "deeper" / "box.png")
    (folder / "bad.ply").write_bytes(b"ply\nnonsense")
    (folder / "notes.md").write_text("nothing to reconstruct")
    return folder


def test_what_is_generated_measures_the_same_as_the_model_itself(data, tmp_path):
    plan = Plan((data / "points.npz",), "test", data / "ae.safetensors")
    items = cloud_items(plan)
    tasks = split_tasks(plan, items, tmp_path, ".obj")
    assert generate(tasks) == Outcome(4, 0, ())
    (direct,) = evaluate([plan], items)
    files = Plan((data / "points.npz",), "test")
    (read,) = evaluate([files], mesh_items(files, tmp_path)[0])
    assert read == direct


def test_the_command_goes_on_over_a_bad_file_and_resumes(data, inputs, tmp_path):
    script, out = command_line.ROOT / "training_cli.py", tmp_path / "out"
    words = ["generate", inputs, "--checkpoint", data / "svr.safetensors", "--out", out, "--format", "obj",
             "--jobs", "1", "--device", "cpu"]  # fmt: skip
    outcome = command_line.run(tmp_path, *words, script=script)
    assert outcome.code == 2
    assert "bad.ply is" in outcome.out or "bad.ply:" in outcome.out
    assert "Wrote 2 meshes" in outcome.out
    assert "Traceback" not in outcome.out + outcome.err
    made = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*"))
    assert made == ["cloud.obj", "deeper/box.obj", "generate.json"]
    model = checkpoint.load(data / "svr.safetensors")
    expected = reconstruct_cloud(model, np.loadtxt(inputs / "cloud.xyz"))
    found = read_mesh(out / "cloud.obj")
    # In the file's own units; the cloud is read in another order.
    np.testing.assert_allclose(found.vertices, expected.vertices, atol=1e-3)
    assert np.array_equal(found.faces, expected.faces)
    (out / "cloud.obj").write_text("kept")
    (inputs / "bad.ply").unlink()
    tasks = file_tasks([inputs], data / "svr.safetensors", "cpu", out, ".obj")
    assert generate(tasks) == Outcome(0, 2, ())
    assert (out / "cloud.obj").read_text() == "kept"


def test_meshes_of_two_models_are_not_taken_for_those_of_one(data, inputs, tmp_path):
    """A folder tells which model its meshes are of, and how many points it saw."""
    (inputs / "bad.ply").unlink()
    for name, seed in (("one", 0), ("other", 1)):
        torch.manual_seed(seed)
        model = NeuralMeshFlow(checkpoint.read_header(data / "svr.safetensors").config)
        checkpoint.save(tmp_path / f"{name}.safetensors", model.eval())
    words = ("generate", inputs, "--out", "out", "--device", "cpu", "--jobs", "1", "--checkpoint")

    def run(*more):
        outcome = in_process.training(tmp_path, *words, *more)
        assert len(outcome.err.strip().splitlines()) <= 2, outcome.err
        return outcome

    assert "Wrote 2 meshes" in run("one.safetensors").out
    record = json.loads((tmp_path / "out" / "generate.json").read_text())
    sha = hashlib.sha256((tmp_path / "one.safetensors").read_bytes()).hexdigest()
    assert record == {
        "checkpoint": "one.safetensors", "sha256": sha, "input_points": "all", "test_time_steps": 0,
        "inputs": {
            name: hashlib.sha256((inputs / source).read_bytes()).hexdigest()
            for name, source in (("cloud.ply", "cloud.xyz"), ("deeper/box.ply", "deeper/box.png"))
        },
    }  # fmt: skip
    kept = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    for more, sentence in (
        (("other.safetensors",), "meshes of another model, one.safetensors"),
        (("one.safetensors", "--input-points", "60"), "meshes of all input points, not of 60"),
        (("one.safetensors", "--input-points", "0"), "--input-points must be at least 1"),
        (("nowhere.safetensors",), "no checkpoint"),
    ):
        outcome = run(*more)
        assert outcome.code == 2
        assert sentence in outcome.err
    assert kept == {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    (tmp_path / "one.safetensors").rename(tmp_path / "renamed.safetensors")
    (tmp_path / "out" / "cloud.ply").unlink()
    assert "Wrote 1 meshes to out; 1 were there already" in run("renamed.safetensors").out
    (tmp_path / "out" / "generate.json").unlink()
    assert "no generate.json" in run("renamed.safetensors").err


def test_meshes_of_files_that_have_changed_are_made_anew_and_no_others(data, inputs, tmp_path):
    (inputs / "bad.ply").unlink()
    words = ("generate", inputs, "--out", "out", "--device", "cpu", "--checkpoint", data / "svr.safetensors")
    assert "Wrote 2 meshes" in in_process.training(tmp_path, *words).out
    cloud, box = tmp_path / "out" / "cloud.ply", tmp_path / "out" / "deeper" / "box.ply"
    kept, before = box.stat().st_mtime_ns, cloud.read_bytes()
    np.savetxt(inputs / "cloud.xyz", tiny_models.egg(5)[0])
    outcome = in_process.training(tmp_path, *words)
    assert "1 meshes are made anew, since their inputs have changed." in outcome.out
    assert "Wrote 1 meshes to out; 1 were there already" in outcome.out
    assert cloud.read_bytes() != before
    assert box.stat().st_mtime_ns == kept
    # Of earlier versions, which did not tell what their meshes are of.
    record = tmp_path / "out" / "generate.json"
    known = json.loads(record.read_text())
    inputs_told = known.pop("inputs")
    record.write_text(json.dumps(known))
    np.savetxt(inputs / "cloud.xyz", tiny_models.egg(6)[0])
    assert "2 were there already" in in_process.training(tmp_path, *words).out
    told = json.loads(record.read_text())["inputs"]
    assert {name for name in told if told[name] != inputs_told[name]} == {"cloud.ply"}


def test_shards_remove_nothing_of_each_other(data, inputs, tmp_path):
    (inputs / "bad.ply").unlink()
    words = ("generate", inputs, "--out", "out", "--device", "cpu", "--checkpoint", data / "svr.safetensors")
    assert "Wrote 2 meshes" in in_process.training(tmp_path, *words).out
    np.savetxt(inputs / "cloud.xyz", tiny_models.egg(5)[0])
    assert (
        "Wrote 0 meshes to out; 1 were there" in in_process.training(tmp_path, *words, "--shard", "2/2").out
    )
    assert (
        "Wrote 1 meshes to out; 0 were there" in in_process.training(tmp_path, *words, "--shard", "1/2").out
    )


def test_meshes_of_other_data_parts_and_pictures_are_refused(data, inputs, tmp_path):
    def run(out, *words):
        return in_process.training(tmp_path, "generate", *words, "--out", out, "--device", "cpu", *model)

    model = ("--checkpoint", data / "svr.safetensors")
    packed, views = ("--packed", data / "points.npz"), ("--views", data / "views.npz")
    stored = dict(np.load(data / "points.npz"))
    np.savez(tmp_path / "moved.npz", **{**stored, "points": stored["points"][::-1]})
    np.savez(tmp_path / "other.npz", **{**stored, "split": np.array(["train"] + ["test"] * 3)})
    stored = dict(np.load(data / "views.npz"))
    np.savez(tmp_path / "seen.npz", **{**stored, "azimuth_elevation": stored["azimuth_elevation"] + 0.1})
    assert run("clouds", *packed).code == 0
    assert run("pictures", *packed, *views).code == 0
    assert run("files", inputs / "cloud.xyz").code == 0
    for out, words, sentence in (
        ("clouds", ("--packed", "moved.npz"), "other data (test: 4 objects, "),
        ("clouds", ("--packed", "other.npz"), "now test: 3 objects, "),
        ("clouds", ("--packed", "other.npz", "--split", "train"), "now train: 1 objects, "),
        ("clouds", (inputs / "cloud.xyz",), "meshes of a data set, not of files"),
        ("files", packed, "meshes of files, not of a data set"),
        ("pictures", (*packed, "--views", "seen.npz"), "other renderings (2 pictures of 3 objects, "),
    ):
        kept = {path: path.read_bytes() for path in (tmp_path / out).rglob("*") if path.is_file()}
        outcome = run(out, *words)
        assert outcome.code == 2, words
        assert sentence in outcome.err
        assert kept == {path: path.read_bytes() for path in (tmp_path / out).rglob("*") if path.is_file()}
    assert "3 were there already" in run("pictures", *packed, *views).out
    assert "Wrote 3 meshes" in run("pictures", *packed, *views, "--view", "all").out
    record = tmp_path / "clouds" / "generate.json"
    known = json.loads(record.read_text())
    del known["data"]
    record.write_text(json.dumps(known))  # as earlier versions wrote it
    assert "4 were there already" in run("clouds", "--packed", "moved.npz").out


def test_a_model_sees_as_many_points_of_a_file_as_asked_for(data, tmp_path):
    cloud, _ = tiny_models.egg(3, 300)
    np.savetxt(tmp_path / "cloud.xyz", cloud)
    words = ("generate", "cloud.xyz", "--checkpoint", data / "ae.safetensors", "--device", "cpu", "--out")
    made = {}
    for count in (60, 299, 300, 5000, None):
        more = () if count is None else ("--input_points", count)
        outcome = in_process.training(tmp_path, *words, f"of-{count}", *more)
        assert outcome.code == 0, outcome.err
        made[count] = read_mesh(tmp_path / f"of-{count}" / "cloud.ply").vertices
    assert np.array_equal(made[300], made[None])
    assert np.array_equal(made[5000], made[None])
    assert not np.allclose(made[60], made[None], atol=1e-4)
    again = in_process.training(tmp_path, *words, "again", "--input_points", 60)
    assert again.code == 0
    assert np.array_equal(read_mesh(tmp_path / "again" / "cloud.ply").vertices, made[60])


def test_files_are_corrected_as_often_as_asked_for(tmp_path):
    cloud = read_source(command_line.ROOT / "resources" / "examples" / "chair.ply").points[::4]
    np.savetxt(tmp_path / "cloud.xyz", cloud)
    words = ("generate", "cloud.xyz", "--checkpoint", shipped_path("ae"), "--device", "cpu", "--out")
    steps = ("--test-time-steps", 80)
    assert in_process.training(tmp_path, *words, "plain").code == 0
    assert in_process.training(tmp_path, *words, "better", *steps).code == 0
    plain, better = (read_mesh(tmp_path / name / "cloud.ply") for name in ("plain", "better"))
    apart = [
        igl.point_mesh_squared_distance(cloud, mesh.vertices, mesh.faces)[0].mean()
        for mesh in (plain, better)
    ]
    assert apart[1] < 0.5 * apart[0]
    mixed = in_process.training(tmp_path, *words, "plain", *steps)
    assert mixed.code == 2
    assert "plain holds meshes of 0 test-time steps, not of 80" in mixed.err
    record = tmp_path / "plain" / "generate.json"
    known = json.loads(record.read_text())
    del known["test_time_steps"]
    record.write_text(json.dumps(known))  # as earlier versions wrote it
    assert "0 test-time steps, not of 80" in in_process.training(tmp_path, *words, "plain", *steps).err


def test_the_help_names_the_steps_that_the_program_takes():
    told = get_args(options.TestTimeStepsOption)[1].help
    assert f"{MEASURED.steps} as main.py" in told
    assert f"{GUESSED.steps} for pictures" in told


def test_a_flow_that_is_not_on_grids_is_not_corrected(data, inputs, tmp_path):
    words = ("generate", inputs, "--checkpoint", data / "ae.safetensors", "--out", "out", "--device", "cpu")
    outcome = in_process.training(tmp_path, *words, "--test-time-steps", 5)
    assert outcome.code == 2
    assert "leave out --test-time-steps" in outcome.err
    assert not (tmp_path / "out").exists()


def test_points_of_pictures_cannot_be_counted(data, inputs, tmp_path):
    model = ("--checkpoint", data / "svr.safetensors", "--input-points", "60", "--out", "out")
    views = ("--packed", data / "points.npz", "--views", data / "views.npz")
    for words in ((inputs / "deeper",), views):
        outcome = in_process.training(tmp_path, "generate", *words, *model)
        assert outcome.code == 2
        assert "--input-points is for a model that is given clouds." in outcome.err
    assert not (tmp_path / "out").exists()


def test_lists_beside_published_renderings_are_no_clouds(data, inputs, tmp_path):
    for name in ("rendering_metadata.txt", "renderings.txt"):
        (inputs / "deeper" / name).write_text("30 20 0 1 25\n")
    tasks = file_tasks([inputs / "deeper"], data / "svr.safetensors", "cpu", tmp_path / "out", ".ply")
    assert [task.source.name for task in tasks] == ["box.png"]


def test_shards_are_disjoint_and_complete(data, tmp_path):
    plan = Plan((data / "points.npz",), "test", data / "ae.safetensors")
    tasks = split_tasks(plan, cloud_items(plan), tmp_path, ".ply")
    parts = [shard(tasks, number, 3) for number in (1, 2, 3)]
    assert sorted(map(str, (task.out for part in parts for task in part))) == sorted(
        str(t.out) for t in tasks
    )
    assert [len(part) for part in parts] == [2, 1, 1]
    for number, count in ((0, 3), (4, 3), (1, 0)):
        with pytest.raises(InputError):
            shard(tasks, number, count)


def test_renderings_get_a_mesh_each(data, tmp_path):
    plan = Plan((data / "points.npz",), "test", data / "svr.safetensors", data / "views.npz")
    items, without = picture_items(plan, None)
    assert generate(split_tasks(plan, items, tmp_path, ".ply")).made == 6
    made = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.ply")}
    assert made == {f"shape{number}/{view:02}.ply" for number in (0, 2, 3) for view in (0, 1)}
    assert without == ["shape1"]


def test_a_model_of_clouds_refuses_pictures_one_by_one(data, inputs, tmp_path):
    tasks = file_tasks(
        [inputs / "deeper" / "box.png"], data / "ae.safetensors", "cpu", tmp_path / "o", ".ply"
    )
    outcome = generate(tasks)
    assert outcome.made == 0
    assert "picture branch" in outcome.failed[0][1]


def test_inputs_that_cannot_be_used_are_refused_before_anything_is_made(data, inputs, tmp_path):
    model = data / "ae.safetensors"
    with pytest.raises(InputError, match="both become"):
        file_tasks([inputs / "cloud.xyz", inputs], model, "cpu", tmp_path / "out", ".ply")
    with pytest.raises(InputError, match="another --out"):
        file_tasks([inputs], model, "cpu", inputs, ".ply")
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(InputError):
            file_tasks([path], model, "cpu", tmp_path / "out", ".ply")
    with pytest.raises(InputError):
        checked_suffix("exe")
    assert checked_suffix("OBJ") == ".obj"


def test_meshes_of_inputs_that_differ_only_in_their_ending_keep_it(data, inputs, tmp_path):
    """As ``main.py`` calls them; a folder with a model in two formats is no mistake."""
    for name in ("cloud.csv", "cloud.xyz.csv", "deeper/cloud.csv"):
        np.savetxt(inputs / name, np.zeros((3, 3)))
    out = tmp_path / "out"
    tasks = file_tasks([inputs], data / "ae.safetensors", "cpu", out, ".ply")
    made_of = {task.out.relative_to(out).as_posix(): task.source.name for task in tasks}
    assert made_of == {
        "bad.ply": "bad.ply",
        "cloud.csv.ply": "cloud.csv",
        "cloud.xyz.ply": "cloud.xyz",
        "cloud.xyz.csv.ply": "cloud.xyz.csv",  # the new name of another was its own
        "deeper/cloud.ply": "cloud.csv",
        "deeper/box.ply": "box.png",
    }
    assert kept_endings_note(tasks) == (
        "Meshes of inputs that differ only in their ending keep it: "
        "cloud.csv.ply, cloud.xyz.ply, cloud.xyz.csv.ply."
    )
    assert kept_endings_note(tasks[:1]) == ""


def test_results_inside_the_folder_of_inputs_are_no_inputs(data, inputs):
    out = inputs / "results"
    out.mkdir()
    (out / "old.ply").write_bytes(b"ply")
    names = [task.source.name for task in file_tasks([inputs], data / "ae.safetensors", "cpu", out, ".ply")]
    assert names == ["bad.ply", "cloud.xyz", "box.png"]


def test_a_picture_is_framed_like_a_rendering():
    rgba = np.zeros((90, 200, 4), dtype=np.uint8)
    rgba[...] = [0, 255, 0, 255]
    rgba[30:50, 150:200] = [200, 10, 30, 255]
    mask = np.zeros((90, 200), dtype=bool)
    mask[30:50, 150:200] = True
    laid = framed(ShapeImage(rgba, mask=mask), 100)
    opaque = laid[..., 3] > 127
    rows, columns = np.flatnonzero(opaque.any(axis=1)), np.flatnonzero(opaque.any(axis=0))
    assert np.ptp(columns) + 1 == pytest.approx(100 * OBJECT_SHARE, abs=1)
    assert np.ptp(rows) + 1 == pytest.approx(40 * OBJECT_SHARE, abs=1)
    assert columns.mean() == pytest.approx(49.5, abs=1)
    assert rows.mean() == pytest.approx(49.5, abs=1)
    # No green bleeds in from the background.
    assert np.abs(laid[opaque][:, :3].astype(int) - [200, 10, 30]).max() <= 2
    with pytest.raises(InputError):
        framed(ShapeImage(rgba, mask=np.zeros_like(mask)))


def test_the_authors_spelling_of_generating():
    words = translate(
        ["--generate", "AE", "--points_path", "P", "--pretrained_ae_weights", "A", "--generate_ae", "G"]
    )
    assert words[0] == "generate"
    assert dict(zip(words[1::2], words[2::2], strict=True)) == {
        "--checkpoint": "A", "--points-path": "P", "--format": "obj", "--out": "G",
    }  # fmt: skip
    words = translate(
        ["--generate", "SVR", "--points_path", "P", "--img_path", "I", "--pretrained_svr_weights", "S"]
    )
    assert words[words.index("--img-path") + 1] == "I"
    assert words[words.index("--out") + 1] == "generate_nmf/svr"
    for line in (
        "--generate AE --points_path P",
        "--generate SVR --points_path P --pretrained_svr_weights S",
    ):
        with pytest.raises(InputError):
            translate(line.split())


@pytest.mark.parametrize(("command", "place", "told"), [
    ("generate", "nmf_model.training.generate.generate", "in out; the same command goes on with the rest"),
    ("evaluate", "nmf_model.training.evaluate.evaluate", "an evaluation is written when all is measured"),
])  # fmt: skip
def test_what_ctrl_c_leaves_is_said(data, tmp_path, monkeypatch, command, place, told):
    def stopped(*_words, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(place, stopped)
    words = ("--checkpoint", data / "ae.safetensors", "--packed", data / "points.npz", "--device", "cpu")
    outcome = in_process.training(tmp_path, command, *words, "--out", "out")
    assert (outcome.code, outcome.err) == (130, "")
    assert told in outcome.out
