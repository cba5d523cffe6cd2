"""The trained weights that ship with the program, and any others a user names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nmf_model.errors import CheckpointError, InputError
from nmf_model.resources import resource

if TYPE_CHECKING:
    from nmf_model.model import NeuralMeshFlow

Kind = Literal["ae", "svr"]


def shipped_path(kind: Kind) -> Path | None:
    """Return the file of the weights for clouds ("ae") or pictures ("svr"), None where none are installed."""
    return resource(f"checkpoints/{kind}.safetensors")


@contextmanager
def opened(path: Path | str, framework: Literal["pt", "numpy"] = "pt") -> Iterator[Any]:
    """Open a safetensors file; what it holds is read on demand. Without torch, if ``framework`` is "numpy".

    Raises:
        CheckpointError: if it is missing, damaged or of another kind.
    """
    from safetensors import SafetensorError, safe_open

    if Path(path).is_dir():
        raise CheckpointError(f"{path} is a folder; name the checkpoint file in it.")
    try:
        with safe_open(str(path), framework=framework) as file:
            yield file
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no checkpoint {path}; check its name.") from error
    except SafetensorError as error:
        raise CheckpointError(f"{path} is damaged or not a safetensors file; fetch it again.") from error
    except OSError as error:
        raise CheckpointError(f"The checkpoint {path} cannot be read: {error.strerror or error}.") from error


def load_weights(kind: Kind, named: Path | None = None) -> NeuralMeshFlow:
    """Return a model, loaded once and kept, in eval mode, on the device of its last use.

    Args:
        kind: "svr" where pictures must be understood; such a model understands clouds too.
        named: a file of the user's instead of the one that ships.

    Raises:
        InputError: if no weights are installed, or those named do not understand pictures.
        CheckpointError: if the file cannot be used.
    """
    path = named or shipped_path(kind)
    if path is None:
        raise InputError(
            "The method 'network' needs trained weights and none are installed; use auto or fit, or name a "
            "file with --weights."
        )
    model = _loaded(path, path.stat().st_mtime_ns if path.is_file() else 0)
    if kind == "svr" and model.image is None:
        raise InputError(f"{path.name} was not trained on pictures; name weights that were with --weights.")
    return model


@lru_cache(maxsize=4)
def _loaded(path: Path, _changed: int) -> NeuralMeshFlow:
    from nmf_model import checkpoint

    return checkpoint.load(path).eval()
