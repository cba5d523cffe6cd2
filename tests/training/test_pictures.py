from __future__ import annotations

import io
import json

import igl
import numpy as np
import pytest
import torch
from PIL import Image

from nmf_model import checkpoint
from nmf_model.data.contact_sheet import TILE
from nmf_model.errors import InputError
from nmf_model.flow.dynamics import Dynamics
from nmf_model.geometry.cameras import camera_rotation
from nmf_model.io.meshes import read_mesh
from nmf_model.model import NeuralMeshFlow
from nmf_model.training.devices import SingleDevice
from nmf_model.training.loop import train
from nmf_model.training.picture_objective import SurfaceAnswer
from nmf_model.training.reconstructing import reconstruct_cloud
from nmf_model.training.run_dir import RunDir
from nmf_model.training.settings import load_run_config
from nmf_model.training.tasks import autoencoder_task, single_view_task
from tests.training.test_cut_outs import bar, drawn

CPU = SingleDevice(torch.device("cpu"))


def views_file(path, count: int = 10):
    rng = np.random.default_rng(0)
    parts = []
    for _ in range(2 * count):
        stream = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (24, 24, 4), dtype=np.uint8)).save(stream, "webp", lossless=True)
        parts.append(stream.getvalue())
    np.savez(
        path,
        webp=np.frombuffer(b"".join(parts), dtype=np.uint8),
        offset=np.cumsum([0, *map(len, parts)]),
        id=np.array([f"shape{i}" for i in range(count)]),
        has_views=np.arange(count) != 1,
    )
    return path


def assert_named(run, measure: str, said: str) -> None:
    """Everything that tells of validations calls what they measure the same, and nothing else."""
    validations = [r for r in RunDir(run).records() if r["kind"] == "validation"]
    assert {name for r in validations for name in r} == {"kind", "step", f"validation_{measure}", "elapsed"}
    values = [r[f"validation_{measure}"] for r in validations]
    (head, *_) = (run / "metrics.csv").read_text().splitlines()
    assert {name for name in head.split(",") if "chamfer_l2" in name} == {f"validation_{measure}"}
    lines = [line for line in said.splitlines() if f"in {run}." not in line and "chamfer_l2" in line]
    assert lines[-1].endswith(f": {measure} {values[-1]:.5f}")
    assert checkpoint.read_header(run / "best.safetensors").metrics == {
        f"{measure}/validation/best": min(values)
    }


def test_the_picture_branch_learns_and_leaves_the_auto_encoder_alone(config_file, packed, tmp_path, capsys):
    ae = autoencoder_task(load_run_config(config_file, ["training.steps=2"]), [packed], CPU)
    train(ae, RunDir(tmp_path / "ae"), CPU, resume=False, max_minutes=None)
    trained = tmp_path / "ae" / "latest.safetensors"
    config = load_run_config(config_file, ["training.steps=20", "training.learning_rate=0.01"])
    views = views_file(tmp_path / "views.npz")
    task = single_view_task(config, [packed], [views], trained, CPU)
    train(task, RunDir(tmp_path / "svr"), CPU, resume=False, max_minutes=None)
    assert_named(tmp_path / "svr", "chamfer_l2_points", capsys.readouterr().out)
    seen = [r["loss"] for r in RunDir(tmp_path / "svr").records() if r["kind"] == "train"]
    assert np.mean(seen[-5:]) < np.mean(seen[:5])
    assert {r["nfe"] for r in RunDir(tmp_path / "svr").records() if "nfe" in r} == {
        0
    }  # the flow does not run
    before, after = checkpoint.load(trained), checkpoint.load(tmp_path / "svr" / "latest.safetensors")
    kept = after.state_dict()
    assert all(torch.equal(tensor, kept[name]) for name, tensor in before.state_dict().items())
    assert after.image_points(torch.zeros(1, 3, 112, 112)).shape == (1, 32, 3)


