"""The colours of a mesh file, of its vertices, faces, materials or textures, at any place of its surface."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmf_model.io.beside import Beside
from nmf_model.io.color_range import color_bytes, largest_color
from nmf_model.io.colors_3mf import corner_colors
from nmf_model.io.gltf_colors import shown, vertex_colors
from nmf_model.io.gltf_plain import GLTF_SUFFIXES, plain_gltf
from nmf_model.io.materials import Looks, Missing, missing_looks
from nmf_model.io.obj_off import obj_as_read
from nmf_model.io.surface import Surface
from nmf_model.io.texture_pictures import Pictures, pictures_of_any_size

_PAINTED_SUFFIXES = (".obj", ".glb", ".gltf", ".ply")


@dataclass(frozen=True)
class Paint:
    """A triangle surface and its colours.

    Attributes:
        vertices, faces: (V, 3) float64, file units, and (F, 3) int64; vertices may be split along seams.
        corners: (F, 3, 3) float32, 0..255: the colour at each corner; it multiplies a texture.
        uv: (F, 3, 2) float64, the origin at the picture's lower left; zero where there is no texture.
        texture: (F,) int64, which of ``textures`` a face shows, -1 for none.
        textures: pictures, (H, W, 3) uint8.
        unshown: sentences on textures that cannot be decoded.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    corners: NDArray[np.float32]
    uv: NDArray[np.float64]
    texture: NDArray[np.int64]
    textures: tuple[NDArray[np.uint8], ...] = ()
    unshown: tuple[str, ...] = ()

    def at(self, points: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return (S, 3) the colours at (S, 3) points that lie on the (S,) given faces."""
        weights = barycentric(points, self.vertices[self.faces[faces]])
        colors = np.einsum("sk,skc->sc", weights, self.corners[faces])
        uv = np.einsum("sk,skc->sc", weights, self.uv[faces])
        # A face that ends at the picture's edge shows nothing of what a repetition has beyond it.
        uv_of = self.uv[faces].reshape(-1, 6)
        repeats = np.asarray(((uv_of < 0) | (uv_of > 1)).any(axis=1))
        for number, picture in enumerate(self.textures):
            here = np.flatnonzero(self.texture[faces] == number)
            colors[here] *= _looked_up(picture, uv[here], repeats[here]) / 255
        result: NDArray[np.uint8] = colors.round().clip(0, 255).astype(np.uint8)
        return result


def read_looks(path: Path, surface: Surface) -> tuple[Paint | None, list[str]]:
    """Return the colours of a mesh file, None without any, and sentences on those that are not shown.

    Args:
        path: the file.
        surface: what ``load_surface`` read from it.
    """
    if path.suffix.lower() == ".3mf":
        colors = corner_colors(path, surface.faces)
        paint = None if colors.corners is None else _without_texture(surface, colors.corners)
        return paint, list(colors.notes)
    missing = missing_looks(path)
    painted = load_paint(path, surface, missing)
    return painted, [*missing.sentences(), *(painted.unshown if painted is not None else ())]


def load_paint(path: Path, surface: Surface, missing: Missing) -> Paint | None:
    """Return the colours of a mesh file, or None if it has none or they cannot be read.

    Args:
        path: the file.
        surface: what ``load_surface`` read from it.
        missing: what ``missing_looks`` says of it.
    """
    if surface.colors is not None:
        return _without_texture(surface, surface.colors[surface.faces])
    suffix = path.suffix.lower()
    if suffix not in _PAINTED_SUFFIXES or (suffix == ".ply" and not surface.as_is):
        return None  # of a PLY file, trimesh would cut polygons so that they reach beyond the surface
    try:
        paint = _from_scene(path, _scene(path, as_is=surface.as_is), has_materials=not missing.materials)
    except Exception:  # noqa: BLE001  any library's complaint about a texture must not cost the user the shape
        return None
    # The vertices of a PLY file have no colours, or they had been read: black ones, if anything, are left.
    return paint if suffix != ".ply" or paint is None or paint.textures or paint.corners.any() else None


def _without_texture(surface: Surface, corners: NDArray[np.uint8]) -> Paint:
    """Return a surface with (F, 3, 3) the colours at the corners of its faces."""
    uv, texture = np.zeros((*surface.faces.shape, 2)), np.full(len(surface.faces), -1)
    return Paint(surface.vertices, surface.faces, corners.astype(np.float32), uv, texture)


def barycentric(points: NDArray[np.float64], triangles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (S, 3) weights of the corners of (S, 3, 3) triangles, clipped to the triangle."""
    weights = plane_weights(points, triangles).clip(0, None)
    weights[np.isnan(weights[:, 0])] = (1.0, 0.0, 0.0)
    total: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return total


def plane_weights(points: NDArray[np.float64], triangles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (S, 3) weights of the corners of (S, 3, 3) triangles at the foot of each point on their planes.

    They are negative beside the triangle, and NaN where it has no area.
    """
    a = triangles[:, 0]
    one, other, to = triangles[:, 1] - a, triangles[:, 2] - a, points - a
    d11, d12, d22 = (one * one).sum(1), (one * other).sum(1), (other * other).sum(1)
    d31, d32 = (to * one).sum(1), (to * other).sum(1)
    area = d11 * d22 - d12 * d12
    safe = np.where(area > 0, area, np.nan)
    v, w = (d22 * d31 - d12 * d32) / safe, (d11 * d32 - d12 * d31) / safe
    return np.stack([1 - v - w, v, w], axis=1)


def _scene(path: Path, *, as_is: bool) -> Any:
    """Return trimesh's scene of a file; ``as_is`` tells whether it reads rightly what is in it."""
    import trimesh

    is_obj = path.suffix.lower() == ".obj"
    source: Any = path
    if is_obj and not as_is:
        source = io.BytesIO(obj_as_read(path).encode("utf-8"))
    elif path.suffix.lower() in GLTF_SUFFIXES:
        source = plain_gltf(path)
    files: Any = Looks(path) if is_obj else Beside(path)
    with pictures_of_any_size():
        return trimesh.load_scene(source, path.suffix[1:].lower(), resolver=files, process=False)


def _from_scene(path: Path, scene: Any, *, has_materials: bool) -> Paint | None:
    """Read the parts of a scene with their looks, in the scene's own frame.

    Where materials are missing, trimesh makes up a grey picture, which is passed over.
    """
    parts, pictures, start = [], Pictures(), 0
    srgb = vertex_colors(path)
    for node in scene.graph.nodes_geometry:
        matrix, name = scene.graph[node]
        part = scene.geometry[name]
        if not hasattr(part, "faces"):
            continue
        vertices = np.asarray(part.vertices, dtype=np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
        faces = np.asarray(part.faces, dtype=np.int64)
        corners, uv, texture = _looks(part, srgb.get(name), has_materials, pictures)
        number = np.full(len(faces), -1 if texture is None else texture)
        is_painted = part.visual.defined and (
            part.visual.kind != "texture"
            or _own_colors(part, srgb.get(name)) is not None
            or (has_materials and not _is_blank(part.visual.material))
        )
        parts.append((vertices, start + faces, corners, uv, number, is_painted))
        start += len(vertices)
    if not any(part[5] for part in parts):
        return None
    vertices, faces, corners, uv, number = (
        np.concatenate([part[column] for part in parts]) for column in range(5)
    )
    return Paint(vertices, faces, corners, uv, number, tuple(pictures.shown), tuple(pictures.unshown))


def _looks(
    part: Any, srgb: NDArray[np.uint8] | None, has_materials: bool, pictures: Pictures
) -> tuple[NDArray[np.float32], NDArray[np.float64], int | None]:
    """Return corner colours, texture coordinates and the number of the texture of one part of a scene.

    ``srgb`` are the colours of its vertices, if trimesh reads them wrongly; ``has_materials`` tells whether
    its picture is the file's, which goes into ``pictures``.
    """
    faces, visual = np.asarray(part.faces), part.visual
    uv = np.zeros((len(faces), 3, 2))
    if visual.kind == "vertex":
        shades = np.asarray(visual.vertex_colors) if srgb is None else srgb
        return shades[faces, :3].astype(np.float32), uv, None
    if visual.kind != "texture":
        by_face = np.asarray(visual.face_colors)[:, None, :3]
        return np.broadcast_to(by_face, (len(faces), 3, 3)).astype(np.float32), uv, None
    material = visual.material
    picture = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    own, is_gltf = _own_colors(part, srgb), hasattr(material, "baseColorFactor")
    if own is not None and not is_gltf and (picture is None or not has_materials):
        return own[faces].astype(np.float32), uv, None
    has_texture = picture is not None and visual.uv is not None and len(visual.uv) == len(part.vertices)
    factor, texture = _factor(material, has_texture), None
    if has_texture:
        lit = factor / 255 if is_gltf else np.ones(3)
        texture = pictures.number(picture, _name_of(picture, material), lit)
        # What cannot be decoded leaves the material's own colour.
        factor = (
            _factor(material, False) if texture is None else np.full_like(factor, 255) if is_gltf else factor
        )
    corners = np.broadcast_to(factor, (len(faces), 3, 3)).astype(np.float32)
    if is_gltf and own is not None:
        # Light multiplies, and so do, but in deep shadow, its sRGB values.
        corners = corners * own[faces] / 255
    if texture is None:
        return corners, uv, None
    return corners, np.asarray(visual.uv, dtype=np.float64)[faces], texture


def _name_of(picture: Any, material: Any) -> str:
    """Return what to call a texture: by its file, where trimesh remembers that, or its material."""
    if file := picture.info.get("file_path"):
        return f"texture {file}"
    named = getattr(material, "name", None)
    return f"texture of the material {named}" if named else "texture"


def _is_blank(material: Any) -> bool:
    """Whether a material of glTF says nothing of colours: it is white then."""
    own = (getattr(material, name, None) for name in ("baseColorFactor", "baseColorTexture"))
    return hasattr(material, "metallicFactor") and all(value is None for value in own)


def _own_colors(part: Any, srgb: NDArray[np.uint8] | None) -> NDArray[np.uint8] | None:
    """Return (V, 3) the colours of vertices that have a material as well, None without colours.

    ``srgb`` are they, if trimesh reads them wrongly.
    """
    if srgb is not None:
        return srgb
    values = part.vertex_attributes.get("color")
    if values is None:
        return None
    numbers = np.asarray(values)[:, :3]
    return color_bytes(numbers, largest_color(numbers))


def _factor(material: Any, has_texture: bool) -> NDArray[np.float32]:
    """Return the (3,) colour, 0..255, that a material multiplies its texture with, or has without one."""
    white = np.full(3, 255, dtype=np.float32)
    if _is_blank(material):
        return white
    color = getattr(material, "baseColorFactor", None)
    is_linear = color is not None
    if color is None and not has_texture:
        color = material.main_color
    if color is None:
        return white
    values = np.asarray(color)
    scale = 255.0 if values.dtype.kind == "f" else 1.0
    factor = (values[:3] * scale).astype(np.float32)
    return (255 * shown(factor / 255)).astype(np.float32) if is_linear and not has_texture else factor


def _looked_up(
    picture: NDArray[np.uint8], uv: NDArray[np.float64], repeats: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return (S, 3) colours between the pixels of a picture, bilinearly; (S,) whether it repeats there."""
    height, width = picture.shape[:2]
    x, y = uv[:, 0] * width - 0.5, (1 - uv[:, 1]) * height - 0.5
    x, y = (np.where(repeats, at, at.clip(0, size - 1)) for at, size in ((x, width), (y, height)))
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    across, down = (x - left)[:, None], (y - top)[:, None]

    def pixel(column: NDArray[np.int64], row: NDArray[np.int64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = picture[row % height, column % width].astype(np.float64)
        return found

    upper = (1 - across) * pixel(left, top) + across * pixel(left + 1, top)
    lower = (1 - across) * pixel(left, top + 1) + across * pixel(left + 1, top + 1)
    mixed: NDArray[np.float64] = (1 - down) * upper + down * lower
    return mixed
