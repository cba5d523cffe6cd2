"""How a model is trained: the table ``[training]`` of a configuration file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from nmf_model.config import ModelConfig, from_dict
from nmf_model.errors import InputError
from nmf_model.geometry.template import MAX_LEVEL

_LARGEST_SEED = 2**32 - 1
_AT_LEAST = {
    "steps": 1, "batch_size": 1, "accumulate": 1, "input_points": 1, "fewest_points": 1, "target_points": 1,
    "samples": 1, "points_per_shape": 1, "log_every": 1, "validate_every": 1, "validation_shapes": 1,
    "epochs": 0, "data_workers": -1, "sample_shapes": 0, "final_rate": 0, "warmup": 0, "weight_decay": 0,
    "clip": 0, "normal_weight": 0, "extent_weight": 0, "depth_weight": 0, "up_weight": 0,
    "smoothness_weight": 0, "lipschitz_weight": 0, "lipschitz_bound": 0, "checkpoint_minutes": 0,
}  # fmt: skip

_DECIDE_VALIDATION = {
    "ae": ("validation_shapes", "input_points", "target_points", "samples", "template_level"),
    "svr": ("validation_shapes", "target_points"),
}


@dataclass(frozen=True)
class AugmentConfig:
    """What is done to each shape at each step, before it is normalised again.

    Attributes:
        axis_scale: each axis is scaled by a factor log-uniform in 1/axis_scale … axis_scale.
        mirror: mirror left and right half of the time.
        rotate: "none", "yaw" (about the vertical axis y), "any", or "mixed": of each batch's shapes a quarter
            stays upright, a quarter is turned about y and half any way.
        noise: standard deviation of the input's points, uniform between 0 and this, unit-sphere units.
    """

    axis_scale: float = 1.3
    mirror: bool = True
    rotate: Literal["none", "yaw", "any", "mixed"] = "none"
    noise: float = 0.0

    def __post_init__(self) -> None:
        _check_least("training.augment.axis_scale", self.axis_scale, 1)
        _check_least("training.augment.noise", self.noise, 0)


@dataclass(frozen=True)
class TrainingConfig:
    """One run of training.

    Attributes:
        steps: length of the schedule, in updates of the weights.
        batch_size: shapes an update, over all devices and accumulated parts together.
        accumulate: parts that a device's share of the batch is computed in.
        learning_rate, final_rate: at the start and end of the schedule.
        epochs: if not 0, ``steps`` is what so many passes over the shapes take.
        schedule: "cosine"; "decay" (constant, then linear over the last fifth); "published"
            (×``rate_decay`` every 250 steps, never below ``final_rate``).
        warmup: steps over which the rate rises from 0, whatever the schedule.
        clip: largest norm of the gradient; 0 leaves it alone.
        points_per_shape: how many points of each shape are kept in memory.
        synthetic_share: share of each batch that is procedural shapes, made on the fly.
        synthetic_seed: which sequence of them.
        data_workers: processes that make them; -1 takes most processors beside a GPU, none on a CPU.
        input_points, fewest_points: how many points the encoder sees, log-uniform between these.
        target_points, samples: points of the target and of each surface in the loss.
        template_level: icosphere while training.
        block_weights: of the surfaces after each block in the loss, divided by their sum. The first
            surface but for a single block is compared by its vertices, the others by samples.
        early_share: share of them for all surfaces but the last; finding neighbours is half of a step's time.
        normal_weight: of the disagreement between the last surface's normals and those of the nearest target
            points, 1 - cos²; only where the data has normals.
        extent_weight: of the mean squared difference of how far the last surface and the target reach in each
            direction; what keeps tips from coming out short.
        depth_weight: of the mean error of the depths of front and back behind each cell, halves of a
            picture's side ("pixels" only).
        up_weight: of 1 - cos of the angle between the object's true and predicted upright (``image.up``
            only).
        smoothness_weight, lipschitz_weight, lipschitz_bound: for a flow on grids, of the mean squared
            gradient of the velocity and of its excess over the bound.
        freeze_backbone: leave the picture branch's pretrained backbone as it is ("pixels" only).
        precision: "bf16" inside the networks (the state of the flow stays float32), "float32", or
            "auto": bf16 on a GPU.
        train_flow: pictures only: instead of the picture branch, encoder and flow learn, from the clouds that
            it predicts.
        compile: let torch.compile fuse the velocity; falls back by itself where that fails.
        log_every, validate_every: steps. checkpoint_minutes: time between checkpoints.
        validation_shapes: how many of the validation part are measured.
        sample_shapes: how many of that part, spread over it, are written as meshes and pictures then; never
            more than are measured.
    """

    steps: int = 20_000
    epochs: int = 0
    batch_size: int = 64
    accumulate: int = 1
    seed: int = 0
    learning_rate: float = 1e-3
    final_rate: float = 1e-5
    schedule: Literal["cosine", "decay", "published"] = "cosine"
    rate_decay: float = 0.98
    warmup: int = 200
    weight_decay: float = 0.0
    clip: float = 1.0
    points_per_shape: int = 4096
    synthetic_share: float = 0.0
    synthetic_seed: int = 0
    data_workers: int = -1
    input_points: int = 2048
    fewest_points: int = 2048
    target_points: int = 2562
    samples: int = 2562
    template_level: int = 3
    block_weights: tuple[float, ...] = (1.0, 2.0, 7.0)
    early_share: float = 1.0
    normal_weight: float = 0.0
    extent_weight: float = 0.0
    depth_weight: float = 0.0
    up_weight: float = 0.0
    smoothness_weight: float = 1e-4
    lipschitz_weight: float = 0.5
    lipschitz_bound: float = 1.0
    freeze_backbone: bool = True
    train_flow: bool = False
    precision: Literal["auto", "bf16", "float32"] = "auto"
    compile: bool = False
    log_every: int = 20
    validate_every: int = 500
    validation_shapes: int = 64
    sample_shapes: int = 6
    checkpoint_minutes: float = 2.0
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        for name, low in _AT_LEAST.items():
            _check_least(f"training.{name}", getattr(self, name), low)
        for name, high in (
            ("seed", _LARGEST_SEED),
            ("synthetic_seed", _LARGEST_SEED),
            ("template_level", MAX_LEVEL),
            ("synthetic_share", 1),
        ):
            if not 0 <= getattr(self, name) <= high:
                raise InputError(
                    f"The setting 'training.{name}' must lie between 0 and {high}, not {getattr(self, name)}."
                )
        if not 0 < self.learning_rate < math.inf:
            raise InputError(
                f"The setting 'training.learning_rate' must be greater than 0, not {self.learning_rate}."
            )
        if not 0 < self.rate_decay <= 1:
            raise InputError("The setting 'training.rate_decay' must lie between 0 and 1.")
        self._check_surfaces()

    def _check_surfaces(self) -> None:
        """Refuse weights and shares with which a surface would be compared by nothing."""
        finite = all(0 <= weight < math.inf for weight in self.block_weights)
        if not finite or not any(self.block_weights):
            raise InputError(
                "The setting 'training.block_weights' needs weights that are not negative and not all 0."
            )
        if not 0 < self.early_share <= 1:
            raise InputError(
                f"The setting 'training.early_share' must be greater than 0 and at most 1, "
                f"not {self.early_share}."
            )
        if round(self.early_share * min(self.samples, self.target_points)) < 1:
            raise InputError(
                "The setting 'training.early_share' is so small that no point of an earlier surface is left."
            )


def _check_least(name: str, value: float, low: float) -> None:
    """Refuse what is smaller, infinite or no number."""
    if not low <= value < math.inf:
        wanted = "finite" if value == math.inf else f"at least {low}"
        raise InputError(f"The setting '{name}' must be {wanted}, not {value}.")


@dataclass(frozen=True)
class RunConfig:
    """All that decides a run's outcome besides its data.

    Attributes:
        model: what is trained.
        training: how.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)


