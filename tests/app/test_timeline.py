from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtGui import QAction

from nmf_app.widgets.timeline import STEPS, Timeline, between

from .conftest import FRAMES, ellipsoid_flow


@pytest.fixture
def timeline(qtbot):
    action = QAction()
    timeline = Timeline(action)
    timeline.keep = action
    qtbot.addWidget(timeline)
    return timeline


def test_between_frames_is_linear_and_exact_at_frames():
    flow = ellipsoid_flow(1)
    assert between(flow, 3.0) is not None
    np.testing.assert_array_equal(between(flow, 3.0), flow.vertices[3])
    np.testing.assert_array_equal(between(flow, FRAMES - 1), flow.vertices[-1])
    np.testing.assert_allclose(
        between(flow, 2.25), 0.75 * flow.vertices[2] + 0.25 * flow.vertices[3], atol=1e-6
    )


def test_a_finished_flow_plays_once_from_sphere_to_object_and_stops(timeline, qtbot):
    flow, drawn = ellipsoid_flow(1), []
    timeline.moved.connect(drawn.append)
    timeline._speed.setCurrentIndex(timeline._speed.count() - 1)
    timeline.set_trajectory(flow, play=True)
    assert timeline.playing
    qtbot.waitUntil(lambda: not timeline.playing, timeout=5000)
    np.testing.assert_array_equal(drawn[0], flow.vertices[0])
    np.testing.assert_array_equal(drawn[-1], flow.vertices[-1])
    assert len(drawn) > 10


def test_scrubbing_pauses_and_draws_that_frame(timeline, qtbot):
    flow, drawn = ellipsoid_flow(1), []
    timeline.set_trajectory(flow, play=True)
    timeline.moved.connect(drawn.append)
    timeline._slider.setValue(4 * STEPS)
    assert not timeline.playing
    assert timeline.position == 4
    np.testing.assert_array_equal(drawn[-1], flow.vertices[4])


def test_play_at_the_end_begins_again(timeline):
    timeline.set_trajectory(ellipsoid_flow(1))
    assert timeline.position == FRAMES - 1
    timeline.toggle()
    assert timeline.playing
    assert timeline.position == 0
    timeline.toggle()
    assert not timeline.playing


def test_without_a_flow_it_is_off(timeline):
    timeline.set_trajectory(None)
    timeline.toggle()
    assert not timeline.playing
    assert not timeline.isEnabled()
    assert not timeline.keep.isEnabled()
