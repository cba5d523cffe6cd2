"""Measure the fit on real objects: ``python -m tests.benchmarks.fit [--set test|development]``.

Every object is a cloud of 2,500 points of its outer surface; the result is compared with 10,000 other
points of the same surface, in the unit-radius frame, without any alignment. How the objects were chosen
is said in ``tests.benchmarks.objects``. Only ``development`` may be looked at while anything is tuned.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmf_model.geometry.sampling import sample_surface
from nmf_model.metrics import chamfer_l2, f1_score
from nmf_model.quality import inspect_mesh
from nmf_model.reconstruct import run
from nmf_model.types import Mesh, PointCloud, ReconstructionRequest
from tests.benchmarks.objects import FOLDER

RUNS = Path(__file__).parents[2] / "runs" / "bench"
THRESHOLD = 0.03
_INT16 = 32767
_HEADING = (
    "| object | kind | seconds | chamfer_l2 ·1e3 | F1@0.03 | crossing faces | vertices | closed sphere |\n"
    "|---|---|---:|---:|---:|---:|---:|---|"
)


@dataclass(frozen=True)
class Row:
    """What was measured of one object; distances in the unit-radius frame."""

    id: str
    name: str
    kind: str
    seconds: float
    chamfer_l2: float
    f1: float
    self_intersecting_faces: int
    vertices: int
    closed_sphere: bool


def disturb(
    points: NDArray[np.float64], noise: float, outliers: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Add Gaussian noise and replace a share of the points by uniform ones in the cube around the object.

    Args:
        points: (N, 3), unit-radius frame.
        noise: standard deviation of each coordinate.
        outliers: share of the points to replace, 0..1.
        rng: the only source of randomness.
    """
    disturbed = points + rng.normal(scale=noise, size=points.shape) if noise else points.copy()
    stray = rng.permutation(len(points))[: round(outliers * len(points))]
    disturbed[stray] = rng.uniform(-1.0, 1.0, size=(len(stray), 3))
    return disturbed


def compare(mesh: Mesh, target: NDArray[np.float64], seed: int = 0) -> tuple[float, float]:
    """Return chamfer_l2 and F1@0.03 of a mesh, sampled as densely as the target, against the target."""
    samples, _ = sample_surface(mesh.vertices, mesh.faces, len(target), np.random.default_rng(seed))
    return chamfer_l2(samples, target), f1_score(samples, target, THRESHOLD)


def measure(index: int, objects: dict[str, NDArray[Any]], arguments: argparse.Namespace) -> Row:
    """Reconstruct one object and measure the result."""
    rng = np.random.default_rng(index)
    given = disturb(objects["given"][index] / _INT16, arguments.noise, arguments.outliers, rng)
    name = str(objects["name"][index])
    request = ReconstructionRequest(
        source=PointCloud(points=given, name=name),
        method="fit",
        level=arguments.level,
        seed=arguments.seed,
        device=arguments.device,
    )
    started = time.perf_counter()
    mesh = run(request).mesh
    seconds = time.perf_counter() - started
    chamfer, f1 = compare(mesh, objects["target"][index] / _INT16)
    report = inspect_mesh(mesh)
    return Row(
        id=str(objects["id"][index]),
        name=name,
        kind=str(objects["kind"][index]),
        seconds=seconds,
        chamfer_l2=chamfer,
        f1=f1,
        self_intersecting_faces=report.self_intersecting_faces,
        vertices=report.vertices,
        closed_sphere=report.is_closed_sphere,
    )


def mean_row(rows: Sequence[Row]) -> Row:
    """Return the means over the objects; counts are summed where a single case would be a failure."""
    return Row(
        id="mean",
        name=f"**mean of {len(rows)}** (crossing faces: sum)",
        kind="",
        seconds=float(np.mean([row.seconds for row in rows])),
        chamfer_l2=float(np.mean([row.chamfer_l2 for row in rows])),
        f1=float(np.mean([row.f1 for row in rows])),
        self_intersecting_faces=sum(row.self_intersecting_faces for row in rows),
        vertices=round(float(np.mean([row.vertices for row in rows]))),
        closed_sphere=all(row.closed_sphere for row in rows),
    )


def table_line(row: Row) -> str:
    """Return one line of the Markdown table."""
    return (
        f"| {row.name} | {row.kind} | {row.seconds:.1f} | {1e3 * row.chamfer_l2:.3f} | {row.f1:.3f} "
        f"| {row.self_intersecting_faces} | {row.vertices} | {'yes' if row.closed_sphere else 'NO'} |"
    )


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--set", choices=("test", "development"), default="development")
    parser.add_argument("--objects", type=int, help="only the first so many")
    parser.add_argument("--noise", type=float, default=0.0, help="standard deviation, object radius 1")
    parser.add_argument("--outliers", type=float, default=0.0, help="share of points replaced by stray ones")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--level", type=int, help="template level of the result")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    """Print the table row by row and keep the numbers in ``runs/bench``."""
    arguments = parse(words)
    with np.load(FOLDER / f"{arguments.set}.npz", allow_pickle=False) as stored:
        objects = {key: stored[key][: arguments.objects] for key in stored.files}
    print(_HEADING)
    rows = []
    for index in range(len(objects["id"])):
        rows.append(measure(index, objects, arguments))
        print(table_line(rows[-1]), flush=True)
    mean = mean_row(rows)
    print(table_line(mean))
    RUNS.mkdir(parents=True, exist_ok=True)
    path = RUNS / f"fit-{arguments.set}-{time.strftime('%Y%m%d-%H%M%S')}.json"
    record = {
        "options": vars(arguments),
        "mean": asdict(mean),
        "objects": [asdict(row) for row in rows],
    }
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"\nWritten to {path}")


if __name__ == "__main__":
    main()
