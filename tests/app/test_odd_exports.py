"""Exports and animations to odd places, and what is offered after failures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QFileDialog

from nmf_app import work
from nmf_app.ports import ExportChoice
from nmf_app.session import ItemState, NoticeKind
from nmf_app.widgets.export_dialog import ExportDialog
from nmf_model.errors import InputError

from .conftest import endless_stream, short_stream
from .test_window import press, texts, wait_for


@pytest.fixture
def finished(open_window, qtbot, cloud_file):
    app = open_window(viewport=False)
    app.controller.open_files([cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    return app


@pytest.fixture
def dialog(finished, tmp_path):
    folder = tmp_path / "proposed"
    folder.mkdir()
    made = ExportDialog(finished.session.state.current_item.outcome, "egg", folder, finished.window)
    yield made
    made.deleteLater()


def test_a_bare_name_goes_into_the_proposed_folder(dialog, tmp_path):
    for typed in ("part.obj", "  part.obj "):
        dialog._path.setText(typed)
        assert dialog._save.isEnabled()
        assert dialog.choice.path == tmp_path / "proposed" / "part.obj"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("taken.obj", "“taken.obj” is a folder there"),
        ("beside.obj", "“beside.obj.certificate.json” is a folder there"),
        ("~nobody-of-this-name/egg.obj", "There is no folder"),
        ("n" * 300 + "/egg.obj", "There is no folder"),
        ("locked/egg.obj", "There is no permission to write into"),
    ],
)
def test_what_cannot_be_written_is_refused_before_it_is_tried(dialog, tmp_path, monkeypatch, name, reason):
    for folder in ("taken.obj", "beside.obj.certificate.json", "locked"):
        (tmp_path / "proposed" / folder).mkdir()
    locked = tmp_path / "proposed" / "locked"  # the administrator may write everywhere
    monkeypatch.setattr("nmf_app.widgets.export_dialog.os.access", lambda path, _: path != locked)
    dialog._path.setText(name)
    assert reason in dialog._problem.text().replace("\u200b", "")
    assert not dialog._save.isEnabled()


def test_an_animation_that_cannot_be_written_is_not_drawn_first(finished, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(work, "_follow", lambda *_: drawn.append(True))
    outcome = finished.session.state.current_item.outcome
    (tmp_path / "folder.gif").mkdir()
    for path, reason in (("gone/a.gif", "the folder does not exist"), ("folder.gif", "it is a folder")):
        with pytest.raises(InputError, match=reason):
            work.save_animation(outcome, tmp_path / path, "light")(lambda _: None, lambda: False)
    assert not drawn


def test_an_animation_keeps_off_the_picture_it_comes_from(finished, qtbot, tmp_path, monkeypatch):
    source = tmp_path / "toy.gif"
    Image.new("RGB", (32, 32)).save(source)
    proposed, shown = [], []

    def choose(_parent, _title, start, *_):
        proposed.append(start)
        return str(source), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    monkeypatch.setattr(
        "nmf_app.widgets.dialogs.say_why", lambda _window, title, text: shown.append((title, text))
    )
    assert finished.window.dialogs.choose_animation("toy", tmp_path, source) is None
    assert proposed == [str(tmp_path / "toy-flow.gif")]
    assert shown == [("Choose another name", "“toy.gif” is what the mesh was made from.")]
    press(qtbot, "Replace")
    assert finished.window.dialogs.choose_animation("toy", tmp_path, tmp_path / "other.png") == source
    assert proposed[-1] == str(source)


def test_a_result_can_be_exported_after_another_attempt_failed(open_window, qtbot, cloud_file):
    runs = []

    def stream(request, cancel):
        runs.append(request)
        if len(runs) > 1:
            raise InputError("It does not work.")
        return (yield from short_stream(request, cancel))

    app = open_window(stream, viewport=False)
    app.controller.open_files([cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    app.window.actions_by_name["reconstruct"].trigger()
    wait_for(qtbot, app, ItemState.FAILED)
    assert app.session.state.notice.kind is NoticeKind.ERROR
    qtbot.waitUntil(lambda: "Certified" in texts(app.window.side_panel), timeout=20_000)
    assert app.window.side_panel._export.isVisible()
    assert app.window.side_panel._reconstruct.text() == "Reconstruct again"


def test_results_that_took_long_are_asked_about(open_window, qtbot, cloud_file, tmp_path, monkeypatch):
    def stream(request, cancel):
        return replace((yield from short_stream(request, cancel)), seconds=61.0)

    app = open_window(stream, viewport=False)
    app.controller.open_files([cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    asked = []

    def answer():
        asked.append(QApplication.activeModalWidget().text())

    for act in (app.window.actions_by_name["clear"].trigger, app.window.close):
        QTimer.singleShot(100, answer)
        press(qtbot, "Cancel")
        act()
        assert asked.pop() == "1 result that took 1:01 min to make was not exported."
        assert app.window.isVisible()
        assert len(app.session.state.items) == 1
    target = tmp_path / "egg.ply"
    monkeypatch.setattr(app.window.dialogs, "choose_export", lambda *_: ExportChoice(target))
    app.window.actions_by_name["export"].trigger()
    qtbot.waitUntil(lambda: app.session.state.current_item.exported is not None, timeout=20_000)
    app.window.actions_by_name["clear"].trigger()
    assert not app.session.state.items


def test_what_was_not_read_says_so_and_can_be_read_again(open_window, qtbot, tmp_path, cloud_file):
    late = tmp_path / "late.xyz"
    app = open_window(viewport=False)
    app.controller.open_files([late])
    wait_for(qtbot, app, ItemState.FAILED)
    button = app.window.side_panel._reconstruct
    assert (button.text(), button.isEnabled()) == ("Read again", True)
    late.write_bytes(cloud_file.read_bytes())
    button.click()
    wait_for(qtbot, app, ItemState.DONE)
    key = app.session.state.current
    app.session.update_item(key, state=ItemState.CANCELLED, loaded=None, outcome=None)
    qtbot.waitUntil(lambda: "Reading it was cancelled." in texts(app.window.side_panel), timeout=20_000)


def test_a_file_that_has_changed_is_read_again_before_it_is_reconstructed(
    open_window, qtbot, tmp_path, cloud_file
):
    path = tmp_path / "edited.xyz"
    path.write_bytes(cloud_file.read_bytes())
    app = open_window(viewport=False)
    app.controller.open_files([path])
    wait_for(qtbot, app, ItemState.DONE)
    first = app.session.state.current_item

    def again():
        before = app.session.state.current_item.outcome
        app.window.side_panel._reconstruct.click()
        qtbot.waitUntil(lambda: app.session.state.current_item.outcome not in (None, before), timeout=20_000)
        return app.session.state.current_item

    assert again().loaded is first.loaded, "it has not changed"
    np.savetxt(path, 3 * np.loadtxt(path))
    second = again()
    assert second.loaded.sha256 != first.loaded.sha256
    assert np.ptp(second.loaded.source.points) == pytest.approx(3 * np.ptp(first.loaded.source.points))
    assert second.other is None, "nothing of the file as it was is shown beside it"
    path.unlink()
    assert again().loaded is second.loaded, "it is gone, but still known"


def test_cancel_beside_the_running_job_stops_that_job(open_window, qtbot, cloud_file, tmp_path):
    other = tmp_path / "other.xyz"
    other.write_bytes(cloud_file.read_bytes())
    app = open_window(endless_stream, viewport=False)
    app.controller.open_files([cloud_file, other])
    qtbot.waitUntil(
        lambda: [item.state for item in app.session.state.items] == [ItemState.RUNNING, ItemState.WAITING],
        timeout=20_000,
    )
    app.controller.select(app.session.state.items[1].key)
    assert cloud_file.name in texts(app.window.job_bar)
    app.window.job_bar.cancel.click()
    qtbot.waitUntil(
        lambda: [item.state for item in app.session.state.items] == [ItemState.CANCELLED, ItemState.RUNNING],
        timeout=20_000,
    )


def test_a_name_without_an_ending_gets_that_of_the_chosen_format(dialog, tmp_path):
    folder = tmp_path / "proposed"
    (folder / "taken.glb").mkdir()
    dialog._format.setCurrentIndex(dialog._format.findData("glb"))
    for typed in ("horse", str(folder / "horse"), " horse "):
        dialog._path.setText(typed)
        assert dialog._save.isEnabled()
        assert dialog.choice.path == folder / "horse.glb"
        assert dialog._format.currentData() == "glb"
        assert dialog._problem.text() == "It is written as horse.glb."
    dialog._format.setCurrentIndex(dialog._format.findData("stl"))
    assert dialog._path.text() == "horse.stl"
    assert not dialog._problem.text()
    dialog._format.setCurrentIndex(dialog._format.findData("glb"))
    for typed, reason in (
        ("taken", "“taken.glb” is a folder there"),
        (str(folder), "“proposed” is a folder; type the name of a file in it."),
        (f"{folder}/", "“proposed” is a folder; type the name of a file in it."),
        ("horse.v2", "The name must end in one of"),
        ("horse.", "The name must end in one of"),
    ):
        dialog._path.setText(typed)
        assert reason in dialog._problem.text().replace("\u200b", "")
        assert not dialog._save.isEnabled()
