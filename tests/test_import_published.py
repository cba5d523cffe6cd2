"""The importer against what the authors' own code answered for the same weights."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from nmf_model import checkpoint
from nmf_model.checkpoint_legacy import legacy_image_tensor, load_published, published_name
from nmf_model.config import PAPER, SolverConfig
from nmf_model.errors import CheckpointError
from nmf_model.model import NeuralMeshFlow
from nmf_model.training import cli

ROOT = Path(__file__).parent.parent
_spec = importlib.util.spec_from_file_location(
    "published_weights", ROOT / "tests/reference/published_weights.py"
)
published = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(published)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    return published.write("ae", folder / "epoch_149"), published.write("svr", folder / "epoch_370")


@pytest.fixture(scope="module")
def model(files):
    return load_published(*files)


@pytest.fixture(scope="module")
def answers():
    return published.answers()


def relative_error(ours, theirs):
    """Largest difference of a coordinate, relative to the shape's largest extent."""
    return np.abs(ours.numpy() - theirs).max() / np.ptp(theirs, axis=0).max()


def test_the_names_cover_the_published_layout_exactly():
    with torch.device("meta"):
        ours = NeuralMeshFlow(PAPER).state_dict()
    parts = {"ae": [], "svr": []}
    for name, tensor in ours.items():
        parts["svr" if name.startswith("image.") else "ae"].append((published_name(name), list(tensor.shape)))
    for kind, entries in published.LAYOUT.items():
        assert sorted(parts[kind]) == sorted(map(tuple, entries))


def test_the_auto_encoder_has_the_published_size(model):
    parameters = {name: p.numel() for name, p in model.named_parameters() if not name.startswith("image.")}
    assert sum(parameters.values()) == 8_005_566


@torch.no_grad()
def test_code(model, answers):
    code = model.encode(torch.tensor(answers["points"])[None])[0].numpy()
    assert np.abs(code - answers["code"]).max() < 1e-4 * np.abs(answers["code"]).max()


@torch.no_grad()
def test_image_points(model, answers):
    points = model.image_points(published.reference_image())[0]
    assert relative_error(points, answers["image_points"]) < 1e-4


@torch.no_grad()
def test_vertices_after_each_block(model, answers):
    """In float32, with the fast fixed grid."""
    code = torch.tensor(answers["code"])[None]
    outputs = model.flow(torch.tensor(answers["template"]), code, SolverConfig("rk4", steps=4))
    errors = [
        relative_error(vertices[0], answers[f"vertices_block{i}_tol1e-8"])
        for i, vertices in enumerate(outputs.vertices, start=1)
    ]
    assert len(errors) == 3
    assert max(errors) < 1e-4


@torch.no_grad()
def test_their_own_steps_give_their_own_answer(files, answers):
    """In float64, their tolerance translated to our state: the same steps, so the same solver error."""
    model = load_published(files[0]).double()
    tolerance = 1e-8 * (1003 / 3) ** 0.5
    solver = SolverConfig(rtol=tolerance, atol=tolerance)
    code = torch.tensor(answers["code"], dtype=torch.float64)[None]
    template = torch.tensor(answers["template"], dtype=torch.float64)[None]
    flowed = model.flow.blocks[0](model.flow.rescales[0](template, code), code, solver)
    vertices = model.flow.rescales[1](flowed.vertices, code)[0]
    assert relative_error(vertices, answers["vertices_block1_tol1e-8"]) < 1e-5
    assert abs(flowed.nfe - answers["nfe_tol1e-8"][:2].sum()) <= 24


def test_a_forward_pass_through_the_parts_is_the_whole(model, answers):
    """``forward`` joins encoder, template and flow; a coarse solver and template suffice to see it."""
    points = torch.tensor(answers["points"])[None]
    sphere = torch.nn.functional.normalize(
        torch.randn(50, 3, generator=torch.Generator().manual_seed(0)), dim=1
    )
    with torch.no_grad():
        whole = model(points, sphere)
        parts = model.flow(sphere, model.encode(points))
    assert all(torch.equal(a, b) for a, b in zip(whole.vertices, parts.vertices, strict=True))


