"""Options that several commands share: the data, in this program's spelling and the authors'."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from nmf_model.errors import InputError

_VIEWS = ("--views", "--img-path", "--img_path")
_VIEWS_HELP = "Renderings: views.npz, or the published folder of them"
# The column of the names is too narrow for them on a terminal.
_VIEWS_SPELT = "Also spelt --img-path or --img_path."
PackedOption = Annotated[
    list[Path] | None, typer.Option("--packed", help="A packed data set (points.npz); several are joined.")
]
PointsOption = Annotated[
    Path | None,
    typer.Option(
        "--points-path",
        "--points_path",
        help="Or a folder of category/object folders with points.npy and normals.npy. "
        "Also spelt --points_path.",
    ),
]
ViewsOption = Annotated[Path | None, typer.Option(*_VIEWS, help=f"{_VIEWS_HELP}. {_VIEWS_SPELT}")]
NeededViewsOption = Annotated[
    list[Path], typer.Option(*_VIEWS, help=f"{_VIEWS_HELP}; several are joined. {_VIEWS_SPELT}")
]
SplitOption = Annotated[str, typer.Option(help="Part of the data: train, validation or test.")]
SplitFileOption = Annotated[
    Path | None,
    typer.Option(help="Parts of the folder (JSON), instead of its split.json."),
]
_INPUT_POINTS = ("--input-points", "--input_points")
_INPUT_POINTS_SPELT = "Also spelt --input_points."
InputPointsOption = Annotated[
    int, typer.Option(*_INPUT_POINTS, help=f"How many points the model sees. {_INPUT_POINTS_SPELT}")
]
FewerPointsOption = Annotated[
    int | None,
    typer.Option(
        *_INPUT_POINTS,
        help="How many points of a cloud the model sees; 2500 of a data set and all of a file if not given. "
        + _INPUT_POINTS_SPELT,
    ),
]
TestTimeStepsOption = Annotated[
    int,
    typer.Option(
        min=0,
        help="Optimiser steps that bring the answer nearer to the points: 80 as main.py takes for clouds, "
        "120 for pictures; 0 for the model alone.",
    ),
]
JobsOption = Annotated[int, typer.Option(help="Processes; 0 chooses by the processors and the work.")]
DeviceOption = Annotated[str, typer.Option(help="Of the model: auto, cpu or cuda.")]

_TASKS_A_PROCESS = 4
"""Fewer tasks than this do not pay for starting one more process."""


def data_paths(packed: list[Path] | None, points_path: Path | None) -> tuple[Path, ...]:
    """Return all that was named.

    Raises:
        InputError: nothing was.
    """
    paths = (*(packed or []), *([points_path] if points_path else []))
    if not paths:
        raise InputError("Name the data with --points_path FOLDER or --packed FILE.")
    return paths


def checked_split_file(split_file: Path | None, paths: Sequence[Path]) -> Path | None:
    """Return the file that says which objects of the folders belong to which part.

    Raises:
        InputError: there is a file, but no folder among the data.
    """
    others = [path for path in paths if path.is_file() or path.name.startswith("synthetic:")]
    if split_file is not None and len(others) == len(paths):
        raise InputError(
            "--split-file is for --points_path FOLDER; packed sets hold their parts, so leave it out."
        )
    return split_file


def chosen_view(text: str) -> int | None:
    """Return the number of a view, None for "all".

    Raises:
        InputError: it is neither.
    """
    if text == "all":
        return None
    if not text.isdecimal():
        raise InputError(f"--view must be a number from 0 or 'all', not '{text}'.")
    return int(text)


def chosen_jobs(jobs: int, tasks: int) -> int:
    """Return how many processes to use.

    Raises:
        InputError: the number asked for is negative.
    """
    if jobs < 0:
        raise InputError(f"--jobs must not be negative, but is {jobs}.")
    return jobs or max(1, min(os.cpu_count() or 1, tasks // _TASKS_A_PROCESS))


def safetensors_file(path: Path) -> Path:
    """Return the file of a model to write.

    Raises:
        InputError: it has another suffix.
    """
    if path.suffix != ".safetensors":
        raise InputError(f"The file to write must end in .safetensors, but {path} does not.")
    return path


def chosen_device(device: str) -> str:
    """Return "cpu" or "cuda".

    Raises:
        InputError: it is another word, or there is no such device.
    """
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device must be auto, cpu or cuda, not '{device}'.")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("No CUDA GPU was found; use --device cpu, or auto.")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
