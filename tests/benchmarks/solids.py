"""Fill reconstructed objects with tetrahedra: ``python -m tests.benchmarks.solids [--objects 0 7 12 20]``.

Objects are those of the development set, reconstructed as ``tests.benchmarks.fit`` does. Crossing faces are
those of the surface: a surface that crosses itself encloses nothing that positive tetrahedra could fill.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from nmf_model.export import export_reconstruction
from nmf_model.reconstruct import run
from nmf_model.types import PointCloud, ReconstructionRequest, SolidReport
from tests.benchmarks.objects import FOLDER

HEADING = (
    "| object | crossing faces | tetrahedra | inverted | min dihedral | 5 % | mean | volume off | seconds |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|"
)


def main() -> None:
    """Print one line an object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--objects", type=int, nargs="+", default=[0, 7, 12, 20])
    parser.add_argument("--level", type=int)
    arguments = parser.parse_args()
    objects = np.load(FOLDER / "development.npz")
    print(HEADING, flush=True)
    for index in arguments.objects:
        cloud = PointCloud(objects["given"][index] / 32767, name=str(objects["name"][index]))
        result = run(ReconstructionRequest(cloud, method="fit", level=arguments.level))
        print(row(cloud.name, result), flush=True)


def row(name: str, result: object) -> str:
    """Return one line of the table; the seconds are those of the solid, its export and its check."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        report = export_reconstruction(result, Path(folder) / "solid.vtu")
    seconds = time.perf_counter() - started
    assert isinstance(report, SolidReport)
    solid = report.solid
    error = abs(solid.solid_volume / report.volume - 1)
    return (
        f"| {name} | {report.self_intersecting_faces} | {solid.tetrahedra:,} | {solid.inverted_tetrahedra:,} "
        f"| {solid.min_dihedral_degrees:.2f}° | {solid.p5_dihedral_degrees:.1f}° "
        f"| {solid.mean_dihedral_degrees:.1f}° | {error:.0e} | {seconds:.0f} |"
    )


if __name__ == "__main__":
    main()
