"""Prepare a training set in the published layout from libraries, folders of meshes or procedural shapes.

Each object is made in a process of its own, so that a model that crashes the reader or the renderer is
left out and listed. A folder appears under its final name only when it is complete, and the lists name it
before that, so an interrupted run can be read, and is continued by calling it again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmf_model.data.full_disks import fault_of_disk
from nmf_model.data.layout import CAMERA_FILE, POINTS_FOLDER, VIEWS_FOLDER
from nmf_model.data.lock import held
from nmf_model.data.manifest import Skipped, announce, read_lists, write_lists
from nmf_model.data.outer_surface import sample_outer_surface
from nmf_model.data.render import (
    DISTANCE,
    ELEVATION,
    FIELD_OF_VIEW,
    VIEW_SIZE,
    draw_cameras,
    render_views,
)
from nmf_model.data.settings_file import record_settings
from nmf_model.data.sources import Known, LoadedObject, SourceObject, list_objects, loaded
from nmf_model.data.workers import Failure, run_isolated
from nmf_model.errors import InputError
from nmf_model.io.atomic import write_text_atomically
from nmf_model.types import Mesh, Normalization

OnProgress = Callable[[int, int, str], None]
"""``(objects done, objects in all, id of the last one)``."""
FRAME_FILE, APPEARANCE_FILE = "frame.json", "appearance.json"
PLACES_FILE = "sources.json"
"""Where each source folder is, by the name it has in this set."""
_SMALLEST, _LARGEST = 16, 1024
"""Sides of renderings, pixels."""
TIMEOUT = 600.0
"""Seconds after which an object is given up."""


@dataclass(frozen=True)
class PrepareSummary:
    """What a run of ``prepare`` left in its folder.

    Attributes:
        objects: how many of the sources' objects are there, with points and normals.
        made: how many of them this run made or completed.
        with_views: how many have renderings.
        plain: how many of those are drawn plain, because their materials could not be used.
        skipped: objects that are not there.
        without_views: objects whose renderings failed, though their points are there.
        repeated: ids of objects that the sources hold a second time, and that are there once.
    """

    objects: int
    made: int
    with_views: int
    plain: int
    skipped: tuple[Skipped, ...]
    without_views: tuple[Skipped, ...]
    repeated: tuple[str, ...] = ()


@dataclass(frozen=True)
class _DiskFault:
    """Why nothing more can be written, and what to do."""

    reason: str


class _DiskError(Exception):
    """Nothing more can be written, whichever object it is of."""


@dataclass(frozen=True)
class _Task:
    item: SourceObject
    out: Path
    points: int
    views: int
    elevation: tuple[float, float]
    size: int
    materials: bool = True


def prepare(
    sources: Sequence[str],
    out: Path,
    *,
    views: int = 24,
    points: int = 16384,
    elevation: tuple[float, float] = ELEVATION,
    size: int = VIEW_SIZE,
    jobs: int | None = None,
    on_progress: OnProgress = lambda done, total, object_id: None,
) -> PrepareSummary:
    """Make or complete a prepared set.

    Args:
        sources: ``.sh3f`` libraries, folders of meshes, or ``synthetic:COUNT[:SEED]``.
        out: the folder; an unfinished or earlier set there is continued or added to.
        views: renderings of each object; 0 for none.
        points: points with normals of each object.
        elevation: lowest and highest of the cameras above the horizon, degrees.
        size: side of the renderings, pixels.
        jobs: processes; None takes one for each CPU.
        on_progress: told after each object.

    Raises:
        InputError: a source cannot be used, the folder was prepared with other settings, another process
            is preparing into it, or the disk takes no more; what is finished stays then, and the same call
            goes on.
    """
    for name, count, least in (("points", points, 1), ("views", views, 0), ("jobs", jobs, 1)):
        if count is not None and count < least:
            raise InputError(f"--{name} must be at least {least}, not {count}.")
    if not -90 < elevation[0] <= elevation[1] < 90:
        raise InputError(
            f"Cameras cannot stand from {elevation[0]:g} to {elevation[1]:g} degrees above the horizon; name "
            "the lower one first, both between -90 and 90."
        )
    if not _SMALLEST <= size <= _LARGEST:
        raise InputError(
            f"Renderings of {size} pixels cannot be made; name a size from {_SMALLEST} to {_LARGEST}."
        )
    with held(out):
        listing = list_objects(sources, Known(_read_places(out), read_lists(out).ids))
        items = list(listing.objects)
        _settle(out, {"points": points, "views": views, "size": size, "elevation": elevation})
        write_text_atomically(
            out / PLACES_FILE, json.dumps(listing.places, indent=1, ensure_ascii=False) + "\n"
        )
        todo = [
            _Task(item, out, points, views, elevation, size)
            for item in items
            if not _is_complete(item, out, views)
        ]
        failures: dict[str, str] = {}
        if todo:
            announce(out, items)
        try:
            _make(
                todo, jobs or os.cpu_count() or 1, len(items) - len(todo), len(items), on_progress, failures
            )
        finally:
            _clear(out)  # before the lists, for which a full disk may have no room otherwise
            write_lists(out, items, failures)
        return _summarize(items, out, failures, len(todo), listing.repeated)


def _make(
    todo: list[_Task], jobs: int, done: int, total: int, on_progress: OnProgress, failures: dict[str, str]
) -> None:
    """Make the objects; put the reasons of those that fail into ``failures``, by id.

    What crashes with its materials is tried once more without, since VTK's reader of materials is what
    crashes most.

    Raises:
        InputError: the disk takes no more.
    """
    again: list[_Task] = []
    # Closed at once when interrupted, so that no process goes on beside the writing of the lists.
    with closing(run_isolated(_make_object, todo, jobs=jobs, timeout=TIMEOUT)) as results:
        for number, result in results:
            task = todo[number]
            if isinstance(result, _DiskFault):
                raise InputError(
                    f"Nothing more can be written into {task.out}: {result.reason}, then the same command "
                    "goes on with the rest."
                )
            if isinstance(result, Failure):
                failures[task.item.id] = result.reason
                if result.crashed and task.materials and _folder(task, POINTS_FOLDER).is_dir():
                    again.append(replace(task, materials=False))
                    continue
            done += 1
            on_progress(done, total, task.item.id)
    for task in again:
        del failures[task.item.id]
    if again:
        _make(again, jobs, done, total, on_progress, failures)


def _make_object(task: _Task) -> _DiskFault | None:
    """Make what is missing of one object, in the worker's process; return why if the disk takes no more."""
    try:
        with loaded(task.item, task.points) as source:
            if not _folder(task, POINTS_FOLDER).is_dir():
                _make_points(task, source)
            if task.views and not _folder(task, VIEWS_FOLDER).is_dir():
                _make_views(task, source)
    except _DiskError as error:
        return _DiskFault(str(error))
    return None