def validation_settings(config: TrainingConfig, kind: str) -> dict[str, Any]:
    """Return the settings that decide what a validation measures; values under others cannot be compared."""
    return {name: getattr(config, name) for name in _DECIDE_VALIDATION[kind]}


def with_epochs(config: TrainingConfig, shapes: int) -> TrainingConfig:
    """Return the settings with ``steps`` as ``epochs`` passes over the shapes take, if it is not 0."""
    if config.epochs == 0:
        return config
    real = config.batch_size * (1 - config.synthetic_share)
    return replace(config, steps=max(1, round(config.epochs * shapes / max(real, 1))))


def load_run_config(path: Path, overrides: Sequence[str] = (), kind: str = "ae") -> RunConfig:
    """Read a TOML file of model settings with a table ``training``; arguments as for ``read_settings``.

    Raises:
        InputError: if the file cannot be read, is not TOML, or a setting is wrong; it names it.
    """
    return run_config(read_settings(path, overrides, kind))


def read_settings(path: Path, overrides: Sequence[str] = (), kind: str = "ae") -> dict[str, Any]:
    """Return the tables of a TOML file as they are there; the file is checked, the overrides are not yet.

    Args:
        path: the file.
        overrides: ``name=value`` with dotted names, for example ``training.steps=100`` or ``flow.width=64``;
            values as in TOML, quotes around words may be left out.
        kind: "ae" or "svr", whose table ``training.svr`` goes before ``training``.

    Raises:
        InputError: if the file cannot be read, is not TOML or holds a wrong setting, or an override is not of
            this form.
    """
    import tomllib

    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The configuration {path} cannot be read: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"The configuration {path} is not valid TOML: {error}.") from error
    training = values.setdefault("training", {})
    if not isinstance(training, dict) or not isinstance(pictures := training.pop("svr", {}), dict):
        raise InputError(f"In {path}, training and training.svr must be tables of settings.")
    if kind == "svr":
        training.update(pictures)
    try:
        run_config(values)
    except InputError as error:
        raise InputError(f"The configuration {path} cannot be used: {error}") from error
    for override in overrides:
        _override(values, override)
    return values


def run_config(values: Mapping[str, Any]) -> RunConfig:
    """Build the configuration from its tables.

    Raises:
        InputError: a setting is wrong; it names it.
    """
    model = {name: value for name, value in values.items() if name != "training"}
    training = values.get("training", {})
    if not isinstance(training, Mapping):
        raise InputError(f"The setting 'training' must be a table of settings, not {training!r}.")
    config = RunConfig(from_dict(ModelConfig, model), from_dict(TrainingConfig, training, "training"))
    _check_rates(config.training)
    level = config.model.template_level
    if level > MAX_LEVEL:  # it is first made at a validation, perhaps hours into a run
        raise InputError(f"The setting 'template_level' must lie between 0 and {MAX_LEVEL}, not {level}.")
    return config


def _check_rates(config: TrainingConfig) -> None:
    """Refuse rates that would rise; runs of earlier versions that have such can still be read."""
    if config.final_rate > config.learning_rate:
        raise InputError(
            f"The setting 'training.final_rate' ({config.final_rate:g}) must not be greater than "
            f"'training.learning_rate' ({config.learning_rate:g})."
        )


def _override(values: dict[str, Any], text: str) -> None:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"The setting '{text}' must be written name=value, for example training.steps=100.")
    *tables, key = name.strip().split(".")
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise InputError(f"The setting '{name}' does not exist: '{table}' is no table.")
    values[key] = _value(value.strip())


def _value(text: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
