"""The command line of the paper's authors, translated: ``--train AE --points_path P`` and its kin."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nmf_model.errors import InputError

_CONFIGS = Path(__file__).parents[2] / "resources" / "configs"
_SETTINGS = {
    "learning_rate": "training.learning_rate",
    "batch_size": "training.batch_size",
    "weight_decay": "training.weight_decay",
    "latent_len": "flow.latent_size",
    "toi": "flow.integration_time",
}

_GENERATED = "generate_nmf"
"""Where the authors' program puts meshes unless told otherwise; below it ``points`` and ``svr``."""

_IGNORED = ("comet_API", "comet_workspace", "num_epochs", "num_workers", "training_weights",
            "model_folder_SVR")  # fmt: skip


def is_legacy(arguments: Sequence[str]) -> bool:
    """Return whether a command line is spelt the authors' way."""
    return any(word.partition("=")[0] in ("--train", "--generate") for word in arguments)


def translate(arguments: Sequence[str]) -> list[str]:
    """Return the same command in this program's spelling.

    Raises:
        InputError: for a flag that is unknown, lacks its value, or has no counterpart here.
    """
    known = _parser().parse_args(list(arguments))
    if known.generate is not None:
        return _generation(known)
    if known.points_path is None:
        raise InputError("--train needs --points_path, the folder of category/object/points.npy.")
    ignored = [f"--{name}" for name in _IGNORED if getattr(known, name) is not None]
    if ignored:
        print(f"Not used by this program and ignored: {', '.join(ignored)}.", file=sys.stderr)  # noqa: T201
    settings = [
        f"{name}={value}" for flag, name in _SETTINGS.items() if (value := getattr(known, flag)) is not None
    ]
    if known.tolerance is not None:
        settings += [f"solver.rtol={known.tolerance}", f"solver.atol={known.tolerance}"]
    kind = known.train.lower()
    command = ["train", kind, "--points-path", known.points_path, "--config", str(_CONFIGS / "default.toml")]
    command += ["--out", known.model_folder or f"runs/{kind}", "--resume"]
    if kind == "svr":
        if known.img_path is None or known.pretrained_ae_weights is None:
            raise InputError(
                "--train SVR needs --img_path, the renderings, and --pretrained_ae_weights, a trained "
                "auto-encoder (.safetensors)."
            )
        command += ["--views", known.img_path, "--ae", known.pretrained_ae_weights]
    return command + [word for setting in settings for word in ("--set", setting)]


def _generation(known: argparse.Namespace) -> list[str]:
    """Translate ``--generate``: the meshes of the test part."""
    single_view = known.generate == "SVR"
    weights = known.pretrained_svr_weights if single_view else known.pretrained_ae_weights
    flag = "--pretrained_svr_weights" if single_view else "--pretrained_ae_weights"
    if known.points_path is None or weights is None:
        raise InputError(
            f"--generate {known.generate} needs --points_path, the folder of category/object/points.npy, and "
            f"{flag}, a trained model (.safetensors)."
        )
    place = known.generate_svr if single_view else known.generate_ae
    command = ["generate", "--checkpoint", weights, "--points-path", known.points_path, "--format", "obj"]
    command += ["--out", place or f"{_GENERATED}/{'svr' if single_view else 'points'}"]
    if single_view:
        if known.img_path is None:
            raise InputError("--generate SVR needs --img_path, the renderings.")
        command += ["--views", known.img_path, "--view", "all"]
    return command


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise InputError(f"The command line cannot be understood: {message}.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    for flag in ("--train", "--generate"):
        parser.add_argument(flag, choices=("AE", "SVR"))
    words = (
        "points_path", "img_path", "pretrained_ae_weights", "pretrained_svr_weights", "model_folder",
        "model_folder_SVR", "generate_ae", "generate_svr", "comet_API", "comet_workspace", "training_weights",
    )  # fmt: skip
    for name in words:
        parser.add_argument(f"--{name}")
    for name in ("batch_size", "num_workers", "num_epochs", "latent_len"):
        parser.add_argument(f"--{name}", type=int)
    for name in ("learning_rate", "weight_decay", "tolerance", "toi"):
        parser.add_argument(f"--{name}", type=float)
    return parser
