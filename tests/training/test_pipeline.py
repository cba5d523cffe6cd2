"""The whole way on a dozen library objects, by the real commands: from ``.sh3f`` to a trained mesh.

``tests/training/library`` holds the objects, with their credits and the script that cut them out.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import igl
import numpy as np
import pytest
import torch

from nmf_model import checkpoint
from nmf_model.data.credits import LICENSE_LINKS
from nmf_model.data.library import LibraryEntry, load_mesh, read_library
from nmf_model.data.outer_surface import TOLERANCE
from nmf_model.data.packed import read_packed_points
from nmf_model.data.splits import split_of
from nmf_model.io.meshes import read_mesh
from nmf_model.losses import chamfer
from nmf_model.quality import inspect_mesh
from nmf_model.training.cut_outs import cut, read_views
from nmf_model.training.mesh_files import file_stem
from nmf_model.training.views import load_views
from nmf_model.weights import load_weights
from tests.support import in_process
from tests.support.command_line import ROOT

LIBRARY = sorted((Path(__file__).parent / "library").glob("*.sh3f"))
ENTRIES: dict[str, LibraryEntry] = {entry.id: entry for path in LIBRARY for entry in read_library(path)}
VIEWS, POINTS = 2, 1200
RAYS = 1000
"""From each point; libigl draws them anew each time, and of 60 now and then none found out of a corner."""
TEST_IDS = {object_id for object_id in ENTRIES if split_of(object_id) == "test"}
STEPS = {"ae": (1, 100), "svr": (1, 12)}
"""Updates before and after a training is gone on with."""
TINY_AE = (
    "volume.cells=8", "volume.cell_features=8", "volume.width=8", "volume.code_channels=4",
    "volume.fine_width=8",
    "volume.reference_level=2", "flow.nodes_per_block=1", "template_level=3", "training.batch_size=4",
    "training.learning_rate=0.03", "training.warmup=2", "training.input_points=300",
    "training.fewest_points=200", "training.target_points=300", "training.samples=300",
    "training.validation_shapes=2", "training.sample_shapes=1", "training.log_every=1",
)  # fmt: skip
TINY_SVR = (
    "image.size=64", "image.points=200", "training.batch_size=4", "training.learning_rate=0.003",
    "training.warmup=2", "training.target_points=200", "training.validation_shapes=2", "training.log_every=1",
)  # fmt: skip


def command(*words: object) -> None:
    """Run ``training_cli.py WORDS``; it must succeed."""
    outcome = in_process.training(Path.cwd(), *words)
    assert outcome.code == 0, outcome.err


@dataclass(frozen=True)
class Pipeline:
    """Where the commands left their results."""

    folder: Path

    @property
    def set(self) -> Path:
        return self.folder / "set"

    @property
    def points(self) -> Path:
        return self.folder / "points.npz"

    @property
    def views(self) -> Path:
        return self.folder / "views.npz"

    def report(self, name: str) -> dict[str, Any]:
        return json.loads((self.folder / name / "evaluation.json").read_text("utf-8"))

    def prepared(self) -> dict[str, dict[str, Any]]:
        """What the manifest says of each object, by id."""
        manifest = json.loads((self.set / "manifest.json").read_text("utf-8"))
        return {entry["id"]: entry for entry in manifest["objects"]}

    def weights(self, kind: str, step: int | None = None) -> Path:
        """The trained weights, or those that ``step`` updates left."""
        return self.folder / kind / "latest.safetensors" if step is None else self.folder / f"{kind}-{step}"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory) -> Pipeline:
    made = Pipeline(tmp_path_factory.mktemp("pipeline"))
    command("prepare", "--source", *LIBRARY, "--out", made.set, "--views", VIEWS, "--points", POINTS,
            "--jobs", 1)  # fmt: skip
    command("pack", made.set, "--out", made.points, "--views", made.views,
            "--points-per-shape", POINTS, "--view-size", 64)  # fmt: skip
    train(made, "ae", "default.toml", TINY_AE)
    train(made, "svr", "default_svr.toml", TINY_SVR, "--views", made.views, "--ae", made.weights("ae"))
    for kind, inputs in (("ae", ()), ("svr", ("--img_path", made.set, "--view", "all"))):
        data = ("--checkpoint", made.weights(kind), "--points_path", made.set, *inputs, "--device", "cpu")
        command("evaluate", *data, "--out", made.folder / f"{kind}-report", "--jobs", 1)
        command("generate", *data, "--out", made.folder / f"{kind}-meshes", "--jobs", 1)
    return made


def train(made: Pipeline, kind: str, config: str, settings: tuple[str, ...], *more: object) -> None:
    """Train for a while, keep the weights, and go on."""
    for steps in STEPS[kind]:
        changed = [*settings, f"training.steps={steps}", f"training.validate_every={steps}"]
        command("train", kind, "--packed", made.points, "--config", ROOT / "resources" / "configs" / config,
                "--out", made.folder / kind, "--device", "cpu", "--resume", *more,
                *(word for setting in changed for word in ("--set", setting)))  # fmt: skip
        made.weights(kind, steps).write_bytes(made.weights(kind).read_bytes())


def test_pictures_train_encoder_and_flow(pipeline, tmp_path):
    settings = (*TINY_SVR, "training.steps=3", "training.train_flow=true", "training.samples=200")
    command("train", "svr", "--packed", pipeline.points, "--views", pipeline.views,
            "--ae", pipeline.weights("svr"), "--config", ROOT / "resources" / "configs" / "default_svr.toml",
            "--out", tmp_path / "run", "--device", "cpu",
            *(word for setting in settings for word in ("--set", setting)))  # fmt: skip
    with (tmp_path / "run" / "metrics.csv").open(encoding="utf-8") as file:
        last = [row for row in csv.DictReader(file) if row["kind"] == "train"][-1]
    distances = [float(last[f"chamfer_{index}"]) for index in (1, 2, 3)]
    assert all(0 < distance < 10 for distance in distances)
    before = checkpoint.load(pipeline.weights("svr")).state_dict()
    after = checkpoint.load(tmp_path / "run" / "latest.safetensors").state_dict()
    learnt = {name.split(".")[0] for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert learnt == {"encoder", "flow"}


def test_a_dozen_objects_are_prepared_each_in_one_part_and_credited(pipeline):
    manifest = json.loads((pipeline.set / "manifest.json").read_text("utf-8"))
    prepared = pipeline.prepared()
    assert prepared.keys() == ENTRIES.keys()
    assert len(prepared) == 12
    assert not manifest["skipped"]
    assert not manifest["without_views"]
    assert all(entry["views"] == VIEWS for entry in prepared.values())
    split = json.loads((pipeline.set / "split.json").read_text("utf-8"))
    assert all(split[part] for part in ("train", "validation", "test"))
    listed = [path for part in split.values() for path in part]
    assert sorted(listed) == sorted(entry["path"] for entry in prepared.values())
    assert all(entry["path"] in split[split_of(object_id)] for object_id, entry in prepared.items())
    assert {entry.license for entry in ENTRIES.values()} == set(LICENSE_LINKS)
    for credits in (pipeline.set / "credits.md", LIBRARY[0].parent / "credits.md"):
        rows = [row for row in credits.read_text("utf-8").splitlines() if "#" in row and row.startswith("|")]
        assert sorted(rows) == sorted(map(credit, ENTRIES.values()))


def credit(entry: LibraryEntry) -> str:
    licence = f"[{entry.license}]({LICENSE_LINKS[entry.license]})"
    return f"| {entry.id} | {entry.name} | {entry.creator} | {licence} | {entry.library.name} |"


@pytest.mark.parametrize("object_id", sorted(ENTRIES))
def test_points_lie_on_the_model_where_it_is_seen_from_outside_and_normals_look_there(pipeline, object_id):
    """From a point rays are shot by libigl: some get away on the side of its normal, none on the other."""
    folder = pipeline.set / "ShapeNetPoints" / pipeline.prepared()[object_id]["path"]
    frame = json.loads((folder / "frame.json").read_text())
    points = np.load(folder / "points.npy").astype(np.float64)
    normals = np.load(folder / "normals.npy").astype(np.float64)
    assert points.shape == normals.shape == (POINTS, 3)
    assert np.linalg.norm(normals, axis=1) == pytest.approx(np.ones(POINTS), abs=1e-4)
    mesh = load_mesh(ENTRIES[object_id])
    vertices, faces = (mesh.vertices - frame["offset"]) / frame["scale"], mesh.faces.astype(np.int64)
    squared, hit, _ = igl.point_mesh_squared_distance(points, vertices, faces)
    assert np.sqrt(squared.max()) < 1e-5
    some = np.random.default_rng(0).choice(POINTS, 150, replace=False)
    a, b, c = (vertices[faces[hit[some], corner]] for corner in range(3))
    across = np.cross(b - a, c - a)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    on_face = np.abs((across * normals[some]).sum(axis=1))
    assert np.mean(on_face > 0.999) > 0.9  # the nearest of two coinciding faces may be the other one
    before, behind = (
        igl.ambient_occlusion(vertices, faces, points[some] + TOLERANCE * side, side, RAYS)
        for side in (normals[some], -normals[some])
    )
    assert np.mean(before < 1) > 0.94
    assert np.mean(behind < 1) < 0.1


@pytest.mark.parametrize("kind", ["ae", "svr"])
def test_training_goes_on_where_it_stopped_and_lowers_the_loss_of_the_same_batch(pipeline, kind):
    lines = (pipeline.folder / kind / "metrics.jsonl").read_text().splitlines()
    records = [record for record in map(json.loads, lines) if record["kind"] == "train"]
    assert [record["step"] for record in records] == list(range(1, STEPS[kind][1] + 1))
    assert all(np.isfinite(record["loss"]) for record in records)
    loss = {"ae": cloud_loss, "svr": picture_loss}[kind]
    first, last = (loss(pipeline, pipeline.weights(kind, steps)) for steps in STEPS[kind])
    assert np.isfinite(first)
    assert last < {"ae": 0.6, "svr": 0.9}[kind] * first


def cloud_loss(pipeline: Pipeline, weights: Path) -> float:
    """Return chamfer_l2 of all objects to learn from."""
    packed = read_packed_points(pipeline.points)
    points = torch.from_numpy(packed.points[packed.splits == "train"])
    with torch.no_grad():
        return chamfer(checkpoint.load(weights).eval()(points).vertices[-1], points).mean().item()


def picture_loss(pipeline: Pipeline, weights: Path) -> float:
    """Return chamfer_l2 of the clouds predicted from the second picture of each object to learn from."""
    packed = read_packed_points(pipeline.points)
    learnt = packed.splits == "train"
    views = load_views(pipeline.views, packed.ids[learnt].tolist(), 64)
    rows = torch.arange(len(views.ids))
    pictures, rotations = read_views(views, rows, torch.ones_like(rows), torch.device("cpu"))
    batch = cut(pictures, torch.from_numpy(packed.points[learnt]), rotations, 64)
    model = checkpoint.load(weights).eval()
    with torch.no_grad():
        return chamfer(model.image_points(batch.inputs), batch.targets).mean().item()


@pytest.mark.parametrize("kind", ["ae", "svr"])
def test_evaluation_covers_every_category_with_both_protocols_and_draws_all(pipeline, kind):
    folder = pipeline.folder / f"{kind}-report"
    report = pipeline.report(folder.name)
    views = {"ae": [None], "svr": list(range(VIEWS))}[kind]
    assert sorted((row["id"], row.get("view")) for row in report["shapes"]) == sorted(
        (object_id, view) for object_id in TEST_IDS for view in views
    )
    assert report["about"]["failed"] == 0
    assert report["categories"].keys() == {ENTRIES[object_id].category for object_id in TEST_IDS}
    rows = [report["mean"], report["median"], report["class_mean"], *report["categories"].values()]
    for row in [*rows, *report["shapes"]]:
        numbers = [value for value in row.values() if not isinstance(value, str)]
        assert np.isfinite(numbers).all()
        for name in ("chamfer_l2", "f1@0.03", "normal_consistency"):
            assert {name, f"{name}_unaligned"} <= row.keys()
    assert report["mean"]["closed_sphere"] == 1
    assert report["mean"]["nm_edges"] == report["mean"]["nm_vertices"] == 0
    page = (folder / "evaluation.html").read_text("utf-8")
    assert page.count("data:image/png;base64,") == 2 * min(10, len(report["shapes"])) * 4


@pytest.mark.parametrize("kind", ["ae", "svr"])
def test_every_input_becomes_a_closed_sphere(pipeline, kind):
    stems = {"ae": [""], "svr": [f"/{view:02}" for view in range(VIEWS)]}[kind]
    folder = pipeline.folder / f"{kind}-meshes"
    expected = {f"{file_stem(object_id)}{stem}" for object_id in TEST_IDS for stem in stems}
    meshes = {path.relative_to(folder).with_suffix("").as_posix(): path for path in folder.rglob("*.ply")}
    assert meshes.keys() == expected
    for path in meshes.values():
        report = inspect_mesh(read_mesh(path))
        assert report.is_closed_sphere
        assert (report.vertices, report.faces) == (642, 1280)


def test_generated_files_measure_as_the_model_itself(pipeline):
    command("evaluate", "--meshes", pipeline.folder / "ae-meshes", "--points_path", pipeline.set,
            "--out", pipeline.folder / "files", "--no-pictures", "--jobs", 1)  # fmt: skip
    files, model = pipeline.report("files"), pipeline.report("ae-report")
    assert [row["id"] for row in files["shapes"]] == [row["id"] for row in model["shapes"]]
    for one, other in zip(files["shapes"], model["shapes"], strict=True):
        for name in ("chamfer_l2", "chamfer_l2_unaligned", "normal_consistency", "self_intersecting_faces"):
            assert one[name] == pytest.approx(other[name], rel=1e-3), name


def test_the_trained_weights_make_a_certified_mesh_of_a_picture_in_the_application(pipeline, tmp_path):
    model = load_weights("svr", pipeline.weights("svr"))
    assert model.image is not None
    assert not model.training
    key = pipeline.prepared()[min(TEST_IDS)]["path"]
    picture, mesh = pipeline.set / "ShapeNetRendering" / key / "rendering" / "00.png", tmp_path / "mesh.obj"
    words = (picture, "--weights", pipeline.weights("svr"), "--method", "network", "--level", 2)
    outcome = in_process.application(tmp_path, *words, "--output", mesh.name)
    assert outcome.code == 0, outcome.err
    assert "by network in" in outcome.out
    assert inspect_mesh(read_mesh(mesh)).is_sound
    assert in_process.application(tmp_path, "--verify", mesh.name).code == 0
