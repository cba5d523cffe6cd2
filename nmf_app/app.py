"""The composition root: the only place that constructs everything."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

os.environ.setdefault("QT_API", "pyside6")  # pyvistaqt asks for it on import

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QFont, QSurfaceFormat
from PySide6.QtWidgets import QApplication  # noqa: TID251  the composition root may

from nmf_app.controller import Controller
from nmf_app.jobs import JobRunner
from nmf_app.session import Session, SessionState, Theme
from nmf_app.settings import Settings
from nmf_app.widgets.main_window import MainWindow
from nmf_app.work import Stream
from nmf_model.types import Device, Method

FONTS = [
    "Inter",
    "Segoe UI",
    "SF Pro Text",
    "Helvetica Neue",
    "Noto Sans",
    "Cantarell",
    "Ubuntu",
    "DejaVu Sans",
]
SWITCH_INTERVAL_S = 0.0005  # how long the worker may keep the interpreter from the window


@dataclass(frozen=True)
class App:
    """The parts of a running application."""

    window: MainWindow
    session: Session
    controller: Controller
    runner: JobRunner
    settings: Settings


def run_window(
    paths: list[Path],
    *,
    method: Method = "auto",
    level: int | None = None,
    device: Device = "auto",
    seed: int = 0,
    weights: Path | None = None,
) -> int:
    """Open the window, on ``paths`` if there are any, and return its exit code once it is closed."""
    qt = make_application(sys.argv[:1])
    app = build()
    given = {"method": method, "level": level, "device": device, "seed": seed, "weights": weights}
    neutral = {"method": "auto", "level": None, "device": "auto", "seed": 0, "weights": None}
    chosen = {name: value for name, value in given.items() if value != neutral[name]}
    app.session.update(parameters=replace(app.session.state.parameters, **chosen))  # type: ignore[arg-type]
    app.window.start()
    if paths:
        app.controller.open_files(paths)
    return _exec(qt)


def make_application(arguments: list[str]) -> QApplication:
    """Return the QApplication, set up before any window exists."""
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        return existing
    QSurfaceFormat.setDefaultFormat(_surface_format())
    qt = QApplication(arguments)
    qt.setApplicationName("neural-mesh-flow")
    qt.setApplicationDisplayName("")
    qt.setStyle("Fusion")
    font = QFont()
    font.setFamilies(FONTS)
    font.setPixelSize(13)
    qt.setFont(font)
    return qt


def build(settings: Settings | None = None, stream: Stream | None = None) -> App:
    """Construct the window and everything behind it; nothing is shown or started but the idle worker.

    Args:
        settings: what is remembered; None for the user's own.
        stream: the reconstruction to run; None for the real one.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    settings = settings or Settings()
    state = SessionState(
        recent=settings.recent(), parameters=settings.parameters(), view=settings.view(_system_theme())
    )
    session = Session(state)
    window = MainWindow(session, settings, _version())
    runner, writer = JobRunner(window), JobRunner(window)
    controller = Controller(session, runner, window.dialogs, settings, stream, writer, parent=window)
    for worker in (runner, writer):
        worker.job_event.connect(controller.on_job_event)
    window.drawn.connect(runner.pace)
    window.connect_controller(controller)
    return App(window, session, controller, runner, settings)


def _exec(qt: QApplication) -> int:
    """Run the event loop; Ctrl+C in the terminal closes the window cleanly."""
    signal.signal(signal.SIGINT, _close_all)
    breather = QTimer()  # gives Python a chance to notice the signal
    breather.timeout.connect(_breathe)
    breather.start(200)
    return qt.exec()


def _close_all(_number: int, _frame: object) -> None:
    QApplication.closeAllWindows()


def _breathe() -> None:
    """Do nothing, in Python."""


def _surface_format() -> QSurfaceFormat:
    """Return what VTK needs of OpenGL; it must be the default before the first window is made."""
    wanted = QSurfaceFormat()
    wanted.setRenderableType(QSurfaceFormat.RenderableType.OpenGL)
    wanted.setProfile(QSurfaceFormat.OpenGLContextProfile.CoreProfile)
    wanted.setVersion(3, 2)
    wanted.setSwapBehavior(QSurfaceFormat.SwapBehavior.DoubleBuffer)
    for set_size in (wanted.setRedBufferSize, wanted.setGreenBufferSize, wanted.setBlueBufferSize):
        set_size(8)
    wanted.setAlphaBufferSize(8)
    wanted.setDepthBufferSize(8)
    wanted.setStencilBufferSize(0)
    wanted.setSamples(0)
    return wanted


def _system_theme() -> Theme:
    dark = QApplication.styleHints().colorScheme() is Qt.ColorScheme.Dark
    return Theme.DARK if dark else Theme.LIGHT


def _version() -> str:
    try:
        return metadata.version("neural-mesh-flow")
    except metadata.PackageNotFoundError:
        return "from a source checkout"
