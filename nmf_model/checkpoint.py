"""One file that rebuilds a model: safetensors with a readable header, never pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save as serialize
from torch import Tensor

from nmf_model.config import ModelConfig, from_dict, to_dict
from nmf_model.errors import CheckpointError, NmfError
from nmf_model.io.atomic import write_atomically
from nmf_model.model import NeuralMeshFlow
from nmf_model.weights import opened

FORMAT_VERSION = 1
MODEL_KIND = "neural-mesh-flow"
_METADATA_KEY = "nmf"

Storage = Literal["float32", "float16"]


@dataclass(frozen=True)
class Header:
    """What a checkpoint says about itself.

    Attributes:
        config: rebuilds the model.
        metrics: figures on it, by name, each with its unit or split in the name ("chamfer_l2/test").
        provenance: where the weights come from, by name ("source", "data", "commit" ...).
        storage: precision of the floating-point parameters in the file; a loaded model is always float32.
        model_kind, format_version: what a reader must know to understand the file.
    """

    config: ModelConfig
    metrics: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    storage: Storage = "float32"
    model_kind: str = MODEL_KIND
    format_version: int = FORMAT_VERSION


def save(
    path: Path | str,
    model: NeuralMeshFlow,
    *,
    metrics: Mapping[str, float] | None = None,
    provenance: Mapping[str, str] | None = None,
    storage: Storage = "float32",
) -> Header:
    """Write a model to ``path``, replacing an older file only once the new one is complete.

    With ``storage="float16"`` the parameters are rounded to half precision, which halves the file; the
    running statistics of batch norm, small in size and large in range, stay float32.

    Raises:
        CheckpointError: if a weight is too large for half precision.
        InputError: if the file cannot be written here.
    """
    header = Header(model.config, dict(metrics or {}), dict(provenance or {}), storage)
    parameters = {name for name, _ in model.named_parameters()} if storage == "float16" else set()
    tensors = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    stored = {name: _halved(name, t) if name in parameters else t for name, t in tensors.items()}
    data = serialize(stored, {_METADATA_KEY: json.dumps(to_dict(header))})
    write_atomically(Path(path), lambda file: file.write(data))
    return header


def load(path: Path | str, device: torch.device | str = "cpu") -> NeuralMeshFlow:
    """Rebuild the model of a checkpoint, in eval mode, with float32 weights.

    Raises:
        CheckpointError: if the file cannot be read, is damaged, or does not match its own configuration.
    """
    header = read_header(path)
    with opened(path) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    with torch.device("meta"):
        model = NeuralMeshFlow(header.config)
    expected = model.state_dict()
    check_layout(path, {name: tuple(t.shape) for name, t in expected.items()}, tensors)
    # Copied, because the tensors are windows into the file: unaligned, and lost if it is replaced.
    converted = {name: tensor.to(device, expected[name].dtype, copy=True) for name, tensor in tensors.items()}
    model.load_state_dict(converted, assign=True)
    return model.eval()


def read_header(path: Path | str) -> Header:
    """Read what a checkpoint says about itself, without reading its weights.

    Raises:
        CheckpointError: if the file cannot be read, is damaged, or is of another kind or a newer format.
    """
    with opened(path) as file:
        metadata = file.metadata() or {}
    if _METADATA_KEY not in metadata:
        raise CheckpointError(
            f"{path} is not a checkpoint of this program; convert published ones with 'import-published'."
        )
    try:
        values = json.loads(metadata[_METADATA_KEY])
        version, kind = values["format_version"], values["model_kind"]
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"The header of {path} is damaged; fetch or write the file again.") from error
    if version != FORMAT_VERSION or kind != MODEL_KIND:
        raise CheckpointError(
            f"{path} holds a '{kind}' model in format {version}, but this version reads '{MODEL_KIND}' "
            f"in format {FORMAT_VERSION}; update the program."
        )
    return _header_from(path, values)


def take_over(model: NeuralMeshFlow, path: Path | str) -> tuple[str, ...]:
    """Copy into a model what of a checkpoint fits it.

    Returns:
        the names of the model's weights that the checkpoint has no fitting ones for; they stay as they are.

    Raises:
        CheckpointError: if the file cannot be read or is damaged, or nothing of it fits.
    """
    found = load(path).state_dict()
    own = model.state_dict()
    fitting = {n: t for n, t in own.items() if n in found and found[n].shape == t.shape}
    if not fitting:
        raise CheckpointError(f"Nothing in {path} fits the model to train; it belongs to another one.")
    with torch.no_grad():
        for name, tensor in fitting.items():
            tensor.copy_(found[name])
    return tuple(name for name in own if name not in fitting)


def check_layout(
    path: Path | str, expected: Mapping[str, tuple[int, ...]], found: Mapping[str, Tensor]
) -> None:
    """Compare the names and shapes of weights with what a model needs.

    Raises:
        CheckpointError: naming the first that is missing, unknown, or of another shape.
    """
    missing = [name for name in expected if name not in found]
    unknown = [name for name in found if name not in expected]
    wrong = [name for name in expected if name in found and tuple(found[name].shape) != expected[name]]
    if missing:
        raise CheckpointError(f"{path} lacks {_some(missing)}; it belongs to another model or is incomplete.")
    if unknown:
        raise CheckpointError(
            f"{path} also holds {_some(unknown)}, unknown here; it belongs to another model."
        )
    if wrong:
        name = wrong[0]
        raise CheckpointError(
            f"In {path} the weight '{name}' has the shape {tuple(found[name].shape)} instead of "
            f"{expected[name]}; it belongs to another model."
        )


def _some(names: list[str]) -> str:
    others = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"the weight '{names[0]}'{others}"


def _header_from(path: Path | str, values: dict[str, Any]) -> Header:
    try:
        return Header(
            config=from_dict(ModelConfig, values["config"]),
            metrics={str(name): float(value) for name, value in values["metrics"].items()},
            provenance={str(name): str(value) for name, value in values["provenance"].items()},
            storage=values["storage"],
        )
    except NmfError as error:
        raise CheckpointError(f"The configuration in {path} cannot be used: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"The header of {path} is damaged; fetch or write the file again.") from error


def _halved(name: str, tensor: Tensor) -> Tensor:
    half = tensor.half()
    if not torch.equal(torch.isfinite(half), torch.isfinite(tensor)):
        raise CheckpointError(f"The weight '{name}' is too large for half precision; save as float32.")
    return half
