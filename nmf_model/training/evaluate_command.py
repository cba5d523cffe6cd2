"""``training_cli.py evaluate``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nmf_model.errors import InputError
from nmf_model.io.atomic import make_folder
from nmf_model.training import options
from nmf_model.training.interrupts import EXIT_INTERRUPTED
from nmf_model.training.printing import say

if TYPE_CHECKING:
    from nmf_model.training.cases import Item, Plan
    from nmf_model.training.conditions import Condition
    from nmf_model.training.evaluate import Row
    from nmf_model.training.reconstructing import Frame
    from nmf_model.types import Method

_PRINTED = (
    "chamfer_l2", "chamfer_l2_unaligned", "f1@0.03", "normal_consistency", "nm_vertices", "nm_edges",
    "nm_faces", "self_intersection", "self_intersecting_faces", "closed_sphere", "sound", "seconds", "tilt",
)  # fmt: skip


def evaluate(
    out: Annotated[Path, typer.Option(help="Folder for evaluation.json, .md and .html.")],
    checkpoint: Annotated[Path | None, typer.Option(help="A model (.safetensors).")] = None,
    meshes: Annotated[Path | None, typer.Option(help="Or a folder of meshes of any method.")] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="Or the whole program as main.py runs it: auto, network, fit or silhouette. --checkpoint "
            "then names its weights, if not those that ship."
        ),
    ] = None,
    packed: options.PackedOption = None,
    points_path: options.PointsOption = None,
    views: options.ViewsOption = None,
    split: options.SplitOption = "test",
    split_file: options.SplitFileOption = None,
    view: Annotated[str, typer.Option(help="Which rendering is the input: a number from 0, or all.")] = "0",
    condition: Annotated[str, typer.Option(help="How objects are turned: upright, yaw or any.")] = "upright",
    input_points: options.InputPointsOption = 2500,
    noise: Annotated[float, typer.Option(help="Added to the input; the object's radius is 1.")] = 0.0,
    test_time_steps: options.TestTimeStepsOption = 0,
    robustness: Annotated[bool, typer.Option(help="Also print a table over seven conditions.")] = False,
    frame: Annotated[
        str | None,
        typer.Option(
            help="Of --meshes of pictures: object, or camera, each view's; as generate recorded if not given."
        ),
    ] = None,
    merge: Annotated[bool, typer.Option(help="Merge corners at one position in meshes from files.")] = False,
    pictures: Annotated[bool, typer.Option(help="Write the page of pictures.")] = True,
    jobs: options.JobsOption = 0,
    device: options.DeviceOption = "auto",
) -> None:
    """Measure a model, the whole program, or meshes of any method, on one part of the data.

    A model or the program is given clouds, or with --views pictures. Meshes are matched by file name: the
    object's id, category/object or object; with --views they are those of pictures, object/00. The protocol
    is the paper's, with sound versions of its manifoldness columns.
    """
    from nmf_model.data.splits import PARTS
    from nmf_model.training.cases import Plan
    from nmf_model.training.conditions import Condition

    if checkpoint is None and meshes is None and method is None:
        raise InputError("Name a model with --checkpoint, the program's --method, or a folder with --meshes.")
    if meshes is not None and (checkpoint is not None or method is not None):
        raise InputError("--meshes goes with neither --checkpoint nor --method; leave one of them out.")
    if split not in PARTS:
        raise InputError(f"--split must be train, validation or test, not '{split}'.")
    if views is None and view != "0":
        raise InputError("--view chooses a rendering; name the renderings with --views.")
    how = Condition(condition, input_points, noise)  # type: ignore[arg-type]  # checked there
    clouds = meshes is None and views is None
    if not clouds and (how != Condition() or robustness):
        raise InputError(
            "--condition, --input-points, --noise and --robustness are for a model that is given clouds."
        )
    if test_time_steps and (meshes is not None or method is not None):
        raise InputError(
            "--test-time-steps is for a model alone; meshes are as they are, and --method network corrects "
            "by itself."
        )
    if method in ("fit", "silhouette") and checkpoint is not None:
        raise InputError(f"--method {method} asks no model; leave out --checkpoint.")
    if merge and meshes is None:
        raise InputError("--merge is for --meshes.")
    if frame is not None and (meshes is None or views is None):
        raise InputError("--frame is for --meshes of pictures; name the renderings with --views.")
    data = options.data_paths(packed, points_path)
    plan = Plan(
        data=data,
        split=split,
        checkpoint=checkpoint,
        views=views,
        condition=how,
        device="cpu" if meshes is not None else options.chosen_device(device),
        merge=merge,
        test_time_steps=test_time_steps,
        method=None if method is None else _checked(method, of_pictures=views is not None),
        split_file=options.checked_split_file(split_file, data),
        frame="object" if meshes is None or views is None else _frame(meshes, frame),
    )
    items, about = _items(plan, meshes, options.chosen_view(view))
    try:
        with _made(out):
            _run(plan, items, about, out, robustness=robustness, pictures=pictures, jobs=jobs)
    except KeyboardInterrupt:
        say("Stopped; an evaluation is written when all is measured.")
        raise typer.Exit(EXIT_INTERRUPTED) from None


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder before hours of measuring rather than after; it goes again if nothing comes into it."""
    is_new = not folder.exists()
    make_folder(folder)
    try:
        yield
    finally:
        if is_new:
            with suppress(OSError):  # it is not empty: all is well
                folder.rmdir()


