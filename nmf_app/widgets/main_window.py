"""The main window: lays the widgets out, connects intents to the controller and state to the widgets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QByteArray, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import QApplication, QHBoxLayout, QMainWindow, QVBoxLayout, QWidget

from nmf_app import resources
from nmf_app.actions import Actions
from nmf_app.controller import Controller
from nmf_app.session import ItemState, Session, SessionState, Shading, Theme
from nmf_app.settings import Settings
from nmf_app.widgets.basics import GRID
from nmf_app.widgets.confirm import may_lose_exports, may_lose_results
from nmf_app.widgets.dialogs import Dialogs
from nmf_app.widgets.drop_zone import DropHint, DropZone
from nmf_app.widgets.job_bar import JobBar
from nmf_app.widgets.menus import build_menus, fill_recent
from nmf_app.widgets.queue import QueuePanel
from nmf_app.widgets.side_panel import SidePanel
from nmf_app.widgets.stage import Stage
from nmf_app.widgets.timeline import Timeline
from nmf_app.widgets.warmup import Warmup

TITLE = "Neural Mesh Flow"
SIZE, SMALLEST = QSize(1280, 800), QSize(880, 480)
FRAME = QSize(0, 5 * GRID)
"""What the desktop may put around a window."""
SOON_S = 0.5  # how long a closing window stands still for work that is about to end


class MainWindow(QMainWindow):
    """The application's one window.

    Args:
        session: the state it shows.
        settings: the window's place and size are kept there.
        version: shown in the About dialog.

    Signals:
        ready: the 3-D view can be used.
        drawn: it was drawn, in so many seconds.
    """

    ready = Signal()
    drawn = Signal(float)

    def __init__(self, session: Session, settings: Settings, version: str) -> None:
        super().__init__()
        self._session = session
        self._settings = settings
        self._version = version
        self._leaving = self._closed = False
        self._patience = QTimer(self, interval=100)
        self._patience.timeout.connect(self._close_once_ended)
        self.dialogs = Dialogs(self)
        self.actions_by_name = Actions(self)
        self._build()
        self._restore()
        session.changed.connect(self.apply)
        self._retheme(session.state.view.theme)
        self._show_commands(session.state)

    def connect_controller(self, controller: Controller) -> None:
        """Send what the user does to ``controller``."""
        self._controller = controller
        commands = {
            "open": controller.choose_files,
            "export": controller.export,
            "animation": controller.save_animation,
            "clear": self._close_files,
            "reconstruct": controller.reconstruct,
            "other": controller.show_other,
            "split": controller.split_bodies,
            "cancel": controller.cancel,
            "cancel_all": controller.cancel_all,
        }
        for name, intent in commands.items():
            self.actions_by_name[name].triggered.connect(intent)
        self.queue.selected.connect(controller.select)
        self.queue.removed.connect(self._close_file)
        self.side_panel.parameters.edited.connect(controller.set_parameters)
        self.job_bar.cancel.clicked.connect(controller.cancel_active)
        self.job_bar.details.clicked.connect(controller.show_details)
        self.job_bar.dismiss.clicked.connect(controller.dismiss_notice)
        self.drop_zone.example_chosen.connect(self._open_one)
        for name in ("smooth", "flat", "wireframe", "input", "colors", "dark"):
            self.actions_by_name[name].triggered.connect(self._send_view)
        self.ready.connect(controller.warm_up)
        self.actions_by_name["at_once"].triggered.connect(self._send_at_once)

    def start(self) -> None:
        """Show the window, then prepare the 3-D view behind it."""
        self.show()
        QTimer.singleShot(0, self.warmup.start)

    @Slot(object, object)
    def apply(self, old: SessionState, new: SessionState) -> None:
        """Show what differs between two snapshots."""
        if old.view.theme is not new.view.theme:
            self._retheme(new.view.theme)
        self.stage.apply(old, new)
        self.side_panel.apply(old, new)
        if (
            old.active is not new.active
            or old.notice is not new.notice
            or old.waiting != new.waiting
            or old.view.theme is not new.view.theme
        ):
            self.job_bar.show_state(new)
        if old.items is not new.items or old.current != new.current or old.view.theme is not new.view.theme:
            self.queue.show_state(new)
            self._show_flow(old, new)
            self._show_layout(new)
        if _commands_differ(old, new):
            self._show_commands(new)

    # Qt events.

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept files, and say that they can be dropped."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()
            self._show_hint(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Take the hint away."""
        self._show_hint(False)

    def dropEvent(self, event: QDropEvent) -> None:
        """Hand the files to the controller."""
        self._show_hint(False)
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self._controller.open_files(paths)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the drop hint over the whole window."""
        super().resizeEvent(event)
        self._hint.setGeometry(self.rect().adjusted(2 * GRID, 6 * GRID, -2 * GRID, -2 * GRID))

    def closeEvent(self, event: QCloseEvent) -> None:
        """Cancel the work, wait for it, close the view, remember the settings; in this order.

        Files that wait to be written are asked about first, and results that took long and were not
        exported. What does not end soon is waited for with the window open and disabled; closed once more, it
        does not wait.
        """
        if not self._leaving and not self._leave():
            event.ignore()
            return
        if not self._closed:
            self._closed = True
            self._patience.stop()
            self.warmup.stop()
            if self.stage.viewport is not None:
                self.stage.viewport.close()
            self._settings.save_geometry(self.saveGeometry(), self.saveState())
            self._settings.sync()
        super().closeEvent(event)

    def _leave(self) -> bool:
        """Stop the work if the user agrees; True if it ended at once."""
        waiting = self._controller.unwritten()
        if waiting and not self._may_lose(waiting):
            return False
        if not may_lose_results(self, *self._controller.unexported()):
            return False
        self._leaving = True
        self.setEnabled(False)
        self.timeline.pause()
        ended = self._controller.shutdown(SOON_S)
        if not ended:
            self._patience.start()
        return ended

    @Slot()
    def _close_once_ended(self) -> None:
        if self._controller.shutdown(0.0):
            self.close()

    def _may_lose(self, names: tuple[str, ...]) -> bool:
        return may_lose_exports(self, names)

    # Building.

    def _build(self) -> None:
        state, actions = self._session.state, self.actions_by_name
        examples = resources.examples()
        self.setWindowTitle(TITLE)
        self.setWindowIcon(resources.app_icon())
        self.setAcceptDrops(True)
        self.setMinimumSize(SMALLEST)
        self.warmup = Warmup(examples, self)
        self.drop_zone = DropZone(actions["open"], examples)
        self.stage = Stage(self.drop_zone, actions)
        self.timeline = Timeline(actions["play"])
        self.queue = QueuePanel()
        self.side_panel = SidePanel(actions, state)
        self.job_bar = JobBar()
        self.recent_menu = build_menus(self.menuBar(), actions)
        self.setCentralWidget(self._arrange())
        self._hint = DropHint(self)
        self._connect_own()
        self._show_layout(state)
        self._fill_recent(state)

    def _arrange(self) -> QWidget:
        middle = QVBoxLayout()
        middle.setSpacing(0)
        middle.addWidget(self.stage, 1)
        middle.addWidget(self.timeline)
        row = QHBoxLayout()
        row.setSpacing(0)
        row.addWidget(self.queue)
        row.addLayout(middle, 1)
        row.addWidget(self.side_panel)
        centre = QWidget()
        centre.setObjectName("centre")
        column = QVBoxLayout(centre)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(row, 1)
        column.addWidget(self.job_bar)
        return centre

    def _connect_own(self) -> None:
        actions = self.actions_by_name
        self.warmup.imported.connect(self._build_viewport)
        self.warmup.previewed.connect(self.drop_zone.set_preview)
        self.timeline.moved.connect(self._draw_flow)
        actions["quit"].triggered.connect(self.close)
        actions["guide"].triggered.connect(self.dialogs.show_guide)
        actions["about"].triggered.connect(self._show_about)
        actions["reset"].triggered.connect(self._reset_view)
        actions["panel"].setChecked(True)
        actions["panel"].toggled.connect(self._show_panel)
        for name in ("play", "reset"):  # Space and Home keep their meaning in buttons and fields
            actions[name].setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            self.stage.addAction(actions[name])
            self.timeline.addAction(actions[name])

    def _restore(self) -> None:
        geometry, state = self._settings.geometry()
        # Of a smaller screen the window would hide its buttons and its progress.
        self.resize(SIZE.boundedTo(self.screen().availableSize() - FRAME))
        if isinstance(geometry, QByteArray) and not geometry.isEmpty():
            self.restoreGeometry(geometry)
            self.restoreState(state)

    @Slot()
    def _build_viewport(self) -> None:
        if self._closed:
            return
        from nmf_app.widgets.viewport import Viewport

        viewport = Viewport(self)
        self.stage.adopt(viewport, self._session.state)
        viewport.painted.connect(self._announce, Qt.ConnectionType.SingleShotConnection)
        viewport.painted.connect(self.drawn)

    @Slot()
    def _announce(self) -> None:
        item = self._session.state.current_item
        self.timeline.set_trajectory(
            item.outcome.reconstruction.trajectory if item is not None and item.outcome else None
        )
        self.ready.emit()

    # Showing.

    def _retheme(self, theme: Theme) -> None:
        app = QApplication.instance()
        if isinstance(app, QApplication):
            app.setStyleSheet(resources.style_sheet(theme))
        self.actions_by_name.retheme(theme)
        self.drop_zone.set_theme(theme)
        self.timeline.set_theme(theme)
        self.queue.show_state(self._session.state)
        self.job_bar.show_state(self._session.state)

    def _show_layout(self, state: SessionState) -> None:
        some = bool(state.items)
        self.timeline.setVisible(some)
        self.side_panel.setVisible(some and self.actions_by_name["panel"].isChecked())
        self.queue.setVisible(len(state.items) > 1)
        item = state.current_item
        self.setWindowTitle(f"{item.title} – {TITLE}" if item is not None else TITLE)

    def _show_panel(self) -> None:
        self._show_layout(self._session.state)

    def _show_flow(self, old: SessionState, new: SessionState) -> None:
        """Load the shown item's flow; play it once when it has just been finished."""
        before, after = old.current_item, new.current_item
        outcome = after.outcome if after is not None and not new.reconstructing_current else None
        same_item = before is not None and after is not None and before.key == after.key
        loaded_before = before.outcome if before is not None and not old.reconstructing_current else None
        if outcome is loaded_before and same_item:
            return
        self.timeline.set_trajectory(
            outcome.reconstruction.trajectory if outcome is not None else None,
            play=same_item and outcome is not None,
        )

    def _show_commands(self, state: SessionState) -> None:
        actions, item = self.actions_by_name, state.current_item
        done = item is not None and item.outcome is not None
        busy = state.reconstructing_current
        begun = busy or (item is not None and item.state is ItemState.READING)
        actions["reconstruct"].setEnabled(item is not None and not begun)
        actions["split"].setEnabled(item is not None and item.loaded is not None and item.loaded.bodies > 1)
        actions["cancel"].setEnabled(state.active is not None or begun)
        actions["cancel_all"].setEnabled(state.active is not None or state.waiting > 0)
        actions["export"].setEnabled(done)
        actions["animation"].setEnabled(done)
        actions["clear"].setEnabled(bool(state.items))
        actions["input"].setChecked(state.view.show_input)
        actions["colors"].setChecked(state.view.show_colors)
        actions["colors"].setEnabled(item is not None and item.has_colors)
        actions["dark"].setChecked(state.view.theme is Theme.DARK)
        actions["at_once"].setChecked(state.parameters.start_at_once)
        actions[state.view.shading.value].setChecked(True)
        if self.recent_menu.property("shown") != [str(path) for path in state.recent]:
            self._fill_recent(state)

    def _fill_recent(self, state: SessionState) -> None:
        fill_recent(self.recent_menu, state.recent, self._open_one, self._forget_recent)

    def _show_hint(self, shown: bool) -> None:
        empty = not self._session.state.items
        self.drop_zone.set_hot(shown and empty)
        self._hint.setVisible(shown and not empty)
        self._hint.raise_()

    # Intents that need a word of the window's own.

    @Slot(object)
    def _open_one(self, path: Path) -> None:
        self._controller.open_files([path])

    @Slot()
    def _close_files(self) -> None:
        if may_lose_results(self, *self._controller.unexported()):
            self._controller.remove_all()

    @Slot(int)
    def _close_file(self, key: int) -> None:
        if may_lose_results(self, *self._controller.unexported(key)):
            self._controller.remove(key)

    @Slot()
    def _forget_recent(self) -> None:
        self._controller.clear_recent()

    @Slot()
    def _send_view(self) -> None:
        actions = self.actions_by_name
        shading = next(shading for shading in Shading if actions[shading.value].isChecked())
        theme = Theme.DARK if actions["dark"].isChecked() else Theme.LIGHT
        view = replace(
            self._session.state.view,
            theme=theme,
            shading=shading,
            show_input=actions["input"].isChecked(),
            show_colors=actions["colors"].isChecked(),
        )
        self._controller.set_view(view)

    @Slot()
    def _send_at_once(self) -> None:
        wanted = self.actions_by_name["at_once"].isChecked()
        self._controller.set_parameters(replace(self._session.state.parameters, start_at_once=wanted))

    @Slot(object)
    def _draw_flow(self, vertices: object) -> None:
        item = self._session.state.current_item
        if item is not None and item.outcome is not None:
            self.stage.show_vertices(vertices, item.outcome.reconstruction.trajectory.faces)  # type: ignore[arg-type]

    @Slot()
    def _reset_view(self) -> None:
        if self.stage.viewport is not None:
            self.stage.viewport.reset_view()

    @Slot()
    def _show_about(self) -> None:
        self.dialogs.show_about(self._version)


def _commands_differ(old: SessionState, new: SessionState) -> bool:
    """Tell whether more than the progress of a job changed; progress comes thirty times a second."""
    return (
        old.items is not new.items
        or old.current != new.current
        or (old.active is None) != (new.active is None)
        or (old.waiting > 0) != (new.waiting > 0)
        or old.view != new.view
        or old.parameters != new.parameters
        or old.recent != new.recent
    )
