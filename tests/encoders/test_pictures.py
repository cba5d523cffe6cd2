"""The object's part of a picture."""

from __future__ import annotations

import numpy as np
import pytest

from nmf_model.encoders.pictures import place_cut_out, shrunk
from nmf_model.errors import InputError


def picture(height: int, width: int, rows: slice, columns: slice) -> tuple[np.ndarray, np.ndarray]:
    """Return a red object, its right half blue, on green, and its mask."""
    mask = np.zeros((height, width), dtype=bool)
    mask[rows, columns] = True
    rgba = np.full((height, width, 4), (0, 255, 0, 255), dtype=np.uint8)
    middle = (columns.start + columns.stop) // 2
    rgba[mask] = (255, 0, 0, 255)
    rgba[rows, middle : columns.stop] = (0, 0, 255, 255)
    return rgba, mask


def test_a_small_picture_is_left_as_it_is():
    rgba, mask = picture(90, 120, slice(20, 50), slice(30, 110))
    colours, covered = shrunk(rgba, mask, 64)
    assert colours is rgba
    assert covered is mask


def test_a_small_object_on_a_large_picture_is_cut_out_as_sharp_as_it_is():
    rgba, mask = picture(900, 1200, slice(0, 30), slice(700, 780))
    colours, covered = shrunk(rgba, mask, 64)
    assert colours.shape == (30 + 2 * 24, 80 + 2 * 24, 4)
    assert np.array_equal(colours[24:54, 24:104], rgba[:30, 700:780])
    assert np.array_equal(covered, colours[..., 3] == 255)
    assert covered.sum() == mask.sum()


def test_a_large_one_is_shrunk_and_nothing_of_the_background_is_mixed_in():
    rgba, mask = picture(900, 1200, slice(203, 500), slice(301, 1101))
    mask[203:300, 301:420] = False  # a corner cut off, where the background's green is
    rgba[203:300, 301:420] = (0, 255, 0, 255)
    colours, covered = shrunk(rgba, mask, 100)
    assert colours.shape == (-(-(297 + 480) // 8), 160, 4)
    assert colours[covered, 1].max() == 0
    _, columns = np.nonzero(covered)
    assert (colours[covered][columns < 80, 0] == 255).all()
    assert (colours[covered][columns >= 80, 2] == 255).all()
    square = place_cut_out(covered)
    assert square.half * 8 == pytest.approx(place_cut_out(mask).half, rel=0.01)
    assert 64 * covered.sum() == pytest.approx(mask.sum(), rel=0.03)


def test_a_hairline_is_not_lost():
    rgba, mask = picture(1000, 1000, slice(500, 501), slice(100, 900))
    colours, covered = shrunk(rgba, mask, 100)
    rows, columns = np.nonzero(covered)
    assert np.ptp(rows) == 0
    assert np.ptp(columns) == 99
    assert (colours[covered, 3] > 0).all()


def test_nothing_is_refused():
    rgba, mask = picture(10, 10, slice(2, 2), slice(3, 3))
    with pytest.raises(InputError, match="shows no object"):
        shrunk(rgba, mask, 5)
