"""What ``generate`` records beside its meshes, so that none is taken for that of another model or input."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from nmf_model import checkpoint as checkpoints
from nmf_model.certificate import file_sha256
from nmf_model.errors import InputError
from nmf_model.io.atomic import make_folder, write_text_atomically
from nmf_model.training.cases import open_model, renderings
from nmf_model.training.generate import Task
from nmf_model.training.reconstructing import Frame, predicted_frame

RECORD = "generate.json"
"""Beside the meshes: the model that made them, and what of."""
_MUST_AGREE = (
    ("data", "other data"),
    ("views", "other renderings"),
)


def claim(
    out: Path,
    tasks: Sequence[Task],
    own: Sequence[Task],
    checkpoint: Path,
    input_points: int | None,
    test_time_steps: int = 0,
) -> list[Path]:
    """Record in the folder which model its meshes are of, and what of; others are not taken for them then.

    Meshes of files that have changed since are removed, to be made anew. Folders of earlier versions do not
    tell what their meshes are of, and are believed.

    Args:
        out: the folder, made if it is missing.
        tasks: all that is to be there, the other shards' included.
        own: those of this shard.
        checkpoint: the model.
        input_points: how many points of a cloud it sees; None for all.
        test_time_steps: optimiser steps that correct its answers.

    Returns:
        the meshes that are to be made anew.

    Raises:
        InputError: meshes that are there already were made otherwise, or of other data; or the data or one
            of its pictures is damaged.
        CheckpointError: the model is missing or damaged.
    """
    checkpoints.read_header(checkpoint)
    record: dict[str, Any] = {
        "checkpoint": checkpoint.name,
        "sha256": file_sha256(checkpoint),
        "test_time_steps": test_time_steps,
    }
    if any(task.is_of_cloud for task in tasks):
        record["input_points"] = input_points or "all"
    known = _record_of(out, tasks)
    record |= _of_data(tasks)
    _check_same(out, known, record)
    stale: list[Path] = []
    if "data" not in record:
        inputs, before = _hashes(own, out), known.get("inputs", {})
        stale = [
            out / name
            for name, digest in inputs.items()
            if before.get(name, digest) != digest and (out / name).is_file()
        ]
        record["inputs"] = before | inputs
    make_folder(out)
    _remove(stale)  # before the record says what they are to be of
    write_text_atomically(out / RECORD, json.dumps(known | record, indent=1) + "\n")
    return stale


def _of_data(tasks: Sequence[Task]) -> dict[str, str]:
    """Return what tells a part of a data set, and its renderings, from others, and the meshes' frame."""
    plan = tasks[0].plan if tasks else None
    if plan is None:
        return {}
    views = {}
    if plan.views is not None and plan.checkpoint is not None:
        frame = predicted_frame(plan.checkpoint, open_model(plan.checkpoint, plan.device))
        views = {"views": renderings(plan).identity, "frame": frame}
    return {"data": f"{plan.split}: {plan.targets.identity}", **views}


def recorded_frame(folder: Path) -> Frame | None:
    """Return the frame of meshes of pictures that ``generate`` wrote; None where it is not recorded."""
    try:
        told = json.loads((folder / RECORD).read_text(encoding="utf-8"))["frame"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return checked_frame(told)


def checked_frame(name: str) -> Frame:
    """Return a frame by its name.

    Raises:
        InputError: there is none of this name.
    """
    if name not in get_args(Frame):
        raise InputError(f"--frame must be object or camera, not '{name}'.")
    return "camera" if name == "camera" else "object"


def _check_same(out: Path, known: dict[str, Any], record: dict[str, Any]) -> None:
    """Refuse meshes that were made otherwise or of something else; what is not recorded is believed."""
    advice = f"name another --out, or remove its meshes and {RECORD}"
    if known.get("sha256", record["sha256"]) != record["sha256"]:
        raise InputError(f"{out} holds meshes of another model, {known.get('checkpoint')}; {advice}.")
    if known:
        known.setdefault("test_time_steps", 0)  # earlier versions had none to record
    if "data" in known and "data" not in record:
        raise InputError(f"{out} holds meshes of a data set, not of files; {advice}.")
    if "inputs" in known and "data" in record:
        raise InputError(f"{out} holds meshes of files, not of a data set; {advice}.")
    for name, words in (("input_points", "input points"), ("test_time_steps", "test-time steps")):
        wanted = record.get(name)
        if wanted is not None and known.get(name, wanted) != wanted:
            raise InputError(f"{out} holds meshes of {known[name]} {words}, not of {wanted}; {advice}.")
    for name, words in _MUST_AGREE:
        if name in record and known.get(name, record[name]) != record[name]:
            raise InputError(f"{out} holds meshes of {words} ({known[name]}; now {record[name]}); {advice}.")


def _hashes(tasks: Sequence[Task], out: Path) -> dict[str, str]:
    """Return the hash of each task's file by its mesh's name; one that cannot be read fails by itself."""
    found = {}
    for task in tasks:
        if task.source is not None:
            try:
                found[task.out.relative_to(out).as_posix()] = file_sha256(task.source)
            except OSError:
                continue
    return found


def _remove(files: Sequence[Path]) -> None:
    for file in files:
        try:
            file.unlink()
        except OSError as error:
            raise InputError(
                f"{file} is of an input that has changed, and cannot be removed: {error.strerror}."
            ) from error


def _record_of(out: Path, tasks: Sequence[Task]) -> dict[str, Any]:
    """Return what is recorded of the meshes that are there; empty if there are none."""
    try:
        known = json.loads((out / RECORD).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        known = {}
        if any(task.out.is_file() for task in tasks):
            raise InputError(
                f"{out} holds meshes, but no {RECORD} that tells which model made them; name another --out, "
                "or remove them."
            ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{out / RECORD} cannot be read; name another --out, or remove it.") from error
    if not isinstance(known, dict) or not isinstance(known.get("inputs", {}), dict):
        raise InputError(f"{out / RECORD} cannot be read; name another --out, or remove it.")
    return known
