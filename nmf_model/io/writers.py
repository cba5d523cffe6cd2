"""Write a mesh to an open file, one function a format; each keeps every digit the format can hold.

``note`` is a JSON object as text, embedded where ``notes.read_note`` finds it; STL has no room for it.
"""

from __future__ import annotations

import importlib
from functools import partial
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from nmf_model.geometry.atlas import Atlas, make_atlas
from nmf_model.geometry.normals import face_normals, vertex_normals
from nmf_model.io.archive_3mf import DEFAULT_UNIT, rewritten, with_lasting_ids, with_unit
from nmf_model.io.colored_3mf import colored_model
from nmf_model.io.gltf_colors import light_attributes, with_light
from nmf_model.io.notes import as_comments, as_extras, with_metadata
from nmf_model.io.stl import HEADER_BYTES, RECORD
from nmf_model.types import Mesh

SPHERE_PROPERTIES = ("sphere_x", "sphere_y", "sphere_z")
"""What PLY files call where on the unit sphere a vertex came from."""
SPHERE_ATTRIBUTE = "_SPHERE"
"""What glTF files call it: names of a program's own begin with an underscore."""
_EXACT = "%.17g %.17g %.17g"


def write_obj(
    mesh: Mesh, stream: BinaryIO, note: str = "", atlas: Atlas | None = None, material: str = ""
) -> None:
    """Write text with 17 significant digits, enough to restore every float64; colours follow each vertex.

    What came from a sphere gets texture coordinates, unless its vertices have colours, which some programs
    leave out then. With a ``material``, a file beside this one, the colours are that file's, at the places of
    the ``atlas``.
    """
    stream.write(as_comments(note, "#"))
    if material:
        stream.write(f"mtllib {material}\n".encode())
    if mesh.colors is None or material:
        np.savetxt(stream, mesh.vertices, fmt=f"v {_EXACT}")
    else:
        # Six numbers a vertex: no standard, but what MeshLab, Blender and most others read.
        rows = np.concatenate([mesh.vertices, mesh.colors / 255], axis=1)
        np.savetxt(stream, rows, fmt=f"v {_EXACT} %.4f %.4f %.4f")
    if atlas is None and mesh.sphere is not None and mesh.colors is None:
        atlas = make_atlas(mesh)
    if atlas is None:
        np.savetxt(stream, mesh.faces + 1, fmt="f %d %d %d")
        return
    np.savetxt(stream, atlas.uv, fmt="vt %.6f %.6f")
    if material:
        stream.write(b"usemtl surface\n")
    corners = np.stack([mesh.faces, atlas.faces], axis=2).reshape(-1, 6) + 1
    np.savetxt(stream, corners, fmt="f %d/%d %d/%d %d/%d")


def write_off(mesh: Mesh, stream: BinaryIO, note: str = "") -> None:
    """Write text with 17 significant digits, enough to restore every float64."""
    stream.write(f"OFF\n{len(mesh.vertices)} {len(mesh.faces)} 0\n".encode())
    np.savetxt(stream, mesh.vertices, fmt=_EXACT)
    np.savetxt(stream, mesh.faces, fmt="3 %d %d %d")
    # Not before the counts, where Gmsh bears no comment.
    stream.write(as_comments(note, "#"))


