"""The JSON tree of a glTF file, without its geometry."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, NamedTuple
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


class NamedPictures(NamedTuple):
    """Names of pictures that a glTF file does not hold itself.

    ``gone`` are not there, ``unread`` are textures of kinds for graphics cards, and colours are taken from
    those that are ``there``.
    """

    gone: tuple[str, ...]
    unread: tuple[str, ...]
    there: tuple[str, ...]


def named_pictures(path: Path) -> NamedPictures:
    """Return what pictures a glTF file names, and which of them are there."""
    tree = gltf_tree(path)
    textures, images = tree.get("textures", []), tree.get("images", [])
    beside = [_beside(image) for image in images]
    is_there = [bool(name) and (path.parent / name).is_file() for name in beside]
    used = _base_textures(tree)
    unread = [
        textures[number].get("name") or f"number {number + 1}"
        for number in used
        if "source" not in textures[number] and textures[number].get("extensions", {}).keys() & _UNREAD
    ]
    sources = {textures[number].get("source") for number in used} - {None}
    return NamedPictures(
        tuple(name for name, found in zip(beside, is_there, strict=True) if name and not found),
        tuple(unread),
        tuple(sorted({beside[number] for number in sources if is_there[number]})),
    )


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
