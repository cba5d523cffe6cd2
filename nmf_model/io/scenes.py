"""Read the formats that hold scenes, glTF and 3MF, as one flat surface."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.io.archive_3mf import read_unit
from nmf_model.io.beside import Beside
from nmf_model.io.gltf_colors import vertex_colors
from nmf_model.io.gltf_plain import GLTF_SUFFIXES, plain_gltf
from nmf_model.io.gltf_tree import gltf_tree
from nmf_model.io.joined_3mf import joined_3mf
from nmf_model.io.opening import require_bytes
from nmf_model.io.surface import Surface, checked

_MAX_UNPACKED_BYTES = 2 << 30


def read_gltf(path: Path) -> Surface:
    """Read glb or gltf."""
    is_binary = path.suffix.lower() == ".glb"
    if is_binary:
        with open(path, "rb") as stream:
            header = stream.read(12)
        require_bytes(path, int.from_bytes(header[8:12], "little"))
    tree = gltf_tree(path)
    if str(tree.get("asset", {}).get("version", "")).startswith("1."):
        raise InputError(f"{path.name} is of glTF 1, which is not read any more; export it again as glTF 2.")
    if not is_binary:
        _require_buffers(path, tree)
    return _flattened(path)


def _require_buffers(path: Path, tree: dict[str, Any]) -> None:
    """Raise InputError if a file with the geometry, which glTF keeps apart, is not there."""
    for buffer in tree.get("buffers", []):
        name = unquote(buffer["uri"])
        if not name.startswith("data:") and not any(
            (path.parent / n).is_file() for n in (name, buffer["uri"])
        ):
            raise InputError(f"{path.name} needs the file {name}, which is not there; copy it along.")


def read_3mf(path: Path) -> Surface:
    """Read 3mf with its unit, refusing archives that unpack to more than memory should be spent on."""
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > _MAX_UNPACKED_BYTES:
        raise InputError(f"{path.name} unpacks to {unpacked / 2**30:.0f} GB; export it with fewer faces.")
    return _flattened(path)._replace(unit=read_unit(path))


def _flattened(path: Path) -> Surface:
    """Join all parts in the scene's own frame, transforms applied in float64, nothing merged.

    Colours are those of points, if there is nothing else and all have some; ``paint`` reads those of faces.
    """
    import trimesh

    files: Any = Beside(path)
    source = plain_gltf(path) if path.suffix.lower() in GLTF_SUFFIXES else joined_3mf(path)
    scene = trimesh.load_scene(source, path.suffix[1:].lower(), resolver=files, process=False)
    vertices, faces, count = [np.zeros((0, 3))], [np.zeros((0, 3), dtype=np.int64)], 0
    # Where there are faces nobody asks for the colours of points, and reading them takes as long as all else.
    has_faces = any(hasattr(part, "faces") for part in scene.geometry.values())
    shown, colors = {} if has_faces else vertex_colors(path), list[NDArray[np.uint8] | None]()
    for node in scene.graph.nodes_geometry:
        matrix, name = scene.graph[node]
        part = scene.geometry[name]
        local = np.asarray(part.vertices, dtype=np.float64).reshape(-1, 3)
        vertices.append(local @ matrix[:3, :3].T + matrix[:3, 3])
        corners = np.asarray(getattr(part, "faces", faces[0]), dtype=np.int64).reshape(-1, 3)
        # A mirroring transform turns faces inside out.
        faces.append(count + (corners[:, ::-1] if np.linalg.det(matrix[:3, :3]) < 0 else corners))
        count += len(local)
        if len(local):
            colors.append(_point_colors(part, shown.get(name)))
    painted = [shades for shades in colors if shades is not None]
    whole = np.concatenate(painted) if painted and len(painted) == len(colors) else None
    return checked(path, Surface(np.concatenate(vertices), np.concatenate(faces), whole))


def _point_colors(part: Any, shown: NDArray[np.uint8] | None) -> NDArray[np.uint8] | None:
    """Return (n, 3) the colours of the points of one part of a scene; None if it has none, or has faces."""
    shades = np.asarray(getattr(part, "colors", None)) if shown is None else shown
    if hasattr(part, "faces") or shades.ndim != 2 or len(shades) != len(part.vertices):
        return None
    return shades[:, :3].astype(np.uint8)