def write_ply(mesh: Mesh, stream: BinaryIO, note: str = "") -> None:
    """Write binary with float64 coordinates, colours as bytes, and float32 places on the sphere."""
    fields = [("place", "<f8", 3)]
    values: dict[str, NDArray[Any]] = {"place": mesh.vertices}
    header = [f"property double {axis}" for axis in "xyz"]
    if mesh.colors is not None:
        fields.append(("color", "u1", 3))
        values["color"] = mesh.colors
        header += [f"property uchar {color}" for color in ("red", "green", "blue")]
    if mesh.sphere is not None:
        fields.append(("sphere", "<f4", 3))
        values["sphere"] = mesh.sphere
        header += [f"property float {name}" for name in SPHERE_PROPERTIES]
    vertices = np.empty(len(mesh.vertices), dtype=fields)
    for name, column in values.items():
        vertices[name] = column
    faces = np.empty(len(mesh.faces), dtype=[("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, mesh.faces
    stream.write(b"ply\nformat binary_little_endian 1.0\n" + as_comments(note, "comment"))
    stream.write("\n".join([f"element vertex {len(vertices)}", *header, ""]).encode())
    stream.write(f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n".encode())
    stream.write(vertices.tobytes())
    stream.write(faces.tobytes())


def write_stl(mesh: Mesh, stream: BinaryIO, note: str = "") -> None:
    """Write binary, which rounds to float32: the format has nothing finer. The note is left out."""
    records = np.zeros(len(mesh.faces), dtype=RECORD)
    records["corners"] = mesh.vertices[mesh.faces]
    # Of the corners as they are written: far from the origin rounding turns small faces.
    corners = records["corners"].reshape(-1, 3).astype(np.float64)
    records["normal"] = face_normals(corners, np.arange(len(corners)).reshape(-1, 3))
    stream.write(b"binary STL".ljust(HEADER_BYTES - 4))
    stream.write(len(mesh.faces).to_bytes(4, "little"))
    stream.write(records.tobytes())


def local_origin(vertices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (3,) point that GLB coordinates are measured from: the middle of the bounding box."""
    middle: NDArray[np.float64] = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    return middle


def write_glb(mesh: Mesh, stream: BinaryIO, note: str = "") -> None:
    """Write normals and float32 coordinates about the middle, which is the node's exact translation."""
    stream.write(glb_bytes(mesh, note))


def glb_bytes(mesh: Mesh, note: str = "", atlas: Atlas | None = None, texture: Any = None) -> bytes:
    """Return a GLB file of a mesh, with the colours of its vertices, or with a texture.

    Without normals viewers show each face flat, as the format tells them to. Where seams repeat a vertex, all
    have its normal, so that no seam is seen.

    Args:
        mesh: whose coordinates are written about their middle.
        note: to be embedded.
        atlas: where its faces lie in the texture.
        texture: a PIL picture.
    """
    # Large parts of trimesh have no annotations.
    trimesh: Any = importlib.import_module("trimesh")
    origin = local_origin(mesh.vertices)
    about = mesh.vertices - origin
    normals = vertex_normals(about, mesh.faces)
    faces, uv, rows = mesh.faces, None, np.arange(len(about))
    if atlas is not None:
        faces, uv, rows = atlas.faces, atlas.uv, atlas.vertex
    part = trimesh.Trimesh(about[rows], faces, vertex_normals=normals[rows], process=False)
    if mesh.colors is not None and atlas is None:
        part.vertex_attributes.update(light_attributes(mesh.colors))
    if mesh.sphere is not None:
        part.vertex_attributes[SPHERE_ATTRIBUTE] = mesh.sphere[rows]
    # Without a material, viewers show polished metal.
    material = trimesh.visual.material.PBRMaterial(
        baseColorTexture=texture, metallicFactor=0.0, roughnessFactor=0.8
    )
    part.visual = trimesh.visual.TextureVisuals(uv=uv, material=material)
    matrix = np.eye(4)
    matrix[:3, 3] = origin
    scene = trimesh.Scene()
    scene.add_geometry(part, transform=matrix)

    def finish(tree: dict[str, Any]) -> None:
        with_light(tree)
        as_extras(note, tree)

    return _exported(scene, "glb", include_normals=True, tree_postprocessor=finish)


def write_3mf(mesh: Mesh, stream: BinaryIO, note: str = "") -> None:
    """Write zipped text with every digit of the float64 coordinates.

    The file says the mesh's unit, and millimetres, the format's default, where that is not known.
    """
    import trimesh

    plain = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    scene = trimesh.Scene()
    scene.add_geometry(plain, geom_name="mesh", node_name="object")  # their own names are random
    changes = [lambda model: with_unit(model, mesh.unit or DEFAULT_UNIT)]
    if mesh.colors is not None:
        changes.append(partial(colored_model, faces=mesh.faces, colors=mesh.colors))
    if note:
        changes.append(partial(with_metadata, note))
    stream.write(rewritten(_exported(scene, "3mf"), *changes, with_lasting_ids))


def _exported(scene: Any, file_type: str, **options: Any) -> bytes:
    data: bytes = scene.export(file_type=file_type, **options)
    return data