def _checked(method: str, *, of_pictures: bool) -> Method:
    """Return a method that goes with the inputs.

    Raises:
        InputError: it does not, or there is none of this name.
    """
    from nmf_model.methods import check_method
    from nmf_model.types import METHODS

    if method not in METHODS:
        raise InputError(f"--method must be auto, network, fit or silhouette, not '{method}'.")
    check_method(method, "Each input", is_picture=of_pictures)
    return method


def _items(plan: Plan, meshes: Path | None, view: int | None) -> tuple[list[Item], dict[str, Any]]:
    """List what to measure, and say what it is."""
    from nmf_model.training import evaluate as protocol

    about: dict[str, Any] = {"data": ", ".join(path.name for path in plan.data), "split": plan.split}
    if plan.split_file is not None:
        about["split file"] = plan.split_file.name
    if meshes is not None:
        return _items_of_files(plan, meshes, view, about)
    about |= _asked(plan)
    if plan.views is None:
        about["input"] = plan.condition.label
        items = protocol.cloud_items(plan)
        seen = protocol.fewest_points(plan, items)
        if seen < plan.condition.input_points:
            about["input points"] = f"as few as {seen:,}, all that the data has of an object"
        return items, about
    items, without = protocol.picture_items(plan, view)
    about["input"] = _seen(view)
    about["objects without renderings"] = without
    return items, about


def _items_of_files(
    plan: Plan, meshes: Path, view: int | None, about: dict[str, Any]
) -> tuple[list[Item], dict[str, Any]]:
    """List meshes, of objects or of their pictures, and say what they are."""
    from nmf_model.training import evaluate as protocol

    if plan.views is None:
        items, matches = protocol.mesh_items(plan, meshes)
        about["meshes"] = _joined(plan, items)
        about["objects without a mesh"] = sum(path is None for path in matches.found)
        about["files of no object"] = [path.name for path in matches.unused]
        return items, about
    items, matches, without = protocol.picture_mesh_items(plan, meshes, view)
    about["meshes"] = _joined(plan, items)
    about["input"] = _seen(view)
    about["frame of the meshes"] = plan.frame
    about["objects without renderings"] = without
    about["pictures without a mesh"] = sum(path is None for path in matches.found)
    about["files of no picture"] = [path.relative_to(meshes).as_posix() for path in matches.unused]
    return items, about


def _joined(plan: Plan, items: Sequence[Item]) -> str:
    """Say which corners of meshes are made one before they are measured."""
    if plan.merge:
        return "merged at equal positions"
    stl = any(item.mesh is not None and item.mesh.suffix.lower() == ".stl" for item in items)
    return "as they are in the files" + ("; STL merged at equal positions, since it shares no corners" * stl)


def _seen(view: int | None) -> str:
    return "all renderings" if view is None else f"rendering {view} of each object"


def _frame(meshes: Path, asked: str | None) -> Frame:
    """Return the frame of meshes of pictures.

    Raises:
        InputError: it is neither asked for nor recorded, or there is none of this name.
    """
    from nmf_model.training.generate_record import RECORD, checked_frame, recorded_frame

    frame = recorded_frame(meshes) if asked is None else checked_frame(asked)
    if frame is None:
        raise InputError(
            f"{meshes} has no {RECORD} that tells the frame of its meshes; add --frame object, or --frame "
            "camera if each is turned as its picture's camera sees it."
        )
    return frame


