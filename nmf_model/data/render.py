"""Pictures of objects as in the published renderings: with materials and true alpha, by VTK off screen.

Alpha and outline come from the object's own triangles, colours from its materials. If what the material
file draws does not cover the same pixels, or is all one colour, the materials' diffuse colours are used
without textures, and failing that the object is drawn plain.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmf_model.data.depth_views import offscreen_window, polydata_of
from nmf_model.data.obj_colors import read_face_colors
from nmf_model.errors import InputError
from nmf_model.types import Mesh

VIEW_SIZE = 137
"""Side of the published renderings, pixels."""
DISTANCE, FIELD_OF_VIEW = 3.5, 34.0
"""Camera to origin in radii of the object, and the opening angle in degrees: the unit ball fits."""
ELEVATION = (20.0, 32.0)
"""Degrees above the horizon between which the published renderings' cameras stand."""
_SUPERSAMPLING = 2
_MIN_OVERLAP = 0.95
_PLAIN_COLOR = (0.72, 0.72, 0.74)


@dataclass(frozen=True)
class RenderedViews:
    """Pictures of one object.

    Attributes:
        images: (views, size, size, 4) uint8, straight alpha.
        has_materials: whether colours are the model's own.
    """

    images: NDArray[np.uint8]
    has_materials: bool


def draw_cameras(
    count: int, rng: np.random.Generator, elevation: tuple[float, float] = ELEVATION
) -> NDArray[np.float64]:
    """Return (count, 2) azimuth, uniform all around, and elevation, both in radians.

    Args:
        count: how many.
        rng: draws them.
        elevation: lowest and highest, degrees.
    """
    azimuth = rng.uniform(0, 2 * np.pi, count)
    return np.stack([azimuth, np.radians(rng.uniform(*elevation, count))], axis=1)


def render_views(
    mesh: Mesh,
    cameras: NDArray[np.float64],
    *,
    size: int = VIEW_SIZE,
    face_colors: NDArray[np.uint8] | None = None,
    model: Path | None = None,
    placement: NDArray[np.float64] | None = None,
) -> RenderedViews:
    """Render an object in unit-sphere units.

    Needs VTK and an off-screen GL context. A damaged material file can crash VTK: call it in a process
    of its own when ``model`` is given.

    Args:
        mesh: upright, y up.
        cameras: (views, 2) azimuth and elevation in radians; the camera stands in the direction
            (cos el · sin az, sin el, cos el · cos az) and looks at the origin.
        size: side of the pictures, pixels.
        face_colors: (F, 3) uint8; without them and a model the object is light grey.
        model: an OBJ file with its materials beside it.
        placement: (4, 4) from the model's coordinates to the mesh's.

    Raises:
        InputError: nothing of the object is seen in some picture.
    """
    large = size * _SUPERSAMPLING
    colours, covered = _shots(_plain_scene(mesh, face_colors, large), cameras)
    if not covered.any(axis=(1, 2)).all():
        raise InputError("The model cannot be seen in its renderings; check its faces.")
    has_materials = face_colors is not None
    if model is not None and (materials := _material_file(model)) is not None:
        drawn, drawn_at = _shots(_model_scene(model, placement, large), cameras)
        if _agree(drawn, drawn_at, covered):
            colours, covered, has_materials = drawn, covered & drawn_at, True
        elif (diffuse := read_face_colors(model, materials, len(mesh.faces))) is not None:
            flat, _ = _shots(_plain_scene(mesh, diffuse, large), cameras)
            if _agree(flat, covered, covered):
                colours, has_materials = flat, True
    return RenderedViews(_shrunk(colours, covered), has_materials)


def _agree(colours: NDArray[np.uint8], drawn_at: NDArray[np.bool_], covered: NDArray[np.bool_]) -> bool:
    """Return whether a picture shows the object where it is, and not in one flat colour."""
    overlap = (drawn_at & covered).sum(axis=(1, 2)) / np.maximum((drawn_at | covered).sum(axis=(1, 2)), 1)
    if overlap.min() < _MIN_OVERLAP:
        return False
    return float(colours[covered & drawn_at].astype(np.float64).std(axis=0).max()) > 2.0


