"""The middle of the window: the empty state on top of the 3-D view, and the view's tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QStackedLayout, QToolButton, QVBoxLayout, QWidget

from nmf_app import resources
from nmf_app.actions import Actions
from nmf_app.session import BrokenSurface, Item, Marks, Outcome, SessionState, ViewOptions
from nmf_app.widgets import thumbnails
from nmf_app.widgets.basics import GRID, tool_button
from nmf_app.widgets.drop_zone import DropZone
from nmf_app.work import drawn_target
from nmf_model.types import ShapeImage

if TYPE_CHECKING:
    from nmf_app.widgets.viewport import Viewport

STARTING_RADIUS = 0.7  # of the sphere shown before there is anything else, unit-sphere units
FRONT = (0.0, 0.0, 1.0)
INSET = QSize(192, 144)
TOOLS = ("smooth", "flat", "wireframe", "input", "colors", "reset", "dark")


class Stage(QWidget):
    """Holds the drop zone over the view, so that the view is drawn, and ready, before it is needed.

    Args:
        drop_zone: the empty state.
        actions: the window's commands.
    """

    def __init__(self, drop_zone: DropZone, actions: Actions) -> None:
        super().__init__()
        self.viewport: Viewport | None = None
        self._predicted: NDArray[np.float32] | None = None
        self._drop_zone = drop_zone
        self._waiting = QLabel("Preparing the 3-D view…")
        self._waiting.setObjectName("waitingForScene")
        self._waiting.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._scene = QWidget()
        self._scene_layout = QVBoxLayout(self._scene)
        self._scene_layout.setContentsMargins(0, 0, 0, 0)
        self._scene_layout.addWidget(self._waiting)
        self._layout = QStackedLayout(self)
        self._layout.setStackingMode(QStackedLayout.StackingMode.StackAll)
        self._layout.addWidget(self._scene)
        self._layout.addWidget(drop_zone)
        self._layout.setCurrentWidget(drop_zone)
        self._scene.setEnabled(False)
        self._tools = _make_tools(actions, self._scene)
        self._inset = QLabel(self._scene)
        self._inset.setObjectName("inset")
        self._inset.setToolTip("The picture, with the object that was found on it")
        self._inset.hide()
        self._scene.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep the tools in the view's upper right corner."""
        if event.type() == QEvent.Type.Resize:
            self._place_overlays()
        return super().eventFilter(watched, event)

    def adopt(self, viewport: Viewport, state: SessionState) -> None:
        """Put the finished viewport in its place and show a snapshot of the session in it."""
        self.viewport = viewport
        viewport.scene.set_mesh(*_starting_sphere())
        viewport.scene.set_points(np.zeros((1, 3), dtype=np.float32))
        viewport.set_theme(state.view.theme)
        self._scene_layout.replaceWidget(self._waiting, viewport)
        self._waiting.deleteLater()
        QWidget.setTabOrder(self._tools.findChildren(QToolButton)[-1], viewport)
        self._tools.show()
        for overlay in (self._tools, self._inset):
            overlay.raise_()
        self._show_view(state.view)
        self._show_item(state.current_item)
        self._show_broken(SessionState(), state)
        self._show_crossings(state)
        self._show_own_colors(state)
        self._show_through(state)
        self._show_inset(state)

    def apply(self, old: SessionState, new: SessionState) -> None:
        """Draw what differs between two snapshots."""
        empty = not new.items
        if empty != (not old.items):
            self._drop_zone.setVisible(empty)
            self._scene.setEnabled(not empty)  # the keyboard shall not reach what lies behind the page
            self._layout.setCurrentWidget(self._drop_zone if empty else self._scene)
        if self.viewport is None:
            return
        if old.view != new.view:
            self._show_view(new.view)
        if old.view != new.view or _loaded(old.current_item) is not _loaded(new.current_item):
            self._show_inset(new)
        before, after = old.current_item, new.current_item
        if _key(before) != _key(after) or _loaded(before) is not _loaded(after):
            self.viewport.scene.look_from(_viewer_of(after))
            self._show_item(after)
        elif _outcome(before) is not _outcome(after):
            self._look_from(_viewer_of(after))
            self._show_target(after)
        if _broken(old) is not _broken(new):
            self._show_broken(old, new)
        if _crossing(old) is not _crossing(new):
            self._show_crossings(new)
        if _colored(old) is not _colored(new):
            self._show_own_colors(new)
        self.viewport.set_live(new.reconstructing_current)
        self._show_through(new)
        live = new.live
        if live is not None and live is not old.live and live.item == new.current:
            self.viewport.scene.set_mesh(live.frame.vertices, live.frame.faces)
            if live.frame.points is not None and live.frame.points is not self._predicted:
                self._predicted = live.frame.points
                self._look_from(live.frame.viewer)
                self.viewport.scene.set_points(live.frame.points)
            self.viewport.update()

    def show_vertices(self, vertices: NDArray[np.float32], faces: NDArray[np.int64]) -> None:
        """Draw a surface of (V, 3) vertices and (F, 3) faces."""
        if self.viewport is not None:
            self.viewport.scene.set_mesh(vertices, faces)
            self.viewport.update()

    def _look_from(self, viewer: Sequence[float] | NDArray[np.float64] | None) -> None:
        """Go to where a picture was taken, unless that is known already: the user may look from elsewhere."""
        assert self.viewport is not None
        known = self.viewport.scene.viewer
        if viewer is not None and (known is None or not np.allclose(viewer, known)):
            self.viewport.scene.look_from(viewer)

    def _show_item(self, item: Item | None) -> None:
        """Show an item's input, and the sphere everything starts from until there is a result."""
        assert self.viewport is not None
        if item is None or item.outcome is None:
            self.viewport.scene.set_mesh(*_starting_sphere())
        else:
            flow = item.outcome.reconstruction.trajectory
            self.viewport.scene.set_mesh(flow.vertices[-1], flow.faces)
        self._show_target(item)

    def _show_broken(self, old: SessionState, new: SessionState) -> None:
        """Show a dropped mesh that is broken, with its bad places marked, until its repair begins."""
        assert self.viewport is not None
        surface = _broken(new)
        self.viewport.scene.set_defects(surface)
        if surface is not None:
            self.viewport.scene.set_mesh(surface.vertices, surface.faces)
            self.viewport.scene.set_points(np.empty((0, 3), dtype=np.float32))
        elif _broken(old) is not None and _key(old.current_item) == _key(new.current_item):
            self._show_item(new.current_item)
        self.viewport.update()

    def _show_crossings(self, state: SessionState) -> None:
        """Mark the faces of a result that cross others, in the colour they have in a broken mesh."""
        assert self.viewport is not None
        outcome = _crossing(state)
        if outcome is not None:
            flow = outcome.reconstruction.trajectory
            self.viewport.scene.set_crossings(flow.vertices[-1], flow.faces, outcome.crossing_faces)
        elif _broken(state) is None:
            self.viewport.scene.set_defects(None)
        self.viewport.update()

    def _show_through(self, state: SessionState) -> None:
        """Let what was given shine through whatever is no result yet, and not itself what was given."""
        assert self.viewport is not None
        item = state.current_item
        is_result = item is not None and item.outcome is not None and not state.reconstructing_current
        self.viewport.scene.set_see_through(not is_result and _broken(state) is None)

    def _show_target(self, item: Item | None) -> None:
        assert self.viewport is not None
        self.viewport.scene.set_points(*_points_of(item))
        self.viewport.scene.set_marks(_marks_of(item))
        self.viewport.update()

    def _show_own_colors(self, state: SessionState) -> None:
        """Give the scene the colours of the shown result's vertices, if it has any."""
        assert self.viewport is not None
        outcome = _colored(state)
        if outcome is None:
            self.viewport.scene.set_own_colors(None, None)
        else:
            result = outcome.reconstruction
            self.viewport.scene.set_own_colors(result.trajectory.faces, result.mesh.colors, outcome.drape)
        self.viewport.update()

    def _show_view(self, view: ViewOptions) -> None:
        assert self.viewport is not None
        self.viewport.scene.show_points(view.show_input)
        self.viewport.scene.show_own_colors(view.show_colors)
        self.viewport.set_shading(view.shading)
        self.viewport.set_theme(view.theme)

    def _show_inset(self, state: SessionState) -> None:
        """Show a picture with its object in the view's lower left corner."""
        item = state.current_item
        source = item.loaded.source if item is not None and item.loaded is not None else None
        shown = isinstance(source, ShapeImage) and state.view.show_input
        if isinstance(source, ShapeImage) and shown:
            tint = resources.palette(state.view.theme)["points"]
            self._inset.setPixmap(thumbnails.of_picture(source, INSET, tint, self.devicePixelRatioF()))
        self._inset.setVisible(shown)
        self._place_overlays()

    def _place_overlays(self) -> None:
        self._inset.adjustSize()
        self._inset.move(2 * GRID, self._scene.height() - self._inset.height() - 2 * GRID)
        self._tools.adjustSize()
        self._tools.move(self._scene.width() - self._tools.width() - 2 * GRID, 2 * GRID)