def _asked(plan: Plan) -> dict[str, Any]:
    """Say what is asked: a model, or the whole program.

    Raises:
        InputError, CheckpointError: it cannot answer what it is to be asked.
    """
    from nmf_model.training.cases import open_model
    from nmf_model.training.reconstructing import check_can_correct, predicted_frame

    about: dict[str, Any] = {}
    if plan.method is not None:
        about["method"] = f"{plan.method}, the whole program"
    if plan.checkpoint is None:
        return about
    about["checkpoint"] = plan.checkpoint.name
    model = open_model(plan.checkpoint, plan.device)
    if plan.test_time_steps:
        check_can_correct(model)
        about["test-time steps"] = plan.test_time_steps
    if plan.views is not None:
        if model.image is None:
            raise InputError(
                "This model has no picture branch; leave out --views, or name a single-view model."
            )
        if plan.method is None:
            about["frame of prediction"] = predicted_frame(plan.checkpoint, model)
    return about


def _run(
    plan: Plan,
    items: list[Item],
    about: dict[str, Any],
    out: Path,
    *,
    robustness: bool,
    pictures: bool,
    jobs: int,
) -> None:
    """Measure, write the files and only then print the means, for what is printed may get lost."""
    from nmf_model.training import evaluate as protocol
    from nmf_model.training.evaluation_report import write_report, write_robustness
    from nmf_model.training.progress import progress
    from nmf_model.training.summary import extremes, summarise

    conditions = _conditions(plan.condition, robustness=robustness)
    plans = protocol.conditions_of(plan, conditions)
    total = len(plans) * len(items)
    with progress("Measuring", total) as advance:
        measured = protocol.evaluate(plans, items, options.chosen_jobs(jobs, total), advance)
    about |= _samples(plan, items) | _answered_by(measured[0])
    reports = [
        summarise(rows, about if index == 0 else about | {"input": conditions[index].label})
        for index, rows in enumerate(measured)
    ]
    worst, best = extremes(reports[0])
    shown = len({(row["id"], row.get("view")) for row in worst + best})
    with progress("Drawing", shown if pictures else 0) as advance:
        write_report(out, reports[0], plan, items, measured[0], pictures=pictures, advance=advance)
    labelled = {how.label: report for how, report in zip(conditions, reports, strict=True)}
    table = write_robustness(out, labelled) if robustness else ""
    _print(reports[0])
    if table:
        say(table)


def _conditions(asked: Condition, *, robustness: bool) -> list[Condition]:
    """List the condition asked for, then the others of the table."""
    from nmf_model.training.conditions import ROBUSTNESS

    return [asked, *(how for how in ROBUSTNESS if how != asked)] if robustness else [asked]


def _answered_by(rows: list[Row]) -> dict[str, str]:
    """Count which method of the program the answers come from."""
    counts = Counter(row["method"] for row in rows if "method" in row)
    return {"answers": ", ".join(f"{name} {count}" for name, count in counts.most_common())} if counts else {}


def _samples(plan: Plan, items: list[Item]) -> dict[str, str]:
    from nmf_model.training.evaluate import fewest_points
    from nmf_model.training.manifoldness import has_exact_tests
    from nmf_model.training.measuring import SAMPLES

    fewest = min(SAMPLES, fewest_points(plan, items))
    why = "" if fewest == SAMPLES else f": the data has no more, while the protocol asks for {SAMPLES:,}"
    facts = {"samples of each surface": f"{fewest:,}{why}"}
    if not has_exact_tests():
        facts["crossings"] = "not measured, since libigl is not installed"
    return facts


def _print(report: dict[str, Any]) -> None:
    about, mean = report["about"], report["mean"]
    say(f"measured: {about['measured']}  without a usable mesh: {about['failed']}")
    for name in _PRINTED:
        if name in mean:
            spread = f" ±{report['mean_spread'][name]:.1g}" if name in report["mean_spread"] else ""
            say(f"{name}: {mean[name]:.6g}{spread}  (class mean {report['class_mean'][name]:.6g})")
    for row in report["failed"]:
        view = f", view {row['view']}" if "view" in row else ""
        say(f"failed: {row['id']}{view}: {row['failed']}")
