"""The evaluation protocol on one part of a data set: every object measured, then summed up.

The method is a checkpoint, given clouds or pictures, or a folder of meshes that any method wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nmf_model.data.workers import Failure
from nmf_model.errors import InputError
from nmf_model.training.cases import Item, MethodError, Plan, answer, check_usable, name_of, renderings
from nmf_model.training.conditions import Condition
from nmf_model.training.measuring import measure
from nmf_model.training.mesh_files import Matches, match_meshes
from nmf_model.training.pool import run_tasks

Advance = Callable[[], None]
Row = dict[str, Any]
FAILED = "failed"
"""Key of the reason in the row of an object without a usable mesh; such a row has no measures."""


def cloud_items(plan: Plan) -> list[Item]:
    """List the objects of the plan, each once."""
    return [Item(index) for index in range(len(plan.targets))]


def picture_items(plan: Plan, view: int | None) -> tuple[list[Item], list[str]]:
    """List objects and views.

    Args:
        plan: with ``views``.
        view: the number of the only view to use, or None for all.

    Returns:
        the items, and the ids of objects that have no renderings.

    Raises:
        InputError: there is no view of this number, or an object lacks some of its pictures.
    """
    views = renderings(plan)
    if view is not None and not 0 <= view < views.count:
        raise InputError(f"There are {views.count} views, numbered from 0; --view {view} is not one of them.")
    chosen = range(views.count) if view is None else [view]
    names = plan.targets.names
    items = [Item(index, number) for index, name in enumerate(names) if name.id in views for number in chosen]
    return items, [name.id for name in names if name.id not in views]


def mesh_items(plan: Plan, folder: Path) -> tuple[list[Item], Matches]:
    """List the objects with the files of their meshes, those without one included."""
    matches = match_meshes(folder, plan.targets.names)
    if not any(matches.found):
        raise InputError(
            f"No mesh in {folder} has the name of an object of the part '{plan.split}'; a file must be named "
            "after the object's id, category/object or object; those of pictures, object/00, need --views."
        )
    return [Item(index, mesh=path) for index, path in enumerate(matches.found)], matches


def picture_mesh_items(plan: Plan, folder: Path, view: int | None) -> tuple[list[Item], Matches, list[str]]:
    """List the objects and views with the files of their meshes, those without one included.

    Args:
        plan: with ``views``.
        folder: of the meshes.
        view: the number of the only view to measure, or None for all.

    Returns:
        the items, which files they are, and the ids of objects that have no renderings.

    Raises:
        InputError: see ``picture_items``; or there is no mesh of any of the pictures.
    """
    items, without = picture_items(plan, view)
    names = plan.targets.names
    matches = match_meshes(folder, [names[item.index] for item in items], [item.view for item in items])
    if not any(matches.found):
        number = "00" if view is None else f"{view:02}"
        raise InputError(
            f"No mesh in {folder} has the name of a picture of the part '{plan.split}'; a file must be named "
            f"after the object and the view's number, object/{number} or category/object/{number}."
        )
    found = zip(items, matches.found, strict=True)
    return [replace(item, mesh=path) for item, path in found], matches, without


def evaluate(
    plans: Sequence[Plan], items: Sequence[Item], jobs: int = 1, advance: Advance = lambda: None
) -> list[list[Row]]:
    """Measure the same items under several plans.

    Args:
        plans: usually one; several differ in their conditions.
        items: what to measure.
        jobs: processes.
        advance: called after each measurement.

    Returns:
        for each plan the rows of the items in their order: "id", "category", perhaps "view", and the
        measures, or ``FAILED`` with a reason.

    Raises:
        InputError, CheckpointError: the data or the checkpoint is missing or damaged.
    """
    for plan in plans:
        check_usable(plan)  # a damaged model is refused before processes start
    tasks = [(plan, item) for plan in plans for item in items]
    rows: list[Row] = [{} for _ in tasks]
    for number, row in run_tasks(_row, tasks, jobs):
        if isinstance(row, Failure):
            if not row.crashed:
                raise InputError(row.reason)
            row = _named(*tasks[number]) | {FAILED: row.reason}
        rows[number] = row
        advance()
    return [rows[first : first + len(items)] for first in range(0, len(rows), len(items))]


def conditions_of(plan: Plan, conditions: Sequence[Condition]) -> list[Plan]:
    """Return the plan under each condition."""
    return [replace(plan, condition=condition) for condition in conditions]


def fewest_points(plan: Plan, items: Sequence[Item]) -> int:
    """Return how many points the poorest of the items has."""
    targets = plan.targets
    return min(targets.point_count(item.index) for item in items)


def _row(task: tuple[Plan, Item]) -> Row:
    plan, item = task
    named = _named(plan, item)
    try:
        answered = answer(plan, item)
    except MethodError as error:
        return named | {FAILED: str(error)}
    target = answered.target
    try:
        return named | dict(answered.facts) | measure(answered.mesh, target.points, target.normals)
    except InputError as error:
        return named | {FAILED: str(error)}


def _named(plan: Plan, item: Item) -> Row:
    name = name_of(plan, item)
    view = {} if item.view is None else {"view": item.view}
    return {"id": name.id, "category": name.category, **view}
