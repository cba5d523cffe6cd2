"""A real picture in a real window: its result is looked at from where it was taken, and wears it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nmf_app.session import ItemState
from nmf_app.widgets.export_dialog import ExportDialog
from nmf_app.work import drawn_target
from nmf_model.reconstruct import stream

from .test_window import drop, picture, wait_for

ARMCHAIR = Path(__file__).resolve().parents[2] / "resources" / "examples" / "armchair.webp"


def test_a_picture_s_result_is_looked_at_from_its_viewer_and_wears_it(open_window, qtbot, tmp_path):
    app = open_window(stream)
    scene = app.window.stage.viewport.scene
    drop(app.window.stage.viewport, [ARMCHAIR])
    wait_for(qtbot, app, ItemState.DONE, timeout=120_000)
    app.window.timeline.pause()
    outcome = app.session.state.current_item.outcome
    result, drape = outcome.reconstruction, outcome.drape
    assert result.method == "network"
    assert result.viewer[1] > np.sin(np.radians(10)), "the picture looks down on it"
    np.testing.assert_array_equal(scene.viewer, result.viewer)

    height, width = drape.picture.shape[:2]
    columns = (drape.places[:, 0] * width).astype(int).clip(0, width - 1)
    rows = ((1 - drape.places[:, 1]) * height).astype(int).clip(0, height - 1)
    same = (drape.picture[rows, columns] == result.mesh.colors).all(axis=1)
    assert same.mean() > 0.99, "but for rounding at the border between two pixels"

    dialog = ExportDialog(outcome, "armchair", tmp_path, app.window)
    assert dialog.choice.with_texture, "it is written as it is shown"
    dialog._path.setText(str(tmp_path / "armchair.stl"))
    assert not dialog.choice.with_texture
    dialog.deleteLater()

    drawn = drawn_target(result)
    np.testing.assert_array_equal(outcome.point_colors, result.coloring.at(drawn))
    app.window.actions_by_name["input"].trigger()
    draped = picture(app)
    scene.set_own_colors(result.trajectory.faces, result.mesh.colors)
    assert np.abs(picture(app).astype(int) - draped).max() > 40, (
        "the picture is finer than colours of vertices"
    )

    # Where the user looks from meanwhile is kept when the next result has the same viewer.
    app.window.stage.viewport.scene._plotter.camera.Azimuth(50)
    where = scene._plotter.camera.position
    app.window.actions_by_name["reconstruct"].trigger()
    qtbot.waitUntil(lambda: app.session.state.current_item.outcome not in (None, outcome), timeout=120_000)
    np.testing.assert_allclose(scene._plotter.camera.position, where)
