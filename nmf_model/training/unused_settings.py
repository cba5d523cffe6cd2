"""Which settings a training makes no use of: they are named and left out, not stored as if they counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmf_model.config import ModelConfig
from nmf_model.errors import InputError
from nmf_model.training.differences import settings_of
from nmf_model.training.settings import RunConfig, TrainingConfig, read_settings, run_config

_MODEL_OF_CLOUDS = ("encoder.", "flow.", "solver.", "volume.", "template_level")
_TABLES_OF_CLOUDS = ("volume", "encoder", "flow")
_COUNT_ON_GRIDS = ("flow.blocks", "flow.nodes_per_block")
_POINTWISE = ("training.template_level", "training.compile")
_SMOOTHNESS = ("training.smoothness_weight", "training.lipschitz_weight", "training.lipschitz_bound")
_OF_SURFACES = (
    "training.samples",
    "training.early_share",
    "training.block_weights",
    "training.extent_weight",
    *_POINTWISE,
    *_SMOOTHNESS,
)
_OF_CLOUDS = (
    "training.input_points", "training.fewest_points", "training.augment.", "training.synthetic_share",
    "training.synthetic_seed", "training.data_workers", "training.normal_weight",
)  # fmt: skip
_OF_BRANCH = ("training.depth_weight", "training.up_weight", "training.freeze_backbone")
_OF_RESNET = ("image.features", "image.hidden", "image.width", "image.preprocessing")
_OF_PIXELS = ("image.size", "image.depths", "image.up")


@dataclass(frozen=True)
class Use:
    """What a training makes use of.

    Attributes:
        kind: "ae" or "svr".
        on_grids: whether encoder and flow, with pictures those of the auto-encoder, are on grids.
        pixels: whether the picture branch is the one that answers pixels.
        train_flow: whether encoder and flow learn from pictures.
        idle: settings that other settings leave without effect.
    """

    kind: str
    on_grids: bool
    pixels: bool = False
    train_flow: bool = False
    idle: tuple[str, ...] = ()

    def ignores(self, name: str) -> bool:
        """Return whether a setting, by its dotted name, changes nothing."""
        return self.never_uses(name) or name in self.idle or name.startswith(self._of_other_kinds())

    def never_uses(self, name: str) -> bool:
        """Return whether a setting has no meaning beside the table [volume] that the model has."""
        if self.kind != "ae" or not self.on_grids or name in _COUNT_ON_GRIDS:
            return False
        return name.startswith(("encoder.", "flow.", "solver.adjoint", *_POINTWISE))

    def only_answers_by(self, name: str) -> bool:
        """Return whether a setting changes the trained model's answers, but not how it is trained."""
        return self.kind == "ae" and self.on_grids and name.startswith("solver.") and not self.ignores(name)

    def _of_other_kinds(self) -> tuple[str, ...]:
        """Return the names, or beginnings of them, that mean something in another training only."""
        of_flow = _POINTWISE if self.on_grids else _SMOOTHNESS
        if self.kind == "ae":
            return ("image.", "training.train_flow", *_OF_BRANCH, *of_flow)
        of_image = _OF_RESNET if self.pixels else (*_OF_PIXELS, *_OF_BRANCH)
        of_aim = (*of_flow, *_OF_BRANCH) if self.train_flow else _OF_SURFACES
        return (*_MODEL_OF_CLOUDS, *_OF_CLOUDS, *of_image, *of_aim)


def use_of(config: RunConfig, kind: str, autoencoder: ModelConfig | None = None) -> Use:
    """Return what a training with a configuration makes use of; with pictures beside an auto-encoder."""
    clouds, image = autoencoder or config.model, config.model.image
    pixels = image is not None and image.kind == "pixels"
    return Use(kind, clouds.volume is not None, pixels, config.training.train_flow, _idle(config.training))


def _idle(training: TrainingConfig) -> tuple[str, ...]:
    """Return the settings of a training that its other settings leave without effect."""
    without_effect = {
        "training.rate_decay": training.schedule != "published",
        "training.steps": training.epochs > 0,
        "training.synthetic_seed": training.synthetic_share == 0,
    }
    return tuple(name for name, is_idle in without_effect.items() if is_idle)


def load_used(
    path: Path, overrides: Sequence[str], kind: str, autoencoder: ModelConfig | None = None
) -> tuple[RunConfig, tuple[str, ...]]:
    """Read a configuration without what the training does not use.

    A file may serve both trainings, so what the other one uses is only named where it was asked for by an
    override; what no model with a table [volume] uses is named wherever it comes from.

    Args:
        path: the file.
        overrides: see ``settings.read_settings``.
        kind: "ae" or "svr".
        autoencoder: with pictures, the model that encoder and flow come from.

    Returns:
        the configuration, and sentences on what was left out.

    Raises:
        InputError: see ``settings.load_run_config``; settings that are left out are checked as well. Or a
            configuration of a picture branch is to train an auto-encoder: of what it says nothing of, the
            published model would be trained unasked.
    """
    values = read_settings(path, overrides, kind)
    if kind == "ae" and "image" in values and not any(table in values for table in _TABLES_OF_CLOUDS):
        raise InputError(
            f"The configuration {path} describes a picture branch alone, for 'train svr'; 'train ae' needs "
            "one with a table [volume], or [encoder] and [flow]."
        )
    use = use_of(run_config(values), kind, autoencoder)
    asked = {override.partition("=")[0].strip() for override in overrides}
    ignored: list[str] = []
    idle: list[str] = []
    answering = []
    for name in settings_of(values):
        overridden = any(name == other or name.startswith(f"{other}.") for other in asked)
        if use.never_uses(name) or (overridden and use.ignores(name)):
            (idle if name in use.idle else ignored).append(name)
            _drop(values, name)
        elif overridden and use.only_answers_by(name):
            answering.append(name)
    notes = []
    if ignored:
        notes.append(f"Not used by this model and ignored: {', '.join(ignored)}.")
    if idle:
        notes.append(f"Without effect beside the other settings and ignored: {', '.join(idle)}.")
    if answering:
        notes.append(f"Used only when the trained model answers, not in training: {', '.join(answering)}.")
    return run_config(values), tuple(notes)


def _drop(values: dict[str, Any], name: str) -> None:
    *tables, key = name.split(".")
    for table in tables:
        values = values[table]
    del values[key]
