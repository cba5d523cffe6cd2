"""glTF files in plain terms: what the reading library passes over in silence is put into what it reads.

Numbers that are kept as fractions of an integer's range or as differences to others, fans of triangles,
textures that are moved or use other coordinates than the first, instances, files without a scene, and colours
of the older kind of materials. What cannot be read is refused by name.
"""

from __future__ import annotations

import base64
import io
import json
import math
import struct
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.io.gltf_tree import gltf_tree

GLTF_SUFFIXES = (".glb", ".gltf")
_TYPES: dict[int, str] = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_FLOAT, _INTEGER = 5126, 5125
_FAN, _TRIANGLES = 6, 4
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
_QUANTISED = ("POSITION", "NORMAL", "TEXCOORD_")
_MOVE = "KHR_texture_transform"
_INSTANCES = "EXT_mesh_gpu_instancing"
_GLOSS = "KHR_materials_pbrSpecularGlossiness"
_PICTURES = ("EXT_texture_avif", "EXT_texture_webp")
"""Kinds of textures that Pillow reads."""
_COMPRESSED = {
    "KHR_draco_mesh_compression": "Draco",
    "EXT_meshopt_compression": "meshopt",
    "KHR_meshopt_compression": "meshopt",
}
_UNDERSTOOD = {"KHR_mesh_quantization", _MOVE, _INSTANCES, *_PICTURES}
_OF_LOOKS = ("KHR_materials_", "KHR_texture_", "KHR_lights_", "EXT_texture_", "EXT_lights_", "MSFT_texture_")
"""Beginnings of the names of extensions that change no shape."""
_JSON, _BINARY = 0x4E4F534A, 0x004E4942


def plain_gltf(path: Path) -> Any:
    """Return what trimesh is to read in place of a glb or gltf file: the path, or a stream of that format.

    Raises:
        InputError: the file needs an extension that is not understood. What damaged files make the parsers
            raise passes through.
    """
    tree = gltf_tree(path)
    _require_readable(path, tree)
    plain = _Plain(path, tree)
    plain.name_pictures()
    plain.use_diffuse_colors()
    plain.spread_instances()
    plain.show_all()
    plain.unfold_fans()
    plain.move_textures()
    plain.spell_out_numbers()
    return plain.stream() if plain.changed else path


def _require_readable(path: Path, tree: dict[str, Any]) -> None:
    for name in tree.get("extensionsRequired", []):
        if name in _COMPRESSED:
            raise InputError(
                f"{path.name} is compressed with {_COMPRESSED[name]}, which cannot be read here; "
                "export it without compression."
            )
        if name not in _UNDERSTOOD and not name.startswith(_OF_LOOKS):
            raise InputError(
                f"{path.name} needs the glTF extension {name}, which is not understood here; "
                "export it without."
            )