def _make_points(task: _Task, source: LoadedObject) -> None:
    if source.surface is None:
        sampled = sample_outer_surface(source.mesh, task.points, seed=_seed(task.item))
        points, normals = sampled.points, sampled.normals
    else:
        points, normals = source.surface
    offset = points.mean(axis=0)
    frame = Normalization(offset, float(np.linalg.norm(points - offset, axis=1).max()))

    def write(folder: Path) -> None:
        _save(folder / "points.npy", frame.to_unit(points))
        _save(folder / "normals.npy", normals.astype(np.float32))
        text = json.dumps({"offset": frame.offset.tolist(), "scale": frame.scale})
        (folder / FRAME_FILE).write_text(text + "\n", encoding="utf-8")

    _write_folder(task.out, _folder(task, POINTS_FOLDER), write)


def _save(path: Path, rows: NDArray[np.floating]) -> None:
    """Write an array by Python's own file: numpy's writer overlooks that the end of it found no room."""
    content = io.BytesIO()
    np.save(content, rows)
    path.write_bytes(content.getvalue())


def _make_views(task: _Task, source: LoadedObject) -> None:
    from PIL import Image

    frame = _read_frame(_folder(task, POINTS_FOLDER) / FRAME_FILE)
    cameras = draw_cameras(task.views, np.random.default_rng(_seed(task.item)), task.elevation)
    placement = np.eye(4)
    placement[:3, :3] = source.rotation / frame.scale
    placement[:3, 3] = -frame.offset / frame.scale
    rendered = render_views(
        Mesh((source.mesh.vertices - frame.offset) / frame.scale, source.mesh.faces),
        cameras,
        size=task.size,
        face_colors=source.face_colors,
        model=source.model if task.materials else None,
        placement=placement,
    )

    def write(folder: Path) -> None:
        (folder / "rendering").mkdir()
        for number, image in enumerate(rendered.images):
            Image.fromarray(image).save(folder / "rendering" / f"{number:02}.png")
        (folder / "rendering" / CAMERA_FILE).write_text(_camera_lines(cameras), encoding="utf-8")
        text = json.dumps({"materials": rendered.has_materials, "size": task.size})
        (folder / APPEARANCE_FILE).write_text(text + "\n", encoding="utf-8")

    _write_folder(task.out, _folder(task, VIEWS_FOLDER), write)


