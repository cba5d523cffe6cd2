"""Several looks at one picture: all of them in one frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from nmf_model.config import ImageEncoderConfig
from nmf_model.encoders.looks import LOOKS, RIM_POINTS, TooThin, look
from nmf_model.encoders.pictures import cut_out, place_cut_out
from nmf_model.encoders.pixel_points import CELL, PixelPoints, with_perspective
from nmf_model.errors import InputError

SIZE = 64
DEPTHS = (-0.4, 0.4)


@pytest.fixture(scope="module")
def branch() -> PixelPoints:
    """Answers every cell with its very middle, at two depths."""
    torch.manual_seed(0)
    made = PixelPoints(ImageEncoderConfig(kind="pixels", size=SIZE, points=128, depths=2)).eval()
    torch.nn.init.zeros_(made.write.weight)
    return made


@pytest.fixture(scope="module")
def picture() -> tuple[np.ndarray, np.ndarray]:
    """An L, which neither a mirror nor a turn takes onto itself, off the middle of a picture."""
    mask = np.zeros((240, 300), dtype=bool)
    mask[40:200, 90:140] = True
    mask[150:200, 90:250] = True
    rgba = np.zeros((240, 300, 4), dtype=np.uint8)
    rgba[mask] = (90, 120, 200, 255)
    return rgba, mask


def seen_on(branch, rgba, mask) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows and columns at which all points are seen, and their depths."""
    with torch.no_grad():
        seen = with_perspective(look(branch, rgba, mask, SIZE).together[None])[0].numpy()
    square = place_cut_out(mask)
    rows, columns = (
        square.centre[1] - seen[:, 1] * square.half,
        square.centre[0] + seen[:, 0] * square.half,
    )
    return rows, columns, seen[:, 2]


def test_every_look_sees_the_object_where_it_is(branch, picture):
    rows, columns, depths = (part[:-RIM_POINTS] for part in seen_on(branch, *picture))
    _, mask = picture
    square = place_cut_out(mask)
    # The middle of a cell of which a tenth is covered lies less than a cell beside the object.
    cell = 2 * square.half * max(one.scale for one in LOOKS) * CELL / SIZE
    reach = int(np.ceil(cell))
    near = np.array(
        [
            mask[max(0, r - reach) : r + reach + 1, max(0, c - reach) : c + reach + 1].any()
            for r, c in zip(rows.astype(int), columns.astype(int), strict=True)
        ]
    )
    assert near.all()
    on_it = mask[rows.astype(int), columns.astype(int)]
    assert on_it.mean() > 0.7
    # As many points in each part of the L as the area of its cells asks for.
    cells = ndimage.binary_dilation(mask, iterations=reach // 2)
    assert (rows > 150).mean() == pytest.approx(cells[150:].sum() / cells.sum(), abs=0.03)
    wanted = sorted({round(depth * one.scale, 4) for depth in DEPTHS for one in LOOKS})
    assert sorted(set(np.round(depths, 4).tolist())) == pytest.approx(wanted)


def test_the_outline_is_among_the_points_as_deep_as_what_is_beside_it(branch, picture):
    rows, columns, depths = (part[-RIM_POINTS:] for part in seen_on(branch, *picture))
    _, mask = picture
    places = np.stack([rows.astype(int), columns.astype(int)], axis=1)
    edge = mask & ~ndimage.binary_erosion(mask)
    assert edge[tuple(places.T)].mean() > 0.99  # single precision moves some to the next pixel
    corners = [(40, 90), (40, 139), (199, 90), (199, 249), (150, 249)]
    for corner in corners:
        assert np.abs(places - corner).max(axis=1).min() <= 3, "the whole outline is covered"
    assert np.abs(depths).max() <= 0.4 * max(one.scale for one in LOOKS) + 1e-6


def test_the_plain_look_is_the_branch_s_own_answer(branch, picture):
    rgba, mask = picture
    with torch.no_grad():
        plain = look(branch, rgba, mask, SIZE).plain
        assert torch.allclose(plain, branch(cut_out(rgba, mask, SIZE))[0], atol=1e-6)


def test_looks_differ_and_half_of_them_are_in_the_mirror():
    assert len(set(LOOKS)) == len(LOOKS)
    assert sum(one.mirrored for one in LOOKS) == len(LOOKS) // 2
    assert LOOKS[0] == (1.0, 0.0, 0.0, False)


def test_what_covers_no_cell_is_refused_instead_of_taken_for_all_of_the_picture(branch):
    mask = np.eye(400, dtype=bool)
    rgba = np.where(mask[..., None], np.uint8(255), np.uint8(0)).repeat(4, axis=2)
    with torch.no_grad(), pytest.raises(TooThin, match="too thin"):
        look(branch, rgba, mask, SIZE)


def test_an_empty_mask_is_refused(branch):
    with pytest.raises(InputError, match="shows no object"):
        look(branch, np.zeros((10, 10, 4), dtype=np.uint8), np.zeros((10, 10), dtype=bool), SIZE)


def test_the_upright_of_all_looks_is_told_in_the_frame_of_the_plain_one(picture):
    torch.manual_seed(0)
    config = ImageEncoderConfig(kind="pixels", size=SIZE, points=128, depths=2, up=True)
    branch = PixelPoints(config).eval()
    rgba, mask = picture
    with torch.no_grad():
        seen = look(branch, rgba, mask, SIZE).up
        assert torch.allclose(seen, branch.upright.answer.bias, atol=0.05)  # what is assumed at first
        # An answer that leans to the right wherever it is asked leans to neither side: half the looks are
        # mirrored.
        branch.upright.answer.bias += torch.tensor([0.5, 0.0, 0.0])
        assert abs(look(branch, rgba, mask, SIZE).up[0].item()) < 0.05
        # Seen in the mirror, all leans the other way.
        torch.nn.init.normal_(branch.upright.answer.weight, std=1.0)
        right, left = (look(branch, rgba[:, ::way].copy(), mask[:, ::way].copy(), SIZE).up for way in (1, -1))
    assert abs(right[0].item()) > 0.01
    assert right.norm().item() == pytest.approx(1)
    assert torch.allclose(left, right * torch.tensor([-1.0, 1.0, 1.0]), atol=0.1)
