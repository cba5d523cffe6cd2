"""The trained weights that ship with the program, and any others a user names."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nmf_model.errors import InputError

if TYPE_CHECKING:
    from nmf_model.model import NeuralMeshFlow

Kind = Literal["ae", "svr"]


def shipped_path(kind: Kind) -> Path | None:
    """Return the file of the weights for clouds ("ae") or pictures ("svr"), None where none are installed."""
    package = Path(__file__).resolve().parent
    override = os.environ.get("NMF_RESOURCES")
    roots = [
        *([Path(override)] if override else []),
        package.parent / "resources",
        package.parent / "nmf_app" / "_resources",
    ]
    files = (root / "checkpoints" / f"{kind}.safetensors" for root in roots)
    return next((file for file in files if file.is_file()), None)


def load_weights(kind: Kind, named: Path | None = None) -> NeuralMeshFlow:
    """Return a model, loaded once and kept, in eval mode on the CPU.

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
