"""``training_cli.py train ae`` and ``train svr``."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nmf_model.errors import InputError
from nmf_model.training import options
from nmf_model.training.interrupts import EXIT_INTERRUPTED
from nmf_model.training.printing import say
from nmf_model.training.trackers import CometAccount

if TYPE_CHECKING:
    from nmf_model.training.loop import Task
    from nmf_model.training.run_dir import RunDir

app = typer.Typer(help="Train the auto-encoder, or the picture branch.", no_args_is_help=True)

ConfigOption = Annotated[Path, typer.Option(help="Settings: a TOML file.")]
OutOption = Annotated[Path, typer.Option(help="Folder of the run.")]
SyntheticOption = Annotated[
    str | None,
    typer.Option(metavar="SHARE[:SEED]", help="Share of each batch that is procedural shapes, 0 to 1."),
]
CometKeyOption = Annotated[
    str | None,
    typer.Option(envvar="COMET_API_KEY", show_envvar=True, help="Log to Comet too."),
]
CometWorkspaceOption = Annotated[
    str | None, typer.Option(envvar="COMET_WORKSPACE", show_envvar=True, help="Workspace on Comet.")
]
CometProjectOption = Annotated[str, typer.Option(help="Project on Comet.")]
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
    packed: options.PackedOption = None,
    points_path: options.PointsOption = None,
    split_file: options.SplitFileOption = None,
    synthetic: SyntheticOption = None,
    settings: SetOption = None,
    begin_from: Annotated[
        Path | None,
        typer.Option(help="Begin from the weights of this checkpoint, where they fit the model."),
    ] = None,
    resume: ResumeOption = False,
    max_minutes: MinutesOption = None,
    device: DeviceOption = "auto",
    devices: DevicesOption = 1,
    nodes: NodesOption = 1,
    comet_api_key: CometKeyOption = None,
    comet_workspace: CometWorkspaceOption = None,
    comet_project: CometProjectOption = "neural-mesh-flow",
) -> None:
    """Train encoder and flow to reconstruct clouds.

    Without data, and --synthetic 1, it learns from procedural shapes alone.
    """
    from nmf_model.training.devices import by_all
    from nmf_model.training.tasks import autoencoder_task
    from nmf_model.training.unused_settings import load_used

    run_config, notes = load_used(config, [*_procedural(synthetic), *(settings or [])], "ae")
    data = _data(packed, points_path, procedural=run_config.training.synthetic_share == 1)
    options.checked_split_file(split_file, data)
    opened = _opened(device, devices, nodes, max_minutes)
    task = by_all(opened, lambda: autoencoder_task(run_config, data, opened, split_file, begin_from))
    comet = _comet(comet_api_key, comet_workspace, comet_project)
    _train(task, notes, out, opened, resume=resume, max_minutes=max_minutes, comet=comet)


@app.command("svr")
def train_single_view(
    config: ConfigOption,
    out: OutOption,
    ae: Annotated[Path, typer.Option(help="Trained auto-encoder (.safetensors), which stays as it is.")],
    views: options.NeededViewsOption,
    packed: options.PackedOption = None,
    points_path: options.PointsOption = None,
    split_file: options.SplitFileOption = None,
    settings: SetOption = None,
    resume: ResumeOption = False,
    max_minutes: MinutesOption = None,
    device: DeviceOption = "auto",
    devices: DevicesOption = 1,
    nodes: NodesOption = 1,
    comet_api_key: CometKeyOption = None,
    comet_workspace: CometWorkspaceOption = None,
    comet_project: CometProjectOption = "neural-mesh-flow",
) -> None:
    """Train the picture branch to predict the cloud that the auto-encoder then reconstructs."""
    from nmf_model.checkpoint import read_header
    from nmf_model.training.devices import by_all
    from nmf_model.training.tasks import single_view_task
    from nmf_model.training.unused_settings import load_used

    run_config, notes = load_used(config, settings or [], "svr", read_header(ae).config)
    if run_config.model.image is None:
        raise InputError(f"The configuration {config} has no [image] table, which 'train svr' needs.")
    data = _data(packed, points_path)
    options.checked_split_file(split_file, data)
    opened = _opened(device, devices, nodes, max_minutes)
    task = by_all(opened, lambda: single_view_task(run_config, data, views, ae, opened, split_file))
    comet = _comet(comet_api_key, comet_workspace, comet_project)
    _train(task, notes, out, opened, resume=resume, max_minutes=max_minutes, comet=comet)


def _opened(device: str, devices: int, nodes: int, max_minutes: float | None) -> Any:
    """Open the devices that were asked for, once all that was asked for makes sense."""
    from nmf_model.training.devices import open_devices

    for name, count in (("devices", devices), ("nodes", nodes)):
        if count < 1:
            raise InputError(f"--{name} must be at least 1, not {count}.")
    if max_minutes is not None and not max_minutes >= 0:
        raise InputError(f"--max-minutes must not be negative, but is {max_minutes:g}.")
    kind = options.chosen_device(device)
    if kind == "cuda" and "WORLD_SIZE" not in os.environ:
        _check_there_are(devices)
    return open_devices(kind, devices, nodes)


def _check_there_are(devices: int) -> None:
    import torch

    found = torch.cuda.device_count()
    if devices > found:
        raise InputError(f"--devices is {devices}, but only {found} CUDA GPUs were found here.")


def _train(
    task: Task,
    notes: Sequence[str],
    out: Path,
    opened: Any,
    *,
    resume: bool,
    max_minutes: float | None,
    comet: CometAccount | None,
) -> None:
    """Train, and let the first process say how it ended."""
    from nmf_model.training.devices import by_all
    from nmf_model.training.loop import train
    from nmf_model.training.run_dir import RunDir

    run = RunDir(out)
    if resume:
        by_all(opened, lambda: _check_is_not_over(run, task.config.training.steps))
    task = dataclasses.replace(task, notes=(*notes, *task.notes))
    ended = train(task, run, opened, resume=resume, max_minutes=max_minutes, comet=comet)
    if opened.global_rank == 0:
        say(ended.said)
    if ended.is_interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)  # what a script does with a trained model must not go on


def _check_is_not_over(run: RunDir, steps: int) -> None:
    """Refuse to send a run back."""
    reached = run.latest()
    if reached is not None and reached.step > steps:
        raise InputError(
            f"The run in {run.path} is at step {reached.step} already, so it cannot end at {steps}; ask for "
            "more steps, or name another --out."
        )


def _data(packed: list[Path] | None, points_path: Path | None, *, procedural: bool = False) -> list[Path]:
    """Return the data; with procedural shapes alone there must still be some to validate on."""
    if procedural and not (packed or points_path):
        return [Path("synthetic:200")]
    return list(options.data_paths(packed, points_path))


def _procedural(synthetic: str | None) -> list[str]:
    """Return ``--synthetic`` as settings."""
    if synthetic is None:
        return []
    share, colon, seed = synthetic.partition(":")
    return [f"training.synthetic_share={share}", *([f"training.synthetic_seed={seed}"] if colon else [])]


def _comet(key: str | None, workspace: str | None, project: str) -> CometAccount | None:
    return CometAccount(key, workspace, project) if key else None
