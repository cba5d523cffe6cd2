"""Seals, certificates and broken meshes in the real window, under a (virtual) display."""

from __future__ import annotations

import functools
import json
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from PySide6.QtWidgets import QWidget

from nmf_app import work
from nmf_app.__main__ import main
from nmf_app.ports import ExportChoice
from nmf_app.session import ItemState, NoticeKind, Theme
from nmf_app.widgets.export_dialog import ExportDialog
from nmf_app.widgets.scene import DEFECTS
from nmf_app.widgets.seal import Seal
from nmf_app.wording import broken_explanation, broken_lines, result_notes
from nmf_model import texture
from nmf_model.certificate import file_sha256
from nmf_model.findings import Region, Residual, notes_of, residual_notes
from nmf_model.io.meshes import read_mesh, write_mesh
from nmf_model.types import Mesh

from .conftest import short_stream
from .test_window import drop, item_state, picture, texts, wait_for


def crossing_stream(request, cancel):
    result = yield from short_stream(request, cancel)
    vertices = result.mesh.vertices.copy()
    vertices[:3] *= -1.5
    return replace(result, mesh=Mesh(vertices, result.mesh.faces))


@pytest.fixture
def broken_file(tmp_path):
    """A ball with two holes, one flipped face, a fin, and a spike through it."""
    ball = trimesh.creation.icosphere(3)
    vertices, faces = np.array(ball.vertices), np.array(ball.faces, dtype=np.int64)
    centres = vertices[faces].mean(axis=1)
    faces = faces[(abs(centres[:, 2]) < 0.9)]
    centres = vertices[faces].mean(axis=1)
    flipped = int(np.argmax(centres @ [1.0, 0, 0]))
    faces[flipped] = faces[flipped, ::-1]
    vertices[int(np.argmin(vertices @ [0, 1.0, 0]))] *= -1.4
    finned = faces[int(np.argmin(centres @ [1.0, 0, 0]))]
    vertices = np.vstack([vertices, vertices[finned].mean(axis=0) * 1.3])
    faces = np.vstack([faces, [finned[0], finned[1], len(vertices) - 1]])
    path = tmp_path / "scan.ply"
    write_mesh(Mesh(vertices, faces), path)
    return path


def seal_of(app):
    return app.window.side_panel.report.findChild(Seal)


