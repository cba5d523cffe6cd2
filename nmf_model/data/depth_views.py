"""Orthographic depth pictures of triangles from directions all around, by VTK off screen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmf_model.geometry.depth_view import EXTENT, DepthView, picture_axes, view_directions

__all__ = ["DepthView", "offscreen_window", "polydata_of", "render_depth_views", "view_directions"]

_CAMERA_DISTANCE = 2.0
_NEAR, _FAR = 0.9, 3.1


def render_depth_views(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], resolution: int
) -> list[DepthView]:
    """Render triangles inside the unit ball from the 42 directions of a level-1 icosphere."""
    window, camera = _open_window(polydata_of(vertices, faces), resolution)
    try:
        return [_render(window, camera, direction, resolution) for direction in view_directions()]
    finally:
        window.Finalize()


def _open_window(surface: Any, resolution: int) -> tuple[Any, Any]:
    """Make an off-screen window that shows a surface unlit, for depth alone."""
    from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

    window, renderer = offscreen_window(resolution)  # first: it registers what a mapper is made of
    mapper = vtkPolyDataMapper()
    mapper.SetInputData(surface)
    actor = vtkActor()
    actor.SetMapper(mapper)
    actor.GetProperty().LightingOff()
    renderer.AddActor(actor)
    camera = renderer.GetActiveCamera()
    camera.ParallelProjectionOn()
    camera.SetParallelScale(EXTENT)
    return window, camera


def offscreen_window(size: int) -> tuple[Any, Any]:
    """Return a square window without a screen, single-sampled, and its empty scene (vtkRenderer)."""
    import vtkmodules.vtkRenderingOpenGL2  # noqa: F401  registers the OpenGL back end
    from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindow

    renderer = vtkRenderer()
    window = vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(0)
    window.SetSize(size, size)
    window.AddRenderer(renderer)
    return window, renderer


def polydata_of(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> Any:
    """Return (V, 3) vertices and (F, 3) faces as a vtkPolyData, copied, float32."""
    import vtkmodules.util.numpy_support as bridge
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

    to_ids: Any = bridge.numpy_to_vtkIdTypeArray
    to_array: Any = bridge.numpy_to_vtk
    points = vtkPoints()
    points.SetData(to_array(vertices.astype(np.float32), deep=True))
    cells = vtkCellArray()
    offsets = np.arange(0, faces.size + 1, 3, dtype=np.int64)
    cells.SetData(to_ids(offsets, deep=True), to_ids(faces.astype(np.int64).ravel(), deep=True))
    polydata = vtkPolyData()
    polydata.SetPoints(points)
    polydata.SetPolys(cells)
    return polydata


def _render(window: Any, camera: Any, direction: NDArray[np.float64], resolution: int) -> DepthView:
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonCore import vtkFloatArray

    right, up = picture_axes(direction)
    camera.SetPosition(*(direction * _CAMERA_DISTANCE))
    camera.SetFocalPoint(0.0, 0.0, 0.0)
    camera.SetViewUp(*up)
    camera.SetClippingRange(_NEAR, _FAR)
    window.Render()
    buffer = vtkFloatArray()
    window.GetZbufferData(0, 0, resolution - 1, resolution - 1, buffer)
    z = vtk_to_numpy(buffer).reshape(resolution, resolution)  # type: ignore[no-untyped-call]
    front = (_CAMERA_DISTANCE - (_NEAR + z * (_FAR - _NEAR))).astype(np.float32)
    return DepthView(direction, right, up, front)
