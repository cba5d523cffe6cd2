"""A window on a fresh settings file, short streams to run in it, and a watch for leaked threads."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication

from nmf_app.app import build, make_application
from nmf_app.settings import Settings
from nmf_model.errors import Cancelled
from nmf_model.geometry.template import icosphere
from nmf_model.types import FlowFrame, Mesh, Normalization, Reconstruction, Trajectory

FRAMES = 9


def ellipsoid_flow(level=3, frames=FRAMES):
    sphere = icosphere(level)
    shares = np.linspace(0, 1, frames, dtype=np.float32)[:, None, None]
    end = sphere.vertices * np.array([1.0, 0.6, 0.4], dtype=np.float32)
    return Trajectory(
        (1 - shares) * sphere.vertices + shares * end,
        sphere.faces,
        np.linspace(0, 1, frames),
        np.arange(frames) // 3,
    )


def short_stream(request, cancel, level=3, pause=0.0):
    """A true flow of a sphere into an ellipsoid, of the same form as the real stream."""
    flow = ellipsoid_flow(level)
    for index, vertices in enumerate(flow.vertices):
        if cancel():
            raise Cancelled("stopped")
        time.sleep(pause)
        yield FlowFrame(vertices, flow.faces, "Flowing", index / len(flow.vertices), is_trajectory=True)
    frame = Normalization(np.zeros(3), 2.0)
    mesh = Mesh(frame.to_file(flow.vertices[-1]), flow.faces, icosphere(level).vertices)
    return Reconstruction(mesh, flow, frame, mesh.vertices[::3], "fit", 0.1, 12, request.seed, ("A note.",))


def endless_stream(request, cancel):
    flow = ellipsoid_flow()
    while not cancel():
        time.sleep(0.005)
        yield FlowFrame(flow.vertices[0], flow.faces, "Fitting", 0.1)
    raise Cancelled("stopped")


@pytest.fixture(scope="session")
def qapp():
    return make_application(["nmf-test"])


@pytest.fixture
def cloud_file(tmp_path):
    path = tmp_path / "egg.xyz"
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(600, 3))
    points = directions / np.linalg.norm(directions, axis=1, keepdims=True) * (3.0, 2.0, 1.5) + (10, 20, 30)
    np.savetxt(path, points)
    return path


@pytest.fixture
def settings_file(tmp_path):
    return tmp_path / "settings.ini"


@pytest.fixture
def open_window(qtbot, settings_file):
    """Returns a function that builds a shown, ready app; all are closed and checked for leaks at the end."""
    before = set(threading.enumerate())
    opened = []

    def open_app(stream=short_stream, viewport=True):
        app = build(Settings(settings_file), stream)
        opened.append(app)
        if viewport:
            with qtbot.waitSignal(app.window.ready, timeout=20_000):
                app.window.start()
        else:
            app.window.show()
        return app

    yield open_app
    for app in opened:
        app.controller.remove_all()  # results that took long would be asked about
        app.window.close()
        qtbot.waitUntil(app.window.isHidden, timeout=10_000)
        app.window.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QApplication.processEvents()
    leaked = [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("nmf")]
    assert not leaked
    assert not [widget for widget in QApplication.topLevelWidgets() if widget.isVisible()]
