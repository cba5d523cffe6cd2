"""From rows of measures to means, and to tables in Markdown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nmf_model.training.cases import TILT
from nmf_model.training.evaluate import FAILED, Row
from nmf_model.training.manifoldness import PUBLISHED_RATES, SOUND_RATES, VERDICTS
from nmf_model.training.measuring import MISSED_BEYOND, REDRAWN, SPREAD_OF, THRESHOLDS, redrawn

Report = dict[str, Any]
_LABELS = ("id", "category", "view", "method", FAILED)
_ACCURACY = (
    "chamfer_l2", *(f"f1@{threshold}" for threshold in THRESHOLDS), f"missed@{MISSED_BEYOND}",
    "normal_consistency",
)  # fmt: skip
_TABLES = (
    ("Aligned", (_ACCURACY[0], "chamfer_l2_floor", *_ACCURACY[1:])),
    ("Unaligned", tuple(f"{name}_unaligned" for name in _ACCURACY)),
    ("Manifoldness as published", PUBLISHED_RATES),
    ("Manifoldness, sound versions", SOUND_RATES),
    ("Share of meshes", VERDICTS),
    ("Time, s", ("seconds",)),
    ("Angle between the upright and its guess, degrees", (TILT,)),
)
ROBUSTNESS_COLUMNS = (
    "chamfer_l2", "f1@0.03", "normal_consistency", "chamfer_l2_unaligned", "self_intersecting_faces",
)  # fmt: skip
NOTES = (
    "Chamfers ×10³ (sum of both directions, squared distances, radius 1). Manifoldness, intersections and "
    "shares in %. *Aligned*: prediction and target each re-centred on the mean of its samples and scaled to "
    "radius 1; *unaligned*: both in that frame of the target. As published, edges and folds are divided by "
    "3F and intersections count colliding pairs of faces without a common corner over F; the sound versions "
    "divide by what is counted, and count each crossing face once, by exact arithmetic. *Floor*: the chamfer "
    "of two perfect samples of the target at this number of points; F1 at small thresholds is bounded "
    "likewise. *Spread*: one standard deviation of the aligned means over which points of the meshes are "
    "drawn, of three draws. *Missed*: share of the target's points farther than that from the mesh itself, "
    "in %."
)


def summarise(rows: Sequence[Row], about: Mapping[str, Any] | None = None) -> Report:
    """Return the means over shapes, over each category, and over the categories.

    Several views of one object count as several shapes. Objects without a usable mesh are in no mean, but
    counted and listed.
    """
    measured = [row for row in rows if FAILED not in row]
    failed = [row for row in rows if FAILED in row]
    groups = defaultdict(list)
    for row in measured:
        groups[row["category"]].append(row)
    categories: dict[str, Any] = {
        name: _mean(group) | {"shapes": len(group)} for name, group in sorted(groups.items())
    }
    mean = _mean(measured)
    spread = _spread(mean)
    told = ", ".join(f"{name} ±{value:.1g}" for name, value in spread.items())
    facts = {"measured": len(measured), "failed": len(failed)}
    return {
        "about": dict(about or {}) | facts | ({"spread of the means by sampling": told} if told else {}),
        "mean": mean,
        "mean_spread": spread,
        "median": _mean(measured, np.median),
        "class_mean": _mean(list(categories.values())),
        "categories": categories,
        "shapes": measured,
        "failed": failed,
    }


def markdown(report: Report) -> str:
    """Return the report as Markdown."""
    about = report["about"]
    lines = ["# Evaluation", "", *(f"- {name}: {plain(value)}" for name, value in about.items()), ""]
    for title, columns in present(report):
        lines += [f"## {title}", "", *markdown_table(table_rows(report, columns)), ""]
    lines += [NOTES, ""]
    if report["failed"]:
        lines += ["## Without a usable mesh, in no mean", ""]
        lines += [f"- {called(row)}: {row[FAILED]}" for row in report["failed"]] + [""]
    return "\n".join(lines)


def present(report: Report) -> list[tuple[str, list[str]]]:
    """Return the title of each table that has anything to show, and its measures."""
    found = [(title, [name for name in columns if name in report["mean"]]) for title, columns in _TABLES]
    return [(title, columns) for title, columns in found if columns]


def table_rows(report: Report, columns: Sequence[str]) -> list[list[str]]:
    """Return the cells of one table: a head, a row for each category, then the means."""
    groups = {**report["categories"], "class mean": report["class_mean"], "median": report["median"]}
    groups["mean"] = report["mean"]
    rows = [["category", "shapes", *columns]]
    for name, values in groups.items():
        cells = [cell(column, values[column]) for column in columns]
        rows.append([name, str(values.get("shapes", "")), *cells])
    return rows


def markdown_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table whose first row is its head and first column its labels."""
    lines = ["| " + " | ".join(part.replace("|", "\\|") for part in row) + " |" for row in rows]
    return [lines[0], "|---" + "|---:" * (len(rows[0]) - 1) + "|", *lines[1:]]


def robustness_table(reports: Mapping[str, Report]) -> str:
    """Return one table of instance means with a row for each condition."""
    first = next(iter(reports.values()))["mean"]
    columns = [name for name in ROBUSTNESS_COLUMNS if name in first]
    rows = [["condition", "shapes", *columns]]
    for label, report in reports.items():
        cells = [cell(name, report["mean"][name]) if report["mean"] else "" for name in columns]
        rows.append([label, str(report["about"]["measured"]), *cells])
    return "\n".join([*markdown_table(rows), ""])


def cell(name: str, value: float) -> str:
    """Return a figure as tables show it: chamfers times 1000, rates in percent."""
    if name.startswith("chamfer"):
        return f"{1e3 * value:.2f}"
    if name in (*PUBLISHED_RATES, *SOUND_RATES):
        return f"{100 * value:.3f}"
    return f"{100 * value:.1f}" if name in VERDICTS or name.startswith("missed") else f"{value:.3f}"


def extremes(report: Report, count: int = 10) -> tuple[list[Row], list[Row]]:
    """Return the worst and the best shapes by aligned chamfer, the worst and the best first."""
    ordered = sorted(report["shapes"], key=lambda row: (row["chamfer_l2"], row["id"], row.get("view", 0)))
    return ordered[::-1][:count], ordered[:count]


def plain(value: Any) -> str:
    """Return a fact as a reader wants it: a list as words between commas."""
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def called(row: Row) -> str:
    """Return what an object, or a picture of it, is called."""
    return f"{row['id']}, view {row['view']}" if "view" in row else str(row["id"])


def _spread(mean: Mapping[str, float]) -> dict[str, float]:
    """Return the standard deviation of means over the points that are drawn."""
    numbers = range(1, REDRAWN + 1)
    means = {
        name: [mean[name], *(mean[redrawn(name, number)] for number in numbers)]
        for name in SPREAD_OF
        if redrawn(name, REDRAWN) in mean
    }
    return {name: float(np.std(values, ddof=1)) for name, values in means.items()}


def _mean(rows: Sequence[Row], of: Any = np.mean) -> dict[str, float]:
    """Average what all rows have."""
    if not rows:
        return {}
    names = [
        name for name in rows[0] if name not in (*_LABELS, "shapes") and all(name in row for row in rows)
    ]
    return {name: float(of([row[name] for row in rows])) for name in names}
