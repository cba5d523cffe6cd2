"""Colours of vertices in glTF files: amounts of light, where every other format has sRGB values.

trimesh takes and writes them as if they were sRGB, and keeps the low bytes of those of 16 bits, as Blender
writes them. Its own files therefore mean sRGB; all others mean what the format says.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmf_model.io.beside import Beside
from nmf_model.io.gltf_plain import GLTF_SUFFIXES, plain_gltf
from nmf_model.io.gltf_tree import gltf_tree

_COLOR = "COLOR_0"
_HELD_BACK = f"_{_COLOR}"
"""What trimesh calls an attribute of ours in the file."""
_UNSIGNED_BYTE = 5121


def vertex_colors(path: Path) -> dict[Any, NDArray[np.uint8]]:
    """Return (V, 3) sRGB colours of the vertices or points of a glTF file.

    Returns:
        them by the name that a part has in trimesh's scene; nothing for what trimesh reads rightly.
    """
    if path.suffix.lower() not in GLTF_SUFFIXES:
        return {}
    try:
        return _read(path) if _has_light(gltf_tree(path)) else {}
    except Exception:  # noqa: BLE001  whatever is wrong with colours must not cost the user the shape
        return {}


def light_attributes(colors: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Return attributes of vertices for trimesh's writer, of which ``with_light`` makes their colours.

    Args:
        colors: (V, 3) sRGB. In float32 all of them stay distinct; some programs misread 16 bits.
    """
    return {_HELD_BACK: light_of(colors / 255).astype(np.float32)}


def with_light(tree: dict[str, Any]) -> None:
    """Name, in the tree of a glTF file, the attributes from ``light_attributes`` as colours."""
    for part in (part for mesh in tree["meshes"] for part in mesh["primitives"]):
        if _HELD_BACK in part["attributes"]:
            part["attributes"][_COLOR] = part["attributes"].pop(_HELD_BACK)


def shown(light: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the sRGB values, 0..1, of amounts of light, 0..1."""
    from trimesh.visual.color import linear_to_srgb

    return np.asarray(linear_to_srgb(light.astype(np.float64)), dtype=np.float64)


def light_of(colors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Undo ``shown``."""
    from trimesh.visual.color import srgb_to_linear

    return np.asarray(srgb_to_linear(colors), dtype=np.float64)


def _has_light(tree: dict[str, Any]) -> bool:
    used = [
        part["attributes"][_COLOR]
        for mesh in tree.get("meshes", [])
        for part in mesh.get("primitives", [])
        if _COLOR in part.get("attributes", {})
    ]
    if "trimesh" not in str(tree.get("asset", {}).get("generator", "")):
        return bool(used)
    return any(tree["accessors"][number]["componentType"] != _UNSIGNED_BYTE for number in used)


def _read(path: Path) -> dict[Any, NDArray[np.uint8]]:
    gltf = importlib.import_module("trimesh.exchange.gltf")
    load = gltf.load_glb if path.suffix.lower() == ".glb" else gltf.load_gltf
    source = plain_gltf(path)
    with open(path, "rb") if source is path else source as stream:
        parts = load(stream, resolver=Beside(path), skip_materials=True)["geometry"]
    found = {}
    for name, part in parts.items():
        values = part.get("vertex_colors")
        if values is not None and np.ndim(values) == 2:
            found[name] = _as_shown(np.asarray(values)[:, :3])
    return found


def _as_shown(values: NDArray[Any]) -> NDArray[np.uint8]:
    largest = 1 if values.dtype.kind == "f" else np.iinfo(values.dtype).max
    light = np.nan_to_num(values.astype(np.float64) / largest).clip(0, 1)
    colors: NDArray[np.uint8] = (255 * shown(light)).round().astype(np.uint8)
    return colors
