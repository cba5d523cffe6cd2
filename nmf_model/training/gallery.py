"""The page of pictures: worst and best shapes, each as input, result, target and error in colour."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from nmf_model.data.workers import Failure, run_isolated
from nmf_model.errors import NmfError
from nmf_model.training import drawing
from nmf_model.training.cases import Answered, Item, Plan, answer
from nmf_model.training.evaluate import FAILED, Row
from nmf_model.training.measuring import unit_frame
from nmf_model.training.summary import NOTES, Report, called, cell, extremes, plain, present, table_rows
from nmf_model.types import Mesh

LARGEST_ERROR = 0.1
"""Distance, in radii of the target, that is drawn red."""
_TIMEOUT = 300.0
_SHOWN = ("chamfer_l2", "f1@0.03", "normal_consistency", "self_intersecting_faces")
_TITLES = {
    "chamfer_l2": "CD·10³",
    "f1@0.03": "F1@0.03",
    "normal_consistency": "NC",
    "self_intersecting_faces": "crossing %",
}
_STYLE = """
body {font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem;
  color: #222; background: #fff}
table {border-collapse: collapse; margin: 1rem 0; font-size: .85rem}
td, th {padding: .2rem .6rem; border-bottom: 1px solid #ddd; text-align: right}
td:first-child, th:first-child {text-align: left}
.wide {overflow-x: auto}
.shape {display: grid; grid-template-columns: repeat(4, 1fr); gap: .5rem; border-top: 1px solid #ddd;
  padding: .8rem 0}
.shape h3 {grid-column: 1 / -1; font-size: .95rem; margin: 0; font-weight: 600}
.shape h3 span {font-weight: 400; color: #555}
figure {margin: 0; text-align: center; color: #555; font-size: .8rem}
img {width: 100%; max-width: 200px; background: #f3f4f6; border-radius: 6px}
.scale {display: inline-block; width: 9rem; height: .7rem; border-radius: 3px;
  background: linear-gradient(90deg, rgb(49,99,173), rgb(74,173,139), rgb(240,205,70), rgb(200,40,40))}
"""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Evaluation</title><style>{style}</style></head><body>{body}</body></html>
"""

Shots = dict[str, NDArray[np.uint8]]


def page(
    report: Report,
    plan: Plan,
    items: Sequence[Item],
    rows: Sequence[Row],
    advance: Callable[[], None] = lambda: None,
) -> str:
    """Return a self-contained HTML page.

    Args:
        report: the means.
        plan: how the meshes are made again.
        items: all that was measured, with ``rows`` in the same order.
        rows: their measures.
        advance: called after each shape is drawn.
    """
    place = {(row["id"], row.get("view")): item for row, item in zip(rows, items, strict=True)}
    worst, best = extremes(report)
    chosen = {(row["id"], row.get("view")): row for row in worst + best}
    drawn = draw_all(plan, [place[key] for key in chosen], advance)
    cards = {key: _card(row, shots) for (key, row), shots in zip(chosen.items(), drawn, strict=True)}
    body = ["<h1>Evaluation</h1>", _facts(report["about"])]
    for title, columns in present(report):
        body.append(f"<h2>{html.escape(title)}</h2>{_table(table_rows(report, columns))}")
    body.append(f"<p>{_emphasised(NOTES)}</p>")
    body.append(_without_mesh(report["failed"]))
    body.append(
        '<p>Error: distance of the result to the target, unaligned, <span class="scale"></span> from 0 to '
        f"{LARGEST_ERROR} of the target's radius.</p>"
    )
    for title, group in (("Worst", worst), ("Best", best)):
        body += [f"<h2>{title} {len(group)}</h2>", *(cards[row["id"], row.get("view")] for row in group)]
    return _PAGE.format(style=_STYLE, body="".join(body))


def draw_all(plan: Plan, items: Sequence[Item], advance: Callable[[], None]) -> list[Shots]:
    """Draw shapes in a process of its own, since graphics can crash; what crashed is drawn as dots here."""
    shots: list[Shots] = [{} for _ in items]
    tasks = [(plan, item) for item in items]
    for number, outcome in run_isolated(_shots, tasks, jobs=1, timeout=_TIMEOUT):
        shots[number] = _shots_as_dots(tasks[number]) if isinstance(outcome, Failure) else outcome
        advance()
    return shots


def shots_of(answered: Answered, draw_mesh: Callable[..., NDArray[np.uint8]]) -> Shots:
    """Draw what was given, answered and true, and where they differ, all in the target's unit frame."""
    centre, radius = unit_frame(answered.target.points)
    target = (answered.target.points - centre) / radius
    vertices = (answered.mesh.vertices - centre) / radius
    used = vertices[np.unique(answered.mesh.faces)]
    shrink = 1 / max(1.0, float(np.linalg.norm(used, axis=1).max()))
    mesh = Mesh(vertices * shrink, answered.mesh.faces)
    away = np.asarray(cKDTree(target).query(vertices[mesh.faces].mean(axis=1))[0])
    pictures = {
        "result": draw_mesh(mesh),
        "target": drawing.draw_points(target * shrink, answered.target.normals),
        "error": draw_mesh(mesh, drawing.colors_of(away, LARGEST_ERROR)),
    }
    return _seen(answered.seen, centre, radius, shrink) | pictures


def _seen(seen: Any, centre: NDArray[np.float64], radius: float, shrink: float) -> Shots:
    if seen is None:
        return {}
    if seen.dtype == np.uint8:
        return {"input": seen}
    return {"input": drawing.draw_points((seen - centre) / radius * shrink)}


def _shots(task: tuple[Plan, Item]) -> Shots:
    return shots_of(answer(*task), drawing.draw_mesh)


def _shots_as_dots(task: tuple[Plan, Item]) -> Shots:
    try:
        return shots_of(answer(*task), drawing.draw_mesh_as_dots)
    except (NmfError, ValueError):
        return {}


def _card(row: Row, shots: Shots) -> str:
    figures = [f"{_TITLES[name]} {cell(name, row[name])}" for name in _SHOWN if name in row]
    view = f", view {row['view']}" if "view" in row else ""
    title = (
        f"{html.escape(row['id'])}{view} <span>{html.escape(row['category'])}: {', '.join(figures)}</span>"
    )
    images = "".join(
        f'<figure><img alt="{name}" src="data:image/png;base64,{_png(shots[name])}">{name}</figure>'
        for name in ("input", "result", "target", "error")
        if name in shots
    )
    return f'<div class="shape"><h3>{title}</h3>{images}</div>'


def _png(picture: NDArray[np.uint8]) -> str:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode()


def _emphasised(markdown: str) -> str:
    return re.sub(r"[*]([^*]+)[*]", r"<em>\1</em>", html.escape(markdown))


def _without_mesh(failed: Sequence[Row]) -> str:
    items = "".join(f"<li>{html.escape(f'{called(row)}: {row[FAILED]}')}</li>" for row in failed)
    return f"<h2>Without a usable mesh, in no mean</h2><ul>{items}</ul>" if items else ""


def _facts(about: dict[str, Any]) -> str:
    items = (
        f"<li>{html.escape(str(name))}: {html.escape(plain(value))}</li>" for name, value in about.items()
    )
    return f"<ul>{''.join(items)}</ul>"


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = [
        "".join(f"<{tag}>{html.escape(part)}</{tag}>" for part in row)
        for tag, row in zip(["th"] + ["td"] * len(rows), rows, strict=False)
    ]
    return f'<div class="wide"><table>{"".join(f"<tr>{line}</tr>" for line in lines)}</table></div>'
