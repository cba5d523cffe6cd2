"""The real window, driven under a (virtual) display."""

from __future__ import annotations

import functools
import json
import threading
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QPointF, Qt, QTimer, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QDialog, QLabel, QMessageBox

from nmf_app import work
from nmf_app.ports import ExportChoice
from nmf_app.session import ItemState, NoticeKind, Shading, Theme
from nmf_app.widgets.export_dialog import CONVERT, ExportDialog
from nmf_model.io.meshes import read_mesh
from nmf_model.quality import inspect_mesh

from .conftest import endless_stream, short_stream


def drop(widget, paths):
    """Drag files onto a widget and let them go, the way Qt delivers it."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    spot, buttons, keys = widget.rect().center(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(spot, Qt.DropAction.CopyAction, data, buttons, keys)
    QApplication.sendEvent(widget, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(widget, QDropEvent(QPointF(spot), Qt.DropAction.CopyAction, data, buttons, keys))


def item_state(app):
    item = app.session.state.current_item
    return None if item is None else item.state


def wait_for(qtbot, app, state, timeout=20_000):
    qtbot.waitUntil(lambda: item_state(app) is state, timeout=timeout)


def picture(app):
    """The viewport's pixels."""
    viewport = app.window.stage.viewport
    viewport.repaint()
    image = viewport.grabFramebuffer().convertToFormat(viewport.grabFramebuffer().format())
    data = np.frombuffer(image.constBits(), np.uint8)
    return data.reshape(image.height(), image.bytesPerLine())[:, : 4 * image.width()].copy()


def texts(widget):
    """Return the visible words, without the places where long ones may wrap."""
    return " | ".join(found.text() for found in widget.findChildren(QLabel) if found.isVisible()).replace(
        "\u200b", ""
    )


@pytest.mark.timeout(180)
def test_from_a_drop_on_the_view_to_a_verified_file(open_window, qtbot, cloud_file, tmp_path, monkeypatch):
    """The whole way, with the real reader, the real fit (fewer steps) and the real writer."""
    from nmf_model import found_flow
    from nmf_model.fitting.fit import FitSettings, Stage

    stages = (Stage(2, 3, 60), Stage(3, 3, 60, settles=True))
    quick = FitSettings(stages=stages, stages_from_start=stages)
    monkeypatch.setattr(found_flow, "fit_flow", functools.partial(found_flow.fit_flow, settings=quick))
    app = open_window(stream=None)
    parameters = replace(app.session.state.parameters, level=2)
    app.controller.set_parameters(parameters)
    drop(app.window.stage.viewport, [cloud_file])
    qtbot.waitUntil(app.window.side_panel.isVisible)
    before = picture(app)
    wait_for(qtbot, app, ItemState.DONE, timeout=120_000)
    assert (picture(app) != before).any()
    qtbot.waitUntil(lambda: "Closed, no holes" in texts(app.window.side_panel))

    target = tmp_path / "egg.ply"
    monkeypatch.setattr(
        app.window.dialogs, "choose_export", lambda *_: ExportChoice(target, scale=10.0, with_report=True)
    )
    app.window.actions_by_name["export"].trigger()
    qtbot.waitUntil(lambda: app.session.state.current_item.exported is not None, timeout=20_000)
    mesh = read_mesh(target)
    report = inspect_mesh(mesh)
    assert report.is_closed_sphere
    assert report.vertices == 162
    written = json.loads((tmp_path / "egg.ply.report.json").read_text())
    assert (written["vertices"], written["self_intersecting_faces"]) == (162, 0)
    # The egg: centre (10, 20, 30), half axes (3, 2, 1.5), written ten times as large.
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    np.testing.assert_allclose((low + high) / 2, (100, 200, 300), atol=4)
    np.testing.assert_allclose(high - low, (60, 40, 30), rtol=0.2)
    assert str(target) in texts(app.window.job_bar)


