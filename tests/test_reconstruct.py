"""The stream from a request to a mesh, with a short fit so that many inputs can be tried."""

import functools
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from nmf_model import found_flow, reconstruct
from nmf_model.errors import Cancelled, InputError
from nmf_model.findings import notes_of
from nmf_model.fitting.correction import correct_flow
from nmf_model.fitting.findings import findings_in
from nmf_model.fitting.fit import fit_flow
from nmf_model.fitting.residual import emptiness_of
from nmf_model.flow.carrier import GridCarrier
from nmf_model.geometry.normalization import normalize
from nmf_model.geometry.normals import enclosed_volume
from nmf_model.geometry.template import icosphere
from nmf_model.network import predict_flow
from nmf_model.quality import inspect_mesh
from nmf_model.streams import drain, mapped
from nmf_model.types import PointCloud, ReconstructionRequest
from tests.support.stress_shapes import noisy_box

from .fitting.conftest import QUICK, ellipsoid, ring


@pytest.fixture(scope="module")
def fits():
    """What the fits of this module showed and returned, by all that decides it."""
    return {}


@pytest.fixture(autouse=True)
def short_fit(monkeypatch, fits):
    """Shorten the fit's schedule, and fit the same cloud from the same start once; the rest is real.

    That a fit repeats itself bit by bit is tested in ``fitting/test_fit.py``.
    """

    def fit(points, *, cancel, start, **others):
        begun = start and (start.fields.numpy().tobytes(), start.centre.tobytes(), start.radius)
        key = (points.tobytes(), begun, *sorted(map(str, others.items())))
        if key not in fits:
            seen = []
            flow = fit_flow(points, cancel=cancel, start=start, settings=QUICK, **others)
            result = yield from mapped(flow, lambda item: seen.append(item) or item)
            fits[key] = seen, result
            return result
        seen, result = fits[key]
        yield from seen
        return result

    monkeypatch.setattr(found_flow, "fit_flow", fit)


def cloud(points):
    return PointCloud(points=np.asarray(points, dtype=np.float64), name="egg")


def two_sheets(count):
    """A noisy box: a short fit of it crumples, so that its faces cross."""
    return noisy_box(count, np.random.default_rng(0))


def watch(request, cancel=reconstruct.never):
    frames = []
    return frames, reconstruct.run(request, cancel, frames.append)


def off_sphere(vertices):
    """How far, relative to its radius, points are from the sphere that fits them best."""
    system = np.column_stack([2 * vertices, np.ones(len(vertices))]).astype(np.float64)
    centre = np.linalg.lstsq(system, np.square(vertices.astype(np.float64)).sum(axis=1))[0][:3]
    radii = np.linalg.norm(vertices - centre, axis=1)
    return np.ptp(radii) / radii.mean()


def test_frames_tell_the_whole_story():
    frames, result = watch(ReconstructionRequest(cloud(ellipsoid(600)), "fit", level=3, frames=13))
    fractions = [frame.fraction for frame in frames]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    flow = [frame for frame in frames if frame.is_trajectory]
    assert len(flow) == 13 == len(result.trajectory.times)
    assert not any(frame.is_trajectory for frame in frames[: -len(flow)])
    assert off_sphere(flow[0].vertices) < 1e-4
    assert off_sphere(flow[-1].vertices) > 0.1
    assert all(frame.faces is flow[0].faces for frame in flow)
    assert np.array_equal(flow[-1].vertices, result.trajectory.vertices[-1])
    assert (np.diff(result.trajectory.times) > 0).all()
    assert result.nfe > 0
    assert result.method == "fit"


def slab(count=2500, half=(0.895, 0.45, 0.18)):
    """Points of a flat box, of which a short fit that grows from inside makes a skin around its walls."""
    rng, half = np.random.default_rng(0), np.array(half)
    axis = rng.choice(3, count, p=(1 / half) / (1 / half).sum())
    points = rng.uniform(-1, 1, (count, 3))
    points[np.arange(count), axis] = rng.choice([-1, 1], count)
    return points * half


def test_a_fit_that_leaves_the_inside_out_is_made_anew_from_outside():
    points = slab()
    frames, result = watch(ReconstructionRequest(cloud(points), "fit"))
    grown = next(frame for frame in reversed(frames) if frame.stage == "Fitting")
    true = 8 * 0.895 * 0.45 * 0.18
    scale = result.normalization.scale**3
    assert enclosed_volume(grown.vertices.astype(float), grown.faces) * scale < 0.3 * true
    assert any(frame.stage == "Fitting from outside" for frame in frames)
    fractions = [frame.fraction for frame in frames]
    assert fractions == sorted(fractions)
    assert enclosed_volume(result.mesh.vertices, result.mesh.faces) == pytest.approx(true, rel=0.06)
    assert inspect_mesh(result.mesh).is_sound
    assert not any("leaves out" in note or "shell" in note for note in result.notes)


