"""The settings of a model: frozen, complete, and readable from TOML or a checkpoint's header.

The defaults are the published architecture (Gupta & Chandraker, NeurIPS 2020), so ``PAPER`` is
nothing but ``ModelConfig`` with its image branch switched on.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from nmf_model.errors import InputError

Activation = Literal["relu", "elu", "gelu", "leaky_relu", "silu", "softplus", "tanh"]
RescaleMode = Literal["instance_norm", "scale", "none"]
SolverMethod = Literal["dopri5", "rk4", "midpoint", "euler"]

ConfigT = TypeVar("ConfigT")


def _check_positive(config: Any, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if not 0 < value < float("inf"):
            raise InputError(f"The setting '{name}' must be greater than 0, not {value}.")


def _check_not_negative(config: Any, *names: str) -> None:
    for name in names:
        if getattr(config, name) < 0:
            raise InputError(f"The setting '{name}' must not be negative, but is {getattr(config, name)}.")


def _check_widths(config: Any, *names: str) -> None:
    for name in names:
        if any(width < 1 for width in getattr(config, name)):
            raise InputError(
                f"Every width in '{name}' must be at least 1, but it is {getattr(config, name)}."
            )


def _check_choice(config: Any, name: str, choices: Any) -> None:
    value, allowed = getattr(config, name), get_args(choices)
    if value not in allowed:
        raise InputError(f"The setting '{name}' must be one of {', '.join(allowed)}, not {value!r}.")


@dataclass(frozen=True)
class FlowConfig:
    """The flow: ``blocks`` deform blocks in sequence, each of ``nodes_per_block`` ODE solves.

    Attributes:
        width: H, channels of the velocity's hidden layers.
        hidden_layers: residual layers between the first and the last layer of the velocity.
        blocks, nodes_per_block: how many ODEs are solved, blocks · nodes_per_block in all.
        integration_time: how long each of them runs.
        activation: of the velocity's hidden layers.
        latent_size: Z, numbers in a code; 0 makes a flow without a code, for one shape alone.
        rescale: "instance_norm" centres the vertices and shrinks each axis by a factor of the code (the
            published way; the result then depends on how densely the template is sampled), "scale" only
            shrinks the axes, "none" leaves the vertices alone. Happens before the first and after each block.
        rescale_hidden: width of the small network that finds those factors.
        code_bias: add a code-dependent bias to the velocity's first layer, besides the factor.
    """

    width: int = 512
    hidden_layers: int = 2
    blocks: int = 3
    nodes_per_block: int = 2
    integration_time: float = 0.2
    activation: Activation = "relu"
    latent_size: int = 1000
    rescale: RescaleMode = "instance_norm"
    rescale_hidden: int = 256
    code_bias: bool = False

    def __post_init__(self) -> None:
        _check_positive(self, "width", "blocks", "nodes_per_block", "integration_time", "rescale_hidden")
        _check_not_negative(self, "hidden_layers", "latent_size")
        _check_choice(self, "activation", Activation)
        _check_choice(self, "rescale", RescaleMode)
        if self.latent_size == 0 and (self.rescale != "none" or self.code_bias):
            raise InputError("A flow without a code (latent_size 0) needs rescale = 'none' and no code_bias.")


@dataclass(frozen=True)
class SolverConfig:
    """How each ODE is solved.

    Attributes:
        method: "dopri5" chooses its own steps; the others take ``steps`` equal ones.
        steps: steps per ODE on a fixed grid; not used by dopri5.
        rtol, atol: dopri5 only. A step is accepted when the root mean square, over all numbers of the state
            (B·V·3), of error / (atol + rtol·|x|) is at most 1. The published code carries 1000 code
            numbers of zero error along with each vertex, which loosens its 1e-5 by √(1003/3): 1.8e-4 here.
        adjoint: find gradients by solving the adjoint ODE backwards, which needs memory for one
            evaluation only but costs more time and is exact only up to the solver's error. Otherwise
            they are those of the computation itself.
    """

    method: SolverMethod = "dopri5"
    steps: int = 2
    rtol: float = 1.8e-4
    atol: float = 1.8e-4
    adjoint: bool = False

    def __post_init__(self) -> None:
        _check_positive(self, "steps", "rtol", "atol")
        _check_choice(self, "method", SolverMethod)


@dataclass(frozen=True)
class EncoderConfig:
    """PointNet: 1×1 convolutions, maximum over the points, then a small network; Z comes from the flow.

    Attributes:
        channels: widths of the convolutions before the last, which has Z.
        head: widths of the hidden layers after the maximum.
        context_after: after so many convolutions the maximum over the points is shown to every point
            (Yuan et al., PCN, 3DV 2018); 0 for the published encoder, which does not.
    """

    channels: tuple[int, ...] = (128, 128, 256)
    head: tuple[int, ...] = (256, 128)
    context_after: int = 0

    def __post_init__(self) -> None:
        _check_widths(self, "channels", "head")
        _check_not_negative(self, "context_after")
        if self.context_after > len(self.channels):
            raise InputError(
                f"The setting 'context_after' must be at most {len(self.channels)}, the number of "
                f"'channels', but is {self.context_after}."
            )


@dataclass(frozen=True)
class VolumeConfig:
    """Our own encoder and flow: features and velocities in the cells of a cube (``flow.volume``).

    Attributes:
        cells: fine cells along each side, a multiple of 4; velocities have a node at each of their corners.
        cell_features: numbers that describe the points in a fine cell.
        width: channels of the convolutions, a multiple of 8.
        layers: convolutions after the coarse middle part of each network, which has one more.
        code_channels: numbers of the code in each coarse cell; Z = code_channels · (cells / 2)³.
        radius: of the sphere that flows, unit-sphere units.
        reference_level: icosphere that the network looks at between blocks.
        steps: midpoint steps of each ODE while it looks, and in training.
        fine_blocks: how many of the last blocks see and write in cells half as large, by half of the
            ``cell_features``.
        fine_width, fine_channels: ``width`` and ``code_channels`` of those.
    """

    cells: int = 16
    cell_features: int = 16
    width: int = 48
    layers: int = 1
    code_channels: int = 16
    radius: float = 0.5
    reference_level: int = 3
    steps: int = 2
    fine_blocks: int = 0
    fine_width: int = 24
    fine_channels: int = 8

    def __post_init__(self) -> None:
        _check_positive(self, "cells", "cell_features", "width", "layers", "code_channels", "radius", "steps")
        _check_positive(self, "fine_width", "fine_channels")
        _check_not_negative(self, "reference_level", "fine_blocks")
        if self.cells % 4 or self.width % 8 or self.fine_width % 8:
            raise InputError("'cells' must be a multiple of 4, 'width' and 'fine_width' multiples of 8.")

    @property
    def latent_size(self) -> int:
        """Z, numbers in a code: those of the coarse cells, then those of the fine blocks' own."""
        side = self.cells // 2
        fine = self.fine_channels * (2 * side) ** 3 if self.fine_blocks else 0
        return self.code_channels * side**3 + fine

    @property
    def fine(self) -> VolumeConfig:
        """What the fine blocks are made by."""
        return dataclasses.replace(
            self,
            cells=2 * self.cells,
            cell_features=max(1, self.cell_features // 2),
            width=self.fine_width,
            code_channels=self.fine_channels,
            fine_blocks=0,
        )


@dataclass(frozen=True)
class ImageEncoderConfig:
    """A network that answers a picture with a cloud of points.

    Attributes:
        kind: "resnet", the published ResNet-18 with a small network after it, which answers in the object's
            own frame; "pixels", depths behind each pixel of a cut-out object, in the viewer's frame
            (``encoders.pixel_points``). ``features``, ``hidden``, ``width`` and ``preprocessing`` are the
            former's, ``size``, ``depths`` and ``up`` the latter's.
        features: outputs of the ResNet (ImageNet's 1000 classes).
        hidden: widths of the hidden layers after it.
        points: P, size of the cloud.
        preprocessing: name of the way from a picture to the network's input that the weights were
            trained with: "imagenet", or "published-columns" (see ``checkpoint_legacy``).
        width: channels of the ResNet's first stage; 64 is ResNet-18 itself.
        size: side of the cut-out in pixels, a multiple of 16.
        depths: points behind each cell of 4 × 4 pixels.
        up: whether it also says which way is up.
    """

    kind: Literal["resnet", "pixels"] = "resnet"
    features: int = 1000
    hidden: tuple[int, ...] = (2000, 2000)
    points: int = 1024
    preprocessing: Literal["imagenet", "published-columns"] = "imagenet"
    width: int = 64
    size: int = 112
    depths: int = 4
    up: bool = False

    def __post_init__(self) -> None:
        _check_positive(self, "features", "points", "width", "size", "depths")
        _check_widths(self, "hidden")
        if self.size % 16:
            raise InputError(f"The setting 'size' must be a multiple of 16, but is {self.size}.")

    @property
    def frame(self) -> Literal["object", "camera"]:
        """Whose frame the answered cloud is in."""
        return "object" if self.kind == "resnet" else "camera"

    def without_up(self) -> ImageEncoderConfig:
        """Return the same for a branch that does not say which way is up."""
        return replace(self, up=False)

    def goes_on_from(self, other: ImageEncoderConfig) -> bool:
        """Return whether the weights of a branch with the other settings fit one with these.

        Convolutions are of any size of picture, and what says which way is up may begin afresh.
        """
        if self.kind != "pixels":
            return self == other
        return self == replace(other, size=self.size, up=self.up)


@dataclass(frozen=True)
class ModelConfig:
    """Everything needed to rebuild a model.

    Attributes:
        encoder, flow, solver: its parts.
        volume: encoder and flow on grids instead; of ``encoder`` and ``flow`` only ``blocks`` and
            ``nodes_per_block`` count then.
        image: the picture branch, None for a model of clouds alone.
        template_level: the icosphere the model is used with; it may be flowed with any other.
    """

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    flow: FlowConfig = field(default_factory=FlowConfig)
    solver: SolverConfig = field(default_factory=SolverConfig)
    image: ImageEncoderConfig | None = None
    template_level: int = 4
    volume: VolumeConfig | None = None

    def __post_init__(self) -> None:
        _check_not_negative(self, "template_level")
        if self.volume is not None and self.volume.fine_blocks > self.flow.blocks:
            raise InputError(
                f"The setting 'volume.fine_blocks' must be at most {self.flow.blocks}, the number of blocks."
            )
        if self.flow.latent_size == 0:
            raise InputError("A model with an encoder needs a latent_size of at least 1.")


PAPER = ModelConfig(image=ImageEncoderConfig())
"""The published architecture, picture branch included."""


def to_dict(config: Any) -> dict[str, Any]:
    """Return a configuration as plain values that JSON and TOML can hold (tuples become lists)."""
    return {f.name: _plain(getattr(config, f.name)) for f in dataclasses.fields(config)}


def from_dict(kind: type[ConfigT], values: Mapping[str, Any], where: str = "") -> ConfigT:
    """Build a configuration of type ``kind``; missing keys take their defaults.

    Args:
        kind: one of the classes above, or any frozen dataclass of the same simple fields.
        values: what ``to_dict`` returned or TOML holds.
        where: dotted path of these values, for the messages.

    Raises:
        InputError: for an unknown key, a value of the wrong type or outside its range; it names the key.
    """
    hints = get_type_hints(kind)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        place = f" in [{where}]" if where else ""
        known = ", ".join(hints)
        raise InputError(f"Unknown setting '{unknown[0]}'{place}; the known ones are {known}.")
    converted = {
        name: _convert(hints[name], value, f"{where}.{name}".lstrip(".")) for name, value in values.items()
    }
    try:
        return kind(**converted)
    except InputError as error:
        # What a table finds wrong with itself does not know what it is called.
        if not where or f"{where}." in str(error):
            raise
        raise InputError(f"In [{where}]: {error}") from error


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    return list(value) if isinstance(value, tuple) else value


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Bring one value of a JSON or TOML document to the type of its field."""
    if get_origin(hint) in (Union, types.UnionType):
        if value is None:
            return None
        hint = next(option for option in get_args(hint) if option is not type(None))
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise InputError(f"The setting '{where}' must be a table of settings, not {value!r}.")
        return from_dict(hint, value, where)
    if get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)):
            raise InputError(f"The setting '{where}' must be a list, not {value!r}.")
        return tuple(_convert(get_args(hint)[0], item, where) for item in value)
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            allowed = ", ".join(get_args(hint))
            raise InputError(f"The setting '{where}' must be one of {allowed}, not {value!r}.")
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        raise InputError(f"The setting '{where}' must be of type {hint.__name__}, not {value!r}.")
    return value
