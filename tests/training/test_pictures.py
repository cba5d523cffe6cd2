from __future__ import annotations

import io

import igl
import numpy as np
import torch
from PIL import Image

from nmf_model import checkpoint
from nmf_model.model import NeuralMeshFlow
from nmf_model.training.devices import SingleDevice
from nmf_model.training.loop import train
from nmf_model.training.picture_objective import SurfaceAnswer
from nmf_model.training.reconstructing import reconstruct_cloud
from nmf_model.training.run_dir import RunDir
from nmf_model.training.settings import load_run_config
from nmf_model.training.tasks import autoencoder_task, single_view_task

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


def test_the_picture_branch_learns_and_leaves_the_auto_encoder_alone(config_file, packed, tmp_path):
    ae = autoencoder_task(load_run_config(config_file, ["training.steps=2"]), [packed], CPU)
    train(ae, RunDir(tmp_path / "ae"), CPU, resume=False, max_minutes=None)
    trained = tmp_path / "ae" / "latest.safetensors"
    config = load_run_config(config_file, ["training.steps=20", "training.learning_rate=0.01"])
    views = views_file(tmp_path / "views.npz")
    task = single_view_task(config, [packed], views, trained, CPU)
    train(task, RunDir(tmp_path / "svr"), CPU, resume=False, max_minutes=None)
    seen = [r["loss"] for r in RunDir(tmp_path / "svr").records() if r["kind"] == "train"]
    assert np.mean(seen[-5:]) < np.mean(seen[:5])
    before, after = checkpoint.load(trained), checkpoint.load(tmp_path / "svr" / "latest.safetensors")
    kept = after.state_dict()
    assert all(torch.equal(tensor, kept[name]) for name, tensor in before.state_dict().items())
    assert after.image_points(torch.zeros(1, 3, 112, 112)).shape == (1, 32, 3)


def test_encoder_and_flow_learn_from_predicted_clouds(config_file, packed, tmp_path):
    settings = ["training.steps=40", "training.learning_rate=0.01", "training.train_flow=true"]
    ae = autoencoder_task(load_run_config(config_file, ["training.steps=2"]), [packed], CPU)
    train(ae, RunDir(tmp_path / "ae"), CPU, resume=False, max_minutes=None)
    trained = tmp_path / "ae" / "latest.safetensors"
    views = views_file(tmp_path / "views.npz")
    task = single_view_task(load_run_config(config_file, settings), [packed], views, trained, CPU)
    untrained = task.validation()
    branch = {name: tensor.clone() for name, tensor in task.model.image.state_dict().items()}
    train(task, RunDir(tmp_path / "svr"), CPU, resume=False, max_minutes=None)
    records = [r for r in RunDir(tmp_path / "svr").records() if r["kind"] == "train"]
    last_surface = [r["chamfer_2"] for r in records]
    assert np.mean(last_surface[-10:]) < 0.9 * np.mean(last_surface[:10])
    assert task.validation() < untrained
    before, after = checkpoint.load(trained).state_dict(), task.model.state_dict()
    for part in ("encoder.", "flow."):
        assert any(not torch.equal(t, after[n]) for n, t in before.items() if n.startswith(part))
    assert all(torch.equal(tensor, after[f"image.{name}"]) for name, tensor in branch.items())


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