def test_encoder_and_flow_learn_from_predicted_clouds(config_file, packed, tmp_path, capsys):
    settings = ["training.steps=40", "training.learning_rate=0.01", "training.train_flow=true"]
    ae = autoencoder_task(load_run_config(config_file, ["training.steps=2"]), [packed], CPU)
    train(ae, RunDir(tmp_path / "ae"), CPU, resume=False, max_minutes=None)
    trained = tmp_path / "ae" / "latest.safetensors"
    views = views_file(tmp_path / "views.npz")
    task = single_view_task(load_run_config(config_file, settings), [packed], [views], trained, CPU)
    untrained = task.validation()
    branch = {name: tensor.clone() for name, tensor in task.model.image.state_dict().items()}
    train(task, RunDir(tmp_path / "svr"), CPU, resume=False, max_minutes=None)
    assert_named(tmp_path / "svr", "chamfer_l2", capsys.readouterr().out)
    records = [r for r in RunDir(tmp_path / "svr").records() if r["kind"] == "train"]
    last_surface = [r["chamfer_2"] for r in records]
    assert np.mean(last_surface[-10:]) < 0.9 * np.mean(last_surface[:10])
    assert {r["nfe"] for r in records} == {evaluations(task)}
    assert task.validation() < untrained
    before, after = checkpoint.load(trained).state_dict(), task.model.state_dict()
    for part in ("encoder.", "flow."):
        assert any(not torch.equal(t, after[n]) for n, t in before.items() if n.startswith(part))
    assert all(torch.equal(tensor, after[f"image.{name}"]) for name, tensor in branch.items())


def evaluations(task) -> int:
    """Count how often a batch asks the velocity for its shapes."""
    count = 0

    def add(*_):
        nonlocal count
        count += 1

    for module in task.model.flow.modules():
        if isinstance(module, Dynamics):
            module.register_forward_hook(add)
    with torch.no_grad():
        task.objective(task.batches.draw(0))
    return count


def bars_and_views(folder):
    """Write three slanted bars, each with normals away from its middle, and two pictures of each."""
    shapes = np.stack([bar(600).numpy() * (1, 1 - 0.3 * i, 0.7) * 0.8 for i in range(3)])
    normals = shapes - shapes.mean(axis=1, keepdims=True)
    normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    names, splits = np.array(["a", "b", "c"]), np.array(["train", "validation", "validation"])
    stored = {"points": shapes, "normals": normals}
    np.savez(
        folder / "bars.npz", id=names, category=np.array(["bar"] * 3), split=splits,
        **{name: (values * 32767).astype(np.int16) for name, values in stored.items()},
    )  # fmt: skip
    angles = np.array([[(0.3, 0.4), (3.3, 0.5)], [(0.2, 0.4), (3.0, 0.3)], [(0.0, 0.4), (-0.4, 0.35)]])
    parts = []
    for points, cameras in zip(shapes, angles, strict=True):
        for camera in cameras:
            picture = drawn(torch.from_numpy(points).float(), camera_rotation(*camera)).numpy().copy()
            picture[:3] *= 0.2
            stream = io.BytesIO()
            Image.fromarray((picture.transpose(1, 2, 0) * 255).astype(np.uint8)).save(
                stream, "webp", lossless=True
            )
            parts.append(stream.getvalue())
    np.savez(
        folder / "views.npz", webp=np.frombuffer(b"".join(parts), dtype=np.uint8), id=names,
        offset=np.cumsum([0, *map(len, parts)]), has_views=np.ones(3, bool),
        azimuth_elevation=angles.astype(np.float32),
    )  # fmt: skip
    return folder / "bars.npz", folder / "views.npz", (shapes, angles)