def _make_tools(actions: Actions, parent: QWidget) -> QFrame:
    tools = QFrame(parent)
    tools.setObjectName("viewTools")
    row = QHBoxLayout(tools)
    row.setContentsMargins(GRID // 2, GRID // 2, GRID // 2, GRID // 2)
    row.setSpacing(GRID // 2)
    for name in TOOLS:
        row.addWidget(tool_button(actions[name]))
    tools.hide()
    return tools


def _starting_sphere() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    from nmf_model.geometry.template import icosphere

    sphere = icosphere(4)
    return sphere.vertices * np.float32(STARTING_RADIUS), sphere.faces


def _points_of(item: Item | None) -> tuple[NDArray[np.float32], NDArray[np.uint8] | None]:
    """Return what was fitted, thinned, in the network's frame if that is known, and its colours."""
    if item is None or item.loaded is None:
        return np.empty((0, 3), dtype=np.float32), None
    if item.outcome is None:
        return item.loaded.preview, item.loaded.colors
    result = item.outcome.reconstruction
    return result.normalization.to_unit(drawn_target(result)), item.outcome.point_colors


def _broken(state: SessionState) -> BrokenSurface | None:
    """Return the broken surface to show: that of the shown item, as long as nothing was made of it."""
    item = state.current_item
    if item is None or item.loaded is None or item.outcome is not None or state.reconstructing_current:
        return None
    return item.loaded.broken


def _crossing(state: SessionState) -> Outcome | None:
    """Return the shown item's result if its mesh crosses itself and nothing new is being made of it."""
    item = state.current_item
    if item is None or item.outcome is None or state.reconstructing_current:
        return None
    return item.outcome if len(item.outcome.crossing_faces) else None


def _colored(state: SessionState) -> Outcome | None:
    """Return the shown item's result if it has colours and nothing new is being made of it.

    What is being made can have the very faces of the result before, at a level that was asked for.
    """
    item = state.current_item
    if item is None or item.outcome is None or state.reconstructing_current:
        return None
    return item.outcome if item.outcome.has_colors else None


def _marks_of(item: Item | None) -> Marks:
    """Return the holes through an item's object, and where its result and its points are far apart."""
    if item is None or item.loaded is None:
        return ()
    return (*item.loaded.marks, *(item.outcome.marks if item.outcome is not None else ()))


def _key(item: Item | None) -> int | None:
    return None if item is None else item.key


def _viewer_of(item: Item | None) -> Sequence[float] | None:
    """Return the direction (3,) to a picture's viewer, the front until it is known; None for no picture."""
    if item is None or item.loaded is None or not isinstance(item.loaded.source, ShapeImage):
        return None
    return FRONT if item.outcome is None else list(item.outcome.reconstruction.viewer)


def _loaded(item: Item | None) -> object:
    return None if item is None else item.loaded


def _outcome(item: Item | None) -> object:
    return None if item is None else item.outcome
