"""The JSON tree of a glTF file, without its geometry."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any
from urllib.parse import unquote

_UNREAD = {"KHR_texture_basisu", "MSFT_texture_dds"}
"""Kinds of textures that are made for graphics cards alone."""


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


def missing_pictures(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return names of the textures that are not there, and of those that are of no usual kind."""
    tree = gltf_tree(path)
    textures = tree.get("textures", [])
    beside = (_beside(image) for image in tree.get("images", []))
    lost = tuple(name for name in beside if name and not (path.parent / name).is_file())
    unread = []
    for number in _base_textures(tree):
        kinds = textures[number].get("extensions", {})
        if "source" not in textures[number] and (kinds.keys() & _UNREAD):
            unread.append(textures[number].get("name") or f"number {number + 1}")
    return lost, tuple(unread)


def pictures_beside(path: Path) -> tuple[str, ...]:
    """Return names of the files, of usual kinds, that are there and that colours are taken from."""
    tree = gltf_tree(path)
    textures, images = tree.get("textures", []), tree.get("images", [])
    used = (textures[number].get("source") for number in _base_textures(tree))
    names = {_beside(images[number]) for number in used if number is not None}
    return tuple(sorted(name for name in names if name and (path.parent / name).is_file()))


def _beside(image: dict[str, Any]) -> str:
    """Return the name of the file of an image, "" if it is not in one of its own."""
    name: str = image.get("uri", "")
    return "" if name.startswith("data:") else unquote(name)


def _base_textures(tree: dict[str, Any]) -> list[int]:
    found = (
        material.get("pbrMetallicRoughness", {}).get("baseColorTexture", {}).get("index")
        for material in tree.get("materials", [])
    )
    return sorted({number for number in found if number is not None})


def has_texture_places(path: Path) -> bool:
    """Return whether vertices carry texture coordinates, so that the format repeats those on seams."""
    return any(
        "TEXCOORD_0" in part.get("attributes", {})
        for mesh in gltf_tree(path).get("meshes", [])
        for part in mesh.get("primitives", [])
    )
