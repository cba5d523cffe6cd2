"""``training_cli.py prepare``, ``pack`` and ``contact-sheet``."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from nmf_model.data.splits import empty_parts_note
from nmf_model.errors import InputError
from nmf_model.training.interrupts import EXIT_INTERRUPTED
from nmf_model.training.printing import say, terminal

if TYPE_CHECKING:
    from nmf_model.data.manifest import Skipped
    from nmf_model.data.pack import Shapes
    from nmf_model.data.prepare import OnProgress, PrepareSummary
    from nmf_model.data.shapenet import ShapeNetSet
    from nmf_model.training.shapes import ShapeSet

_QUIET_SECONDS = 30.0
"""Without a terminal a line is printed this often."""
_LISTED = 20


def prepare(
    source: Annotated[
        list[str],
        typer.Option(help="A .sh3f library, a folder of meshes or synthetic:COUNT[:SEED]; several."),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the set; what is there already is kept.")],
    views: Annotated[int, typer.Option(help="Renderings of each object; 0 for none.")] = 24,
    points: Annotated[int, typer.Option(help="Points with normals of each object.")] = 16384,
    elevation: Annotated[
        tuple[float, float],
        typer.Option(help="Lowest and highest of the cameras above the horizon, in degrees."),
    ] = (20.0, 32.0),
    view_size: Annotated[int, typer.Option(help="Side of a rendering in pixels; 137 as published.")] = 137,
    jobs: Annotated[int | None, typer.Option(help="Processes; one for each processor if not given.")] = None,
) -> None:
    """Make a training set in the published layout; Ctrl-C is safe, and the same command goes on."""
    from nmf_model.data.prepare import prepare as run

    try:
        with _progress("Preparing") as on_progress:
            summary = run(
                source,
                out,
                views=views,
                points=points,
                elevation=elevation,
                size=view_size,
                jobs=jobs,
                on_progress=on_progress,
            )
    except KeyboardInterrupt:
        say(f"Stopped. What is finished is in {out}; the same command goes on with the rest.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    _summarise(summary, out)
    if summary.objects:
        from nmf_model.data.shapenet import ShapeNetSet

        _say_what_is_empty(ShapeNetSet(out))


def pack(
    dataset: Annotated[str, typer.Argument(help="A prepared set's folder, or synthetic:COUNT[:SEED].")],
    out: Annotated[Path, typer.Option(help="File of points and normals to write (.npz).")],
    views: Annotated[Path | None, typer.Option(help="File of renderings to write (.npz).")] = None,
    points_per_shape: Annotated[int, typer.Option(min=1, help="Points of each object.")] = 4096,
    view_size: Annotated[int, typer.Option(min=8, help="Side of a rendering in pixels.")] = 112,
    views_per_shape: Annotated[int | None, typer.Option(min=1, help="Renderings; all if not given.")] = None,
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of the renderings' WebP.")] = 80,
) -> None:
    """Pack a set into a file or two that train with nothing but torch, numpy and Pillow."""
    from nmf_model.data.pack import write_points

    for path in [out, *([views] if views else [])]:
        if path.suffix != ".npz":
            raise InputError(f"The file to write must end in .npz, but {path} does not.")
        if not path.absolute().parent.is_dir():
            raise InputError(f"The folder of {path} does not exist; create it or choose another one.")
    if views is not None and views.resolve() == out.resolve():
        raise InputError(f"--out and --views are both {out}; name two files, for points and for pictures.")
    shapes = _shapes(dataset, points_per_shape)
    pictured = None if views is None else _pictured(shapes, views_per_shape)
    with _progress("Packing points") as on_progress:
        write_points(out, shapes, points_per_shape, on_progress)
    say(f"Wrote {out}: {len(shapes.items)} objects, {_size(out)}.")
    if views is not None and pictured is not None:
        _pack_views(views, pictured, views_per_shape, view_size, quality)
    _say_what_is_empty(shapes)


def _pictured(shapes: Shapes, views_per_shape: int | None) -> ShapeNetSet:
    """Return a set that has the renderings that are to be packed; this is known before anything is written.

    Raises:
        InputError: it has none, or too few.
    """
    from nmf_model.data.pack import check_views
    from nmf_model.data.shapenet import ShapeNetSet

    if not isinstance(shapes, ShapeNetSet):
        raise InputError("Procedural shapes have no renderings before they are prepared; leave --views out.")
    check_views(shapes, views_per_shape)
    return shapes


def _pack_views(
    views: Path, shapes: ShapeNetSet, views_per_shape: int | None, size: int, quality: int
) -> None:
    from nmf_model.data.pack import write_views

    with _progress("Packing pictures") as on_progress:
        lacking = write_views(views, shapes, views_per_shape, size, quality, on_progress)
    say(f"Wrote {views}: {_size(views)}.")
    if lacking:
        named = ", ".join(f"{name} ({count})" for name, count in list(lacking.items())[:_LISTED])
        more = f" and {len(lacking) - _LISTED} more" if len(lacking) > _LISTED else ""
        say(f"{len(lacking)} objects are packed without pictures, since they have too few: {named}{more}.")


def contact_sheet(
    out: Annotated[Path, typer.Option(help="The picture to write (.png).")],
    source: Annotated[
        str, typer.Option(help="synthetic:COUNT[:SEED], a prepared set's folder, or a packed file.")
    ] = "synthetic:96:0",
    count: Annotated[int, typer.Option(min=1, help="At most so many shapes, spread over the set.")] = 96,
    columns: Annotated[int, typer.Option(min=1, help="Tiles in a row.")] = 12,
) -> None:
    """Draw the shapes of a set, or of the procedural generator, on one picture."""
    from nmf_model.data.contact_sheet import draw_tile, write_sheet

    if out.suffix.lower() != ".png":
        raise InputError(f"The picture to write must end in .png, but {out} does not.")
    shapes = _set_of(source, count)
    normals = shapes.normals
    tiles = [
        draw_tile(points, None if normals is None else normals[index])
        for index, points in enumerate(shapes.points)
    ]
    write_sheet(out, tiles, min(columns, len(tiles)))
    say(f"Wrote {out}: {len(tiles)} shapes.")


def generator_speed(
    count: Annotated[int, typer.Option(min=1, help="How many shapes to make.")] = 200,
    points: Annotated[int, typer.Option(min=1, help="Points of each.")] = 4096,
    seed: Annotated[int, typer.Option(help="Of the sequence.")] = 0,
) -> None:
    """Measure how many procedural shapes a second one processor core makes."""
    from nmf_model.data.synthetic import synthetic_batch
    from nmf_model.threads import single_thread

    with single_thread("cpu"):
        synthetic_batch(seed, 0, 2, points)
        started = time.process_time()
        for number in range(count):
            synthetic_batch(seed, number, 1, points)
        rate = count / (time.process_time() - started)
    cores = os.cpu_count() or 1
    say(
        f"{rate:.0f} shapes/s of {points:,} points on one core; {16 * rate:.0f} on 16, "
        f"{cores * rate:.0f} on the {cores} here."
    )


def _shapes(dataset: str, points: int) -> Shapes:
    from nmf_model.data.shapenet import ShapeNetSet
    from nmf_model.data.synthetic import SyntheticShapes, parse_source

    if dataset.startswith("synthetic:"):
        return SyntheticShapes(*parse_source(dataset), points)
    return ShapeNetSet(Path(dataset))


def _set_of(source: str, count: int) -> ShapeSet:
    """Return at most ``count`` shapes, of as many points as a tile needs where there are so many."""
    import numpy as np

    from nmf_model.training.shapes import load_shapes

    shapes = load_shapes([Path(source)], points=12_000)
    chosen = np.unique(np.linspace(0, len(shapes.ids) - 1, min(count, len(shapes.ids))).astype(np.int64))
    return shapes.rows(chosen)


def _summarise(summary: PrepareSummary, out: Path) -> None:
    wanted = summary.objects + len(summary.skipped)
    say(f"{summary.objects} of {wanted} objects are in {out}; {summary.made} were made now.")
    if summary.with_views:
        say(f"{summary.with_views} have renderings, {summary.plain} of these without their materials.")
    if summary.repeated:
        named = ", ".join(summary.repeated[:_LISTED]) + (", …" if len(summary.repeated) > _LISTED else "")
        say(f"In the sources more than once, but taken once: {len(summary.repeated)} ({named}).")
    _list("Left out", summary.skipped)
    _list("Without renderings", summary.without_views)


def _say_what_is_empty(shapes: Shapes) -> None:
    """End with a note if a part of a set has no object."""
    note = empty_parts_note(item.split for item in shapes.items)
    if note:
        say(note)


def _list(title: str, entries: tuple[Skipped, ...]) -> None:
    if not entries:
        return
    say(f"{title}: {len(entries)}")
    for entry in entries[:_LISTED]:
        say(f"  {entry.id}: {entry.reason}")
    if len(entries) > _LISTED:
        say(f"  … and {len(entries) - _LISTED} more; manifest.json lists them all.")


@contextmanager
def _progress(title: str) -> Iterator[OnProgress]:
    """Show a bar with the remaining time on a terminal, or a line now and then elsewhere."""
    console = terminal()
    if not console.is_terminal:
        yield _Lines(title)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
               TextColumn("left  {task.fields[last]}", markup=False))  # fmt: skip
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=None, last="")

        def show(done: int, total: int, object_id: str) -> None:
            bar.update(task, completed=done, total=total, last=object_id)

        yield show


class _Lines:
    """Progress for a log."""

    def __init__(self, title: str) -> None:
        self._title, self._started = title, time.monotonic()
        self._first: int | None = None
        self._said = self._started

    def __call__(self, done: int, total: int, object_id: str) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = done - 1
        if now - self._said < _QUIET_SECONDS and done < total:
            return
        self._said = now
        left = (now - self._started) / (done - self._first) * (total - done)
        say(f"{self._title}: {done} of {total}, {left / 60:.0f} minutes left ({object_id})")


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"
