"""The mean of two trainings."""

from __future__ import annotations

import torch

from nmf_model import checkpoint
from nmf_model.config import EncoderConfig, FlowConfig, ImageEncoderConfig, ModelConfig
from nmf_model.model import NeuralMeshFlow
from tests.support import in_process


def model(seed: int, width: int = 4) -> NeuralMeshFlow:
    torch.manual_seed(seed)
    encoder, flow = EncoderConfig(channels=(4, 4), head=(4,)), FlowConfig(width=width, latent_size=4)
    return NeuralMeshFlow(ModelConfig(encoder=encoder, flow=flow)).eval()


def test_it_lies_between_them_and_says_what_it_is_of(tmp_path):
    models = [model(0), model(1)]
    for number, name in enumerate(("one", "other")):
        checkpoint.save(tmp_path / f"{name}.safetensors", models[number], provenance={"steps": str(number)})
    words = ["one.safetensors", "other.safetensors", "--share", "0.25", "--out", "mean.safetensors"]
    outcome = in_process.training(tmp_path, "average", *words)
    assert outcome.code == 0, outcome.err
    path = tmp_path / "mean.safetensors"
    one, other = (each.state_dict() for each in models)
    moved = 0.0
    for name, value in checkpoint.load(path).state_dict().items():
        if not value.is_floating_point():
            continue  # how many batches were seen
        assert torch.allclose(value, 0.75 * one[name] + 0.25 * other[name], atol=1e-3), name
        moved = max(moved, float((value - one[name]).abs().max()))
    assert moved > 0.05
    told = checkpoint.read_header(path).provenance
    assert (told["steps"], told["averaged steps"], told["averaged share"]) == ("1", "0", "0.75")


def test_those_of_another_model_are_refused(tmp_path):
    checkpoint.save(tmp_path / "one.safetensors", model(0))
    checkpoint.save(tmp_path / "wide.safetensors", model(0, width=8))
    outcome = in_process.training(
        tmp_path, "average", "one.safetensors", "wide.safetensors", "--out", "m.safetensors"
    )
    assert outcome.code == 2
    assert "not of the same model" in outcome.err
    assert not (tmp_path / "m.safetensors").exists()


def test_the_upright_that_only_the_others_tell_is_theirs(tmp_path):
    for name, up in (("one", False), ("other", True)):
        torch.manual_seed(up)
        image = ImageEncoderConfig(kind="pixels", size=32, points=8, depths=1, up=up)
        made = NeuralMeshFlow(ModelConfig(flow=FlowConfig(width=4, latent_size=4), image=image))
        checkpoint.save(tmp_path / f"{name}.safetensors", made)
    words = ["one.safetensors", "other.safetensors", "--share", "0.5", "--out", "mean.safetensors"]
    assert in_process.training(tmp_path, "average", *words).code == 0
    one, other, mean = (checkpoint.load(tmp_path / f"{n}.safetensors") for n in ("one", "other", "mean"))
    assert mean.config == other.config
    assert torch.equal(mean.image.upright.hidden.weight, other.image.upright.hidden.weight.half().float())
    halfway = (one.image.write.weight + other.image.write.weight) / 2
    assert torch.allclose(mean.image.write.weight, halfway, atol=1e-3)
    assert not torch.allclose(mean.image.write.weight, other.image.write.weight, atol=1e-3)
    back = in_process.training(tmp_path, "average", *words[1::-1], "--out", "mean.safetensors")
    assert back.code == 2
