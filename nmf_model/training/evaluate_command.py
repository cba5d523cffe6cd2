"""``training_cli.py evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def evaluate(
    checkpoint: Annotated[Path, typer.Option(help="A model (.safetensors).")],
    out: Annotated[Path, typer.Option(help="Folder for evaluation.json and evaluation.md.")],
    packed: Annotated[list[Path] | None, typer.Option(help="A packed data set; several are joined.")] = None,
    points_path: Annotated[Path | None, typer.Option(help="Or a folder category/object/points.npy.")] = None,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    input_points: Annotated[int, typer.Option(help="How many points the model sees.")] = 2500,
) -> None:
    """Measure an auto-encoder on one part of the data."""
    from nmf_model import checkpoint as checkpoints
    from nmf_model.training.evaluate import evaluate as run
    from nmf_model.training.shapes import load_shapes

    model = checkpoints.load(checkpoint)
    shapes = load_shapes([*(packed or []), *([points_path] if points_path else [])]).part(split)
    report = run(model, shapes, input_points, out)
    console = Console(highlight=False, soft_wrap=True)
    for name, value in report["mean"].items():
        console.print(f"{name}: {value:.6g}", markup=False)
