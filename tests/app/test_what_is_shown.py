"""What the window says and shows is so, also before there is a result and after an export."""

from __future__ import annotations

import json
import time
from dataclasses import replace

from PySide6.QtCore import QTimer
from PySide6.QtGui import Qt, QTextDocument
from PySide6.QtWidgets import QApplication

from nmf_app.jobs import Job, JobKind
from nmf_app.ports import ExportChoice
from nmf_app.session import ActiveJob, ItemState, Notice, NoticeKind
from nmf_app.wording import folders_apart, number
from nmf_model.geometry.template import icosphere

from .conftest import endless_stream, short_stream
from .test_window import drop, press, texts, wait_for


def opacity(app):
    return app.window.stage.viewport.scene._mesh_actor.prop.opacity


def test_the_sphere_that_all_begin_with_hides_nothing_of_the_input(open_window, qtbot, cloud_file, tmp_path):
    app = open_window()
    parameters = app.session.state.parameters
    app.controller.set_parameters(replace(parameters, start_at_once=False))
    drop(app.window, [cloud_file])
    wait_for(qtbot, app, ItemState.READY)
    assert opacity(app) < 1
    app.controller.reconstruct()
    wait_for(qtbot, app, ItemState.DONE)
    assert opacity(app) == 1
    sphere = icosphere(2)
    lines = [*(f"v {x} {y} {z}" for x, y, z in sphere.vertices)]
    lines += [f"f {a} {b} {c}" for a, b, c in sphere.faces[1:] + 1]
    (tmp_path / "open.obj").write_text("\n".join(lines))
    drop(app.window, [tmp_path / "open.obj"])
    wait_for(qtbot, app, ItemState.READY)
    assert app.session.state.current_item.loaded.broken is not None
    assert opacity(app) == 1, "a broken mesh is itself what was given"


