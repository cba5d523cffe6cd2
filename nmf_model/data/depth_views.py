"""Orthographic depth pictures of triangles from directions all around, by VTK off screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXTENT = 1.02
"""Half the side of a picture: the unit ball and a small margin."""
_CAMERA_DISTANCE = 2.0
_NEAR, _FAR = 0.9, 3.1


@dataclass(frozen=True)
class DepthView:
    """One picture; depths are distances from the origin along ``direction``, positive towards the viewer.

    Attributes:
        direction: (3,) float64, unit length, from the object to the viewer.
        right, up: (3,) float64, the picture's axes.
        front: (R, R) float32, depth of the frontmost surface, about -1.1 where nothing is; row 0 is the
            lowest.
    """

    direction: NDArray[np.float64]
    right: NDArray[np.float64]
    up: NDArray[np.float64]
    front: NDArray[np.float32]

    @property
    def pixel(self) -> float:
        """Side of a pixel in the units of the object."""
        return float(2 * EXTENT / self.front.shape[0])

    def depth_behind_front(
        self, points: NDArray[np.float64], normals: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return how far (N, 3) points of the unit ball lie behind the frontmost surface, seen from here.

        The picture knows depths at pixel centres only, so each point is first moved along its own
        tangent plane to the centre of its pixel; ``normals`` (N, 3) must not be square to the direction.
        """
        across, upwards = points @ self.right, points @ self.up
        column, row = self._index(across), self._index(upwards)
        step_across = (column + 0.5) * self.pixel - EXTENT - across
        step_up = (row + 0.5) * self.pixel - EXTENT - upwards
        tilt = (normals @ self.right) * step_across + (normals @ self.up) * step_up
        depth = points @ self.direction - tilt / (normals @ self.direction)
        behind: NDArray[np.float64] = self.front[row, column] - depth
        return behind

    def _index(self, coordinate: NDArray[np.float64]) -> NDArray[np.int64]:
        index = np.floor((coordinate + EXTENT) / self.pixel).astype(np.int64)
        return np.clip(index, 0, self.front.shape[0] - 1)


def render_depth_views(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], resolution: int
) -> list[DepthView]:
    """Render triangles inside the unit ball from the 42 directions of a level-1 icosphere."""
    window, camera = _open_window(polydata_of(vertices, faces), resolution)
    try:
        return [_render(window, camera, direction, resolution) for direction in view_directions()]
    finally:
        window.Finalize()


def view_directions() -> NDArray[np.float64]:
    """Return the 12 corners of an icosahedron and its 30 edge middles as (42, 3) unit vectors."""
    golden = (1 + 5**0.5) / 2
    corners = np.array(
        [
            np.roll([0.0, sign_one, sign_two * golden], shift)
            for shift in range(3)
            for sign_one in (-1, 1)
            for sign_two in (-1, 1)
        ]
    )
    first, second = np.triu_indices(12, k=1)
    is_edge = np.isclose(np.linalg.norm(corners[first] - corners[second], axis=1), 2.0)
    middles = corners[first[is_edge]] + corners[second[is_edge]]
    directions = np.concatenate([corners, middles])
    unit: NDArray[np.float64] = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    return unit


def _open_window(surface: Any, resolution: int) -> tuple[Any, Any]:
    """Make an off-screen window that shows a surface unlit and single-sampled, for depth alone."""
    import vtkmodules.vtkRenderingOpenGL2  # noqa: F401  registers the OpenGL back end
    from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper, vtkRenderer, vtkRenderWindow

    mapper = vtkPolyDataMapper()
    mapper.SetInputData(surface)
    actor = vtkActor()
    actor.SetMapper(mapper)
    actor.GetProperty().LightingOff()
    renderer = vtkRenderer()
    renderer.AddActor(actor)
    camera = renderer.GetActiveCamera()
    camera.ParallelProjectionOn()
    camera.SetParallelScale(EXTENT)
    window = vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(0)
    window.SetSize(resolution, resolution)
    window.AddRenderer(renderer)
    return window, camera


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

    helper = np.eye(3)[np.argmin(np.abs(direction))]
    right = np.cross(helper, direction)
    right /= np.linalg.norm(right)
    up = np.cross(direction, right)
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
