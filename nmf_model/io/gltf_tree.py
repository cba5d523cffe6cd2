"""The JSON tree of a glTF file, without its geometry."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any


def gltf_tree(path: Path) -> dict[str, Any]:
    """Read the tree of a glb or gltf file; what the parsers raise on a damaged one passes through."""
    with open(path, "rb") as stream:
        if path.suffix.lower() == ".glb":
            _, _, _, length, _ = struct.unpack("<4sIII4s", stream.read(20))
            tree = json.loads(stream.read(length))
        else:
            tree = json.load(stream)
    if not isinstance(tree, dict):
        raise ValueError("a glTF file is a JSON object")
    return tree


def has_texture_places(path: Path) -> bool:
    """Return whether vertices carry texture coordinates, so that the format repeats those on seams."""
    return any(
        "TEXCOORD_0" in part.get("attributes", {})
        for mesh in gltf_tree(path).get("meshes", [])
        for part in mesh.get("primitives", [])
    )
