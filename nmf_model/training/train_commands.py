"""``training_cli.py train ae`` and ``train svr``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from nmf_model.errors import InputError
from nmf_model.training.trackers import CometAccount

app = typer.Typer(help="Train the auto-encoder, or the picture branch.", no_args_is_help=True)

PackedOption = Annotated[
    list[Path] | None, typer.Option("--packed", help="A packed data set; several are joined.")
]
PointsOption = Annotated[
    Path | None, typer.Option(help="Or a folder category/object/points.npy, as the authors publish.")
]
ConfigOption = Annotated[Path, typer.Option(help="Settings: a TOML file.")]
OutOption = Annotated[Path, typer.Option(help="Folder of the run.")]
SplitOption = Annotated[
    Path | None,
    typer.Option(help="Parts of the folder (JSON), instead of its split.json."),
]
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
    packed: PackedOption = None,
    points_path: PointsOption = None,
    split_file: SplitOption = None,
    synthetic: SyntheticOption = None,
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
    """Train encoder and flow to reconstruct clouds.

    Without data, and --synthetic 1, it learns from procedural shapes alone.
    """
    from nmf_model.training.devices import open_devices
    from nmf_model.training.loop import train
    from nmf_model.training.run_dir import RunDir
    from nmf_model.training.settings import load_run_config
    from nmf_model.training.tasks import autoencoder_task

    run_config = load_run_config(config, [*_procedural(synthetic), *(settings or [])])
    data = _data(packed, points_path, procedural=run_config.training.synthetic_share == 1)
    opened = open_devices(device, devices, nodes)
    task = autoencoder_task(run_config, data, opened, split_file)
    comet = _comet(comet_api_key, comet_workspace, comet_project)
    _say(train(task, RunDir(out), opened, resume=resume, max_minutes=max_minutes, comet=comet))


@app.command("svr")
def train_single_view(
    config: ConfigOption,
    out: OutOption,
    ae: Annotated[Path, typer.Option(help="Trained auto-encoder (.safetensors), which stays as it is.")],
    views: Annotated[Path, typer.Option(help="Packed renderings, or the published folder of them.")],
    packed: PackedOption = None,
    points_path: PointsOption = None,
    split_file: SplitOption = None,
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
    from nmf_model.training.devices import open_devices
    from nmf_model.training.loop import train
    from nmf_model.training.run_dir import RunDir
    from nmf_model.training.settings import load_run_config
    from nmf_model.training.tasks import single_view_task

    run_config = load_run_config(config, settings or [], "svr")
    opened = open_devices(device, devices, nodes)
    task = single_view_task(run_config, _data(packed, points_path), views, ae, opened, split_file)
    comet = _comet(comet_api_key, comet_workspace, comet_project)
    _say(train(task, RunDir(out), opened, resume=resume, max_minutes=max_minutes, comet=comet))


def _data(packed: list[Path] | None, points_path: Path | None, *, procedural: bool = False) -> list[Path]:
    """Return the data; with procedural shapes alone there must still be some to validate on."""
    paths = [*(packed or []), *([points_path] if points_path else [])]
    if not paths and procedural:
        return [Path("synthetic:200")]
    if not paths:
        raise InputError("Name the data with --packed FILE or --points-path FOLDER.")
    return paths


def _procedural(synthetic: str | None) -> list[str]:
    """Return ``--synthetic`` as settings."""
    if synthetic is None:
        return []
    share, colon, seed = synthetic.partition(":")
    return [f"training.synthetic_share={share}", *([f"training.synthetic_seed={seed}"] if colon else [])]


def _comet(key: str | None, workspace: str | None, project: str) -> CometAccount | None:
    return CometAccount(key, workspace, project) if key else None


def _say(sentence: str) -> None:
    Console(highlight=False, soft_wrap=True).print(sentence, markup=False)
