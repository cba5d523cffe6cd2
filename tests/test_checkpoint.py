from __future__ import annotations

import json
import struct

import pytest
import torch

from nmf_model import checkpoint
from nmf_model.config import EncoderConfig, FlowConfig, ImageEncoderConfig, ModelConfig, SolverConfig
from nmf_model.errors import CheckpointError, InputError
from nmf_model.model import NeuralMeshFlow

CONFIG = ModelConfig(
    encoder=EncoderConfig(channels=(8, 8), head=(12,)),
    flow=FlowConfig(width=16, blocks=2, latent_size=10, rescale="scale", rescale_hidden=6, code_bias=True),
    solver=SolverConfig("midpoint", steps=3),
    image=ImageEncoderConfig(features=20, hidden=(16,), points=32),
    template_level=2,
)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = NeuralMeshFlow(CONFIG)
    model.train()
    model.encode(torch.randn(4, 50, 3))  # moves the running statistics off their defaults
    return model.eval()


@pytest.fixture
def path(tmp_path, model):
    checkpoint.save(
        tmp_path / "m.safetensors", model, metrics={"chamfer_l2/test": 7.5e-3}, provenance={"data": "x"}
    )
    return tmp_path / "m.safetensors"


def test_round_trip_is_bit_equal(path, model):
    loaded = checkpoint.load(path)
    assert loaded.config == CONFIG
    assert not loaded.training
    ours, theirs = model.state_dict(), loaded.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(
        torch.equal(ours[name], theirs[name]) and ours[name].dtype == theirs[name].dtype for name in ours
    )
    points = torch.randn(1, 60, 3)
    assert torch.equal(model(points).vertices[-1], loaded(points).vertices[-1])


def test_a_loaded_model_can_be_trained_on(path):
    loaded = checkpoint.load(path)
    loaded(torch.randn(2, 20, 3)).vertices[-1].square().sum().backward()
    assert all(p.requires_grad for p in loaded.parameters())
    assert loaded.encoder.head_layers[0].weight.grad.abs().sum() > 0


def test_header_is_read_without_the_weights(path, tmp_path):
    header = checkpoint.read_header(path)
    assert header.config == CONFIG
    assert header.metrics == {"chamfer_l2/test": 7.5e-3}
    assert header.provenance == {"data": "x"}
    assert header.storage == "float32"
    assert header == checkpoint.Header(CONFIG, header.metrics, header.provenance)


def test_half_precision_halves_the_file_and_rounds_parameters_alone(path, tmp_path, model):
    checkpoint.save(tmp_path / "half.safetensors", model, storage="float16")
    assert (tmp_path / "half.safetensors").stat().st_size < 0.52 * path.stat().st_size
    loaded = checkpoint.load(tmp_path / "half.safetensors")
    parameters = dict(loaded.named_parameters())
    for name, original in model.state_dict().items():
        rounded = original.half().float() if name in parameters else original
        assert torch.equal(loaded.state_dict()[name], rounded)


def test_half_precision_refuses_weights_it_cannot_hold(tmp_path, model):
    large = NeuralMeshFlow(CONFIG)
    with torch.no_grad():
        large.image.backbone.fc.bias[0] = 1e6
    with pytest.raises(CheckpointError, match=r"image\.backbone\.fc\.bias"):
        checkpoint.save(tmp_path / "half.safetensors", large, storage="float16")
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_nothing_behind(tmp_path, model):
    with pytest.raises(InputError, match="could not be written"):
        checkpoint.save(tmp_path / "missing" / "m.safetensors", model)
    assert not list(tmp_path.iterdir())


def rewritten(path, change):
    """The file with its metadata changed by ``change(header)``, weights untouched."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    head = json.loads(data[8 : 8 + length])
    values = json.loads(head["__metadata__"]["nmf"])
    change(values)
    head["__metadata__"]["nmf"] = json.dumps(values)
    text = json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda v: v.update(format_version=2), "update the program"),
        (lambda v: v.update(model_kind="other"), "'other' model"),
        (lambda v: v.pop("config"), "damaged"),
        (lambda v: v["config"].update(bogus=1), "Unknown setting 'bogus'"),
        (lambda v: v["config"]["flow"].update(width="wide"), "flow.width"),
        (lambda v: v["config"]["flow"].update(width=17), "shape"),
        (lambda v: v["config"]["flow"].update(blocks=3), "lacks the weight"),
        (lambda v: v["config"].update(image=None), "unknown here"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused_in_words(path, change, sentence):
    rewritten(path, change)
    with pytest.raises(CheckpointError, match=sentence) as caught:
        checkpoint.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("keep", [0, 5, 200, -1])
def test_truncated_files_are_refused_in_words(path, keep):
    path.write_bytes(path.read_bytes()[:keep])
    for read in (checkpoint.load, checkpoint.read_header):
        with pytest.raises(CheckpointError, match="damaged"):
            read(path)


def test_other_files_are_refused_in_words(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="import-published"):
        checkpoint.load(tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        checkpoint.load(tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match="folder"):
        checkpoint.load(tmp_path)
