"""Sample the bundled example clouds: ``python -m tests.benchmarks.example_clouds BlendSwap-CC-0.sh3f``.

Each is in another format and, like real scans, in other units, one of them far from the origin. Their
entries in ``examples.json`` and rows in ``credits.md`` are written by hand.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmf_model.data.library import LibraryEntry, load_mesh, read_library
from nmf_model.data.outer_surface import sample_outer_surface

FOLDER = Path(__file__).parents[2] / "resources" / "examples"
_PLY_HEAD = b"""ply
format binary_little_endian 1.0
comment millimetres
element vertex 5000
property float x
property float y
property float z
end_header
"""


def sample(entry: LibraryEntry, count: int, height: float) -> NDArray[np.float64]:
    """Draw points of the outer surface, standing on y = 0 around the y axis, ``height`` tall."""
    points = sample_outer_surface(load_mesh(entry), count).points
    low, high = points.min(axis=0), points.max(axis=0)
    foot = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    scaled: NDArray[np.float64] = (points - foot) * (height / (high[1] - low[1]))
    return scaled


def main() -> None:
    """Write the three clouds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("library", type=Path, help="BlendSwap-CC-0.sh3f")
    entries = {entry.id.partition("#")[2]: entry for entry in read_library(parser.parse_args().library)}

    chair = sample(entries["chair"], 5000, 880.0) + np.array([125_000.0, 0.0, 48_000.0])
    (FOLDER / "chair.ply").write_bytes(_PLY_HEAD + chair.astype("<f4").tobytes())
    np.savetxt(FOLDER / "horse.xyz", sample(entries["horse2"], 6000, 1.7), fmt="%.4f")
    np.save(FOLDER / "teddy_bear.npy", sample(entries["teddyBear"], 4000, 32.0).astype(np.float32))


if __name__ == "__main__":
    main()
