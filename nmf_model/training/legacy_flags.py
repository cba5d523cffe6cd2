"""The command line of the paper's authors, translated: ``--train AE --points_path P`` and its kin."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from nmf_model.data.layout import POINTS_FOLDER
from nmf_model.errors import InputError
from nmf_model.resources import resource
from nmf_model.training.printing import complain
from nmf_model.training.settings import load_run_config
from nmf_model.training.unused_settings import use_of
from nmf_model.weights import shipped_path

_CONFIGS = {"ae": "default.toml", "svr": "default_svr.toml"}
_SETTINGS = {
    "learning_rate": "training.learning_rate",
    "batch_size": "training.batch_size",
    "num_epochs": "training.epochs",
    "num_workers": "training.data_workers",
    "latent_len": "flow.latent_size",
    "toi": "flow.integration_time",
}
_OTHER_SETTINGS = {
    "weight_decay": ("training.rate_decay", "training.schedule"),
    "training_weights": ("training.block_weights",),
    "tolerance": ("solver.rtol", "solver.atol", "solver.method"),
}
_FILES = (
    "points_path", "img_path", "pretrained_ae_weights", "pretrained_svr_weights", "model_folder",
    "model_folder_SVR", "generate_ae", "generate_svr",
)  # fmt: skip
_COMET = {
    "comet_API": "--comet-api-key",
    "comet_workspace": "--comet-workspace",
    "comet_project_name": "--comet-project",
}
_PUBLISHED_LATENT = 1000
_DESCRIPTION = "The command line of the paper's authors; this program's own is shown by --help alone."
_HELP = {
    "points_path": "folder of category/object/points.npy and normals.npy",
    "img_path": "folder of the renderings",
    "pretrained_ae_weights": "a trained auto-encoder (.safetensors)",
    "pretrained_svr_weights": "a trained single-view model (.safetensors)",
    "model_folder": "folder of the run",
    "model_folder_SVR": "folder of the run of --train SVR",
    "generate_ae": "folder for the meshes of --generate AE",
    "generate_svr": "folder for the meshes of --generate SVR",
    "comet_API": "log to Comet with this key",
    "comet_workspace": "workspace on Comet",
    "comet_project_name": "project on Comet",
    "config": "settings (TOML) instead of those that ship",
    "training_weights": "of the surfaces after each block in the loss, such as 1,2,7",
    "batch_size": "shapes of an update",
    "num_workers": "processes that make procedural shapes",
    "num_epochs": "passes over the shapes",
    "latent_len": "numbers of a code",
    "learning_rate": "at the start",
    "weight_decay": "what the learning rate is multiplied with every 250 steps",
    "tolerance": "of the solver, as they count it",
    "toi": "time that each ODE runs",
}


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
    """Return ``train``; a picture branch learns beside the auto-encoder that ships unless one is named."""
    kind = known.train.lower()
    config = Path(known.config) if known.config else resource(f"configs/{_CONFIGS[kind]}")
    if config is None:
        raise InputError("The configurations are not installed; name one with --config, or install again.")
    command = ["train", kind, "--points-path", known.points_path, "--config", str(config)]
    used = {"points_path", "model_folder"}
    if kind == "svr":
        if known.img_path is None:
            raise InputError("--train SVR needs --img_path, the renderings.")
        ae = known.pretrained_ae_weights or shipped_path("ae")
        if ae is None:
            raise InputError(
                "--train SVR needs --pretrained_ae_weights, a trained auto-encoder (.safetensors)."
            )
        command += ["--views", known.img_path, "--ae", str(ae)]
        used |= {"img_path", "pretrained_ae_weights", "model_folder_SVR"}
    unused = _without_effect(config, kind)
    _say_unused(known, [*(name for name in _FILES if name not in used), *unused])
    for flag in unused:
        setattr(known, flag, None)
    folder = known.model_folder_SVR or known.model_folder if kind == "svr" else known.model_folder
    command += ["--out", folder or f"runs/{kind}", "--resume"]
    for flag, option in _COMET.items():
        if getattr(known, flag) is not None:
            command += [option, getattr(known, flag)]
    final_rate = load_run_config(config, kind=kind).training.final_rate
    return command + [word for setting in _settings(known, final_rate) for word in ("--set", setting)]


def _generation(known: argparse.Namespace) -> list[str]:
    """Return ``generate``: for clouds from ``--points_path``, for pictures from ``--img_path``."""
    kind = known.generate.lower()
    weights = known.pretrained_ae_weights if kind == "ae" else known.pretrained_svr_weights
    if weights is None:
        raise InputError(
            f"--generate {known.generate} needs --pretrained_{kind}_weights, a trained model (.safetensors)."
        )
    if kind == "svr" and known.img_path is None:
        raise InputError("--generate SVR needs --img_path, the renderings.")
    command = ["generate", *_inputs(known, kind), "--checkpoint", weights]
    used = {"points_path", f"pretrained_{kind}_weights", f"generate_{kind}"}
    used |= {"img_path"} if kind == "svr" else set()
    others = [name for name in _FILES if name not in used]
    _say_unused(known, [*others, "config", *_SETTINGS, *_COMET, *_OTHER_SETTINGS])
    out = known.generate_ae if kind == "ae" else known.generate_svr
    place = "points" if kind == "ae" else "svr"
    return [*command, "--format", "obj", "--out", out or f"generate_nmf/{place}"]


def _inputs(known: argparse.Namespace, kind: str) -> list[str]:
    """Return a set of data as such; every picture of a folder alone, or every cloud of one that is no set."""
    if kind == "svr" and known.points_path is None:
        return [known.img_path]
    if kind == "ae" and _is_of_clouds(Path(known.points_path)):
        return [known.points_path]
    renderings = ["--img-path", known.img_path] if kind == "svr" else []
    return ["--points-path", known.points_path, *renderings]


def _is_of_clouds(path: Path) -> bool:
    """Return whether this is a cloud, or a folder of another layout than category/object/points.npy."""
    if not path.is_dir():
        return path.is_file() and path.suffix != ".npz"
    return not any(any(path.glob(layout)) for layout in (POINTS_FOLDER, "*/*/points.npy"))


def _without_effect(config: Path, kind: str) -> list[str]:
    """Return the flags whose settings a training by this configuration makes no use of."""
    use = use_of(load_run_config(config, kind=kind), kind)
    settings = {flag: (name,) for flag, name in _SETTINGS.items()} | _OTHER_SETTINGS
    return [
        flag
        for flag, names in settings.items()
        if all(use.ignores(name) or use.only_answers_by(name) for name in names)
    ]


def _settings(known: argparse.Namespace, final_rate: float) -> Iterator[str]:
    """Yield what the flags set, where they mean the same here; no rate rises to the configuration's last."""
    for flag, name in _SETTINGS.items():
        if getattr(known, flag) is not None:
            yield f"{name}={getattr(known, flag)}"
    if known.learning_rate is not None and known.learning_rate < final_rate:
        yield f"training.final_rate={known.learning_rate}"
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
        complain(
            f"A tolerance of {known.tolerance:g} over {3 + latent} numbers is {tolerance:.2g} over three."
        )
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
        complain(f"Not used here and ignored: {', '.join(unused)}.")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise InputError(f"The command line cannot be understood: {message}.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="training_cli.py", description=_DESCRIPTION, allow_abbrev=False)
    for flag, text in (("--train", "train this model"), ("--generate", "make meshes by this model")):
        parser.add_argument(flag, choices=("AE", "SVR"), help=text)
    for name in (*_FILES, *_COMET, "config"):
        parser.add_argument(f"--{name}", help=_HELP[name])
    parser.add_argument("--training_weights", nargs="+", help=_HELP["training_weights"])
    for name in ("batch_size", "num_workers", "num_epochs", "latent_len"):
        parser.add_argument(f"--{name}", type=int, help=_HELP[name])
    for name in ("learning_rate", "weight_decay", "tolerance", "toi"):
        parser.add_argument(f"--{name}", type=float, help=_HELP[name])
    return parser
