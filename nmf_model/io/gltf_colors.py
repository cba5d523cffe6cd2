"""Colours of 16 bits in glTF files, as Blender writes them, of which trimesh keeps the low bytes only."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmf_model.io.beside import Beside
from nmf_model.io.color_range import LARGEST, color_bytes
from nmf_model.io.gltf_tree import gltf_tree

_COLOR = "COLOR_0"
_UNSIGNED_SHORT = 5123


def wide_colors(path: Path) -> dict[Any, NDArray[np.uint8]]:
    """Return (V, 3) colours of the vertices or points that a glTF file holds in 16 bits.

    Returns:
        them by the name that a part has in trimesh's scene; nothing for what trimesh reads rightly.
    """
    if path.suffix.lower() not in (".glb", ".gltf"):
        return {}
    try:
        return _read(path) if _has_wide_colors(gltf_tree(path)) else {}
    except Exception:  # noqa: BLE001  whatever is wrong with colours must not cost the user the shape
        return {}


def _has_wide_colors(tree: dict[str, Any]) -> bool:
    used = [
        part["attributes"][_COLOR]
        for mesh in tree.get("meshes", [])
        for part in mesh.get("primitives", [])
        if _COLOR in part.get("attributes", {})
    ]
    return any(tree["accessors"][number]["componentType"] == _UNSIGNED_SHORT for number in used)


def _read(path: Path) -> dict[Any, NDArray[np.uint8]]:
    gltf = importlib.import_module("trimesh.exchange.gltf")
    load = gltf.load_glb if path.suffix.lower() == ".glb" else gltf.load_gltf
    with open(path, "rb") as stream:
        parts = load(stream, resolver=Beside(path), skip_materials=True)["geometry"]
    found = {}
    for name, part in parts.items():
        values = np.asarray(part.get("vertex_colors"))
        colors = color_bytes(values[:, :3], LARGEST) if values.dtype == np.uint16 else None
        if colors is not None:
            found[name] = colors
    return found