def _shrunk(colours: NDArray[np.uint8], covered: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Average blocks of pixels: colours over the covered ones alone, alpha as the covered share."""
    views, large, _ = covered.shape
    size = large // _SUPERSAMPLING
    blocks = (views, size, _SUPERSAMPLING, size, _SUPERSAMPLING)
    weight = covered.reshape(blocks).sum(axis=(2, 4))
    masked = np.where(covered[..., None], colours, 0).astype(np.uint32)
    summed = masked.reshape(*blocks, 3).sum(axis=(2, 4))
    images = np.zeros((views, size, size, 4), dtype=np.uint8)
    images[..., :3] = np.rint(summed / np.maximum(weight, 1)[..., None])
    images[..., 3] = np.rint(255 * weight / _SUPERSAMPLING**2)
    return images


def _window(size: int) -> tuple[Any, Any]:
    window, renderer = offscreen_window(size)
    renderer.SetBackground(1.0, 1.0, 1.0)
    return window, renderer


def _plain_scene(mesh: Mesh, face_colors: NDArray[np.uint8] | None, size: int) -> tuple[Any, Any]:
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

    window, renderer = _window(size)
    surface = polydata_of(mesh.vertices, mesh.faces)
    if face_colors is not None:
        to_array: Any = numpy_to_vtk
        surface.GetCellData().SetScalars(to_array(np.ascontiguousarray(face_colors), deep=True))
    mapper = vtkPolyDataMapper()
    mapper.SetInputData(surface)
    actor = vtkActor()
    actor.SetMapper(mapper)
    actor.GetProperty().SetColor(*_PLAIN_COLOR)
    renderer.AddActor(actor)
    return window, renderer


def _model_scene(model: Path, placement: NDArray[np.float64] | None, size: int) -> tuple[Any, Any]:
    from vtkmodules.vtkCommonMath import vtkMatrix4x4
    from vtkmodules.vtkIOImport import vtkOBJImporter

    window, renderer = _window(size)
    importer = vtkOBJImporter()
    importer.SetFileName(str(model))
    importer.SetFileNameMTL(str(_material_file(model)))
    importer.SetTexturePath(str(model.parent))
    importer.SetRenderWindow(window)
    importer.Update()
    matrix = vtkMatrix4x4()
    matrix.DeepCopy((np.eye(4) if placement is None else placement).ravel().tolist())
    actors = renderer.GetActors()
    actors.InitTraversal()
    for _ in range(actors.GetNumberOfItems()):
        actor = actors.GetNextActor()
        actor.SetUserMatrix(matrix)
        # Exporters disagree on what "d 0" means, and what is see-through has no outline in the depths.
        actor.GetProperty().SetOpacity(1.0)
        actor.ForceOpaqueOn()
    return window, renderer


def _shots(
    scene: tuple[Any, Any], cameras: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return (views, R, R, 3) colours and (views, R, R) where anything is, row 0 at the top."""
    from vtkmodules.vtkRenderingCore import vtkLightKit

    window, renderer = scene
    kit = vtkLightKit()
    kit.AddLightsToRenderer(renderer)
    camera = renderer.GetActiveCamera()
    camera.SetViewAngle(FIELD_OF_VIEW)
    camera.SetFocalPoint(0.0, 0.0, 0.0)
    camera.SetViewUp(0.0, 1.0, 0.0)
    try:
        shots = [_shot(window, camera, kit, azimuth, elevation) for azimuth, elevation in cameras]
    finally:
        window.Finalize()
    return np.stack([colour for colour, _ in shots]), np.stack([covered for _, covered in shots])


def _shot(
    window: Any, camera: Any, kit: Any, azimuth: float, elevation: float
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonCore import vtkFloatArray, vtkUnsignedCharArray

    across = np.cos(elevation)
    direction = np.array([across * np.sin(azimuth), np.sin(elevation), across * np.cos(azimuth)])
    camera.SetPosition(*(DISTANCE * direction))
    # Samples reach radius 1, corners of the mesh between them a little farther.
    camera.SetClippingRange(DISTANCE - 1.3, DISTANCE + 1.3)
    kit.Update()
    window.Render()
    width, height = window.GetSize()
    depth, colour = vtkFloatArray(), vtkUnsignedCharArray()
    window.GetZbufferData(0, 0, width - 1, height - 1, depth)
    window.GetPixelData(0, 0, width - 1, height - 1, 0, colour, 0)
    covered = vtk_to_numpy(depth).reshape(height, width) < 1.0  # type: ignore[no-untyped-call]
    pixels = vtk_to_numpy(colour).reshape(height, width, 3)  # type: ignore[no-untyped-call]
    return pixels[::-1].copy(), covered[::-1].copy()


def _material_file(model: Path) -> Path | None:
    """Return the material file that an OBJ names, if it is there."""
    with model.open(encoding="utf-8", errors="replace") as stream:
        for line in stream:
            if line.startswith("mtllib"):
                path = model.parent / line[6:].strip()
                return path if path.is_file() else None
    return None