@pytest.mark.parametrize("train_flow", ["false", "true"])
def test_cut_outs_are_shown_with_cloud_mesh_and_target_in_the_frame_of_their_viewer(
    config_file, tmp_path, train_flow
):
    data, views, (shapes, angles) = bars_and_views(tmp_path)
    ae = autoencoder_task(load_run_config(config_file, ["training.steps=1"]), [data], CPU)
    train(ae, RunDir(tmp_path / "ae"), CPU, resume=False, max_minutes=None)
    settings = [
        "image.kind=pixels", "image.size=64", "image.points=80", "training.steps=2",
        "training.validate_every=1", f"training.train_flow={train_flow}",
    ]  # fmt: skip
    config = load_run_config(config_file, settings)
    task = single_view_task(config, [data], [views], tmp_path / "ae" / "latest.safetensors", CPU)
    train(task, RunDir(tmp_path / "svr"), CPU, resume=False, max_minutes=None)
    folders = sorted((tmp_path / "svr" / "samples").iterdir())
    assert [folder.name for folder in folders] == ["step-00000001", "step-00000002"]
    for folder in folders:
        assert sorted(path.name for path in folder.iterdir()) == ["00.ply", "01.ply", "sheet.png"]
        with Image.open(folder / "sheet.png") as sheet:
            assert sheet.size == (8 * TILE, TILE)
            tiles = np.asarray(sheet).reshape(TILE, 8, TILE, 3).swapaxes(0, 1)
        assert all((tile < 250).any(axis=2).mean() > 0.01 for tile in tiles)
    samples, model = task.samples, task.model.eval()
    with torch.no_grad():
        clouds = samples.clouds()
    for row, cloud in enumerate(clouds):
        shown = (tiles[4 * row] < 128).all(axis=2)
        whole, turn = samples.targets[row], camera_rotation(*angles[row + 1, row % 2])
        assert np.linalg.norm(whole, axis=1).max() == pytest.approx(1, abs=1e-5)
        # The target is the object as its viewer sees it: upright in the picture, unmirrored, and as deep.
        seen = shapes[row + 1] @ turn.T
        seen = (seen - seen.mean(axis=0)) / np.linalg.norm(seen - seen.mean(axis=0))
        centred = whole - whole.mean(axis=0)
        apart = centred / np.linalg.norm(centred) - seen
        assert np.linalg.norm(apart) < 0.15
        assert covered(whole, shown) > 0.93
        assert covered(whole * (-1, 1, 1), shown) < 0.8
        cosines = (samples.normals[row] * centred / np.linalg.norm(centred, axis=1, keepdims=True)).sum(
            axis=1
        )
        assert np.median(cosines) > 0.97
        # The cloud, though nothing is learnt yet, lies behind the object's pixels in the same frame, and the
        # mesh is what the application makes of it.
        across, aim = np.cov(cloud.numpy()[:, :2].T), np.cov(whole[:, :2].T)
        assert (across * aim).sum() > 0.9 * np.linalg.norm(across) * np.linalg.norm(aim)
        assert np.trace(across) == pytest.approx(np.trace(aim), rel=0.3)
        assert np.linalg.norm(cloud.numpy()[:, :2].mean(axis=0) - whole[:, :2].mean(axis=0)) < 0.15
        mesh = read_mesh(folders[-1] / f"{row:02d}.ply")
        assert np.abs(mesh.vertices - reconstruct_cloud(model, cloud.numpy()).vertices).max() < 1e-4


def covered(points, shown) -> float:
    """Return the share of points seen on the object of a cut-out, whose box is as large as theirs."""
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    across, up = ((points[:, :2] - low) / (high - low)).T
    x = columns[0] + across * (columns[-1] - columns[0])
    y = rows[-1] - up * (rows[-1] - rows[0])
    return shown[y.round().astype(int), x.round().astype(int)].mean()


def test_an_answer_in_surfaces_lies_on_them_in_the_frame_of_the_clouds(config_file):
    torch.manual_seed(0)
    model = NeuralMeshFlow(load_run_config(config_file).model).eval()
    pictures = torch.rand(2, 3, 112, 112)
    with torch.no_grad():
        clouds = model.image_points(pictures)
        answer = SurfaceAnswer(model, 500)(pictures)
    for cloud, points in zip(clouds, answer, strict=True):
        mesh = reconstruct_cloud(model, cloud.numpy())
        squared = igl.point_mesh_squared_distance(points.double().numpy(), mesh.vertices, mesh.faces)[0]
        assert squared.max() < 1e-10