def test_pictures_are_prepared_by_columns_as_the_authors_did():
    rgb = np.random.default_rng(0).random((5, 4, 3))
    tensor = legacy_image_tensor(rgb)
    expected = rgb.copy()
    for column, (mean, std) in enumerate([(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)]):
        for row in range(5):
            for channel in range(3):
                expected[row, column, channel] = (rgb[row, column, channel] - mean) / std
    assert tensor.shape == (1, 3, 4, 5)
    assert np.allclose(tensor[0], np.swapaxes(expected, 0, 2), atol=1e-6)


def test_byte_pictures_are_scaled_first():
    rgb = np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    assert torch.allclose(legacy_image_tensor(rgb), legacy_image_tensor(rgb / 255))


def test_another_latent_size_is_read_off_the_weights(tmp_path, files):
    small = {}
    for name, tensor in torch.load(files[0], weights_only=True).items():
        for axis, size in enumerate(tensor.shape):
            if size == 1000:
                tensor = tensor.narrow(axis, 0, 40)
        small[name] = tensor.clone()
    torch.save(small, tmp_path / "small")
    assert load_published(tmp_path / "small").config.flow.latent_size == 40


def changed(state):
    first = "module.db1.l1.odefunc.l1.weight"
    yield "lacks the weight", {k: v for k, v in state.items() if k != first}
    yield "unknown", state | {"module.extra.weight": torch.zeros(2)}
    yield "shape", state | {first: torch.zeros(512, 4)}
    yield "not a published auto-encoder", {"weight": torch.zeros(3)}
    yield "weights alone", {"model": state, "epoch": 149}
    yield "weights alone", [1, 2, 3]


def test_wrong_contents_are_refused_in_words(tmp_path, files):
    state = torch.load(files[0], weights_only=True)
    for sentence, content in changed(state):
        torch.save(content, tmp_path / "wrong")
        with pytest.raises(CheckpointError, match=sentence) as caught:
            load_published(tmp_path / "wrong")
        assert str(tmp_path / "wrong") in str(caught.value)


def test_damaged_files_are_refused_in_words(tmp_path, files):
    whole = files[0].read_bytes()
    for content in (b"", b"plain text", whole[:1000], whole[: len(whole) // 2]):
        (tmp_path / "damaged").write_bytes(content)
        with pytest.raises(CheckpointError, match="damaged"):
            load_published(tmp_path / "damaged")


class Malicious:
    def __init__(self, victim):
        self.victim = str(victim)

    def __reduce__(self):
        return (Path.touch, (Path(self.victim),))


def test_a_file_with_code_in_it_is_refused_and_not_run(tmp_path):
    victim = tmp_path / "was-run"
    torch.save({"module.weight": Malicious(victim)}, tmp_path / "malicious")
    with pytest.raises(CheckpointError):
        load_published(tmp_path / "malicious")
    assert not victim.exists()


def run_cli(*arguments):
    command = [sys.executable, str(ROOT / "training_cli.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_writes_one_file_that_rebuilds_the_model(tmp_path, files, model):
    out = tmp_path / "published.safetensors"
    arguments = ["import-published", "--ae", *files[:1], "--svr", *files[1:], "--out", out]
    done = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    assert str(out) in done.output
    header = checkpoint.read_header(out)
    assert header.config.image.preprocessing == "published-columns"
    assert header.provenance["image_preprocessing"] == "published-columns"
    rebuilt = checkpoint.load(out).state_dict()
    assert all(torch.equal(rebuilt[name], tensor) for name, tensor in model.state_dict().items())


def test_the_command_answers_bad_input_with_one_sentence(tmp_path):
    done = run_cli("import-published", "--ae", tmp_path / "none", "--out", tmp_path / "x.safetensors")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert str(tmp_path / "none") in done.stderr
    assert not list(tmp_path.iterdir())
