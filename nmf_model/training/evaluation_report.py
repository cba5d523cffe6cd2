"""The files an evaluation leaves: JSON, Markdown and the page of pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nmf_model.io.atomic import make_folder, write_atomically
from nmf_model.training import gallery, summary
from nmf_model.training.cases import Item, Plan
from nmf_model.training.evaluate import Row


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

    Raises:
        InputError: a file cannot be written there.
    """
    make_folder(out)
    write_text(out / "evaluation.json", json.dumps(report, indent=1))
    write_text(out / "evaluation.md", summary.markdown(report))
    if pictures and report["shapes"]:
        write_text(out / "evaluation.html", gallery.page(report, plan, items, rows, advance))


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
