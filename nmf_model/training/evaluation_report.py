"""The files an evaluation leaves: JSON, Markdown and the page of pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nmf_model.errors import InputError
from nmf_model.io.atomic import make_folder, write_atomically
from nmf_model.training import gallery, summary
from nmf_model.training.cases import Item, Plan
from nmf_model.training.evaluate import Row

_NOT_ALWAYS = ("evaluation.html", "robustness.json", "robustness.md")


def write_report(
    out: Path,
    report: summary.Report,
    plan: Plan,
    items: Sequence[Item],
    rows: Sequence[Row],
    *,
    pictures: bool = True,
    advance: Callable[[], None] = lambda: None,
) -> None:
    """Write ``evaluation.json``, ``evaluation.md`` and, with ``pictures``, ``evaluation.html`` into ``out``.

    What an earlier evaluation left there and this one does not write is removed: it would be taken for this
    one's.

    Raises:
        InputError: a file cannot be written there.
    """
    make_folder(out)
    for name in _NOT_ALWAYS:
        _remove(out / name)
    write_text(out / "evaluation.json", json.dumps(report, indent=1))
    write_text(out / "evaluation.md", summary.markdown(report))
    if pictures and report["shapes"]:
        write_text(out / "evaluation.html", gallery.page(report, plan, items, rows, advance))


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"{path} is of an earlier evaluation and cannot be removed: {error.strerror}."
        ) from error


def write_robustness(out: Path, reports: Mapping[str, summary.Report]) -> str:
    """Write ``robustness.json`` and ``robustness.md``; return the table."""
    make_folder(out)
    means = {
        label: {key: report[key] for key in ("about", "mean", "class_mean")}
        for label, report in reports.items()
    }
    table = summary.robustness_table(reports)
    write_text(out / "robustness.json", json.dumps(means, indent=1))
    write_text(out / "robustness.md", table)
    return table


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file, whole or not at all."""
    data = text.encode()
    write_atomically(path, lambda stream: stream.write(data))
