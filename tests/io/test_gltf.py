"""glTF files in all the ways that programs write them: the same shape and colours as in plain terms."""

from __future__ import annotations

import base64
import io
import json
import struct

import numpy as np
import pytest
import trimesh
from PIL import Image

from nmf_model.errors import InputError
from nmf_model.io.materials import missing_looks
from nmf_model.io.meshes import load_surface
from nmf_model.io.paint import load_paint
from nmf_model.io.points import read_points

BALL = trimesh.creation.icosphere(2)
PLACES = np.array(BALL.vertices) * (0.9, 0.7, 0.5)
UV = np.column_stack(
    [np.arctan2(BALL.vertices[:, 1], BALL.vertices[:, 0]) / 7 + 0.5, BALL.vertices[:, 2] / 4 + 0.5]
)
KINDS = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}


class Builder:
    """A glTF tree with one mesh, and its numbers."""

    def __init__(self, **attributes):
        self.data, self.views, self.accessors = b"", [], []
        self.tree = {
            "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
            "bufferViews": self.views, "accessors": self.accessors,
        }  # fmt: skip
        self.part = {"attributes": {}, "indices": self.add(np.array(BALL.faces, "<u4").reshape(-1, 1))}
        for name, values in attributes.items():
            self.part["attributes"][name] = self.add(values)
        self.tree["meshes"] = [{"primitives": [self.part]}]

    def add(self, values, stride=None):
        kind = KINDS[values.dtype.str[1:]]
        size = values.shape[1] * values.itemsize
        stride = stride or -(-size // 4) * 4
        rows = np.zeros((len(values), stride), np.uint8)
        rows[:, :size] = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), -1)
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": rows.size}
        self.views.append(view | ({"byteStride": stride} if stride != size else {}))
        self.data += rows.tobytes() + bytes(-rows.size % 4)
        named = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}[values.shape[1]]
        self.accessors.append(
            {"bufferView": len(self.views) - 1, "componentType": kind, "count": len(values), "type": named,
             **({"normalized": True} if kind < 5125 and values.shape[1] > 1 else {})}
        )  # fmt: skip
        return len(self.accessors) - 1

    def textured(self, picture=None, *, factor=None, **info):
        picture = picture or stripes()
        stream = io.BytesIO()
        picture.save(stream, "PNG")
        uri = "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
        base = {"baseColorTexture": {"index": 0, **info}} | ({"baseColorFactor": factor} if factor else {})
        self.tree |= {"images": [{"uri": uri}], "textures": [{"source": 0}]}
        self.tree["materials"] = [{"pbrMetallicRoughness": base}]
        self.part["material"] = 0
        return self

    def write(self, path):
        self.tree["buffers"] = [{"byteLength": len(self.data)}]
        if path.suffix == ".gltf":
            (path.parent / "the numbers.bin").write_bytes(self.data)
            self.tree["buffers"][0]["uri"] = "the%20numbers.bin"
            path.write_text(json.dumps(self.tree))
        else:
            head = json.dumps(self.tree).encode()
            head += b" " * (-len(head) % 4)
            chunks = struct.pack("<I4s", len(head), b"JSON") + head
            chunks += struct.pack("<I4s", len(self.data), b"BIN\0") + self.data
            path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)
        return path


def stripes():
    across = np.linspace(40, 240, 64).astype(np.uint8)
    shades = np.stack([*np.broadcast_arrays(across[None, :], across[::-1, None], np.uint8(90))], axis=2)
    return Image.fromarray(np.ascontiguousarray(shades))


def shown(path):
    """The colours in the middle of each face."""
    surface = load_surface(path)
    paint = load_paint(path, surface, missing_looks(path))
    middles = paint.vertices[paint.faces].mean(axis=1)
    return paint.at(middles, np.arange(len(paint.faces)))


def floats(values):
    return values.astype("<f4")


def fractions(values, kind):
    return (values * np.iinfo(kind).max).round().astype(kind)


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
@pytest.mark.parametrize("kind", ["<i2", "i1", "<u2", "u1"])
def test_positions_may_be_fractions_of_integers(tmp_path, kind, suffix):
    places = PLACES if "i" in kind else (PLACES + 1) / 2
    model = Builder(POSITION=fractions(places, kind))
    model.tree["nodes"] = [{"mesh": 0, "scale": [10, 10, 10], "translation": [5, 0, 0]}]
    model.tree["extensionsRequired"] = model.tree["extensionsUsed"] = ["KHR_mesh_quantization"]
    surface = load_surface(model.write(tmp_path / f"a{suffix}"))
    np.testing.assert_array_equal(surface.faces, BALL.faces)
    apart = np.abs(surface.vertices - (10 * places + [5, 0, 0])).max()
    assert apart <= 10 * 0.51 / np.iinfo(kind).max + 1e-5


