"""``training_cli.py generate``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmf_model.errors import InputError
from nmf_model.training import options
from nmf_model.training.interrupts import EXIT_INTERRUPTED
from nmf_model.training.printing import say

if TYPE_CHECKING:
    from nmf_model.training.cases import Plan
    from nmf_model.training.generate import Task


def generate(
    checkpoint: Annotated[Path, typer.Option(help="A model (.safetensors).")],
    out: Annotated[Path, typer.Option(help="Folder for the meshes.")],
    inputs: Annotated[
        list[Path] | None, typer.Argument(help="Clouds, meshes or pictures, or folders of them.")
    ] = None,
    packed: options.PackedOption = None,
    points_path: options.PointsOption = None,
    views: options.ViewsOption = None,
    split: options.SplitOption = "test",
    split_file: options.SplitFileOption = None,
    view: Annotated[str, typer.Option(help="Which rendering is the input: a number from 0, or all.")] = "0",
    input_points: options.FewerPointsOption = None,
    test_time_steps: options.TestTimeStepsOption = 0,
    format_name: Annotated[str, typer.Option("--format", help="ply, obj, stl, off, glb or 3mf.")] = "ply",
    shard: Annotated[str, typer.Option(help="Make part i of n only: i/n, i from 1.")] = "1/1",
    jobs: options.JobsOption = 0,
    device: options.DeviceOption = "auto",
) -> None:
    """Make meshes for files, or for a whole part of a data set.

    Meshes that are there already are skipped, so a stopped run is continued by the same command;
    generate.json beside them tells the model that made them, and what of; those of files that have changed
    are made anew.
    """
    from nmf_model.training import generate as work
    from nmf_model.training.cases import Plan, open_model
    from nmf_model.training.conditions import INPUT_POINTS, Condition
    from nmf_model.training.generate_record import claim
    from nmf_model.training.progress import progress
    from nmf_model.training.reconstructing import check_can_correct

    suffix = work.checked_suffix(format_name)
    chosen = options.chosen_device(device)
    seen = _checked(input_points)
    if bool(inputs) == bool(packed or points_path):
        raise InputError("Name either inputs or a data set (--points_path FOLDER or --packed FILE).")
    if inputs:
        if views is not None:
            raise InputError("--views belongs to a data set; name pictures as inputs instead.")
        options.checked_split_file(split_file, ())
        tasks = work.file_tasks(inputs, checkpoint, chosen, out, suffix, seen, test_time_steps)
        if kept := work.kept_endings_note(tasks):
            say(kept)
    else:
        seen = seen or INPUT_POINTS
        data = options.data_paths(packed, points_path)
        plan = Plan(
            data=data,
            split=split,
            checkpoint=checkpoint,
            views=views,
            condition=Condition(input_points=seen),
            device=chosen,
            test_time_steps=test_time_steps,
            split_file=options.checked_split_file(split_file, data),
        )
        tasks = _of_data(plan, view, out, suffix)
    if input_points is not None and not any(task.is_of_cloud for task in tasks):
        raise InputError("--input-points is for a model that is given clouds.")
    if test_time_steps:
        check_can_correct(open_model(checkpoint, chosen))
    own = work.shard(tasks, *_parts(shard))
    processes = options.chosen_jobs(jobs, len(own))
    stale = claim(out, tasks, own, checkpoint, seen, test_time_steps)
    if stale:
        say(f"{len(stale)} meshes are made anew, since their inputs have changed.")
    try:
        with progress("Generating", len(own)) as advance:
            outcome = work.generate(own, processes, advance)
    except KeyboardInterrupt:
        say(f"Stopped. What is finished is in {out}; the same command goes on with the rest.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    for name, reason in outcome.failed:
        say(f"failed: {name}: {reason}")
    told = f"Wrote {outcome.made} meshes to {out}; {outcome.skipped} were there already"
    say(f"{told}, {len(outcome.failed)} failed.")
    if outcome.failed:
        raise typer.Exit(2)


def _checked(input_points: int | None) -> int | None:
    if input_points is not None and input_points < 1:
        raise InputError(f"--input-points must be at least 1, not {input_points}.")
    return input_points


def _of_data(plan: Plan, view: str, out: Path, suffix: str) -> list[Task]:
    """List the meshes of a part of the data: of clouds, or of the chosen renderings."""
    from nmf_model.training.evaluate import cloud_items, picture_items
    from nmf_model.training.generate import split_tasks

    items = cloud_items(plan) if plan.views is None else picture_items(plan, options.chosen_view(view))[0]
    return split_tasks(plan, items, out, suffix)


def _parts(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None:
        raise InputError(f"--shard must be i/n, for example 1/4, not '{text}'.")
    return int(match[1]), int(match[2])