def test_from_a_drop_to_a_certificate_that_verifies(open_window, qtbot, cloud_file, tmp_path, monkeypatch):
    app = open_window()
    drop(app.window.stage.viewport, [cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    qtbot.waitUntil(lambda: seal_of(app) is not None and seal_of(app).isVisible())
    assert "Certified" in texts(seal_of(app))
    for fact in ("No faces cross", "Tested exactly", "V − E + F = 2"):
        assert fact in seal_of(app).toolTip()
    outcome = app.session.state.current_item.outcome
    dialog = ExportDialog(outcome, "egg", tmp_path, app.window)
    dialog._path.setText(str(tmp_path / "egg.glb"))
    assert dialog.choice == ExportChoice(tmp_path / "egg.glb", with_certificate=True)
    monkeypatch.setattr(app.window.dialogs, "choose_export", lambda *_: dialog.choice)
    app.window.actions_by_name["export"].trigger()
    qtbot.waitUntil(lambda: app.session.state.current_item.exported is not None, timeout=20_000)
    dialog.deleteLater()
    certificate = json.loads((tmp_path / "egg.glb.certificate.json").read_text())
    assert certificate["certified"] is True
    assert certificate["input"] == {"name": "egg.xyz", "sha256": file_sha256(cloud_file)}
    assert certificate["file_sha256"] == file_sha256(tmp_path / "egg.glb")
    assert "certified" in app.session.state.notice.sentence
    assert main(["--verify", str(tmp_path / "egg.glb"), "--quiet"]) == 0
    mesh = read_mesh(tmp_path / "egg.glb")
    write_mesh(Mesh(mesh.vertices, mesh.faces[1:]), tmp_path / "egg.glb")
    assert main(["--verify", str(tmp_path / "egg.glb"), "--quiet"]) == 3


def test_the_box_switches_the_certificate_off(open_window, qtbot, cloud_file, tmp_path, monkeypatch):
    app = open_window(viewport=False)
    app.controller.open_files([cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    dialog = ExportDialog(app.session.state.current_item.outcome, "egg", tmp_path, app.window)
    dialog._certificate.setChecked(False)
    monkeypatch.setattr(app.window.dialogs, "choose_export", lambda *_: dialog.choice)
    app.window.actions_by_name["export"].trigger()
    qtbot.waitUntil(lambda: app.session.state.current_item.exported is not None, timeout=20_000)
    dialog.deleteLater()
    assert not list(tmp_path.glob("*.certificate.json"))
    assert b"nmf-certificate" not in (tmp_path / "egg.obj").read_bytes()


def test_crossings_are_told_in_red(open_window, qtbot, cloud_file):
    app = open_window(crossing_stream, viewport=False)
    app.controller.open_files([cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    count = app.session.state.current_item.outcome.report.self_intersecting_faces
    assert count > 0
    qtbot.waitUntil(lambda: seal_of(app) is not None and seal_of(app).isVisible())
    words = texts(seal_of(app))
    assert "Not certified" in words
    assert f"{count:,} faces cross others" in words
    assert seal_of(app).property("role") == "bad"


def test_crossing_faces_of_a_result_are_marked_and_move_with_the_flow(open_window, qtbot, cloud_file):
    app = open_window(crossing_stream)
    drop(app.window, [cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    outcome = app.session.state.current_item.outcome
    assert len(outcome.crossing_faces) == outcome.report.self_intersecting_faces
    scene, flow = app.window.stage.viewport.scene, outcome.reconstruction.trajectory
    qtbot.waitUntil(lambda: set(scene._defect_actors) == {"crossing_faces"})
    marked = scene._defect_actors["crossing_faces"].mapper.dataset
    assert marked.n_cells == len(outcome.crossing_faces)
    assert np.array_equal(marked.regular_faces, flow.faces[outcome.crossing_faces])
    seen = picture(app)
    scene.set_defects(None)
    assert (picture(app) != seen).any(), "the marks can be seen"
    scene.set_crossings(flow.vertices[-1], flow.faces, outcome.crossing_faces)
    marked = scene._defect_actors["crossing_faces"].mapper.dataset
    for vertices in (flow.vertices[0], flow.vertices[-1]):
        app.window.stage.show_vertices(vertices, flow.faces)
        assert np.array_equal(marked.points, vertices)
        assert scene._defect_actors["crossing_faces"].visibility
    app.window.stage.show_vertices(flow.vertices[0], flow.faces.copy())
    assert not scene._defect_actors["crossing_faces"].visibility, "it is another mesh"
    (row,) = [
        row for row in app.window.side_panel.report.findChildren(QWidget)
        if row.accessibleName().startswith("Failed") and "cross others" in row.accessibleName()
    ]  # fmt: skip
    assert "marks these places in this colour" in row.toolTip()
    app.controller.remove_all()
    assert not scene._defect_actors


def missing_stream(request, cancel):
    result = yield from short_stream(request, cancel)
    missed = Region(result.normalization.to_file(np.array([[0.0, 0.8, 0.0]]))[0], 0.4, 0.05)
    residual = Residual(missed=(missed,))
    return replace(result, residual=residual, notes=residual_notes(residual, ()))


def test_what_a_mesh_misses_is_said_and_marked_until_the_input_is_hidden(open_window, qtbot, cloud_file):
    app = open_window(missing_stream)
    drop(app.window, [cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    (mark,) = app.session.state.current_item.outcome.marks
    assert mark == pytest.approx((0.0, 0.8, 0.0, 0.2), abs=1e-6)
    report = app.window.side_panel.report
    qtbot.waitUntil(lambda: "stays away from 5.0 % of the points, in one place" in texts(report))
    scene = app.window.stage.viewport.scene
    assert scene._marks_actor.visibility
    shown = picture(app)
    scene.set_marks(())
    assert (picture(app) != shown).any(), "the mark can be seen"
    app.controller.remove_all()
    assert scene._marks_actor is None


@pytest.fixture
def pinched_file(tmp_path):
    """Two balls, one with a hole, that touch in one vertex."""
    ball = trimesh.creation.icosphere(2)
    other = ball.copy()
    other.apply_translation(2 * ball.vertices[0])
    other.vertices[np.argmin(np.linalg.norm(other.vertices - ball.vertices[0], axis=1))] = ball.vertices[0]
    other.update_faces(np.arange(len(other.faces)) != np.argmax(other.triangles_center @ ball.vertices[0]))
    path = tmp_path / "pinched.stl"
    trimesh.util.concatenate([ball, other]).export(path)
    return path


def test_a_bad_joint_without_an_edge_is_marked_too(open_window, qtbot, pinched_file):
    app = open_window()
    drop(app.window, [pinched_file])
    wait_for(qtbot, app, ItemState.READY)
    surface = app.session.state.current_item.loaded.broken
    assert (len(surface.defects.crowded_edges), len(surface.pinched)) == (0, 1)
    assert {line.text: mark for mark, line in broken_lines(surface)}["1 bad joint"] == "crowded_edges"
    actor = app.window.stage.viewport.scene._defect_actors["crowded_edges"]
    assert actor.mapper.dataset.n_verts == 1
    marked = picture(app)
    actor.visibility = False
    assert (picture(app) != marked).any(), "the mark can be seen"


def test_no_more_is_said_to_be_marked_than_is(open_window, qtbot, pinched_file):
    app = open_window(viewport=False)
    app.controller.open_files([pinched_file])
    wait_for(qtbot, app, ItemState.READY)
    surface = app.session.state.current_item.loaded.broken
    assert "marks the places in these colours" in broken_explanation(surface)
    flat = replace(surface.report, degenerate_faces=1)
    words = broken_explanation(replace(surface, report=flat))
    assert "marks the places of what has a dot in these colours" in words
    whole = replace(surface, report=replace(surface.report, watertight=True), pinched=surface.pinched[:0])
    none = replace(whole.defects, open_edges=whole.defects.open_edges[:0])
    assert "marks" not in broken_explanation(replace(whole, defects=none))


def test_a_dropped_mesh_is_described_by_its_own_vertices_and_faces_and_each_fault_once(
    open_window, qtbot, pinched_file
):
    app = open_window(viewport=False)
    app.controller.open_files([pinched_file])
    wait_for(qtbot, app, ItemState.READY)
    panel = app.window.side_panel
    qtbot.waitUntil(lambda: "1 hole" in texts(panel.broken))
    assert "323 vertices, 639 faces" in texts(panel.input)
    assert "The mesh has 1 hole." not in texts(panel.input)


def test_of_several_bodies_is_said_once_and_what_to_click(open_window, qtbot, tmp_path):
    ball = trimesh.creation.icosphere(3)
    other = ball.copy()
    other.apply_translation([3, 0, 0])
    trimesh.util.concatenate([ball, other]).export(tmp_path / "two.stl")
    app = open_window(viewport=False)
    app.controller.open_files([tmp_path / "two.stl"])
    wait_for(qtbot, app, ItemState.DONE)
    panel, click = (
        app.window.side_panel,
        "“Split into bodies” in the menu “Reconstruct” makes one mesh of each",
    )
    qtbot.waitUntil(lambda: click in texts(panel))
    words = texts(panel)
    assert "--" not in words
    assert "consists of 2 separate pieces" not in words
    item = app.session.state.current_item
    notes = (*notes_of(item.loaded.findings), "Another.")
    told = replace(item.outcome, reconstruction=replace(item.outcome.reconstruction, notes=notes))
    assert result_notes(replace(item, outcome=told)) == ("Another.",)


def test_a_broken_mesh_is_shown_with_its_bad_places_and_repaired_on_request(open_window, qtbot, broken_file):
    app = open_window()
    drop(app.window, [broken_file])
    wait_for(qtbot, app, ItemState.READY)
    item = app.session.state.current_item
    defects = item.loaded.broken.defects
    assert defects.holes == 3, "two caps and the fin's free side"
    assert len(defects.crowded_edges) == 1
    assert len(defects.flipped_edges) == 3
    assert len(defects.crossing_faces) > 0
    assert app.session.state.notice.kind is NoticeKind.ERROR
    panel = app.window.side_panel
    qtbot.waitUntil(lambda: "faces cross others" in texts(panel.broken))
    for words in ("This mesh is not sound", "3 holes", "opposite ways along 3 edges", "faces cross others"):
        assert words in texts(panel.broken)
    marks = {mark for mark, _ in broken_lines(item.loaded.broken)}
    assert marks >= set(DEFECTS)
    scene = app.window.stage.viewport.scene
    assert set(scene._defect_actors) == set(DEFECTS)
    marked = picture(app)
    assert scene._mesh.n_points == len(item.loaded.broken.vertices)
    scene.set_defects(None)
    unmarked = picture(app)
    scene.set_defects(item.loaded.broken)
    assert (unmarked != marked).any(), "the marks can be seen"
    app.controller.set_view(replace(app.session.state.view, theme=Theme.DARK))
    assert (picture(app) != marked).any()
    assert panel._reconstruct.text() == "Repair by wrapping"
    panel._reconstruct.click()
    wait_for(qtbot, app, ItemState.DONE)
    assert not scene._defect_actors
    assert not panel.broken.isVisible()
    qtbot.waitUntil(lambda: seal_of(app) is not None and seal_of(app).isVisible())
    assert "Certified" in texts(seal_of(app))


def test_a_sound_mesh_goes_on_at_once_and_so_does_a_broken_one_of_many(
    open_window, qtbot, broken_file, tmp_path
):
    whole = tmp_path / "whole.stl"
    trimesh.creation.box().export(whole)
    app = open_window(viewport=False)
    app.controller.open_files([whole])
    wait_for(qtbot, app, ItemState.DONE)
    assert app.session.state.current_item.loaded.broken is None
    app.controller.remove_all()
    app.controller.open_files([broken_file, whole])
    qtbot.waitUntil(
        lambda: [item.state for item in app.session.state.items] == [ItemState.DONE, ItemState.DONE],
        timeout=20_000,
    )


def test_seams_are_no_faults(open_window, qtbot, tmp_path):
    """Split vertices, as along the seams of a texture, leave a box whole."""
    box = trimesh.creation.box()
    path = tmp_path / "seams.ply"
    split = np.array(box.triangles).reshape(-1, 3)
    write_mesh(Mesh(split, np.arange(36).reshape(-1, 3)), path)
    app = open_window(viewport=False)
    app.controller.open_files([path])
    wait_for(qtbot, app, ItemState.DONE)
    assert app.session.state.current_item.loaded.broken is None
    assert item_state(app) is ItemState.DONE


def test_a_large_mesh_is_checked_without_holding_the_window_up(open_window, qtbot, tmp_path):
    ball = trimesh.creation.icosphere(6)
    path = tmp_path / "large.ply"
    write_mesh(Mesh(np.array(ball.vertices), np.array(ball.faces, dtype=np.int64)[1:]), path)
    assert path.stat().st_size > work.READ_AT_ONCE_BYTES
    app = open_window(viewport=False)
    app.controller.open_files([path])
    wait_for(qtbot, app, ItemState.READY, timeout=60_000)
    found = app.session.state.current_item.loaded.broken
    assert (found.defects.holes, len(found.defects.open_edges), len(found.faces)) == (1, 3, 81_919)
    app.controller.remove_all()
    app.controller.open_files([path])
    wait_for(qtbot, app, ItemState.READING)
    app.controller.cancel_all()
    qtbot.waitUntil(lambda: app.session.state.current_item.state is ItemState.CANCELLED, timeout=20_000)


@pytest.fixture
def painted_ball(tmp_path):
    ball = trimesh.creation.icosphere(3)
    ball.visual.vertex_colors = np.where(ball.vertices[:, :1] > 0, [255, 0, 0, 255], [0, 0, 255, 255])
    ball.export(tmp_path / "ball.ply")
    return tmp_path / "ball.ply"


def test_a_texture_is_offered_where_the_format_holds_one(
    open_window, qtbot, painted_ball, tmp_path, monkeypatch
):
    # The real one, with a smaller picture.
    small = functools.partial(texture.export_textured, chart_size=64)
    monkeypatch.setattr(texture, "export_textured", small)
    app = open_window(viewport=False)
    app.controller.open_files([painted_ball])
    wait_for(qtbot, app, ItemState.DONE)
    dialog = ExportDialog(app.session.state.current_item.outcome, "out", tmp_path, app.window)
    box = dialog._texture
    assert box.isEnabled()
    assert not box.isChecked()
    box.click()
    assert dialog.choice.with_texture
    for suffix in ("stl", "ply", "off", "3mf"):
        dialog._path.setText(str(tmp_path / f"out.{suffix}"))
        assert not box.isEnabled()
        assert not dialog.choice.with_texture
        assert box.toolTip() == f"{suffix.upper()} holds no texture; OBJ and GLB do."
    assert "beside the file" not in dialog._certificate.text()
    dialog._path.setText(str(tmp_path / "out.stl"))
    assert dialog._certificate.text() == "Certificate beside the file (JSON)"
    dialog._path.setText(str(tmp_path / "out.glb"))
    assert dialog.choice.with_texture, "the wish is remembered"
    choice = replace(dialog.choice, scale=10.0)
    monkeypatch.setattr(app.window.dialogs, "choose_export", lambda *_: choice)
    app.window.actions_by_name["export"].trigger()
    qtbot.waitUntil(lambda: app.session.state.current_item.exported is not None, timeout=100_000)
    dialog.deleteLater()
    (part,) = trimesh.load_scene(tmp_path / "out.glb").geometry.values()
    assert np.ptp(part.vertices[:, 0]) == pytest.approx(40, rel=1e-3), (
        "an ellipsoid of half axis 2, ten times"
    )
    assert part.visual.material.baseColorTexture.size == (192, 128)
    assert main(["--verify", str(tmp_path / "out.glb"), "--quiet"]) == 0


@pytest.mark.parametrize(("stream", "certificate"), [("sound", True), ("sound", False), ("crossing", True)])
def test_an_exported_report_holds_the_notes_and_whether_the_file_is_certified(
    stream, certificate, open_window, qtbot, cloud_file, tmp_path, monkeypatch
):
    app = open_window(viewport=False, stream=short_stream if stream == "sound" else crossing_stream)
    app.controller.open_files([cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    choice = ExportChoice(tmp_path / "egg.ply", with_report=True, with_certificate=certificate)
    monkeypatch.setattr(app.window.dialogs, "choose_export", lambda *_: choice)
    app.window.actions_by_name["export"].trigger()
    qtbot.waitUntil(lambda: app.session.state.current_item.exported is not None, timeout=100_000)
    written = json.loads((tmp_path / "egg.ply.report.json").read_text())
    assert written["notes"] == list(app.session.state.current_item.outcome.reconstruction.notes)
    assert written["certified"] is (certificate and stream == "sound")


def test_nothing_that_an_export_writes_replaces_the_file_the_mesh_was_made_from(
    open_window, qtbot, painted_ball, tmp_path
):
    app = open_window(viewport=False)
    app.controller.open_files([painted_ball])
    wait_for(qtbot, app, ItemState.DONE)
    outcome = app.session.state.current_item.outcome
    boxes = {
        "toy.png": "_texture",
        "toy.mtl": "_texture",
        "toy.obj.certificate.json": "_certificate",
        "toy.obj.report.json": "_report",
    }
    for name, box in boxes.items():
        source = tmp_path / name
        source.write_text("mine")
        dialog = ExportDialog(outcome, "toy", tmp_path, app.window, source)
        button = getattr(dialog, box)
        if not button.isChecked():
            assert dialog._save.isEnabled()
            button.click()
        assert not dialog._save.isEnabled()
        assert f"“{name}”, which the mesh was made from, would be replaced" in dialog._problem.text().replace(
            "\u200b", ""
        )
        button.click()
        assert dialog._save.isEnabled()
        button.click()
        dialog._path.setText(str(tmp_path / "other.obj"))
        assert dialog._save.isEnabled()
        dialog.deleteLater()


def test_what_cannot_be_offered_is_grey_and_says_why(open_window, qtbot, cloud_file, tmp_path):
    app = open_window(viewport=False)
    app.controller.open_files([cloud_file])
    wait_for(qtbot, app, ItemState.DONE)
    outcome = app.session.state.current_item.outcome
    dialog = ExportDialog(outcome, "egg", tmp_path, app.window)
    assert not dialog._texture.isEnabled()
    assert dialog._texture.toolTip() == "The result has no colours."
    solid = dialog._format.findData("vtu")
    assert not dialog._format.model().item(solid).isEnabled(), "this result has no flow to fill it with"
    assert "flow" in dialog._format.model().item(solid).toolTip()
    dialog._path.setText(str(tmp_path / "egg.vtu"))
    assert not dialog._save.isEnabled()
    dialog.deleteLater()
    flowing = replace(outcome, reconstruction=replace(outcome.reconstruction, carrier=object()))
    dialog = ExportDialog(flowing, "egg", tmp_path, app.window)
    dialog._path.setText(str(tmp_path / "egg.msh"))
    assert dialog._save.isEnabled()
    assert dialog._format.currentData() == "msh"
    dialog.deleteLater()