def _camera_lines(cameras: NDArray[np.float64]) -> str:
    degrees = np.degrees(cameras)
    return "".join(f"{az:.6f} {el:.6f} 0 {DISTANCE} {FIELD_OF_VIEW}\n" for az, el in degrees)


def _write_folder(out: Path, target: Path, write: Callable[[Path], None]) -> None:
    """Fill a folder beside its place and rename it when it is complete.

    Raises:
        _DiskError: the disk takes no more.
    """
    partial: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=out))
        write(partial)
        partial.chmod(0o755)
        partial.rename(target)
    except OSError as error:
        # The last process of a run that was killed may have finished this one meanwhile.
        if target.is_dir():
            return
        fault = fault_of_disk(error)
        if fault is None:
            raise
        raise _DiskError(fault) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def _folder(task: _Task, kind: str) -> Path:
    return task.out / kind / task.item.key


def _is_complete(item: SourceObject, out: Path, views: int) -> bool:
    has_points = (out / POINTS_FOLDER / item.key).is_dir()
    return has_points and (not views or (out / VIEWS_FOLDER / item.key).is_dir())


def _seed(item: SourceObject) -> int:
    return int(hashlib.sha1(item.id.encode(), usedforsecurity=False).hexdigest()[:8], 16)


def _read_frame(path: Path) -> Normalization:
    try:
        content = json.loads(path.read_text("utf-8"))
        return Normalization(np.array(content["offset"], dtype=np.float64), float(content["scale"]))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} is missing or damaged; delete its folder and prepare again.") from error


def _read_places(out: Path) -> dict[str, str]:
    path = out / PLACES_FILE
    if not path.is_file():
        return {}
    try:
        return {str(name): str(place) for name, place in json.loads(path.read_text("utf-8")).items()}
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is damaged; delete it and prepare again.") from error


def _settle(out: Path, settings: Mapping[str, Any]) -> None:
    """Record the settings, or refuse to mix two; clear what an interrupted run left half made."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        record_settings(out, settings)
        _clear(out)
    except (OSError, ValueError) as error:
        raise InputError(f"{out} cannot be prepared into ({error}); choose another folder.") from error


def _clear(out: Path) -> None:
    """Remove what processes that were stopped left half made."""
    for partial in out.glob(".partial-*"):
        shutil.rmtree(partial, ignore_errors=True)


def _summarize(
    items: list[SourceObject],
    out: Path,
    failures: dict[str, str],
    attempted: int,
    repeated: tuple[str, ...],
) -> PrepareSummary:
    present = [item for item in items if (out / POINTS_FOLDER / item.key).is_dir()]
    pictured = [item for item in present if (out / VIEWS_FOLDER / item.key).is_dir()]
    kept = {item.id for item in present}
    listed = [Skipped(object_id, reason) for object_id, reason in sorted(failures.items())]
    return PrepareSummary(
        objects=len(present),
        made=attempted - len(failures),
        with_views=len(pictured),
        plain=sum(not _has_materials(out / VIEWS_FOLDER / item.key) for item in pictured),
        skipped=tuple(entry for entry in listed if entry.id not in kept),
        without_views=tuple(entry for entry in listed if entry.id in kept),
        repeated=repeated,
    )


def _has_materials(folder: Path) -> bool:
    return bool(json.loads((folder / APPEARANCE_FILE).read_text("utf-8"))["materials"])
