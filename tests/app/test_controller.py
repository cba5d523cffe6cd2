from __future__ import annotations

from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest

from nmf_app import work
from nmf_app.controller import Controller
from nmf_app.jobs import JobEvent, JobKind, JobState, Progress
from nmf_app.ports import DialogsPort, ExportChoice, RunnerPort, SettingsPort
from nmf_app.session import Exported, ItemState, Loaded, NoticeKind, Outcome, Parameters, Session
from nmf_model.quality import inspect_mesh
from nmf_model.types import FlowFrame, Mesh, Normalization, PointCloud, Reconstruction

from .conftest import ellipsoid_flow


class Bench:
    """A controller between stand-ins; ``tell`` plays the runner's part."""

    def __init__(self):
        self.session = Session()
        self.runner = MagicMock(spec=RunnerPort)
        self.runner.waiting.return_value = 0
        self.dialogs = MagicMock(spec=DialogsPort)
        self.settings = MagicMock(spec=SettingsPort)
        self.settings.folder.return_value = None
        self.controller = Controller(self.session, self.runner, self.dialogs, self.settings)

    @property
    def state(self):
        return self.session.state

    def jobs(self):
        return [call.args[0] for call in self.runner.submit.call_args_list]

    def tell(self, job, state=JobState.RUNNING, **fields):
        self.controller.on_job_event(JobEvent(job.id, job.kind, state, **fields))

    def finish(self, job, result):
        self.tell(job)
        self.tell(job, JobState.DONE, result=result)


@pytest.fixture
def bench(qapp):
    return Bench()


def loaded(path="egg.xyz"):
    points = np.random.default_rng(0).normal(size=(100, 3))
    return Loaded(PointCloud(points, Path(path).stem, Path(path)), points.astype(np.float32))


def outcome():
    flow = ellipsoid_flow(2)
    mesh = Mesh(flow.vertices[-1].astype(float), flow.faces)
    result = Reconstruction(mesh, flow, Normalization(np.zeros(3), 1.0), mesh.vertices, "fit", 1.0, 8, 0)
    return Outcome(result, inspect_mesh(mesh))


def open_one(bench, path="egg.xyz"):
    bench.controller.open_files([Path(path)])
    reading = bench.jobs()[-1]
    bench.finish(reading, loaded(path))
    return bench.jobs()[-1]


def finish_one(bench, path="egg.xyz"):
    bench.finish(open_one(bench, path), outcome())


def test_a_dropped_file_is_read_and_then_reconstructed_at_once(bench):
    job = open_one(bench)
    assert [job.kind for job in bench.jobs()] == [JobKind.READ, JobKind.RECONSTRUCT]
    assert bench.state.current_item.state is ItemState.WAITING
    bench.tell(job)
    assert bench.state.current_item.state is ItemState.RUNNING
    bench.tell(job, JobState.DONE, result=outcome())
    assert bench.state.current_item.state is ItemState.DONE
    assert bench.state.active is None
    assert bench.state.notice.kind is NoticeKind.SUCCESS


def test_nothing_starts_by_itself_if_the_user_does_not_want_it(bench):
    bench.controller.set_parameters(Parameters(start_at_once=False))
    job = open_one(bench)
    assert job.kind is JobKind.READ
    assert bench.state.current_item.state is ItemState.READY
    bench.controller.reconstruct()
    assert bench.jobs()[-1].kind is JobKind.RECONSTRUCT


def test_the_weights_of_the_command_line_reach_every_reconstruction(bench, monkeypatch):
    requests = []
    monkeypatch.setattr(work, "reconstruct", lambda request, *_: requests.append(request))
    bench.controller.set_parameters(Parameters(weights=Path("own.safetensors")))
    open_one(bench)
    open_one(bench, "other.xyz")
    assert [request.weights for request in requests] == 2 * [Path("own.safetensors")]


def test_reconstruct_twice_is_one_job(bench):
    open_one(bench)
    bench.controller.reconstruct()
    bench.controller.reconstruct()
    assert len(bench.jobs()) == 2


def test_progress_reaches_the_state_and_never_falls(bench):
    job = open_one(bench)
    bench.tell(job)
    flow = ellipsoid_flow(1)
    frame = FlowFrame(flow.vertices[0], flow.faces, "Fitting", 0.5)
    bench.tell(job, progress=Progress("Fitting", 0.5, frame))
    bench.tell(job, progress=Progress("Checking", 0.4))
    assert bench.state.active.stage == "Checking"
    assert bench.state.active.fraction == 0.5
    assert bench.state.live.frame is frame


def test_events_of_unknown_and_finished_jobs_are_ignored(bench):
    job = open_one(bench)
    bench.finish(job, outcome())
    before = bench.state
    bench.tell(job, JobState.FAILED, sentence="late")
    bench.tell(job, progress=Progress("late", 0.9))
    bench.controller.on_job_event(JobEvent(10_000, JobKind.RECONSTRUCT, JobState.DONE, result=outcome()))
    assert bench.state is before