def test_cut_outs_learnt_in_two_pieces_give_what_they_give_in_one(config_file, tmp_path):
    """Bit for bit, though the branch keeps its convolutions, and so their moments, in an order of its own."""
    data, views, _ = bars_and_views(tmp_path)
    ae = autoencoder_task(load_run_config(config_file, ["training.steps=1"]), [data], CPU)
    train(ae, RunDir(tmp_path / "ae"), CPU, resume=False, max_minutes=None)
    settings = [
        "image.kind=pixels", "image.size=64", "image.points=80", "training.freeze_backbone=false",
        "training.steps=4", "training.validate_every=2",
    ]  # fmt: skip
    config = load_run_config(config_file, settings)

    def learnt(name: str, minutes: float | None, *, resume: bool = False) -> dict[str, torch.Tensor]:
        task = single_view_task(config, [data], [views], tmp_path / "ae" / "latest.safetensors", CPU)
        train(task, RunDir(tmp_path / name), CPU, resume=resume, max_minutes=minutes)
        return {name: tensor.clone() for name, tensor in task.model.state_dict().items()}

    whole = learnt("whole", None)
    learnt("pieces", 0.0)
    assert RunDir(tmp_path / "pieces").latest().step < 4
    pieces = learnt("pieces", None, resume=True)
    assert all(torch.equal(tensor, pieces[name]) for name, tensor in whole.items())


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("change", ["training.freeze_backbone=false", "training.train_flow=true"])
def test_a_run_does_not_go_on_with_other_weights(config_file, tmp_path, change, recorded):
    data, views, _ = bars_and_views(tmp_path)
    ae = autoencoder_task(load_run_config(config_file, ["training.steps=1"]), [data], CPU)
    train(ae, RunDir(tmp_path / "ae"), CPU, resume=False, max_minutes=None)

    def learnt(*more: str, resume: bool) -> str:
        settings = ["image.kind=pixels", "image.size=64", "image.points=80", *more]
        config = load_run_config(config_file, settings)
        task = single_view_task(config, [data], [views], tmp_path / "ae" / "latest.safetensors", CPU)
        return train(task, RunDir(tmp_path / "run"), CPU, resume=resume, max_minutes=None).said

    learnt("training.steps=1", resume=False)
    known = tmp_path / "run" / "config.json"
    if not recorded:
        values = json.loads(known.read_text())
        del values["trained"]
        known.write_text(json.dumps(values))  # as earlier versions wrote it
    kept = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=r"trains other weights .* --ae .*run/best\.safetensors\.$"):
        learnt("training.steps=2", change, resume=True)
    assert kept == {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert learnt("training.steps=2", resume=True).startswith("Finished 2 steps")


def test_a_run_that_does_not_tell_its_weights_goes_on(config_file, packed, tmp_path):
    def learnt(steps: int) -> str:
        task = autoencoder_task(load_run_config(config_file, [f"training.steps={steps}"]), [packed], CPU)
        return train(task, RunDir(tmp_path / "run"), CPU, resume=True, max_minutes=None).said

    learnt(1)
    known = tmp_path / "run" / "config.json"
    values = json.loads(known.read_text())
    recorded = values.pop("trained")
    known.write_text(json.dumps(values))
    assert learnt(2).startswith("Finished 2 steps")
    assert json.loads(known.read_text())["trained"] == recorded


def test_the_upright_is_learnt_by_a_branch_that_did_not_tell_it(config_file, tmp_path):
    data, views, _ = bars_and_views(tmp_path)
    ae = autoencoder_task(load_run_config(config_file, ["training.steps=1"]), [data], CPU)
    train(ae, RunDir(tmp_path / "ae"), CPU, resume=False, max_minutes=None)
    plain = ["image.kind=pixels", "image.size=64", "image.points=80", "training.steps=1"]
    told = [*plain, "image.up=true", "training.up_weight=1", "training.batch_size=4"]
    told[3:4] = ["training.steps=60", "training.learning_rate=3e-3", "training.validate_every=60"]

    def learnt(name, settings, begun):
        task = single_view_task(load_run_config(config_file, settings), [data], [views], begun, CPU)
        begin = {name: tensor.clone() for name, tensor in task.model.image.state_dict().items()}
        if task.model.image.upright is not None:  # what is assumed at first is nearly right
            torch.nn.init.constant_(task.model.image.upright.answer.bias, 1.0)
        train(task, RunDir(tmp_path / name), CPU, resume=False, max_minutes=None)
        return task, begin

    before, _ = learnt("before", plain, tmp_path / "ae" / "latest.safetensors")
    assert before.parts == ("chamfer_1",)
    after, begin = learnt("after", told, tmp_path / "before" / "latest.safetensors")
    taken = checkpoint.load(tmp_path / "before" / "latest.safetensors").image.state_dict()
    assert all(torch.equal(tensor, begin[name]) for name, tensor in taken.items())
    assert begin.keys() - taken.keys() == {
        f"upright.{part}" for part in ("hidden.weight", "hidden.bias", "answer.weight", "answer.bias")
    }
    assert after.parts == ("chamfer_1", "up")
    missed = [r["up"] for r in RunDir(tmp_path / "after").records() if r["kind"] == "train"]
    assert missed[0] > 1 - np.cos(0.6)
    assert np.mean(missed[-5:]) < 1 - np.cos(0.2)
    kept = checkpoint.load(tmp_path / "after" / "latest.safetensors")
    assert kept.image.upright is not None

    larger, begin = learnt(
        "larger", [*plain, "image.up=true", "image.size=80"], tmp_path / "after" / "latest.safetensors"
    )
    assert all(torch.equal(tensor, begin[name]) for name, tensor in kept.image.state_dict().items())
    assert larger.batches.draw(0).inputs.shape[2:] == (80, 80)