def bowl(count=3000):
    """Points of a thick-walled bowl, both sides of its wall."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(4 * count, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points = points[points[:, 2] < 0.3][:count]
    return points * np.where(rng.uniform(size=count) < 0.45, 0.7, 1.0)[:, None]


def with_a_film(model, points, **others):
    """Answer, as the network can, with a flow that spans the opening."""
    return drain(fit_flow(points, from_outside=True, settings=QUICK)).carrier, 0


def test_a_film_that_the_start_had_is_not_kept_if_a_fit_from_inside_has_none(monkeypatch):
    monkeypatch.setattr(found_flow, "predict_flow", with_a_film)
    monkeypatch.setattr(found_flow, "is_near", lambda carrier, points: True)
    frames, result = watch(ReconstructionRequest(cloud(bowl()), level=4))
    spanned = next(frame for frame in reversed(frames) if frame.stage == "Fitting")
    fractions = [frame.fraction for frame in frames]
    assert fractions == sorted(fractions)
    assert any(frame.stage == "Fitting from inside" for frame in frames)
    assert result.method == "fit"
    assert result.residual.films == ()
    before = enclosed_volume(spanned.vertices.astype(float), spanned.faces) * result.normalization.scale**3
    assert enclosed_volume(result.mesh.vertices, result.mesh.faces) < 0.85 * before


def test_a_body_that_grows_into_a_shell_is_given_up_before_it_is_fitted():
    points = ellipsoid(900, (1.0, 0.9, 0.8))
    tube = points[np.abs(points[:, 2]) < 0.64].astype(np.float32)  # open at both ends
    fit = fit_flow(tube)
    seen = []
    assert drain(found_flow.while_promising(fit, 1.0, tube), seen.append) is None
    assert 0.3 < seen[-1].fraction < 0.5
    assert emptiness_of(seen[-1].vertices, seen[-1].faces, tube) == 1
    assert next(fit, None) is None


def test_a_gap_that_any_fit_must_span_is_said(monkeypatch):
    monkeypatch.setattr(found_flow, "predict_flow", with_a_film)
    monkeypatch.setattr(found_flow, "is_near", lambda carrier, points: True)
    points = ellipsoid(3000, (1.0, 0.9, 0.8))
    frames, result = watch(ReconstructionRequest(cloud(points[points[:, 2] < 0.65]), level=3))
    assert any(frame.stage == "Fitting from inside" for frame in frames)
    assert any(
        "% of the mesh spans gaps where the input has no points, in one place" in n for n in result.notes
    )
    (film,) = result.residual.films
    assert film.centre[2] > 0.55
    assert enclosed_volume(result.mesh.vertices, result.mesh.faces) > 0.8 * 4 / 3 * np.pi * 0.9 * 0.8


def test_a_skin_around_one_side_of_a_solid_is_tried_from_outside_and_said():
    points = ellipsoid(3000, (1.0, 0.9, 0.8))
    frames, result = watch(ReconstructionRequest(cloud(points[points[:, 2] > 0.0]), "fit"))
    assert any(frame.stage == "Fitting from outside" for frame in frames)
    assert enclosed_volume(result.mesh.vertices, result.mesh.faces) < 0.2
    assert any(note.startswith("The mesh is a shell, on average") for note in result.notes)


def test_the_callers_threads_are_left_as_they_were():
    torch.set_num_threads(2)
    try:
        reconstruct.run(ReconstructionRequest(cloud(ellipsoid(600)), "network", level=1))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_a_fit_that_leaves_nothing_out_is_made_once():
    frames, _ = watch(ReconstructionRequest(cloud(ellipsoid(600)), "fit", level=3))
    assert {frame.stage for frame in frames} == {"Fitting", "Checking", "Refining", "Flowing"}


def test_the_mesh_is_the_template_and_of_the_level_asked_for():
    for level in (2, 4):
        result = reconstruct.run(ReconstructionRequest(cloud(ellipsoid(600)), "fit", level=level, seed=1))
        template = icosphere(level)
        assert np.array_equal(result.mesh.faces, template.faces)
        assert np.allclose(np.linalg.norm(result.mesh.sphere, axis=1), 1, atol=1e-6)
        assert np.array_equal(result.mesh.sphere, template.vertices) == (level == 4)
        report = inspect_mesh(result.mesh)
        assert report.is_closed_sphere
        assert report.outward


def test_without_a_level_the_template_is_adaptive_and_the_mesh_certified():
    frames, result = watch(ReconstructionRequest(cloud(ring(900)), "fit", frames=7))
    report = inspect_mesh(result.mesh)
    assert report.is_sound
    assert report.vertices not in {10 * 4**level + 2 for level in range(8)}
    assert result.trajectory.vertices.shape == (7, report.vertices, 3)
    stages = [frame.stage for frame in frames]
    assert [stage for k, stage in enumerate(stages) if stage not in stages[:k]] == [
        "Fitting", "Refining", "Checking", "Flowing",
    ]  # fmt: skip
    unit = result.carrier.carry(result.mesh.sphere)
    assert np.abs(result.normalization.to_file(unit) - result.mesh.vertices).max() < 1e-4


def test_vertices_added_to_a_level_are_said():
    result = reconstruct.run(ReconstructionRequest(cloud(two_sheets(900)), "fit", level=4))
    added = len(result.mesh.vertices) - len(icosphere(4).vertices)
    assert inspect_mesh(result.mesh).is_sound
    assert added > 0
    assert f"{added} vertices were added to those of level 4 so that no faces cross." in result.notes


def test_fewer_frames_do_not_change_the_mesh():
    few, many = (
        reconstruct.run(ReconstructionRequest(cloud(ellipsoid(600)), level=2, frames=frames))
        for frames in (2, 61)
    )
    assert np.array_equal(few.mesh.vertices, many.mesh.vertices)


@pytest.mark.parametrize(
    ("scale", "offset"),
    [
        (1e-6, (0.0, 0.0, 0.0)),
        (1e3, (0.0, 0.0, 0.0)),
        (250.0, (-40.0, 12.5, 3000.0)),
        (12.0, (500_000.0, 5_400_000.0, 230.0)),
    ],
    ids=["micrometres in metres", "kilometres", "millimetres far off", "UTM"],
)
def test_the_result_is_where_the_input_is(scale, offset):
    points = ellipsoid(600).astype(np.float64)
    mesh = reconstruct.run(ReconstructionRequest(cloud(points * scale + offset), level=3)).mesh
    level = np.linalg.norm((mesh.vertices - offset) / scale / (1.0, 0.6, 0.4), axis=1)
    assert np.abs(level - 1).mean() < 0.06


def test_what_was_found_on_loading_is_not_looked_for_again(monkeypatch):
    ring_cloud, asked = cloud(ring(2000)), []
    known = findings_in(ring_cloud)
    assert len(known.tunnels) == 1

    def counted(looked_at):
        asked.append(looked_at)
        return findings_in(looked_at)

    monkeypatch.setattr(reconstruct, "findings_in", counted)
    request = ReconstructionRequest(ring_cloud, "fit", level=2)
    alone = reconstruct.run(request)
    assert [looked_at is ring_cloud for looked_at in asked] == [True]
    told = reconstruct.run(replace(request, findings=known))
    assert len(asked) == 1
    assert told.notes == alone.notes
    assert set(notes_of(known)) <= set(told.notes)


def test_a_part_that_the_fit_leaves_out_is_said_where_it_is(monkeypatch):
    """The flow is fitted to the body alone, as if it had not reached the other part."""
    body, far = ellipsoid(2000).astype(np.float64), ellipsoid(300).astype(np.float64) * 0.3 + [0, 1.2, 0]
    fit = functools.partial(fit_flow, settings=QUICK)
    monkeypatch.setattr(found_flow, "fit_flow", lambda points, **options: fit(points[:2000], **options))
    result = reconstruct.run(ReconstructionRequest(cloud(np.concatenate([body, far]) * 100), "fit", level=3))
    (missed,) = result.residual.missed
    assert np.linalg.norm(missed.centre - [0, 120, 0]) < 40
    assert missed.share == pytest.approx(300 / 2300, abs=0.01)
    assert any("The mesh stays away from 13 % of the points, in one place: near (" in n for n in result.notes)


def test_cancelling_ends_the_stream():
    calls = iter([False] * 20)
    with pytest.raises(Cancelled):
        watch(ReconstructionRequest(cloud(ellipsoid(400))), lambda: next(calls, True))


def test_a_method_that_cannot_work_is_refused_in_a_sentence():
    with pytest.raises(InputError, match=r"^.+[.]$"):
        watch(ReconstructionRequest(cloud(ellipsoid(400)), "silhouette"))


def test_by_itself_the_network_comes_first_and_the_fit_goes_on_from_it():
    frames, result = watch(ReconstructionRequest(cloud(ellipsoid(800)), frames=7))
    stages = [frame.stage for frame in frames]
    assert [stage for k, stage in enumerate(stages) if stage not in stages[:k]] == [
        "Network", "Fitting", "Refining", "Checking", "Flowing",
    ]  # fmt: skip
    assert result.method == "network+fit"
    last = [frame for frame in frames if frame.stage == "Network"][-1]
    first = next(frame for frame in frames if frame.stage == "Fitting")
    extents = [np.ptp(frame.vertices, axis=0) for frame in (last, first)]
    assert np.abs(extents[0] - extents[1]).max() < 0.15  # no jump back to a sphere
    assert inspect_mesh(result.mesh).is_sound


def test_one_far_point_does_not_shrink_the_object():
    points = np.concatenate([ellipsoid(3000), [[40.0, 0.0, 0.0]]]).astype(np.float64)
    assert 0.9 < normalize(points).scale < 1.2


def test_strays_are_said():
    rng = np.random.default_rng(0)
    points = np.concatenate([ellipsoid(1500), rng.uniform(-1, 1, (40, 3)) * (1.0, 0.9, 0.9)])
    result = reconstruct.run(ReconstructionRequest(cloud(points), level=2))
    assert any("stray" in note for note in result.notes)


@pytest.mark.parametrize("method", ["fit", "network"])
def test_noise_is_said_with_its_size_in_the_units_of_the_file(method):
    directions = np.random.default_rng(0).normal(size=(4_000, 3))
    ball = 100 * directions / np.linalg.norm(directions, axis=1, keepdims=True)

    def told(points):
        notes = reconstruct.run(ReconstructionRequest(cloud(points), method=method, level=2)).notes
        return [note for note in notes if "noisy" in note]

    assert told(ball) == []
    (note,) = told(ball + np.random.default_rng(1).normal(scale=4, size=ball.shape))
    assert 2 < float(re.search(r"scatter by about (\S+) about", note)[1]) < 4.4


def crumpled(carrier, size):
    """Return a flow whose map has kinks at all its nodes, as if the optimiser had run away."""
    noise = torch.randn(carrier.fields.shape, generator=torch.Generator().manual_seed(0))
    return GridCarrier(carrier.fields + size * noise, carrier.centre, carrier.radius)


def spoil(monkeypatch, sizes, answer=0.0):
    """Crumple the corrections by ``sizes``, one after the other, and the answer; return what is corrected."""
    made = []

    def correct(carrier, points, **others):
        better = yield from correct_flow(carrier, points, **others)
        made.append(crumpled(better, sizes[len(made)]))
        return made[-1]

    def predict(*args, **others):
        carrier, strays = predict_flow(*args, **others)
        return crumpled(carrier, answer), strays

    monkeypatch.setattr(found_flow, "correct_flow", correct)
    monkeypatch.setattr(found_flow, "predict_flow", predict)
    return made


@pytest.mark.parametrize("sizes", [(0.1, 0.0), (0.1, 0.1)], ids=["one", "two"])
def test_a_correction_that_does_not_come_out_sound_gives_way_to_another_answer(monkeypatch, sizes):
    made = spoil(monkeypatch, sizes)
    frames, result = watch(ReconstructionRequest(cloud(ellipsoid(600)), "network"))
    assert len(made) == 2
    assert inspect_mesh(result.mesh).self_intersecting_faces == 0
    assert not any("cross" in note for note in result.notes)
    told = [note for note in result.notes if "the answer itself" in note]
    if sizes[1]:
        assert len(told) == 1
        assert not any(result.carrier.inner is one for one in made)
    else:
        assert told == []
        assert result.carrier.inner is made[1]
    fractions = [frame.fraction for frame in frames]
    assert fractions == sorted(fractions)


def test_where_no_answer_is_sound_the_one_with_the_fewest_crossings_is_taken_and_said(monkeypatch):
    made = spoil(monkeypatch, (0.2, 0.1), answer=0.2)
    _, result = watch(ReconstructionRequest(cloud(ellipsoid(600)), "network", level=1))
    assert result.carrier.inner is made[1]
    assert inspect_mesh(result.mesh).self_intersecting_faces > 0
    assert sum("not certified" in note for note in result.notes) == 1