def test_late_events_of_a_removed_item_are_ignored(bench):
    job = open_one(bench)
    bench.tell(job)
    bench.controller.remove(bench.state.current)
    bench.runner.cancel.assert_called_with(job.id)
    assert bench.state.items == ()
    assert bench.state.active is None
    before = bench.state
    bench.tell(job, JobState.DONE, result=outcome())
    assert bench.state is before


def test_a_failed_job_gives_its_sentence_and_keeps_its_details(bench):
    job = open_one(bench)
    bench.tell(job)
    bench.tell(job, JobState.FAILED, sentence="It broke.", details="Traceback …")
    assert bench.state.current_item.state is ItemState.FAILED
    assert bench.state.notice.sentence == "It broke."
    bench.controller.show_details()
    bench.dialogs.show_details.assert_called_once_with("It broke.", "Traceback …")
    bench.controller.reconstruct()
    assert bench.jobs()[-1].id != job.id


def test_cancel_asks_the_runner_and_the_item_says_so(bench):
    job = open_one(bench)
    bench.tell(job)
    bench.controller.cancel()
    bench.runner.cancel.assert_called_once_with(job.id)
    bench.tell(job, JobState.CANCELLED)
    assert bench.state.current_item.state is ItemState.CANCELLED
    assert bench.state.active is None


def test_cancelling_a_second_attempt_keeps_the_first_result(bench):
    finish_one(bench)
    bench.controller.reconstruct()
    again = bench.jobs()[-1]
    bench.tell(again)
    bench.tell(again, JobState.CANCELLED)
    assert bench.state.current_item.state is ItemState.DONE
    assert bench.state.current_item.outcome is not None


def test_several_files_queue_and_a_bad_one_does_not_stop_the_rest(bench):
    bench.controller.open_files([Path("a.ply"), Path("b.ply"), Path("c.ply"), Path("a.ply")])
    readings = bench.jobs()
    assert len(readings) == 3
    bench.finish(readings[0], loaded("a.ply"))
    bench.tell(readings[1])
    bench.tell(readings[1], JobState.FAILED, sentence="b.ply is empty.")
    bench.finish(readings[2], loaded("c.ply"))
    states = [item.state for item in bench.state.items]
    assert states == [ItemState.WAITING, ItemState.FAILED, ItemState.WAITING]


def test_the_view_follows_the_queue_until_the_user_selects_something(bench):
    finish_one(bench, "a.ply")
    first = bench.state.current
    second = open_one(bench, "b.ply")
    bench.tell(second)
    assert bench.state.current_item.title == "b.ply"
    bench.controller.select(first)
    third = open_one(bench, "c.ply")
    bench.tell(second, JobState.DONE, result=outcome())
    bench.tell(third)
    assert bench.state.current == first


def export_to(bench, path):
    """Export the shown mesh, and return the job."""
    bench.dialogs.choose_export.return_value = ExportChoice(Path(path))
    bench.controller.export()
    return bench.jobs()[-1]


def test_export_uses_the_chosen_name_and_reports_what_was_read_back(bench):
    finish_one(bench)
    result = bench.state.current_item.outcome
    job = export_to(bench, "/tmp/egg.obj")
    assert job.kind is JobKind.EXPORT
    bench.finish(job, Exported(Path("/tmp/egg.obj"), result.report))
    assert bench.state.current_item.exported.path == Path("/tmp/egg.obj")
    assert "/tmp/egg.obj" in bench.state.notice.sentence


def test_an_export_that_ends_while_another_outcome_is_shown_says_nothing_of_that_one(bench):
    finish_one(bench)
    item = bench.state.current_item
    job = export_to(bench, "/tmp/egg.obj")
    other = outcome()
    bench.session.update_item(item.key, outcome=other, other=item.outcome, exported=None)
    bench.finish(job, Exported(Path("/tmp/egg.obj"), item.outcome.report))
    assert bench.state.current_item.outcome is other
    assert bench.state.current_item.exported is None
    assert "/tmp/egg.obj" in bench.state.notice.sentence


def test_an_export_behind_other_work_is_announced_and_survives_the_removal_of_its_item(bench):
    finish_one(bench)
    item = bench.state.current_item
    job = export_to(bench, "/tmp/egg.obj")
    assert bench.controller.unwritten() == ("egg.obj",)
    open_one(bench, "other.xyz")
    bench.tell(bench.jobs()[-1])
    bench.controller.select(item.key)
    export_to(bench, "/tmp/again.stl")
    assert bench.state.notice.sentence == "“again.stl” is being written."
    assert bench.controller.unwritten() == ("egg.obj", "again.stl")
    bench.controller.remove(item.key)
    assert job.id not in [call.args[0] for call in bench.runner.cancel.call_args_list]
    bench.finish(job, Exported(Path("/tmp/egg.obj"), item.outcome.report))
    assert "/tmp/egg.obj" in bench.state.notice.sentence
    assert bench.controller.unwritten() == ("again.stl",)


