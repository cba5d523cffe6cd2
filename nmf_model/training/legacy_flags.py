"""The command line of the paper's authors, translated: ``--train AE --points_path P`` and its kin."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from nmf_model.errors import InputError

_CONFIGS = Path(__file__).parents[2] / "resources" / "configs"
_SETTINGS = {
    "learning_rate": "training.learning_rate",
    "batch_size": "training.batch_size",
    "num_epochs": "training.epochs",
    "num_workers": "training.data_workers",
    "latent_len": "flow.latent_size",
    "toi": "flow.integration_time",
}
_COMET = {
    "comet_API": "--comet-api-key",
    "comet_workspace": "--comet-workspace",
    "comet_project_name": "--comet-project",
}
_PUBLISHED_LATENT = 1000


def is_legacy(arguments: Sequence[str]) -> bool:
    """Return whether a command line is spelt the authors' way."""
    return any(word.partition("=")[0] in ("--train", "--generate") for word in arguments)


def translate(arguments: Sequence[str]) -> list[str]:
    """Return the same command in this program's spelling.

    Raises:
        InputError: for a flag that is unknown, lacks its value, or has no counterpart here.
    """
    known = _parser().parse_args(list(arguments))
    if (known.train is None) == (known.generate is None):
        raise InputError("Give either --train or --generate, with AE or SVR.")
    if known.points_path is None and known.generate != "SVR":
        raise InputError("--points_path is missing: the folder of category/object/points.npy.")
    return _training(known) if known.train is not None else _generation(known)


def _training(known: argparse.Namespace) -> list[str]:
    kind = known.train.lower()
    command = ["train", kind, "--points-path", known.points_path, "--config", known.config]
    if kind == "svr":
        if known.img_path is None or known.pretrained_ae_weights is None:
            raise InputError(
                "--train SVR needs --img_path, the renderings, and --pretrained_ae_weights, a trained "
                "auto-encoder (.safetensors)."
            )
        command += ["--views", known.img_path, "--ae", known.pretrained_ae_weights]
    _say_unused(known, ["generate_ae", "generate_svr", "pretrained_svr_weights"])
    folder = known.model_folder_SVR or known.model_folder if kind == "svr" else known.model_folder
    command += ["--out", folder or f"runs/{kind}", "--resume"]
    for flag, option in _COMET.items():
        if getattr(known, flag) is not None:
            command += [option, getattr(known, flag)]
    return command + [word for setting in _settings(known) for word in ("--set", setting)]


def _generation(known: argparse.Namespace) -> list[str]:
    """Return ``generate``: for clouds from ``--points_path``, for pictures from ``--img_path``."""
    kind = known.generate.lower()
    weights = known.pretrained_ae_weights if kind == "ae" else known.pretrained_svr_weights
    if weights is None:
        raise InputError(
            f"--generate {known.generate} needs --pretrained_{kind}_weights, a trained model (.safetensors)."
        )
    command = ["generate", "--checkpoint", weights]
    if known.points_path is not None:
        command += ["--points-path", known.points_path]
    if kind == "svr":
        if known.img_path is None:
            raise InputError("--generate SVR needs --img_path, the renderings.")
        command += ["--img-path", known.img_path]
    _say_unused(known, [*_SETTINGS, *_COMET, "weight_decay", "tolerance", "training_weights"])
    out = known.generate_ae if kind == "ae" else known.generate_svr
    place = "points" if kind == "ae" else "svr"
    return [*command, "--format", "obj", "--out", out or f"generate_nmf/{place}"]


def _settings(known: argparse.Namespace) -> Iterator[str]:
    """Yield what the flags set, where they mean the same here."""
    for flag, name in _SETTINGS.items():
        if getattr(known, flag) is not None:
            yield f"{name}={getattr(known, flag)}"
    if known.weight_decay is not None:
        # Theirs is what the learning rate is multiplied with every 250 steps, not a decay of weights.
        yield f"training.rate_decay={known.weight_decay}"
        yield "training.schedule=published"
    if known.training_weights is not None:
        yield f"training.block_weights={_weights(known.training_weights)}"
    if known.tolerance is not None:
        # Theirs is a mean over a state that carries the code along, which never has an error.
        latent = known.latent_len or _PUBLISHED_LATENT
        tolerance = known.tolerance * math.sqrt((3 + latent) / 3)
        _say(f"A tolerance of {known.tolerance:g} over {3 + latent} numbers is {tolerance:.2g} over three.")
        yield from (f"solver.{name}={tolerance:.3g}" for name in ("rtol", "atol"))
        yield "solver.method=dopri5"


def _weights(words: Sequence[str]) -> list[float]:
    """Return weights written 1 2 7, 1,2,7, [1,2,7] or, as their program splits words, 127."""
    text = " ".join(words)
    parts = list(text) if text.isdecimal() else [part for part in re.split(r"[\s,\[\]]+", text) if part]
    try:
        return [float(part) for part in parts]
    except ValueError as error:
        raise InputError(f"--training_weights must be numbers such as 1,2,7, not {text!r}.") from error


def _say_unused(known: argparse.Namespace, flags: Sequence[str]) -> None:
    unused = [f"--{name}" for name in flags if getattr(known, name) is not None]
    if unused:
        _say(f"Not used here and ignored: {', '.join(unused)}.")


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)  # noqa: T201


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise InputError(f"The command line cannot be understood: {message}.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    for flag in ("--train", "--generate"):
        parser.add_argument(flag, choices=("AE", "SVR"))
    words = (
        "points_path", "img_path", "pretrained_ae_weights", "pretrained_svr_weights", "model_folder",
        "model_folder_SVR", "generate_ae", "generate_svr", *_COMET,
    )  # fmt: skip
    for name in words:
        parser.add_argument(f"--{name}")
    parser.add_argument("--config", default=str(_CONFIGS / "default.toml"))
    parser.add_argument("--training_weights", nargs="+")
    for name in ("batch_size", "num_workers", "num_epochs", "latent_len"):
        parser.add_argument(f"--{name}", type=int)
    for name in ("learning_rate", "weight_decay", "tolerance", "toi"):
        parser.add_argument(f"--{name}", type=float)
    return parser
