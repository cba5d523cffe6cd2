"""Units in the export dialog and in what is written by its choice."""

from __future__ import annotations

import itertools
import zipfile
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from nmf_app import work
from nmf_app.__main__ import main
from nmf_app.formats import UNITS
from nmf_app.session import ItemState, Outcome
from nmf_app.widgets.export_dialog import CONVERT, FACTOR, KEEP, ExportDialog
from nmf_model.certificate import Origin
from nmf_model.io.meshes import read_mesh, write_mesh
from nmf_model.quality import inspect_mesh
from nmf_model.streams import drain
from nmf_model.types import LENGTH_UNITS, Mesh, PointCloud, ReconstructionRequest

from .conftest import short_stream
from .test_window import drop, wait_for

MILLIMETRES = {"micron": 1e-3, "millimeter": 1, "centimeter": 10, "inch": 25.4, "foot": 304.8, "meter": 1e3}


def outcome_in(unit, colored=False):
    """A finished reconstruction, 4 x 2.4 x 1.6 long, of an input in a unit."""
    result = drain(short_stream(ReconstructionRequest(PointCloud(np.eye(3))), lambda: False, level=2))
    shades = (60 * result.mesh.vertices + 120).clip(0, 255).astype(np.uint8)
    mesh = replace(result.mesh, unit=unit, colors=shades if colored else None)
    return Outcome(replace(result, mesh=mesh), inspect_mesh(mesh), Origin("scan.3mf", "ab" * 32))


def unit_in(path):
    with zipfile.ZipFile(path) as archive:
        return ElementTree.fromstring(archive.read("3D/3dmodel.model")).get("unit")


def index_of(unit):
    return [entry.key for entry in UNITS].index(unit)


def exported(outcome, choice):
    """Write by the dialog's choice; return what another reader and we find, and check that it verifies."""
    task = work.export(outcome, choice)
    written = task(lambda progress: None, lambda: False)
    assert main(["--verify", str(written.path), "--quiet"]) == 0
    mesh = read_mesh(written.path)
    assert unit_in(written.path) == mesh.unit
    return mesh


@pytest.fixture
def ask(qapp, qtbot, tmp_path):
    """Returns a function that makes the dialog for a result, set to write a 3MF file."""

    def make(outcome):
        dialog = ExportDialog(outcome, "egg", tmp_path)
        qtbot.addWidget(dialog)
        dialog._path.setText(str(tmp_path / "egg.3mf"))
        return dialog

    return make


def test_the_dialog_knows_all_units_and_how_long_they_are():
    assert {unit.key for unit in UNITS} == set(LENGTH_UNITS)
    for unit in UNITS:
        assert 1000 * unit.metres == pytest.approx(MILLIMETRES[unit.key], rel=1e-15)


@pytest.mark.parametrize(
    ("known", "given", "wanted"),
    [
        *itertools.product([None], LENGTH_UNITS, LENGTH_UNITS),
        *itertools.product(["inch"], ["foot"], LENGTH_UNITS),
    ],
)
def test_a_converted_file_says_the_unit_it_was_converted_to(ask, known, given, wanted):
    outcome = outcome_in(known, colored=known is None)
    dialog = ask(outcome)
    dialog._units.setCurrentIndex(CONVERT)
    dialog._given.setCurrentIndex(index_of(given))
    dialog._wanted.setCurrentIndex(index_of(wanted))
    mesh = exported(outcome, dialog.choice)
    assert mesh.unit == wanted
    before = np.ptp(outcome.reconstruction.mesh.vertices, axis=0) * MILLIMETRES[given]
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0) * MILLIMETRES[wanted], before, rtol=1e-12)
    assert dialog._result.text().endswith(f" {UNITS[index_of(wanted)].symbol}")


@pytest.mark.parametrize("known", [None, *LENGTH_UNITS])
@pytest.mark.parametrize("mode", [KEEP, FACTOR])
def test_numbers_that_are_not_converted_stay_in_the_input_s_unit(ask, known, mode):
    outcome = outcome_in(known)
    dialog = ask(outcome)
    dialog._units.setCurrentIndex(mode)
    dialog._factor.setValue(2.5)
    mesh = exported(outcome, dialog.choice)
    assert mesh.unit == (known or "millimeter")
    factor = 2.5 if mode == FACTOR else 1.0
    np.testing.assert_array_equal(mesh.vertices, outcome.reconstruction.mesh.vertices * factor)
    symbol = "" if known is None else f" {UNITS[index_of(known)].symbol}"
    size = {KEEP: "4.000 × 2.400 × 1.600", FACTOR: "10.00 × 6.000 × 4.000"}[mode]
    assert dialog._result.text() == size + symbol


@pytest.mark.parametrize("mode", [KEEP, CONVERT])
def test_a_unit_that_the_format_loses_is_told_unless_it_was_chosen(ask, tmp_path, mode):
    outcome = outcome_in("inch")
    dialog = ask(outcome)
    dialog._path.setText(str(tmp_path / "egg.stl"))
    dialog._units.setCurrentIndex(mode)
    dialog._wanted.setCurrentIndex(index_of("foot"))
    written = work.export(outcome, dialog.choice)(lambda progress: None, lambda: False)
    told = "egg.stl cannot say that its lengths are in the input's unit (inch)"
    assert written.warning.startswith(told) if mode == KEEP else written.warning == ""


@pytest.mark.parametrize("known", LENGTH_UNITS)
def test_the_dialog_proposes_the_input_s_own_unit_to_convert_from(ask, known):
    dialog = ask(outcome_in(known))
    assert UNITS[dialog._given.currentIndex()].key == known
    dialog._units.setCurrentIndex(CONVERT)
    assert UNITS[dialog._wanted.currentIndex()].key == "millimeter"
    assert dialog.scale == pytest.approx(MILLIMETRES[known])


def in_the_input_s_unit(request, cancel):
    result = yield from short_stream(request, cancel)
    return replace(result, mesh=replace(result.mesh, unit=request.source.unit))


@pytest.mark.parametrize("at_once_bytes", [work.READ_AT_ONCE_BYTES, 0])
def test_an_inch_file_that_is_dropped_is_exported_in_inches(
    open_window, qtbot, tmp_path, monkeypatch, at_once_bytes
):
    """Read in this process, and in one of its own as large files are."""
    monkeypatch.setattr(work, "READ_AT_ONCE_BYTES", at_once_bytes)
    mesh = outcome_in("inch").reconstruction.mesh
    write_mesh(Mesh(mesh.vertices, mesh.faces, unit="inch"), tmp_path / "scan.3mf")
    app = open_window(in_the_input_s_unit, viewport=False)
    drop(app.window, [tmp_path / "scan.3mf"])
    wait_for(qtbot, app, ItemState.DONE)
    item = app.session.state.current_item
    assert item.loaded.source.unit == "inch"
    dialog = ExportDialog(item.outcome, "out", tmp_path, app.window)
    dialog._path.setText(str(tmp_path / "out.3mf"))
    assert dialog._result.text().endswith(" in")
    monkeypatch.setattr(app.window.dialogs, "choose_export", lambda *_: dialog.choice)
    app.window.actions_by_name["export"].trigger()
    qtbot.waitUntil(lambda: app.session.state.current_item.exported is not None, timeout=60_000)
    dialog.deleteLater()
    assert unit_in(tmp_path / "out.3mf") == "inch"
    np.testing.assert_array_equal(
        read_mesh(tmp_path / "out.3mf").vertices, item.outcome.reconstruction.mesh.vertices
    )
    assert main(["--verify", str(tmp_path / "out.3mf"), "--quiet"]) == 0
