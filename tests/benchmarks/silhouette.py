"""Measure pictures from file to mesh: outline, time, accuracy and crossings, as a Markdown table.

Run from the repository's root: ``python -m tests.benchmarks.silhouette [--inflation-only] [PICTURE ...]``.
Without pictures the ten of ``pictures/`` are measured. *Outline IoU* compares the final mesh, seen from
the front, with the mask; *chamfer_l2* is between the mesh and another draw of the inflated body, in the
unit-sphere frame.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from nmf_model.geometry.intersections import count_crossing_faces
from nmf_model.geometry.sampling import sample_surface
from nmf_model.io.images import IMAGE_SUFFIXES, read_image
from nmf_model.silhouette import find_mask, inflate, outline_iou
from nmf_model.silhouette.inflation import inflated_mesh
from nmf_model.types import Mesh, ReconstructionRequest, ShapeImage

PICTURES = Path(__file__).parent / "pictures"
SAMPLES = 10_000
REQUIRED_IOU = 0.95


@dataclass(frozen=True)
class Row:
    name: str
    mask_source: str
    iou: float
    seconds: float
    chamfer_l2: float
    crossing_faces: int


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("pictures", nargs="*", type=Path)
    options.add_argument("--inflation-only", action="store_true", help="measure the body before the flow fit")
    chosen = options.parse_args()
    files = chosen.pictures or sorted(p for p in PICTURES.iterdir() if p.suffix in IMAGE_SUFFIXES)
    print("| picture | mask by | outline IoU | seconds | chamfer_l2 | self-intersecting faces |")
    print("|---|---|---|---|---|---|")
    rows = []
    for path in files:
        row = measure(path, chosen.inflation_only)
        rows.append(row)
        print(
            f"| {row.name} | {row.mask_source} | {row.iou:.3f} | {row.seconds:.1f} | {row.chamfer_l2:.2e}"
            f" | {row.crossing_faces} |",
            flush=True,
        )
    ious = [row.iou for row in rows]
    print(
        f"| **mean** | | {np.mean(ious):.3f} | {np.mean([row.seconds for row in rows]):.1f}"
        f" | {np.mean([row.chamfer_l2 for row in rows]):.2e} | |"
    )
    passed = sum(iou >= REQUIRED_IOU for iou in ious)
    print(f"\n{passed} of {len(rows)} pictures reach outline IoU {REQUIRED_IOU}, the least {min(ious):.3f}.")


def measure(path: Path, inflation_only: bool) -> Row:
    started = time.perf_counter()
    image = find_mask(read_image(path))
    assert image.mask is not None
    mesh = inflated_mesh(image.mask) if inflation_only else fitted_mesh(image)
    seconds = time.perf_counter() - started
    return Row(
        path.name,
        image.mask_source,
        outline_iou(mesh, image.mask),
        seconds,
        chamfer_l2(mesh, inflate(image.mask, points=SAMPLES, seed=12345).points),
        count_crossing_faces(mesh.vertices, mesh.faces),
    )


def fitted_mesh(image: ShapeImage) -> Mesh:
    from nmf_model.reconstruct import run

    return run(ReconstructionRequest(source=image, method="silhouette")).mesh


def chamfer_l2(mesh: Mesh, body: np.ndarray) -> float:
    """Mean squared distance mesh→body plus body→mesh, with the body's bounding radius as the unit."""
    samples, _ = sample_surface(mesh.vertices, mesh.faces, SAMPLES, np.random.default_rng(1))
    radius = np.linalg.norm(body - (body.min(0) + body.max(0)) / 2, axis=1).max()
    there, _ = cKDTree(body).query(samples)
    back, _ = cKDTree(samples).query(body)
    return float((there**2).mean() + (back**2).mean()) / radius**2


if __name__ == "__main__":
    main()