def test_integers_that_are_no_fractions_stay_what_they_are(tmp_path):
    model = Builder(POSITION=(PLACES * 3000).round().astype("<i2"))
    model.accessors[1].pop("normalized")
    surface = load_surface(model.write(tmp_path / "a.glb"))
    np.testing.assert_array_equal(surface.vertices, (PLACES * 3000).round())


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
def test_texture_coordinates_may_be_fractions_or_of_another_set(tmp_path, suffix):
    plain = shown(
        Builder(POSITION=floats(PLACES), TEXCOORD_0=floats(UV)).textured().write(tmp_path / "p.glb")
    )
    assert np.ptp(plain, axis=0)[:2].min() > 60
    model = Builder(POSITION=floats(PLACES), TEXCOORD_0=fractions(UV, "<u2")).textured()
    assert np.abs(shown(model.write(tmp_path / f"a{suffix}")).astype(int) - plain).max() <= 1
    model = Builder(POSITION=floats(PLACES), TEXCOORD_0=floats(UV * 0), TEXCOORD_1=floats(UV))
    model.textured(texCoord=1)
    np.testing.assert_array_equal(shown(model.write(tmp_path / f"b{suffix}")), plain)


@pytest.mark.parametrize("turn", [0.0, 0.5, np.pi / 2])
def test_a_texture_may_be_scaled_turned_and_shifted(tmp_path, turn):
    """The rotation turns as Blender's and three.js' do."""
    scale, offset = np.array([0.5, 0.75]), np.array([0.125, 0.25])
    u, v = (UV * scale).T
    moved = np.column_stack(
        [np.cos(turn) * u + np.sin(turn) * v, -np.sin(turn) * u + np.cos(turn) * v]
    ) + offset  # fmt: skip
    expected = Builder(POSITION=floats(PLACES), TEXCOORD_0=floats(moved)).textured()
    move = {"scale": scale.tolist(), "offset": offset.tolist(), "rotation": turn, "texCoord": 1}
    model = Builder(POSITION=floats(PLACES), TEXCOORD_0=floats(UV * 0), TEXCOORD_1=floats(UV))
    model.textured(extensions={"KHR_texture_transform": move})
    model.tree["extensionsRequired"] = ["KHR_texture_transform"]
    found = shown(model.write(tmp_path / "a.glb")).astype(int)
    assert np.abs(found - shown(expected.write(tmp_path / "b.glb"))).max() <= 1


def test_instances_are_bodies(tmp_path):
    model = Builder(POSITION=floats(PLACES))
    places = np.array([[0, 0, 0], [5, 0, 0], [0, 7, 0]])
    turns = fractions(np.array([[0, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0]]), "<i2")
    columns = {"TRANSLATION": model.add(floats(places)), "ROTATION": model.add(turns)}
    node = {"mesh": 0, "extensions": {"EXT_mesh_gpu_instancing": {"attributes": columns}}, "scale": [2, 2, 2]}
    model.tree["nodes"] = [node]
    surface = load_surface(model.write(tmp_path / "a.glb"))
    signs = np.array([[1, 1, 1], [-1, -1, 1], [-1, 1, -1]])
    expected = [2 * (PLACES * sign + place) for sign, place in zip(signs, places, strict=True)]
    bodies = surface.vertices.reshape(3, -1, 3)
    order = np.argsort(bodies.mean(axis=1) @ [1, 2, 0])  # they come in any order
    np.testing.assert_allclose(bodies[order], expected, atol=1e-3)
    assert len(surface.faces) == 3 * len(BALL.faces)