def test_the_numbers_below_an_exported_file_are_those_of_that_file(
    open_window, qtbot, cloud_file, tmp_path, monkeypatch
):
    app = open_window(viewport=False)
    drop(app.window, [cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    before = app.session.state.current_item.outcome.report
    target = tmp_path / "egg.ply"
    monkeypatch.setattr(app.window.dialogs, "choose_export", lambda *_: ExportChoice(target, scale=10.0))
    app.window.actions_by_name["export"].trigger()
    qtbot.waitUntil(lambda: app.session.state.current_item.exported is not None, timeout=20_000)
    qtbot.waitUntil(lambda: "As read back from egg.ply" in texts(app.window.side_panel), timeout=20_000)
    certificate = json.loads((tmp_path / "egg.ply.certificate.json").read_text())["report"]
    shown = texts(app.window.side_panel).split(" | ")
    assert number(certificate["area"]) == number(100 * before.area)
    assert shown[shown.index("Area") + 1] == number(certificate["area"])
    assert shown[shown.index("Volume") + 1] == number(certificate["volume"])


def test_files_of_one_name_are_told_apart_in_the_list(open_window, qtbot, cloud_file, tmp_path):
    paths = [tmp_path / folder / "scan.xyz" for folder in ("left/raw", "right/raw")]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_bytes(cloud_file.read_bytes())
    app = open_window(viewport=False)
    drop(app.window, [*paths, cloud_file])
    qtbot.waitUntil(
        lambda: {item.state for item in app.session.state.items} == {ItemState.DONE}, timeout=20_000
    )
    words = Qt.ItemDataRole.AccessibleTextRole
    rows = [app.window.queue._list.item(row).data(words) for row in range(3)]
    assert rows == ["scan.xyz, Done · in left", "scan.xyz, Done · in right", "egg.xyz, Done"]
    once_more = (*app.session.state.items, replace(app.session.state.items[0], key=99))
    assert folders_apart(once_more)[99] == "left", "the same file twice is still not the other one"


def test_a_result_that_took_long_is_not_taken_off_the_list_unasked(open_window, qtbot, cloud_file, tmp_path):
    def stream(request, cancel):
        seconds = 61.0 if request.source.name == "egg" else 1.0
        return replace((yield from short_stream(request, cancel)), seconds=seconds)

    other = tmp_path / "other.xyz"
    other.write_bytes(cloud_file.read_bytes())
    app = open_window(stream, viewport=False)
    drop(app.window, [cloud_file, other])
    qtbot.waitUntil(
        lambda: {item.state for item in app.session.state.items} == {ItemState.DONE}, timeout=20_000
    )
    long, short = (item.key for item in app.session.state.items)
    asked = []
    QTimer.singleShot(100, lambda: asked.append(QApplication.activeModalWidget().text()))
    press(qtbot, "Cancel")
    app.window.queue.removed.emit(long)
    assert asked == ["1 result that took 1:01 min to make was not exported."]
    app.window.queue.removed.emit(short)
    assert [item.key for item in app.session.state.items] == [long]


def test_what_waits_for_no_job_in_sight_is_said_and_can_be_cancelled(open_window, qtbot, cloud_file):
    """As files that are dropped while the window still loads what every reconstruction needs."""
    app = open_window(viewport=False)
    going = []

    def load(report, cancel):
        going.append(True)
        while going:
            time.sleep(0.005)

    app.runner.submit(Job(9999, JobKind.WARM_UP, "warm up", load))
    qtbot.waitUntil(lambda: bool(going), timeout=20_000)
    try:
        assert "Ready" in texts(app.window.job_bar)
        drop(app.window, [cloud_file])
        assert app.session.state.active is None
        assert "Preparing" in texts(app.window.job_bar)
        for name in ("cancel", "cancel_all"):
            assert app.window.actions_by_name[name].isEnabled()
        app.window.actions_by_name["cancel"].trigger()
        wait_for(qtbot, app, ItemState.CANCELLED)
    finally:
        going.clear()


def test_what_is_loaded_unseen_is_no_file_that_waits(open_window, qtbot, cloud_file):
    app = open_window(endless_stream, viewport=False)
    drop(app.window, [cloud_file])
    wait_for(qtbot, app, ItemState.RUNNING)
    app.runner.submit(Job(9999, JobKind.WARM_UP, "warm up", lambda report, cancel: None))
    assert app.runner.waiting() == 0


def test_the_time_left_is_not_made_longer_by_a_bar_that_stands_still(open_window, monkeypatch):
    now = [10.0]
    monkeypatch.setattr("nmf_app.widgets.job_bar.time.monotonic", lambda: now[0])
    app = open_window(viewport=False)
    app.session.update(active=ActiveJob(7, JobKind.EXPORT, 1, "egg.xyz", 0.0, "Writing", 0.25))
    assert "10 s · about 30 s left" in texts(app.window.job_bar)
    now[0] = 30.0
    app.window.job_bar._show_times()
    assert "30 s · about 10 s left" in texts(app.window.job_bar)
    now[0] = 60.0
    app.window.job_bar._show_times()
    assert "1:00 min" in texts(app.window.job_bar)
    assert "left" not in texts(app.window.job_bar)
    app.session.update(active=None)


def test_a_name_is_no_markup_where_the_mouse_rests_on_it(open_window, qtbot, cloud_file, tmp_path):
    def read(tip):
        """What a tooltip shows, as Qt decides."""
        document = QTextDocument()
        document.setHtml(tip) if Qt.mightBeRichText(tip) else document.setPlainText(tip)
        return document.toPlainText()

    paths = [cloud_file.rename(tmp_path / "a <b>bold<b> & &lt;.xyz"), tmp_path / "no &lt; file.xyz"]
    app = open_window(viewport=False)
    drop(app.window, paths)
    wait_for(qtbot, app, ItemState.DONE)
    qtbot.waitUntil(lambda: app.session.state.items[1].state is ItemState.FAILED, timeout=20_000)
    rows = [app.window.queue._list.item(row).toolTip() for row in range(2)]
    assert read(rows[0]) == str(paths[0])
    assert read(rows[1]).startswith(f"{paths[1]}\n")
    assert read(app.window.recent_menu.actions()[0].toolTip()) == str(paths[0])
    assert read(app.window.side_panel.input._name.toolTip()) == str(paths[0])
    app.session.update(notice=Notice(NoticeKind.ERROR, f"{paths[1]} is not there."))
    assert read(app.window.job_bar._sentence.toolTip()) == f"{paths[1]} is not there."
