from __future__ import annotations

from pathlib import Path

import pytest

from nmf_model.config import (
    PAPER,
    FlowConfig,
    ModelConfig,
    SolverConfig,
    from_dict,
    to_dict,
)
from nmf_model.errors import InputError
from nmf_model.training.settings import load_run_config

CONFIGS = Path(__file__).parent.parent / "resources" / "configs"


def test_the_paper_file_is_the_paper_preset():
    assert load_run_config(CONFIGS / "paper.toml").model == PAPER


@pytest.mark.parametrize(
    "config", [PAPER, ModelConfig(), ModelConfig(flow=FlowConfig(width=7, code_bias=True))]
)
def test_round_trip_through_plain_values(config):
    assert from_dict(ModelConfig, to_dict(config)) == config


def test_whole_numbers_are_welcome_where_fractions_are():
    assert from_dict(FlowConfig, {"integration_time": 1}).integration_time == 1.0


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"flow": {"wdith": 3}}, r"Unknown setting 'wdith' in \[flow\].*width"),
        ({"colour": 1}, "Unknown setting 'colour'"),
        ({"flow": {"width": 2.5}}, "flow.width"),
        ({"flow": {"width": True}}, "flow.width"),
        ({"flow": 3}, "'flow' must be a table"),
        ({"encoder": {"channels": 3}}, "encoder.channels"),
        ({"encoder": {"channels": ["a"]}}, "encoder.channels"),
        ({"flow": {"activation": "sine"}}, "activation.*relu"),
        ({"solver": {"method": ["rk4"]}}, "method"),
        ({"flow": {"width": 0}}, r"^In \[flow\]: The setting .width. must be greater than 0"),
        ({"flow": {"integration_time": float("nan")}}, "greater than 0"),
        ({"flow": {"latent_size": 0, "rescale": "none"}}, "latent_size"),
        ({"encoder": {"head": [0]}}, "head"),
    ],
)
def test_mistakes_are_named(values, sentence):
    with pytest.raises(InputError, match=sentence):
        from_dict(ModelConfig, values)


def test_a_flow_without_a_code_cannot_depend_on_it():
    assert FlowConfig(latent_size=0, rescale="none").latent_size == 0
    with pytest.raises(InputError):
        FlowConfig(latent_size=0)


@pytest.mark.parametrize("text", ["[flow\nwidth = 3", "[flow]\nwdith = 3"])
def test_the_file_is_named(tmp_path, text):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(InputError, match=r"bad\.toml"):
        load_run_config(tmp_path / "bad.toml")
    with pytest.raises(InputError, match=r"none\.toml"):
        load_run_config(tmp_path / "none.toml")


def test_solver_settings_are_checked():
    with pytest.raises(InputError, match="steps"):
        SolverConfig(steps=0)
