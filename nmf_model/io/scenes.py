"""Read the formats that hold scenes, glTF and 3MF, as one flat surface."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from nmf_model.errors import InputError
from nmf_model.io.opening import require_bytes
from nmf_model.io.surface import Surface, checked

_MAX_UNPACKED_BYTES = 2 << 30


def read_gltf(path: Path) -> Surface:
    """Read glb or gltf."""
    if path.suffix.lower() == ".glb":
        with open(path, "rb") as stream:
            header = stream.read(12)
        require_bytes(path, int.from_bytes(header[8:12], "little"))
    return _flattened(path)


def read_3mf(path: Path) -> Surface:
    """Read 3mf, refusing archives that unpack to more than memory should be spent on."""
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > _MAX_UNPACKED_BYTES:
        raise InputError(f"{path.name} unpacks to {unpacked / 2**30:.0f} GB; export it with fewer faces.")
    return _flattened(path)


def _flattened(path: Path) -> Surface:
    """Join all parts in the scene's own frame, transforms applied in float64, nothing merged."""
    import trimesh

    scene = trimesh.load_scene(path, process=False)
    vertices, faces, count = [np.zeros((0, 3))], [np.zeros((0, 3), dtype=np.int64)], 0
    for node in scene.graph.nodes_geometry:
        matrix, name = scene.graph[node]
        part = scene.geometry[name]
        local = np.asarray(part.vertices, dtype=np.float64).reshape(-1, 3)
        vertices.append(local @ matrix[:3, :3].T + matrix[:3, 3])
        corners = np.asarray(getattr(part, "faces", faces[0]), dtype=np.int64).reshape(-1, 3)
        # A mirroring transform turns faces inside out.
        faces.append(count + (corners[:, ::-1] if np.linalg.det(matrix[:3, :3]) < 0 else corners))
        count += len(local)
    return checked(path, Surface(np.concatenate(vertices), np.concatenate(faces)))