def test_a_dismissed_dialog_does_nothing(bench):
    finish_one(bench)
    count = len(bench.jobs())
    bench.dialogs.choose_export.return_value = None
    bench.dialogs.choose_animation.return_value = None
    bench.dialogs.choose_sources.return_value = []
    bench.controller.export()
    bench.controller.save_animation()
    bench.controller.choose_files()
    assert len(bench.jobs()) == count


def test_a_failed_export_leaves_the_result_alone(bench):
    finish_one(bench)
    job = export_to(bench, "/nowhere/egg.obj")
    bench.tell(job)
    bench.tell(job, JobState.FAILED, sentence="No permission.")
    assert bench.state.current_item.state is ItemState.DONE
    assert bench.state.notice.kind is NoticeKind.ERROR


def test_opened_files_become_recent_newest_first(bench):
    open_one(bench, "a.ply")
    open_one(bench, "b.ply")
    open_one(bench, "a.ply")
    assert [path.name for path in bench.state.recent] == ["a.ply", "b.ply"]
    assert bench.settings.save_recent.call_args.args[0] == bench.state.recent
    bench.controller.clear_recent()
    assert bench.state.recent == bench.settings.save_recent.call_args.args[0] == ()


def two_bodies(path="pair.xyz"):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(3000, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points[2000:, 0] += 3.0
    return PointCloud(points, Path(path).stem, Path(path))


def test_splitting_makes_an_item_and_a_job_for_each_body(bench):
    bench.controller.set_parameters(Parameters(start_at_once=False))
    bench.controller.open_files([Path("pair.xyz")])
    whole = work.loaded_cloud(two_bodies())
    assert whole.bodies == 2
    assert "separate bodies" in whole.remarks[0]
    bench.finish(bench.jobs()[-1], whole)
    bench.controller.split_bodies()
    splitting = bench.jobs()[-1]
    assert splitting.kind is JobKind.SPLIT
    bench.controller.split_bodies()
    assert bench.jobs()[-1] is splitting  # once is enough
    bench.finish(splitting, splitting.task(lambda progress: None, lambda: False))
    assert [item.title for item in bench.state.items] == [
        "pair.xyz",
        "pair.xyz · body 1",
        "pair.xyz · body 2",
    ]
    assert [item.stem for item in bench.state.items] == ["pair", "pair-1", "pair-2"]
    assert [len(item.loaded.source.points) for item in bench.state.items] == [3000, 2000, 1000]
    assert [job.kind for job in bench.jobs()[-2:]] == [JobKind.RECONSTRUCT] * 2
    assert bench.state.current_item.body == 1


def test_one_body_is_not_split(bench):
    open_one(bench)
    before = len(bench.jobs())
    bench.controller.split_bodies()
    assert len(bench.jobs()) == before


def test_what_could_not_be_read_is_read_again_on_request(bench):
    bench.controller.open_files([Path("egg.xyz")])
    bench.tell(bench.jobs()[-1], JobState.FAILED, sentence="egg.xyz is empty.")
    bench.controller.reconstruct()
    bench.controller.reconstruct()
    assert [job.kind for job in bench.jobs()] == [JobKind.READ, JobKind.READ]
    item = bench.state.current_item
    assert (item.state, item.sentence) == (ItemState.READING, "")
    bench.finish(bench.jobs()[-1], loaded())
    assert bench.jobs()[-1].kind is JobKind.RECONSTRUCT


def test_removing_the_shown_item_shows_the_next_one_or_the_last(bench):
    for name in ("a.xyz", "b.xyz", "c.xyz"):
        bench.controller.open_files([Path(name)])
    first, second, third = bench.state.items
    bench.controller.select(second.key)
    bench.controller.remove(second.key)
    assert bench.state.current == third.key
    bench.controller.remove(third.key)
    assert bench.state.current == first.key
    bench.controller.remove(first.key)
    assert bench.state.current is None


def test_an_animation_goes_before_the_queue_and_outlives_its_item(bench):
    finish_one(bench)
    item = bench.state.current_item
    bench.dialogs.choose_animation.return_value = Path("/tmp/egg.gif")
    bench.controller.save_animation()
    recording = bench.jobs()[-1]
    reconstruction = open_one(bench, "other.xyz")
    assert recording.priority < reconstruction.priority
    assert bench.controller.unwritten() == ("egg.gif",)
    bench.tell(recording)
    bench.controller.remove_all()
    assert recording.id not in [call.args[0] for call in bench.runner.cancel.call_args_list]
    assert bench.state.active.kind is JobKind.ANIMATION
    bench.tell(recording, JobState.DONE, result=Path("/tmp/egg.gif"))
    assert "/tmp/egg.gif" in bench.state.notice.sentence
    assert bench.state.item(item.key) is None