class _Plain:
    """A glTF tree that is put into plain terms, and the numbers that are added for that.

    Attributes:
        changed: whether the file itself will not do.
    """

    def __init__(self, path: Path, tree: dict[str, Any]) -> None:
        self._path, self._tree = path, tree
        self._buffers: dict[int, bytes] = {}
        self._added = bytearray()
        self._views_before = len(tree.get("bufferViews", []))
        self.changed = False

    def name_pictures(self) -> None:
        """Let textures of kinds that Pillow reads be found where all are looked for."""
        for texture in self._tree.get("textures", []):
            for name in _PICTURES:
                source = texture.get("extensions", {}).get(name, {}).get("source")
                if source is not None:
                    texture["source"] = source
                    self.changed |= name != "EXT_texture_webp"  # which trimesh knows

    def use_diffuse_colors(self) -> None:
        """Take the diffuse colours of materials that tell gloss instead of roughness."""
        for material in self._tree.get("materials", []):
            gloss = material.get("extensions", {}).pop(_GLOSS, None)
            if gloss is None:
                continue
            base = material.setdefault("pbrMetallicRoughness", {})
            for new, old in (("baseColorFactor", "diffuseFactor"), ("baseColorTexture", "diffuseTexture")):
                if old in gloss:
                    base[new] = gloss[old]
            self.changed = True

    def spread_instances(self) -> None:
        """Make a node of each instance."""
        for node in list(self._tree.get("nodes", [])):
            instances = node.get("extensions", {}).pop(_INSTANCES, None)
            if instances is None or "mesh" not in node:
                continue
            columns = {name.lower(): self._fractions(at) for name, at in instances["attributes"].items()}
            mesh, count = node.pop("mesh"), max(map(len, columns.values()), default=0)
            known = [name for name in ("translation", "rotation", "scale") if name in columns]
            for row in range(count):
                placed = {name: columns[name][row].tolist() for name in known}
                node.setdefault("children", []).append(len(self._tree["nodes"]))
                self._tree["nodes"].append({"mesh": mesh, **placed})
            self.changed = True

    def move_textures(self) -> None:
        """Make the coordinates of each part's base colour its first ones, moved as is meant."""
        for part in self._parts():
            texture = self._base_texture(part)
            move = texture.get("extensions", {}).get(_MOVE, {})
            number = move.get("texCoord", texture.get("texCoord", 0))
            is_moved = any(name in move for name in ("offset", "rotation", "scale"))
            wanted = part["attributes"].get(f"TEXCOORD_{number}")
            if wanted is None or not (is_moved or number):
                continue
            places = self._fractions(wanted)
            part["attributes"]["TEXCOORD_0"] = self._add(_moved(places, move) if is_moved else places)
            self.changed = True

    def show_all(self) -> None:
        """Make a scene of everything where there is none."""
        nodes = self._tree.get("nodes", [])
        if self._tree.get("scenes") or not nodes:
            return
        below = {child for node in nodes for child in node.get("children", [])}
        self._tree["scenes"] = [{"nodes": [number for number in range(len(nodes)) if number not in below]}]
        self._tree["scene"] = 0
        self.changed = True

    def unfold_fans(self) -> None:
        """Make single triangles of fans, all of which begin at the first corner."""
        for part in self._parts():
            if part.get("mode") != _FAN:
                continue
            if "indices" in part:
                corners = self._fractions(part["indices"]).astype(np.int64).ravel()
            else:
                corners = np.arange(self._tree["accessors"][part["attributes"]["POSITION"]]["count"])
            first = np.full(max(len(corners) - 2, 0), corners[:1].sum())
            part["indices"] = self._add(np.stack([first, corners[1:-1], corners[2:]], axis=1).reshape(-1, 1))
            part["mode"] = _TRIANGLES
            self.changed = True

    def spell_out_numbers(self) -> None:
        """Make fractions of integers that stand for some, and whole lists of what is said as differences."""
        done: dict[int, int] = {}
        for part in self._parts():
            for name, number in part["attributes"].items():
                accessor = self._tree["accessors"][number]
                is_fraction = accessor.get("normalized") and accessor["componentType"] != _FLOAT
                if name.startswith(_QUANTISED) and (is_fraction or "sparse" in accessor):
                    if number not in done:
                        done[number] = self._add(self._fractions(number))
                    part["attributes"][name] = done[number]
                    self.changed = True

    def stream(self) -> BinaryIO:
        """Return a file of the tree; buffers that lie beside the original are still looked for there."""
        tree = self._tree
        if self._added:
            coded = base64.b64encode(self._added).decode()
            tree.setdefault("buffers", []).append(
                {"byteLength": len(self._added), "uri": f"data:application/octet-stream;base64,{coded}"}
            )
            for view in tree["bufferViews"][self._views_before :]:
                view["buffer"] = len(tree["buffers"]) - 1
        head = json.dumps(tree).encode()
        if self._path.suffix.lower() != ".glb":
            return io.BytesIO(head)
        chunks = [(_JSON, head + b" " * (-len(head) % 4))]
        if binary := self._binary():
            chunks.append((_BINARY, binary))
        body = b"".join(struct.pack("<II", len(data), kind) + data for kind, data in chunks)
        return io.BytesIO(struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body)

    def _parts(self) -> list[dict[str, Any]]:
        return [part for mesh in self._tree.get("meshes", []) for part in mesh.get("primitives", [])]

    def _base_texture(self, part: dict[str, Any]) -> dict[str, Any]:
        if "material" not in part:
            return {}
        material = self._tree["materials"][part["material"]]
        texture: dict[str, Any] = material.get("pbrMetallicRoughness", {}).get("baseColorTexture", {})
        return texture

    def _add(self, values: NDArray[Any]) -> int:
        """Add an accessor with values (n, k), single precision or integers, and return its number."""
        component = _FLOAT if values.dtype.kind == "f" else _INTEGER
        data = values.astype(_TYPES[component]).tobytes()
        self._tree.setdefault("bufferViews", []).append(
            {"byteOffset": len(self._added), "byteLength": len(data)}
        )
        self._added += data
        self._tree["accessors"].append(
            {
                "bufferView": len(self._tree["bufferViews"]) - 1,
                "componentType": component,
                "count": len(values),
                "type": f"VEC{values.shape[1]}" if values.shape[1] > 1 else "SCALAR",
            }
        )
        return len(self._tree["accessors"]) - 1

    def _fractions(self, number: int) -> NDArray[np.float64]:
        """Return the values (n, k) of an accessor, as what they stand for."""
        accessor = self._tree["accessors"][number]
        count, width = accessor["count"], _WIDTHS[accessor["type"]]
        kind = np.dtype(_TYPES[accessor["componentType"]])
        values = np.zeros((count, width), kind)
        if "bufferView" in accessor:
            values = self._table(accessor["bufferView"], accessor.get("byteOffset", 0), count, width, kind)
        if sparse := accessor.get("sparse"):
            where, given = sparse["indices"], sparse["values"]
            rows = self._table(
                where["bufferView"], where.get("byteOffset", 0), sparse["count"], 1,
                np.dtype(_TYPES[where["componentType"]]),
            )  # fmt: skip
            values[rows[:, 0]] = self._table(
                given["bufferView"], given.get("byteOffset", 0), sparse["count"], width, kind
            )
        if kind.kind == "f" or not accessor.get("normalized"):
            return values.astype(np.float64)
        return np.maximum(values / float(np.iinfo(kind).max), -1.0)

    def _table(self, view: int, offset: int, count: int, width: int, kind: np.dtype[Any]) -> NDArray[Any]:
        described = self._tree["bufferViews"][view]
        start = described.get("byteOffset", 0) + offset
        strides = (described.get("byteStride", width * kind.itemsize), kind.itemsize)
        data = self._buffer(described["buffer"])
        return np.ndarray((count, width), kind, data, start, strides).copy()

    def _buffer(self, number: int) -> bytes:
        if number not in self._buffers:
            name = self._tree["buffers"][number].get("uri")
            if name is None:
                self._buffers[number] = self._binary()
            elif name.startswith("data:"):
                self._buffers[number] = base64.b64decode(name.partition(",")[2])
            else:
                beside = self._path.parent / name
                self._buffers[number] = (
                    beside if beside.is_file() else self._path.parent / unquote(name)
                ).read_bytes()
        return self._buffers[number]

    def _binary(self) -> bytes:
        """Return the binary part of a GLB file; nothing where there is none."""
        data = self._path.read_bytes()
        start = 20 + int.from_bytes(data[12:16], "little")
        return data[start + 8 : start + 8 + int.from_bytes(data[start : start + 4], "little")]


def _moved(places: NDArray[np.float64], move: dict[str, Any]) -> NDArray[np.float64]:
    """Return texture coordinates (n, 2), v downward, scaled, turned and shifted."""
    angle = move.get("rotation", 0.0)
    cos, sin = math.cos(angle), math.sin(angle)
    scaled = places * move.get("scale", (1.0, 1.0))
    turned: NDArray[np.float64] = scaled @ np.array([[cos, -sin], [sin, cos]]) + move.get(
        "offset", (0.0, 0.0)
    )
    return turned