@pytest.mark.parametrize(
    ("extension", "words"),
    [
        ("KHR_draco_mesh_compression", "compressed with Draco"),
        ("EXT_meshopt_compression", "compressed with meshopt"),
        ("VND_holes", "needs the glTF extension VND_holes"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(tmp_path, extension, words):
    model = Builder(POSITION=floats(PLACES))
    model.tree["extensionsRequired"] = [extension]
    with pytest.raises(InputError, match=f"^a.glb .*{words}.*export it without"):
        read_points(model.write(tmp_path / "a.glb"))
    model.tree["extensionsRequired"] = ["KHR_materials_unlit"]
    assert len(read_points(model.write(tmp_path / "b.glb")).points) > 1_000


def test_colours_of_vertices_material_and_texture_multiply(tmp_path):
    light = np.full((len(PLACES), 3), 0.5)
    half = 255 * (1.055 * 0.5 ** (1 / 2.4) - 0.055)
    model = Builder(POSITION=floats(PLACES), COLOR_0=floats(light), TEXCOORD_0=floats(UV))
    model.textured(Image.new("RGB", (4, 4), (255, 255, 255)))
    assert np.abs(shown(model.write(tmp_path / "a.glb")) - half).max() <= 1
    model.textured(Image.new("RGB", (4, 4), (255, 0, 255)), factor=[1.0, 1.0, 0.0, 1.0])
    assert np.abs(shown(model.write(tmp_path / "b.glb")) - [half, 0, 0]).max() <= 1
    model.tree["materials"] = [{"pbrMetallicRoughness": {"baseColorFactor": [1.0, 0.0, 0.5, 1.0]}}]
    quarter = 255 * (1.055 * 0.25 ** (1 / 2.4) - 0.055)
    assert np.abs(shown(model.write(tmp_path / "c.glb")) - [half, 0, quarter]).max() <= 3


def test_materials_of_the_older_kind_have_their_diffuse_colours(tmp_path):
    model = Builder(POSITION=floats(PLACES))
    gloss = {"KHR_materials_pbrSpecularGlossiness": {"diffuseFactor": [1, 0, 0, 1]}}
    model.tree["materials"], model.part["material"] = [{"extensions": gloss}], 0
    assert (shown(model.write(tmp_path / "a.glb")) == [255, 0, 0]).all()


def test_textures_that_are_gone_or_of_no_readable_kind_are_said(tmp_path):
    model = Builder(POSITION=floats(PLACES), TEXCOORD_0=floats(UV)).textured()
    model.tree["images"] = [{"uri": "my%20skin.png"}]
    [note] = [n for n in read_points(model.write(tmp_path / "a.gltf")).notes if "texture" in n]
    assert note.startswith("The texture my skin.png that the file names was not found")
    stripes().save(tmp_path / "my skin.png")
    cloud = read_points(tmp_path / "a.gltf")
    assert not [n for n in cloud.notes if "texture" in n]
    assert cloud.colors is not None
    model.tree["textures"] = [{"name": "skin", "extensions": {"KHR_texture_basisu": {"source": 0}}}]
    model.tree["extensionsRequired"] = ["KHR_texture_basisu"]
    [note] = [n for n in read_points(model.write(tmp_path / "b.gltf")).notes if "texture" in n]
    assert note == "The texture skin is of a kind that cannot be read here (KTX2 or DDS), so it is not shown."


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
def test_fans_are_faces_and_not_left_out(tmp_path, suffix, indexed):
    # Around the first vertex of the ball stand its neighbours; without that fan the ball has a hole.
    faces = np.array(BALL.faces)
    around = dict(np.roll(face, -int(np.argmax(face == 0)))[1:] for face in faces[(faces == 0).any(axis=1)])
    rim = [next(iter(around))]
    while around[rim[-1]] != rim[0]:
        rim.append(around[rim[-1]])
    fan = np.array([0, *rim, rim[0]])
    built = Builder(POSITION=floats(PLACES))
    built.part["indices"] = built.add(faces[(faces != 0).all(axis=1)].astype("<u4").reshape(-1, 1))
    places = built.part["attributes"]["POSITION"] if indexed else built.add(floats(PLACES[fan]))
    part = {"attributes": {"POSITION": places}, "mode": 6}
    part |= {"indices": built.add(fan.astype("<u4").reshape(-1, 1))} if indexed else {}
    built.tree["meshes"][0]["primitives"].append(part)
    surface = load_surface(built.write(tmp_path / f"a{suffix}"))
    body = trimesh.Trimesh(surface.vertices, surface.faces)
    assert len(surface.faces) == len(faces)
    assert body.is_watertight
    assert body.volume == pytest.approx(trimesh.Trimesh(PLACES, faces).volume)


@pytest.mark.parametrize("has_base", [True, False])
def test_positions_may_be_said_as_differences(tmp_path, has_base):
    changed = np.array([0, 5, 70])
    base = floats(PLACES)
    built = Builder(POSITION=base * has_base)
    accessor = built.accessors[built.part["attributes"]["POSITION"]]
    rows = changed if has_base else np.arange(len(base))
    wanted = base.copy()
    wanted[changed] *= 2
    where, values = built.add(rows.astype("<u4").reshape(-1, 1)), built.add(wanted[rows])
    accessor["sparse"] = {
        "count": len(rows),
        "indices": {"bufferView": built.accessors[where]["bufferView"], "componentType": KINDS["u4"]},
        "values": {"bufferView": built.accessors[values]["bufferView"]},
    }
    if not has_base:
        del accessor["bufferView"]
    np.testing.assert_array_equal(load_surface(built.write(tmp_path / "a.glb")).vertices, wanted)


def test_without_a_scene_everything_is_shown(tmp_path):
    built = Builder(POSITION=floats(PLACES))
    del built.tree["scene"], built.tree["scenes"]
    built.tree["nodes"] = [{"mesh": 0, "translation": [1, 0, 0]}, {"children": [0], "scale": [-2, 1, 1]}]
    surface = load_surface(built.write(tmp_path / "a.glb"))
    np.testing.assert_allclose(surface.vertices, (floats(PLACES) + [1, 0, 0]) * [-2, 1, 1])
    assert trimesh.Trimesh(surface.vertices, surface.faces).volume > 0


def test_the_first_version_of_gltf_is_told_as_such(tmp_path):
    (tmp_path / "a.gltf").write_text('{"asset": {"version": "1.0"}, "buffers": {"b": {"uri": "b.bin"}}}')
    with pytest.raises(InputError, match="glTF 1"):
        load_surface(tmp_path / "a.gltf")
