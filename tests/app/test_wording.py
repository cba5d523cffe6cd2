from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nmf_app.formats import EXPORT_FORMATS, UNITS, conversion, open_filter
from nmf_app.wording import duration, gap, level_words, number, remaining
from nmf_model.checks import check_lines
from nmf_model.io.suffixes import OUTPUT_SUFFIXES
from nmf_model.quality import inspect_mesh
from nmf_model.types import Mesh

from .conftest import ellipsoid_flow


@pytest.fixture
def sound():
    flow = ellipsoid_flow(2)
    return inspect_mesh(Mesh(flow.vertices[-1].astype(float), flow.faces))


def test_a_sound_mesh_is_all_green(sound):
    assert sound.is_sound
    assert all(line.good for line in check_lines(sound))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"watertight": False}, "holes"),
        ({"components": 3, "euler_characteristic": 6}, "3 separate pieces"),
        ({"euler_characteristic": -2}, "2 handles"),
        ({"outward": False}, "inward"),
        ({"nonmanifold_edges": 4, "nonmanifold_vertices": 1}, "5 bad joints"),
        ({"self_intersecting_faces": 1234}, "1,234 faces cross"),
        ({"degenerate_faces": 2}, "2 collapsed"),
    ],
)
def test_each_fault_turns_its_line_red_and_says_how_many(sound, fault, words):
    red = [line.text for line in check_lines(replace(sound, **fault)) if not line.good]
    assert any(words in text for text in red)
    assert not replace(sound, **fault).is_sound


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1:00 min"), (65, "1:05 min"), (3723, "1:02:03 h")],
)
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_time_left_waits_until_it_is_worth_saying():
    assert remaining(0.5, 0.5, 0.5) == ""
    assert remaining(10.0, 0.01, 10.0) == ""
    assert remaining(10.0, 0.25, 10.0) == "about 30 s left"


def test_time_left_never_grows_while_nothing_moves():
    said = [remaining(elapsed, 0.25, 10.0) for elapsed in (10.0, 20.0, 39.0, 40.0, 60.0)]
    assert said == ["about 30 s left", "about 20 s left", "about 1 s left", "", ""]


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "0"), (1.23456, "1.235"), (12345.678, "12,346"), (1.5e-7, "1.500e-07"), (2e9, "2.000e+09")],
)
def test_numbers(value, words):
    assert number(value) == words


def test_gap_is_a_share_of_the_diameter(sound):
    assert gap(replace(sound, chamfer_l2=2e-4)) == "0.50 % of size"
    assert gap(sound) == ""


def test_levels_name_their_true_size():
    assert level_words(4).endswith("2,562 vertices")
    assert level_words(7).endswith("163,842 vertices")


def test_every_export_format_of_the_model_is_offered():
    assert {f".{entry.suffix}" for entry in EXPORT_FORMATS} == set(OUTPUT_SUFFIXES)


def test_unit_conversion_and_back():
    inch = next(unit for unit in UNITS if unit.symbol == "in")
    millimetre = next(unit for unit in UNITS if unit.symbol == "mm")
    assert conversion(inch, millimetre) == pytest.approx(25.4)
    for one in UNITS:
        for other in UNITS:
            assert np.isclose(conversion(one, other) * conversion(other, one), 1)


def test_the_open_dialog_offers_scans_and_pictures():
    for pattern in ("*.ply", "*.laz", "*.png", "*.avif", "*.jpg"):
        assert pattern in open_filter()
