"""``training_cli.py train ae`` and ``train svr``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from nmf_model.errors import InputError

app = typer.Typer(help="Train the auto-encoder, or the picture branch.", no_args_is_help=True)

PackedOption = Annotated[
    list[Path] | None, typer.Option("--packed", help="A packed data set; several are joined.")
]
PointsOption = Annotated[
    Path | None, typer.Option(help="Or a folder category/object/points.npy, as the authors publish.")
]
ConfigOption = Annotated[Path, typer.Option(help="Settings: a TOML file.")]
OutOption = Annotated[Path, typer.Option(help="Folder of the run.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="One setting, e.g. training.steps=100 or flow.width=64.")
]
ResumeOption = Annotated[bool, typer.Option(help="Go on where the run in --out stopped, if there is one.")]
MinutesOption = Annotated[float | None, typer.Option(help="Stop after so long, ready to be resumed.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
DevicesOption = Annotated[int, typer.Option(help="Devices on this node.")]
NodesOption = Annotated[int, typer.Option(help="Nodes (under torchrun both follow from it).")]


@app.command("ae")
def train_autoencoder(
    config: ConfigOption,
    out: OutOption,
    packed: PackedOption = None,
    points_path: PointsOption = None,
    settings: SetOption = None,
    resume: ResumeOption = False,
    max_minutes: MinutesOption = None,
    device: DeviceOption = "auto",
    devices: DevicesOption = 1,
    nodes: NodesOption = 1,
) -> None:
    """Train encoder and flow to reconstruct clouds."""
    from nmf_model.training.devices import open_devices
    from nmf_model.training.loop import train
    from nmf_model.training.run_dir import RunDir
    from nmf_model.training.settings import load_run_config
    from nmf_model.training.tasks import autoencoder_task

    run_config = load_run_config(config, settings or [])
    opened = open_devices(device, devices, nodes)
    task = autoencoder_task(run_config, _data(packed, points_path), opened)
    _say(train(task, RunDir(out), opened, resume=resume, max_minutes=max_minutes))


@app.command("svr")
def train_single_view(
    config: ConfigOption,
    out: OutOption,
    ae: Annotated[Path, typer.Option(help="Trained auto-encoder (.safetensors), which stays as it is.")],
    views: Annotated[Path, typer.Option(help="Packed renderings, or the published folder of them.")],
    packed: PackedOption = None,
    points_path: PointsOption = None,
    settings: SetOption = None,
    resume: ResumeOption = False,
    max_minutes: MinutesOption = None,
    device: DeviceOption = "auto",
    devices: DevicesOption = 1,
    nodes: NodesOption = 1,
) -> None:
    """Train the picture branch to predict the cloud that the auto-encoder then reconstructs."""
    from nmf_model.training.devices import open_devices
    from nmf_model.training.loop import train
    from nmf_model.training.run_dir import RunDir
    from nmf_model.training.settings import load_run_config
    from nmf_model.training.tasks import single_view_task

    run_config = load_run_config(config, settings or [])
    opened = open_devices(device, devices, nodes)
    task = single_view_task(run_config, _data(packed, points_path), views, ae, opened)
    _say(train(task, RunDir(out), opened, resume=resume, max_minutes=max_minutes))


def _data(packed: list[Path] | None, points_path: Path | None) -> list[Path]:
    paths = [*(packed or []), *([points_path] if points_path else [])]
    if not paths:
        raise InputError("Name the data with --packed FILE or --points-path FOLDER.")
    return paths


def _say(sentence: str) -> None:
    Console(highlight=False, soft_wrap=True).print(sentence, markup=False)
