"""The way from flows to sound meshes, on flows whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from nmf_model.errors import Cancelled
from nmf_model.geometry.intersections import count_crossing_faces
from nmf_model.geometry.refinement import edge_lengths, list_edges
from nmf_model.geometry.template import icosphere
from nmf_model.quality import inspect_mesh
from nmf_model.sound.certify import PLAIN, Budget, make_sound
from nmf_model.sound.defects import Defects, as_they_are, find_defects
from nmf_model.sound.forms import written_forms
from nmf_model.sound.relax import relax
from nmf_model.sound.surface import Flow, FlowedSphere
from nmf_model.types import Mesh, Normalization
from tests.reference import crossings as oracle

from .conftest import Dented, FoldedBall, Tangled, WavyPlate

NOTHING = np.zeros((1, 3))


def report_of(surface):
    return inspect_mesh(Mesh(surface.image.astype(np.float64), surface.faces))


def assert_on_sphere(surface):
    assert np.abs(np.linalg.norm(surface.sphere.astype(np.float64), axis=1) - 1).max() < 1e-6
    assert (np.linalg.det(surface.sphere.astype(np.float64)[surface.faces]) > 0).all()


@pytest.mark.parametrize("thickness", [0.03, 0.02, 0.01])
def test_a_flow_that_collides_on_the_plain_template_is_certified(thickness):
    flow = WavyPlate(thickness)
    plain = icosphere(3)
    before = count_crossing_faces(flow.carry(plain.vertices), plain.faces)
    surface = make_sound(flow, flow.carry(plain.vertices), plain, PLAIN)
    assert surface.report.crossings_before == before > 0
    assert surface.report.is_clean
    assert surface.report.notes() == ()
    assert report_of(surface).is_sound
    assert_on_sphere(surface)


def test_refinement_alone_stays_on_the_flow():
    flow = WavyPlate(0.02)
    surface = make_sound(flow, NOTHING, icosphere(3), PLAIN)
    assert surface.report.moved_vertices == 0
    assert surface.report.until == 1
    assert np.array_equal(surface.sphere[: len(icosphere(3).vertices)], icosphere(3).vertices)
    assert np.abs(surface.image - flow.carry(surface.sphere)).max() < 1e-6


def test_sheets_closer_than_float32_are_pushed_apart():
    flow = WavyPlate(1e-9)
    surface = make_sound(
        flow, flow.carry(icosphere(4).vertices), icosphere(3), Budget(vertices=1500, most_vertices=2500)
    )
    assert report_of(surface).is_sound
    assert 0 < surface.report.largest_move <= 0.03
    assert surface.report.moved_vertices > 0


def test_the_small_result_crosses_nowhere_by_rational_arithmetic():
    surface = make_sound(WavyPlate(0.3), NOTHING, icosphere(0), Budget(vertices=30, rounds=4))
    assert surface.report.is_clean
    assert len(surface.faces) < 250
    assert oracle.crossing_pairs(surface.image.astype(np.float64), surface.faces) == set()


def test_what_truly_touches_is_reported_and_not_certified():
    flow = Dented(meet=0.5)
    target = flow.carry(icosphere(3).vertices)
    surface = make_sound(flow, target, icosphere(2), Budget(vertices=200, rounds=2))
    report = surface.report
    assert not report.is_clean
    assert report.solve.folds > 0
    assert not report.solve.is_proved
    assert report.crossing_faces == report_of(surface).self_intersecting_faces > 0
    assert "not certified" in report.notes()[0]
    assert report_of(surface).is_closed_sphere


def test_sheets_that_coincide_are_pushed_apart():
    flow = FoldedBall()
    surface = make_sound(
        flow, flow.carry(icosphere(3).vertices), icosphere(2), Budget(vertices=200, rounds=2)
    )
    assert surface.report.solve.folds > 0
    assert report_of(surface).is_sound
    assert 0 < surface.report.largest_move < 0.03


def test_a_tangle_of_whole_sheets_is_given_up_soon_and_said():
    flow = Tangled()
    surface = make_sound(flow, flow.carry(icosphere(4).vertices), icosphere(4), PLAIN)
    assert surface.report.crossing_faces > 1_500
    assert surface.report.crossings_before > 1_500
    (note,) = surface.report.notes()
    assert note.endswith("this mesh is not certified.")
    assert surface.report.rounds == 0
    assert len(flow.calls) < 15  # one attempt with one push: no finer mesh, no steps back in time


def test_what_is_sound_in_the_exact_form_alone_is_told_apart_and_preferred():
    def coarse(points):
        return np.round(points, 1)

    flow = WavyPlate(0.3)
    surface = make_sound(
        flow, NOTHING, icosphere(3), Budget(vertices=0, rounds=1), forms=(as_they_are, coarse)
    )
    assert report_of(surface).is_sound
    assert not surface.report.is_clean
    assert surface.report.clean_forms == 1
    (note,) = surface.report.notes()
    assert note.endswith("in single precision: export this mesh as anything but STL or GLB.")
    image, faces = surface.image.astype(np.float64), surface.faces
    inside_out = np.where(image[:, 2:] > 0.1, image * (1, 1, -1), image)
    only_coarse = find_defects(image, faces, (as_they_are, coarse))
    exact_too = find_defects(inside_out, faces, (as_they_are, coarse))
    assert exact_too.clean_forms == 0 < len(exact_too.faces)
    few = Defects(exact_too.pairs[:1], exact_too.flat[:0])
    assert len(few.faces) < len(only_coarse.faces)
    assert only_coarse.severity < few.severity
    assert find_defects(image, faces, (as_they_are, as_they_are)).severity == (-2, 0)


@pytest.mark.parametrize("thickness", [1e-3, 0.0])
def test_sheets_that_meet_all_over_are_parted_by_one_push_without_more_faces(thickness):
    flow = WavyPlate(thickness)
    surface = make_sound(flow, flow.carry(icosphere(4).vertices), icosphere(4), PLAIN)
    assert surface.report.crossings_before > 2_500
    assert report_of(surface).is_sound
    assert len(surface.faces) == 5_120
    assert surface.report.largest_move < 2.1e-3


def test_the_flow_is_stepped_back_to_its_last_clean_state():
    flow = Dented()
    target = flow.carry(icosphere(4).vertices)
    surface = make_sound(flow, target, icosphere(4), Budget(vertices=0, rounds=2))
    assert report_of(surface).is_sound
    assert surface.report.is_clean
    assert np.abs(surface.image - flow.carry(surface.sphere)).max() < 0.1


def test_vertices_go_where_the_surface_bends():
    class Bump:
        def carry(self, points, *, steps=8, until=1.0, cancel=None):
            points = np.asarray(points, dtype=np.float64)
            near = np.exp(-40 * np.square(points - (0, 0, 1)).sum(axis=-1, keepdims=True))
            return points * (1 + until * near)

    surface = make_sound(Bump(), NOTHING, icosphere(2), Budget(vertices=1500, tolerance=0.004))
    assert report_of(surface).is_sound
    edges = list_edges(surface.faces)
    lengths = edge_lengths(surface.sphere.astype(np.float64), edges)
    top = surface.sphere[edges.ends].mean(axis=1)[:, 2]
    assert np.median(lengths[top > 0.95]) < 0.4 * np.median(lengths[top < 0])
    assert len(surface.sphere) < 1500


def test_budgets_hold_and_the_result_is_the_same_every_time():
    first, second = (
        make_sound(WavyPlate(0.05), NOTHING, icosphere(2), Budget(vertices=1000, tolerance=0.0))
        for _ in range(2)
    )
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.faces, second.faces)
    assert 900 < len(first.sphere) < 1300


def test_coarsening_saves_vertices():
    flow = WavyPlate(0.5)
    many, few = (
        make_sound(flow, NOTHING, icosphere(4), Budget(vertices=2600, coarsening_rounds=rounds))
        for rounds in (0, 4)
    )
    assert len(few.sphere) < 0.9 * len(many.sphere)
    assert report_of(few).is_sound


@pytest.mark.parametrize("offset", [0.0, 1e6], ids=["at the origin", "a million away"])
def test_what_is_certified_is_what_files_hold(offset):
    normalization = Normalization(np.array([offset, -offset, 0.0]), 1234.5)
    forms = written_forms(normalization)
    flow = WavyPlate(1e-4)
    budget = Budget(vertices=1500, most_vertices=2500)
    surface = make_sound(flow, flow.carry(icosphere(3).vertices), icosphere(3), budget, forms=forms)
    assert surface.report.is_clean
    for form in forms:
        written = form(surface.image.astype(np.float64))
        assert inspect_mesh(Mesh(written, surface.faces)).is_sound
        assert len(np.unique(written, axis=0)) == len(written)


@pytest.mark.parametrize(("scale", "kept"), [(1.0, 2), (1e4, 3)])
def test_stl_is_left_out_where_it_can_hold_no_detail(scale, kept):
    assert len(written_forms(Normalization(np.array([1e6, 0, 0]), scale))) == kept


def test_stages_are_told_in_order_and_work_can_be_cancelled():
    seen = []
    make_sound(WavyPlate(0.05), NOTHING, icosphere(3), PLAIN, on_stage=seen.append)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert {progress.stage for progress in seen} == {"Refining", "Checking"}
    calls = iter([False, False])
    with pytest.raises(Cancelled):
        make_sound(WavyPlate(0.005), NOTHING, icosphere(3), cancel=lambda: next(calls, True))


def test_pushing_sheets_apart_can_be_cancelled_between_two_looks():
    flow = Tangled()
    sphere = icosphere(4)
    surface = FlowedSphere(sphere.vertices, sphere.faces, flow.carry(sphere.vertices))
    defects = find_defects(surface.image, surface.faces, (as_they_are,))
    polls = iter([False] * 3)
    with pytest.raises(Cancelled):
        relax(surface, defects, Flow(flow, 8, lambda: next(polls, True)), (as_they_are,))
    assert next(polls, None) is None
