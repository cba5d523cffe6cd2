"""What is drawn in three dimensions, on any pyvista plotter: the window's or an off-screen one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from nmf_app.session import BrokenSurface, Drape, Shading
from nmf_model.geometry.cameras import camera_direction
from nmf_model.geometry.normals import vertex_normals

MESH = "mesh"
POINTS = "points"
DEFECTS = ("crossing_faces", "open_edges", "flipped_edges", "crowded_edges")
_EDGE_WIDTH, _CORNER_SIZE = 4.0, 10.0
MARKS = "marks"
_EYE = (1.9, 1.25, 3.3)
_UPWARD = (0.0, 1.0, 0.0)
_DISTANCE = 4.0
_ASIDE, _ABOVE = math.radians(8), math.radians(3)
"""How far beside a picture's viewer its result is looked at: it is recognised, and seen to be solid."""
_LIT = (0.30, 0.75, 0.15, 24.0)
_DRAPED = (0.60, 0.45, 0.0, 1.0)
"""Ambient, diffuse and specular light, and how sharp that is; a picture brings its own light along."""
_STEEPEST = math.radians(80)


class Scene:
    """The reconstructed surface and the points that were given, both in unit-sphere units.

    Args:
        plotter: any ``pyvista.BasePlotter``. The scene never renders; its owner decides when.
        pixel_ratio: device pixels per pixel of the desktop, so that points keep their size.
    """

    def __init__(self, plotter: Any, pixel_ratio: float = 1.0) -> None:
        self._plotter = plotter
        self._pixel_ratio, self._scale = pixel_ratio, 1.0
        self._vertices: NDArray[np.float32] = np.zeros((0, 3), dtype=np.float32)
        self._faces: NDArray[np.int64] | None = None
        self._mesh: Any = pv.PolyData()
        self._points = pv.PolyData()
        self._mesh_actor: Any = None
        self._points_actor: Any = None
        self._points_colors: NDArray[np.uint8] | None = None
        self._defect_actors: dict[str, Any] = {}
        self._crossings: tuple[NDArray[np.int64], Any] | None = None
        self._marks_actor: Any = None
        self._shading = Shading.SMOOTH
        self._colours: dict[str, str] = {"mesh": "#7f9fdd", "edges": "#2a4680", "points": "#d9541e"}
        self._show_points = True
        self._own_colors: tuple[NDArray[np.int64], NDArray[np.uint8]] | None = None
        self._drape: Drape | None = None
        self._texture: Any = None
        self._show_own_colors = True
        self._see_through = False
        self.viewer: tuple[float, float, float] | None = None
        self.reset_camera()

    def set_colours(self, colours: dict[str, str]) -> None:
        """Recolour everything from a theme's palette."""
        self._colours = colours
        self._plotter.set_background(colours["scene_bottom"], top=colours["scene_top"])
        self._restyle()

    def set_shading(self, shading: Shading) -> None:
        """Draw the surface flat, smooth or as wires."""
        self._shading = shading
        self._restyle()
        self._refresh_normals()

    def set_see_through(self, see_through: bool) -> None:
        """Let the points behind the surface shine through, as while it still moves towards them."""
        if see_through != self._see_through:
            self._see_through = see_through
            self._restyle()

    def set_mesh(self, vertices: NDArray[np.float32], faces: NDArray[np.int64]) -> None:
        """Show a surface: (V, 3) vertices and (F, 3) faces; the same faces object moves it in place."""
        is_same = faces is self._faces and len(vertices) == len(self._vertices)
        self._vertices, self._faces = np.asarray(vertices, dtype=np.float32), faces
        if is_same:
            self._mesh.points = self._spread(self._vertices)
        else:
            self._build()
        self._refresh_normals()
        self._mesh_actor.visibility = True
        self._move_crossings()

    def _build(self) -> None:
        """Make the drawn surface of the present vertices and faces."""
        drape = self._seamed
        faces = self._faces if drape is None else drape.faces
        assert faces is not None
        self._mesh = pv.PolyData(self._spread(self._vertices), np.insert(faces, 0, 3, axis=1).ravel())
        self._show_mesh()

    @property
    def _fits(self) -> bool:
        """Whether the own colours are those of the surface that is shown."""
        own = self._own_colors
        return own is not None and own[0] is self._faces and len(own[1]) == len(self._vertices)

    @property
    def _seamed(self) -> Drape | None:
        """The drape in whose picture some vertices of the shown surface have several places; else None."""
        return self._drape if self._fits and self._drape is not None and not self._drape.has_light else None

    def _spread(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what belongs to the vertices for those that are drawn, of which a seam has several."""
        drape = self._seamed
        return values if drape is None or drape.vertex is None else values[drape.vertex]

    def set_own_colors(
        self,
        faces: NDArray[np.int64] | None,
        colors: NDArray[np.uint8] | None,
        drape: Drape | None = None,
    ) -> None:
        """Remember the colours (V, 3) of the vertices of the surface with this faces object; None for none.

        They are drawn whenever that surface is shown, wherever its vertices are; of one made from a picture,
        the picture itself.
        """
        was_seamed = self._seamed
        self._own_colors = None if faces is None or colors is None else (faces, colors)
        self._drape = drape
        self._texture = None if drape is None else _texture_of(drape)
        if self._seamed is not was_seamed:
            self._build()
            self._refresh_normals()
        self._recolour()

    def show_own_colors(self, shown: bool) -> None:
        """Draw surfaces and points in their own colours, if they have any, or in the theme's."""
        self._show_own_colors = shown
        self._recolour()
        self._recolour_points()

    def _recolour(self) -> None:
        if self._mesh_actor is None:
            return
        own = self._own_colors
        wires = self._shading is Shading.WIREFRAME
        shown = self._fits and self._show_own_colors and not wires
        draped = shown and self._drape is not None
        _paint(
            self._mesh_actor.mapper, self._mesh, own[1] if own is not None and shown and not draped else None
        )
        self._mesh_actor.texture = self._texture if draped else None
        if self._drape is not None and draped:
            self._mesh.active_texture_coordinates = self._drape.places
        prop = self._mesh_actor.prop
        prop.color = "white" if draped else self._colours["edges" if wires else "mesh"]
        is_lit = draped and self._drape is not None and self._drape.has_light
        prop.ambient, prop.diffuse, prop.specular, prop.specular_power = _DRAPED if is_lit else _LIT

    def _recolour_points(self) -> None:
        if self._points_actor is not None:
            colors = self._points_colors if self._show_own_colors else None
            _paint(self._points_actor.mapper, self._points, colors)

    def hide_mesh(self) -> None:
        """Show no surface."""
        if self._mesh_actor is not None:
            self._mesh_actor.visibility = False

    def set_points(self, points: NDArray[np.float32], colors: NDArray[np.uint8] | None = None) -> None:
        """Show (N, 3) points, in their own colours (N, 3) if they have any; none for an empty array."""
        self._points_colors = colors
        if self._points_actor is not None:
            self._plotter.remove_actor(self._points_actor, render=False)
            self._points_actor = None
        if len(points):
            self._points = pv.PolyData(np.array(points, dtype=np.float32))
            self._points_actor = self._plotter.add_mesh(
                self._points,
                color=self._colours["points"],
                point_size=self._pixels(_point_size(len(points))),
                style="points",
                lighting=False,
                render_points_as_spheres=True,
                name=POINTS,
                reset_camera=False,
                render=False,
                pickable=False,
            )
            self._points_actor.visibility = self._show_points
            self._recolour_points()

    def set_defects(self, surface: BrokenSurface | None) -> None:
        """Mark the bad places of a surface, each kind in the palette's colour of its name; None for none."""
        self._clear_defects()
        if surface is None:
            return
        defects = surface.defects
        crossing = np.insert(surface.faces[defects.crossing_faces], 0, 3, axis=1).ravel()
        self._mark("crossing_faces", pv.PolyData(surface.vertices, faces=crossing))
        for name in DEFECTS[1:]:
            lines = np.insert(getattr(defects, name), 0, 2, axis=1).ravel()
            # Bad joints are edges, or vertices where surfaces only touch.
            corners = surface.pinched if name == "crowded_edges" else np.zeros(0, dtype=np.int64)
            verts = np.insert(corners[:, None], 0, 1, axis=1).ravel()
            self._mark(name, pv.PolyData(surface.vertices, lines=lines, verts=verts))

    def set_crossings(
        self, vertices: NDArray[np.float32], faces: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> None:
        """Mark the faces of a surface that cross others, by their indices; none for an empty array.

        The marks move along with the shown surface as long as that has the same faces object.
        """
        self._clear_defects()
        if len(rows):
            marked = pv.PolyData(
                np.array(vertices, dtype=np.float32), np.insert(faces[rows], 0, 3, axis=1).ravel()
            )
            self._mark("crossing_faces", marked)
            self._crossings = faces, marked

    def _clear_defects(self) -> None:
        for actor in self._defect_actors.values():
            self._plotter.remove_actor(actor, render=False)
        self._defect_actors, self._crossings = {}, None

    def _move_crossings(self) -> None:
        if self._crossings is None:
            return
        faces, marked = self._crossings
        belongs = faces is self._faces
        self._defect_actors["crossing_faces"].visibility = belongs
        if belongs:
            marked.points = np.array(self._vertices)

    def _mark(self, name: str, marked: Any) -> None:
        if marked.n_cells == 0:
            return
        actor = self._plotter.add_mesh(
            marked,
            color=self._colours[name],
            line_width=self._pixels(_EDGE_WIDTH),
            point_size=self._pixels(_CORNER_SIZE),
            lighting=False,
            name=name,
            reset_camera=False,
            render=False,
            pickable=False,
            show_scalar_bar=False,
        )
        # Marks lie in the surface itself: without a push towards the eye the two would flicker.
        actor.mapper.SetResolveCoincidentTopologyToPolygonOffset()
        actor.mapper.SetRelativeCoincidentTopologyLineOffsetParameters(-2.0, -40.0)
        actor.mapper.SetRelativeCoincidentTopologyPolygonOffsetParameters(-1.0, -20.0)
        actor.mapper.SetRelativeCoincidentTopologyPointOffsetParameter(-60.0)
        self._defect_actors[name] = actor

    def set_marks(self, marks: Sequence[Sequence[float]]) -> None:
        """Mark places with see-through balls, each (x, y, z, radius); none for an empty sequence."""
        if self._marks_actor is not None:
            self._plotter.remove_actor(self._marks_actor, render=False)
            self._marks_actor = None
        if marks:
            balls = [pv.Sphere(radius=mark[3], center=mark[:3]) for mark in marks]
            self._marks_actor = self._plotter.add_mesh(
                pv.merge(balls),
                color=self._colours["points"],
                opacity=0.35,
                lighting=False,
                name=MARKS,
                reset_camera=False,
                render=False,
                pickable=False,
            )
            self._marks_actor.visibility = self._show_points

    def set_scale(self, scale: float) -> None:
        """Draw points and marked edges for a picture of which each pixel is shown 1/scale pixels wide."""
        if scale == self._scale:
            return
        self._scale = scale
        if self._points_actor is not None:
            self._points_actor.prop.point_size = self._pixels(_point_size(self._points.n_points))
        for actor in self._defect_actors.values():
            actor.prop.line_width = self._pixels(_EDGE_WIDTH)
            actor.prop.point_size = self._pixels(_CORNER_SIZE)

    def _pixels(self, size: float) -> float:
        return self._pixel_ratio * self._scale * size

    def show_points(self, shown: bool) -> None:
        """Show or hide the points, and the marks among them, without forgetting them."""
        self._show_points = shown
        for actor in (self._points_actor, self._marks_actor):
            if actor is not None:
                actor.visibility = shown

    def look_from(self, viewer: Sequence[float] | NDArray[np.float64] | None) -> None:
        """Look at the whole unit sphere nearly from where a picture of it was taken.

        Args:
            viewer: (3,), the direction towards there; None for no picture.
        """
        self.viewer = None if viewer is None else (float(viewer[0]), float(viewer[1]), float(viewer[2]))
        self.reset_camera()

    def reset_camera(self) -> None:
        """Look at the whole unit sphere: from above and the right, or as ``look_from`` was told."""
        eye = _EYE if self.viewer is None else _beside(self.viewer)
        self._plotter.camera_position = (eye, (0.0, 0.0, 0.0), _UPWARD)
        self._plotter.camera.view_angle = 30.0
        self._plotter.camera.clipping_range = (0.1, 50.0)

    def _show_mesh(self) -> None:
        if self._mesh_actor is None:
            self._mesh_actor = self._plotter.add_mesh(
                self._mesh, name=MESH, reset_camera=False, render=False, pickable=False, show_scalar_bar=False
            )
            self._restyle()
        else:
            self._mesh_actor.mapper.dataset = self._mesh
        self._recolour()

    def _restyle(self) -> None:
        for actor in (self._points_actor, self._marks_actor):
            if actor is not None:
                actor.prop.color = self._colours["points"]
        for name, actor in self._defect_actors.items():
            actor.prop.color = self._colours[name]
        if self._mesh_actor is None:
            return
        prop = self._mesh_actor.prop
        wires = self._shading is Shading.WIREFRAME
        prop.style = "wireframe" if wires else "surface"
        prop.interpolation = "Flat" if self._shading is Shading.FLAT else "Phong"
        prop.lighting = not wires
        # Without its back faces a see-through surface needs no sorting.
        prop.opacity = 0.6 if self._see_through and not wires else 1.0
        prop.culling = "back" if self._see_through or wires else "none"
        self._recolour()

    def _refresh_normals(self) -> None:
        if self._shading is Shading.SMOOTH and self._faces is not None:
            normals = vertex_normals(self._vertices, self._faces)
            self._mesh.point_data.active_normals = self._spread(normals)


def _beside(viewer: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return where to stand to look from nearly the direction of a viewer."""
    x, y, z = viewer
    azimuth = math.atan2(x, z) + _ASIDE
    height = min(math.atan2(y, math.hypot(x, z)) + _ABOVE, _STEEPEST)
    right, up, near = camera_direction(azimuth, height)
    return _DISTANCE * float(right), _DISTANCE * float(up), _DISTANCE * float(near)


def _paint(mapper: Any, drawn: Any, colors: NDArray[np.uint8] | None) -> None:
    """Let a mapper draw points or vertices in colours (N, 3); in its actor's for None."""
    mapper.scalar_visibility = colors is not None
    if colors is not None:
        drawn.point_data["own"] = colors
        mapper.SetScalarModeToUsePointFieldData()
        mapper.SelectColorArray("own")
        mapper.SetColorModeToDirectScalars()


def _texture_of(drape: Drape) -> Any:
    # Large parts of pyvista have no annotations.
    make: Any = pv.numpy_to_texture
    return make(drape.picture)


def _point_size(count: int) -> float:
    return 4.0 if count < 4_000 else 3.0 if count < 9_000 else 2.0