def test_the_empty_window_explains_itself(open_window):
    app = open_window()
    assert "Drop a scan or a picture here" in texts(app.window)
    assert app.window.drop_zone.isVisible()
    assert not app.window.side_panel.isVisible()
    assert app.window.actions_by_name["open"].isEnabled()
    assert not app.window.actions_by_name["export"].isEnabled()


def test_the_frame_moves_the_picture_and_the_finished_flow_plays_once(open_window, qtbot, cloud_file):
    app = open_window()
    drop(app.window.drop_zone, [cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    assert app.window.timeline.playing
    sphere = picture(app)
    qtbot.waitUntil(lambda: not app.window.timeline.playing, timeout=8000)
    assert (picture(app) != sphere).any()


def test_shading_points_and_theme_change_the_picture_and_are_remembered(open_window, qtbot, cloud_file):
    app = open_window()
    app.controller.open_files([cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    app.window.timeline.pause()
    seen = [picture(app)]
    for name in ("flat", "wireframe", "input", "dark"):
        app.window.actions_by_name[name].trigger()
        seen.append(picture(app))
    assert all((one != other).any() for one, other in pairwise(seen))
    remembered = app.settings.view()
    assert (remembered.theme, remembered.shading, remembered.show_input) == (
        Theme.DARK,
        Shading.WIREFRAME,
        False,
    )


@pytest.fixture
def coloured_ball(tmp_path):
    """A cloud that is red on the left and green on the right."""
    ball = np.random.default_rng(0).normal(size=(1500, 3))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    lines = np.column_stack([ball, np.where(ball[:, :1] < 0, (255, 0, 0), (0, 255, 0))])
    path = tmp_path / "ball.xyz"
    np.savetxt(path, lines, fmt="%.5f %.5f %.5f %d %d %d", header="x y z r g b")
    return path


def red_and_green(app):
    """Return the share of the view's pixels that are clearly red, and of those that are clearly green."""
    blue, green, red, _ = picture(app).reshape(-1, 4).T.astype(int)
    return (red > 2 * np.maximum(green, blue)).mean(), (green > 2 * np.maximum(red, blue)).mean()


def test_a_result_is_drawn_in_its_own_colours_until_they_are_switched_off(
    open_window, qtbot, cloud_file, coloured_ball
):
    app = open_window()
    action = app.window.actions_by_name["colors"]
    app.controller.open_files([coloured_ball])
    wait_for(qtbot, app, ItemState.DONE)
    app.window.timeline.pause()
    app.window.actions_by_name["input"].trigger()
    assert action.isEnabled()
    assert action.isChecked()
    assert min(red_and_green(app)) > 0.02
    app.window.actions_by_name["wireframe"].trigger()
    assert max(red_and_green(app)) == 0
    app.window.actions_by_name["smooth"].trigger()
    assert min(red_and_green(app)) > 0.02
    action.trigger()
    assert max(red_and_green(app)) == 0
    assert not app.settings.view().show_colors
    action.trigger()
    app.controller.open_files([cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    assert max(red_and_green(app)) == 0
    assert not action.isEnabled(), "this one has none"


def thumbnail_colors(app):
    """Say whether the input's thumbnail has clearly red pixels, and whether it has clearly green ones."""
    image = app.window.side_panel.input._picture.pixmap().toImage()
    inks = [image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height())]
    red = any(ink.alpha() > 200 and ink.red() > 2 * max(ink.green(), ink.blue()) for ink in inks)
    return red, any(ink.alpha() > 200 and ink.green() > 2 * max(ink.red(), ink.blue()) for ink in inks)


def test_points_are_drawn_in_their_own_colours_until_they_are_switched_off(open_window, qtbot, coloured_ball):
    app = open_window()
    app.controller.set_parameters(replace(app.session.state.parameters, start_at_once=False))
    app.controller.open_files([coloured_ball])
    wait_for(qtbot, app, ItemState.READY)
    action = app.window.actions_by_name["colors"]
    assert action.isEnabled()
    assert min(red_and_green(app)) > 0.005
    assert thumbnail_colors(app) == (True, True)
    action.trigger()
    assert red_and_green(app)[1] == 0
    assert thumbnail_colors(app)[1] is False
    action.trigger()
    app.window.actions_by_name["reconstruct"].trigger()
    wait_for(qtbot, app, ItemState.DONE)
    app.window.timeline.pause()
    app.window.actions_by_name["wireframe"].trigger()
    assert min(red_and_green(app)) > 0.001, "with a result the points keep them"
    action.trigger()
    assert red_and_green(app)[1] == 0


def test_what_is_made_anew_does_not_wear_the_colours_of_the_result_before(open_window, qtbot, coloured_ball):
    """Its faces can be the very same, so the colours would fit."""
    runs = []

    def stream(request, cancel):
        runs.append(request)
        return (short_stream if len(runs) == 1 else endless_stream)(request, cancel)

    app = open_window(stream)
    app.controller.open_files([coloured_ball])
    wait_for(qtbot, app, ItemState.DONE)
    app.window.timeline.pause()
    app.window.actions_by_name["input"].trigger()
    assert min(red_and_green(app)) > 0.02
    app.window.actions_by_name["reconstruct"].trigger()
    qtbot.waitUntil(lambda: app.session.state.live is not None, timeout=20_000)
    assert max(red_and_green(app)) == 0
    app.window.actions_by_name["cancel"].trigger()
    qtbot.waitUntil(lambda: not app.session.state.reconstructing_current, timeout=20_000)
    if app.session.state.current_item.outcome is not None:
        app.window.timeline.pause()
        assert min(red_and_green(app)) > 0.02


def test_a_mouse_drag_orbits_and_home_brings_the_view_back(open_window, qtbot, cloud_file):
    app = open_window()
    app.controller.open_files([cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    viewport = app.window.stage.viewport
    start = np.array(viewport.camera.position)
    qtbot.mousePress(viewport, Qt.MouseButton.LeftButton, pos=viewport.rect().center())
    qtbot.mouseMove(viewport, viewport.rect().center() / 2)
    qtbot.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=viewport.rect().center() / 2)
    assert np.linalg.norm(viewport.camera.position - start) > 0.1
    viewport.setFocus()
    app.window.actions_by_name["reset"].trigger()
    np.testing.assert_allclose(viewport.camera.position, start, atol=1e-6)


def test_vtk_keys_do_nothing_in_the_view(open_window, qtbot):
    app = open_window()
    before = picture(app)
    for key in "qewsp3r":
        qtbot.keyClick(app.window.stage.viewport, key)
    app.controller.set_view(replace(app.session.state.view, shading=Shading.SMOOTH))
    np.testing.assert_array_equal(picture(app), before)
    assert app.window.isVisible()


def test_cancel_answers_within_a_second(open_window, qtbot, cloud_file):
    app = open_window(endless_stream)
    app.controller.open_files([cloud_file])
    wait_for(qtbot, app, ItemState.RUNNING)
    qtbot.waitUntil(lambda: app.session.state.live is not None)
    started = time.monotonic()
    app.window.actions_by_name["cancel"].trigger()
    wait_for(qtbot, app, ItemState.CANCELLED, timeout=1000)
    assert time.monotonic() - started < 1.0
    assert app.window.actions_by_name["reconstruct"].isEnabled()


def test_closing_during_a_job_ends_it_and_saves_the_settings(open_window, qtbot, cloud_file, settings_file):
    app = open_window(endless_stream)
    app.controller.open_files([cloud_file])
    wait_for(qtbot, app, ItemState.RUNNING)
    started = time.monotonic()
    app.window.close()
    assert time.monotonic() - started < 3.0
    assert not app.window.isVisible()
    assert "geometry" in settings_file.read_text()


@pytest.mark.parametrize("error", [RuntimeError("boom"), MemoryError()])
def test_a_crash_is_one_sentence_with_details_and_the_next_job_runs(open_window, qtbot, cloud_file, error):
    calls = []

    def stream(request, cancel):
        calls.append(request)
        if len(calls) == 1:
            raise error
        return (yield from short_stream(request, cancel))

    app = open_window(stream)
    app.controller.open_files([cloud_file])
    wait_for(qtbot, app, ItemState.FAILED)
    assert app.session.state.notice.kind is NoticeKind.ERROR
    assert app.window.job_bar.details.isVisible()
    assert "Traceback" in app.session.state.notice.details
    app.window.actions_by_name["reconstruct"].trigger()
    wait_for(qtbot, app, ItemState.DONE)


def test_bad_files_say_why_and_good_ones_go_on(open_window, qtbot, cloud_file, tmp_path):
    empty = tmp_path / "empty.ply"
    empty.touch()
    app = open_window()
    drop(app.window, [empty, tmp_path / "missing.xyz", cloud_file])
    qtbot.waitUntil(
        lambda: (
            [item.state for item in app.session.state.items]
            == [ItemState.FAILED, ItemState.FAILED, ItemState.DONE]
        ),
        timeout=20_000,
    )
    assert app.window.queue.isVisible()
    assert "empty.ply" in app.session.state.items[0].sentence
    app.window.queue.selected.emit(app.session.state.items[0].key)
    assert "empty.ply" in texts(app.window.side_panel)


def test_a_picture_shows_its_object(open_window, qtbot, tmp_path):
    rgba = np.zeros((200, 300, 4), np.uint8)
    rgba[60:140, 90:210] = (200, 80, 40, 255)
    path = tmp_path / "brick.png"
    Image.fromarray(rgba).save(path)
    app = open_window()
    app.controller.open_files([path])
    wait_for(qtbot, app, ItemState.DONE)
    assert app.session.state.current_item.loaded.source.mask[100, 150]
    assert "300 × 200 picture" in texts(app.window.side_panel)
    assert app.window.stage._inset.isVisible()
    app.window.actions_by_name["input"].trigger()
    assert not app.window.stage._inset.isVisible()


def test_damaged_settings_still_open_the_window(open_window, settings_file):
    settings_file.write_bytes(
        b"[window]\ngeometry=@ByteArray(\\x1\\x2garbage)\nstate=@Rect(1)\n\xff\xfe[files\n"
    )
    app = open_window()
    assert app.window.isVisible()
    assert app.window.width() >= 960


def test_it_is_usable_before_the_view_is_built(open_window, qtbot, cloud_file):
    app = open_window(viewport=False)
    drop(app.window, [cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    app.window.start()
    qtbot.waitSignal(app.window.ready, timeout=20_000).wait()
    assert app.window.stage.viewport is not None


def test_closing_before_the_view_is_built_is_clean(open_window):
    app = open_window(viewport=False)
    app.window.start()
    app.window.close()
    assert app.window.stage.viewport is None


def test_everything_has_words_for_keyboard_and_screen_reader(open_window, qtbot, cloud_file):
    app = open_window()
    app.controller.open_files([cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    for action in app.window.actions_by_name.all():
        assert action.text()
        assert action.toolTip()
    shortcuts = [action.shortcut().toString() for action in app.window.actions_by_name.all()]
    used = [shortcut for shortcut in shortcuts if shortcut]
    assert len(used) == len(set(used))
    visited, widget = set(), app.window
    while (widget := widget.nextInFocusChain()) is not app.window:
        if widget.isVisible() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            visited.add(type(widget).__name__)
    assert {"Viewport", "QSlider", "QPushButton", "QComboBox"} <= visited


def test_the_export_dialog_converts_units_and_follows_the_suffix(open_window, qtbot, cloud_file, tmp_path):
    app = open_window(viewport=False)
    app.controller.open_files([cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    dialog = ExportDialog(app.session.state.current_item.outcome, "egg", tmp_path, app.window)
    dialog._format.setCurrentIndex(dialog._format.findData("stl"))
    assert dialog.choice.path == tmp_path / "egg.stl"
    dialog._path.setText(str(tmp_path / "egg.glb"))
    assert dialog._format.currentData() == "glb"
    dialog._path.setText(str(tmp_path / "nowhere" / "egg.glb"))
    assert not dialog._save.isEnabled()
    dialog._path.setText(str(tmp_path / "egg.glb"))
    assert dialog._save.isEnabled()
    assert dialog.scale == 1.0
    dialog._units.setCurrentIndex(CONVERT)
    dialog._given.setCurrentIndex(2)
    dialog._wanted.setCurrentIndex(0)
    assert dialog.scale == pytest.approx(1000)
    assert dialog._result.text() == "4,000 × 2,400 × 1,600 mm"
    dialog.accept()
    assert dialog.result() == QDialog.DialogCode.Accepted
    dialog.deleteLater()


def test_nothing_that_an_export_would_replace_is_replaced_unasked(
    open_window, qtbot, cloud_file, tmp_path, monkeypatch
):
    app = open_window(viewport=False)
    app.controller.open_files([cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    dialog = ExportDialog(app.session.state.current_item.outcome, "egg", tmp_path, app.window)
    dialog._path.setText(str(tmp_path / "egg.ply"))
    dialog._report.setChecked(True)
    beside = [tmp_path / name for name in ("egg.ply.certificate.json", "egg.ply.report.json")]
    for path in (*beside, tmp_path / "egg.json"):
        path.write_text("mine")
    asked = []
    monkeypatch.setattr(dialog, "_may_replace", lambda paths: asked.append(paths))
    dialog.accept()
    assert asked == [beside]
    assert dialog.result() != QDialog.DialogCode.Accepted
    dialog._report.setChecked(False)
    dialog._certificate.setChecked(False)
    dialog.accept()
    assert asked == [beside]
    assert dialog.result() == QDialog.DialogCode.Accepted
    dialog.deleteLater()


def press(qtbot, words):
    """Press a button of the question that is going to be asked."""

    def answer():
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        (button,) = [button for button in box.buttons() if button.text().replace("&", "") == words]
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    QTimer.singleShot(200, answer)


def test_a_file_is_replaced_if_the_user_says_so_and_kept_if_not(open_window, qtbot, cloud_file, tmp_path):
    app = open_window(viewport=False)
    app.controller.open_files([cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    (tmp_path / "egg.ply").write_text("mine")
    dialog = ExportDialog(app.session.state.current_item.outcome, "egg", tmp_path, app.window)
    dialog._path.setText(str(tmp_path / "egg.ply"))
    press(qtbot, "Cancel")
    dialog.accept()
    assert dialog.result() != QDialog.DialogCode.Accepted
    press(qtbot, "Replace")
    dialog.accept()
    assert dialog.result() == QDialog.DialogCode.Accepted
    dialog.deleteLater()


def test_the_export_dialog_says_why_a_name_will_not_do_and_keeps_off_the_input(
    open_window, qtbot, cloud_file, tmp_path
):
    app = open_window(viewport=False)
    app.controller.open_files([cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    source = tmp_path / "part 1.2.obj"
    source.write_text("mine")
    outcome = app.session.state.current_item.outcome
    dialog = ExportDialog(outcome, "part 1.2", tmp_path, app.window, source)
    assert dialog.choice.path == tmp_path / "part 1.2-mesh.obj"
    refused = {
        str(source): "the file that the mesh was made from",
        str(tmp_path / "x.fbx"): "must end in one of .obj",
        str(tmp_path / "nowhere" / "a.obj"): f"There is no folder {tmp_path / 'nowhere'}.",
    }
    for name, reason in refused.items():
        dialog._path.setText(name)
        assert not dialog._save.isEnabled()
        assert reason in dialog._problem.text().replace("\u200b", "")
        assert reason in dialog._save.toolTip()
    dialog._path.setText(str(tmp_path / "part 1.2"))
    dialog._format.setCurrentIndex(dialog._format.findData("glb"))
    assert dialog.choice.path == tmp_path / "part 1.2.glb"
    assert dialog._save.isEnabled()
    assert dialog._problem.text() == ""
    dialog.deleteLater()


def test_an_export_waits_for_no_other_work(open_window, qtbot, cloud_file, tmp_path, monkeypatch):
    other = tmp_path / "other.xyz"
    other.write_bytes(cloud_file.read_bytes())

    def stream(request, cancel):
        return (endless_stream if request.source.path == other else short_stream)(request, cancel)

    app = open_window(stream=stream, viewport=False)
    app.controller.open_files([cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    first = app.session.state.current
    app.controller.open_files([other])
    qtbot.waitUntil(lambda: app.session.state.current != first)
    wait_for(qtbot, app, ItemState.RUNNING)
    running = app.session.state.active
    app.controller.select(first)
    target = tmp_path / "egg.ply"
    monkeypatch.setattr(app.window.dialogs, "choose_export", lambda *_: ExportChoice(target))
    app.window.actions_by_name["export"].trigger()
    qtbot.waitUntil(lambda: app.session.state.current_item.exported is not None, timeout=20_000)
    assert inspect_mesh(read_mesh(target)).is_closed_sphere
    assert app.session.state.active.job == running.job
    assert app.session.state.items[1].state is ItemState.RUNNING
    assert app.controller.unwritten() == ()


def test_a_window_with_files_to_write_asks_before_it_closes(
    open_window, qtbot, cloud_file, tmp_path, monkeypatch
):
    app = open_window(stream=endless_stream, viewport=False)
    app.controller.open_files([cloud_file])
    wait_for(qtbot, app, ItemState.RUNNING)
    monkeypatch.setattr(app.controller, "unwritten", lambda: ("egg.ply",))
    press(qtbot, "Cancel")
    app.window.close()
    assert app.window.isVisible()
    assert app.session.state.current_item.state is ItemState.RUNNING
    press(qtbot, "Close all the same")
    app.window.close()
    assert not app.window.isVisible()


@pytest.fixture
def writing(open_window, qtbot, cloud_file, tmp_path, monkeypatch):
    """A window that is in an export which nothing stops, and what lets the export end."""
    begun, gate = threading.Event(), threading.Event()

    def task(report, cancel):
        begun.set()
        gate.wait(60)

    app = open_window(viewport=False)
    app.controller.open_files([cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    monkeypatch.setattr(work, "export", lambda *_: task)
    monkeypatch.setattr(app.window.dialogs, "choose_export", lambda *_: ExportChoice(tmp_path / "egg.ply"))
    app.window.actions_by_name["export"].trigger()
    qtbot.waitUntil(begun.is_set)
    yield app, gate
    gate.set()
    qtbot.waitUntil(lambda: app.controller.shutdown(0.0))


def test_a_window_that_closes_during_an_export_lives_on_until_that_has_ended(writing, qtbot):
    app, gate = writing
    press(qtbot, "Close all the same")
    began = time.monotonic()
    app.window.close()
    assert time.monotonic() - began < 5.0
    assert not app.window.isEnabled()
    qtbot.wait(300)
    assert app.window.isVisible()
    assert "Finishing what cannot be stopped" in texts(app.window.job_bar)
    gate.set()
    qtbot.waitUntil(app.window.isHidden, timeout=5000)
    assert app.controller.shutdown(0.0), "before the window was gone"


def test_a_window_that_is_closed_twice_waits_for_no_export(writing, qtbot):
    app, _ = writing
    press(qtbot, "Close all the same")
    app.window.close()
    assert app.window.isVisible()
    app.window.close()
    assert not app.window.isVisible()
    assert not app.controller.shutdown(0.0)


def test_recent_files_are_listed_and_forgotten_on_request(open_window, qtbot, cloud_file):
    app = open_window(viewport=False)
    app.controller.open_files([cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    first, line, forget = app.window.recent_menu.actions()
    assert cloud_file.name in first.text()
    assert line.isSeparator()
    forget.trigger()
    assert app.session.state.recent == ()
    assert not app.window.recent_menu.isEnabled()
