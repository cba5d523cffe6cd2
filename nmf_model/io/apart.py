"""Read a mesh in a process of its own: ``python -m nmf_model.io.apart MESH OUT.npz``.

The exact tests hold the interpreter for seconds if a mesh is large, during which a window would stand still.
"""

from __future__ import annotations

import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmf_model.defects import Defects, MeshSurface
from nmf_model.errors import InputError
from nmf_model.io.points import read_points
from nmf_model.types import PointCloud

_DEFECTS = tuple(entry.name for entry in fields(Defects))


def save_cloud(cloud: PointCloud, path: Path) -> None:
    """Write a cloud with its colours, notes, surface and unit to an .npz file."""
    words = json.dumps([cloud.name, list(cloud.notes), cloud.unit])
    arrays: dict[str, Any] = {"points": cloud.points, "words": words}
    if cloud.colors is not None:
        arrays["colors"] = cloud.colors
    if cloud.surface is not None:
        arrays |= {"vertices": cloud.surface.vertices, "faces": cloud.surface.faces}
        found = {name: getattr(cloud.surface.defects, name) for name in _DEFECTS}
        arrays |= {name: value for name, value in found.items() if value is not None}
    np.savez(path, **arrays)


def load_cloud(outcome: Path, source: Path) -> PointCloud:
    """Read what ``main`` wrote on reading ``source``.

    Raises:
        InputError: the one that ended the reading.
    """
    with np.load(outcome, allow_pickle=False) as stored:
        data = dict(stored)
    if "error" in data:
        raise InputError(str(data["error"]))
    name, notes, unit = json.loads(str(data["words"]))
    return PointCloud(data["points"], name, source, data.get("colors"), tuple(notes), _surface(data), unit)


def _surface(data: dict[str, NDArray[Any]]) -> MeshSurface | None:
    if "faces" not in data:
        return None
    found = {name: data[name] for name in _DEFECTS if name in data}
    plain: dict[str, Any] = {name: value if value.ndim else value.item() for name, value in found.items()}
    plain.setdefault("crossings", None)
    return MeshSurface(data["vertices"], data["faces"], Defects(**plain))


def main(arguments: list[str]) -> int:
    """Read the first file and write its cloud, or the sentence that says why not, to the second one."""
    source, outcome = map(Path, arguments)
    try:
        save_cloud(read_points(source), outcome)
    except InputError as error:
        np.savez(outcome, error=np.array(str(error)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
