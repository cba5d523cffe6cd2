"""The evaluation protocol on one part of a data set, as JSON and Markdown.

Prediction and target are compared twice: *aligned* (each centred on the mean of its samples and scaled to
radius 1, which hides errors of place and size: the published protocol) and as they are.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nmf_model import metrics
from nmf_model.geometry.normals import face_normals
from nmf_model.geometry.sampling import sample_surface
from nmf_model.io.atomic import write_atomically
from nmf_model.model import NeuralMeshFlow
from nmf_model.quality import inspect_mesh
from nmf_model.training.shapes import ShapeSet, normalized
from nmf_model.types import Mesh

THRESHOLDS = (0.01, 0.03, 0.05, 0.07, 0.1)
SAMPLES = 10_000

Points = NDArray[np.float64]


def evaluate(model: NeuralMeshFlow, shapes: ShapeSet, input_points: int, out: Path) -> dict[str, Any]:
    """Reconstruct every shape from ``input_points`` of its points, measure, and write both reports.

    Returns:
        the report: "mean" over shapes, "class_mean" over categories, "categories", "shapes".
    """
    rows = [
        {"id": str(name), "category": str(category)}
        | measure(*reconstructed(model, shapes, index, input_points))
        for index, (name, category) in enumerate(zip(shapes.ids, shapes.categories, strict=True))
    ]
    report = summarise(rows)
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=1).encode()
    write_atomically(out / "evaluation.json", lambda file: file.write(text))
    table = markdown(report).encode()
    write_atomically(out / "evaluation.md", lambda file: file.write(table))
    return report


def reconstructed(
    model: NeuralMeshFlow, shapes: ShapeSet, index: int, input_points: int
) -> tuple[Mesh, Points, Points | None]:
    """Return the mesh of one shape's network answer, and the target's points and normals, in one frame."""
    target = normalized(torch.from_numpy(shapes.points[index : index + 1]).float())
    rng = np.random.default_rng(index)
    chosen = rng.choice(target.shape[1], input_points, replace=input_points > target.shape[1])
    device = next(model.parameters()).device
    with torch.no_grad():
        vertices = model(target[:, chosen].to(device)).vertices[-1][0].cpu().numpy()
    mesh = Mesh(vertices.astype(np.float64), model.template.faces)
    normals = None if shapes.normals is None else shapes.normals[index].astype(np.float64)
    return mesh, target[0].numpy().astype(np.float64), normals


def measure(mesh: Mesh, target: Points, target_normals: Points | None) -> dict[str, Any]:
    """Measure one mesh against the points (and normals) of its target; rates are shares, not percent."""
    samples, faces = sample_surface(mesh.vertices, mesh.faces, SAMPLES, np.random.default_rng(0))
    normals = face_normals(mesh.vertices, mesh.faces)
    aligned, aligned_target = in_unit_radius(samples), in_unit_radius(target)
    row: dict[str, Any] = {
        "chamfer_l2": metrics.chamfer_l2(aligned, aligned_target),
        "chamfer_l2_unaligned": metrics.chamfer_l2(samples, target),
    }
    row |= {f"f1@{t}": metrics.f1_score(aligned, aligned_target, t) for t in THRESHOLDS}
    if target_normals is not None:
        row["normal_consistency"] = metrics.normal_consistency(
            aligned, normals[faces], aligned_target, target_normals
        )
    return row | manifoldness(mesh)


def manifoldness(mesh: Mesh) -> dict[str, float]:
    """Return the published rates of a mesh, and the share of its faces that cross others."""
    report = inspect_mesh(mesh)
    normals = face_normals(mesh.vertices, mesh.faces)
    edges = np.sort(mesh.faces[:, [[0, 1], [1, 2], [2, 0]]], axis=2).reshape(-1, 2)
    order = np.lexsort(edges.T)
    same = (edges[order][1:] == edges[order][:-1]).all(axis=1)
    first, second = order[:-1][same] // 3, order[1:][same] // 3
    folded = np.count_nonzero((normals[first] * normals[second]).sum(axis=1) < 0)
    unique_edges = int(len(edges) - np.count_nonzero(same))
    return {
        "nm_vertices": report.nonmanifold_vertices / max(1, report.vertices),
        "nm_edges": report.nonmanifold_edges / max(1, unique_edges),
        "nm_faces": folded / max(1, 3 * report.faces),
        "self_intersecting_faces": report.self_intersecting_faces / max(1, report.faces),
    }


def in_unit_radius(points: Points) -> Points:
    """Centre points on their mean and scale the farthest to distance 1."""
    centred = points - points.mean(axis=0)
    unit: Points = centred / max(float(np.linalg.norm(centred, axis=1).max()), 1e-12)
    return unit


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the means over shapes, over each category, and over the categories."""
    groups = defaultdict(list)
    for row in rows:
        groups[row["category"]].append(row)
    categories = {name: _mean(group) | {"shapes": len(group)} for name, group in sorted(groups.items())}
    return {
        "mean": _mean(rows),
        "class_mean": _mean(list(categories.values())),
        "categories": categories,
        "shapes": rows,
    }


def markdown(report: dict[str, Any]) -> str:
    """Return the report's tables: chamfers times 1000, rates in percent."""
    names = list(report["mean"])
    lines = ["| category | shapes | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
    groups = {**report["categories"], "class mean": report["class_mean"], "mean": report["mean"]}
    for category, values in groups.items():
        cells = [_cell(name, values[name]) for name in names]
        lines.append(f"| {category} | {values.get('shapes', '')} | " + " | ".join(cells) + " |")
    note = "Chamfers ×10³ (radius 1); manifoldness and self-intersection in %."
    return "\n".join([*lines, "", note, ""])


def _cell(name: str, value: float) -> str:
    if name.startswith("chamfer"):
        return f"{1e3 * value:.2f}"
    return f"{100 * value:.3f}" if name.startswith(("nm_", "self_")) else f"{value:.3f}"


def _mean(rows: list[dict[str, Any]]) -> dict[str, float]:
    names = [name for name, value in rows[0].items() if isinstance(value, float)]
    return {name: float(np.mean([row[name] for row in rows])) for name in names}
