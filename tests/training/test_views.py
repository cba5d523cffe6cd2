"""Renderings in folders and packed: the same pictures and cameras, and none invented."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nmf_model.data.pack import write_views
from nmf_model.data.shapenet import ShapeNetSet
from nmf_model.errors import InputError
from nmf_model.training.cut_outs import read_views
from nmf_model.training.views import ViewSet, joined_views, load_views
from tests.support.tiny_models import save_folder

ANGLES = np.radians([[10.0, 25.0], [200.0, 30.0]])


def save_renderings(root: Path, *, cameras: bool) -> list[str]:
    """Write two pictures of each object but the first; return the ids in the order of the folder."""
    keys = [item.key for item in ShapeNetSet(save_folder(root, count=4)).items]
    for number, key in enumerate(keys[1:]):
        folder = root / "ShapeNetRendering" / key / "rendering"
        folder.mkdir(parents=True)
        for view in range(2):
            picture = np.zeros((112, 112, 4), dtype=np.uint8)
            picture[30:80, 20 + 5 * number : 60 + 9 * view] = (60 * number, 200, 100 * view, 255)
            Image.fromarray(picture).save(folder / f"{view:02}.png")
        if cameras:
            lines = [f"{azimuth} {elevation} 0 1.5 25\n" for azimuth, elevation in np.degrees(ANGLES)]
            (folder / "rendering_metadata.txt").write_text("".join(lines))
    return keys


@pytest.fixture(params=["folder", "packed"])
def opened(request, tmp_path):
    """Return a function that opens a new set, with or without cameras, and its ids."""

    def open_set(*, cameras: bool) -> tuple[ViewSet, list[str]]:
        keys = save_renderings(tmp_path / "set", cameras=cameras)
        path = tmp_path / "set"
        if request.param == "packed":
            path = tmp_path / "views.npz"
            write_views(path, ShapeNetSet(tmp_path / "set"), size=112, quality=100)
        return load_views(path, keys[::-1]), keys

    return open_set


def test_one_picture_is_the_same_alone_and_in_a_batch_in_the_order_asked_for(opened):
    views, keys = opened(cameras=True)
    assert views.ids.tolist() == keys[:0:-1]
    assert [key in views for key in keys] == [False, True, True, True]
    batch = views.take(np.array([2, 0]), np.array([1, 0]))
    for number, (key, view) in enumerate([(keys[1], 1), (keys[3], 0)]):
        alone = views.picture(key, view)
        assert np.array_equal(alone, batch[number].transpose(1, 2, 0))
        solid = np.zeros((112, 112), dtype=bool)
        solid[30:80, 20 + 5 * keys[1:].index(key) : 60 + 9 * view] = True
        assert np.array_equal(alone[..., 3] == 255, solid)


def test_one_picture_is_as_sharp_as_it_is_stored_whatever_size_batches_have(opened):
    views, keys = opened(cameras=True)
    small = replace(views, size=28)
    assert small.take(np.array([0]), np.array([1])).shape == (1, 4, 28, 28)
    assert np.array_equal(small.picture(keys[3], 1), views.picture(keys[3], 1))


def test_recorded_cameras_are_those_of_the_file(opened):
    views, keys = opened(cameras=True)
    for view in range(2):
        assert views.camera(keys[2], view) == pytest.approx(ANGLES[view], abs=1e-6)


def test_cameras_that_are_not_recorded_are_no_cameras(opened):
    """A camera at azimuth and elevation 0 in their place would teach every object a wrong pose."""
    views, keys = opened(cameras=False)
    with pytest.raises(InputError, match=f"cameras of {keys[2]} are not recorded"):
        views.camera(keys[2], 0)
    with pytest.raises(InputError, match="not recorded"):
        read_views(views, torch.tensor([0]), torch.tensor([1]), torch.device("cpu"))


def test_several_sets_are_one_in_the_order_asked_for(tmp_path):
    """Each object's pictures come with its own cameras, over again where another set has more of them."""
    first, second = tmp_path / "first", tmp_path / "second"
    keys = save_renderings(first, cameras=True)
    folder = second / "ShapeNetRendering" / "lamps" / "one" / "rendering"
    folder.mkdir(parents=True)
    cameras = np.radians([[30.0, 21.0], [31.0, 22.0], [32.0, 23.0]])
    for view in range(3):
        Image.fromarray(np.full((112, 112, 4), 50 + view, dtype=np.uint8)).save(folder / f"{view:02}.png")
    lines = [f"{azimuth} {elevation} 0 1.5 25\n" for azimuth, elevation in np.degrees(cameras)]
    (folder / "rendering_metadata.txt").write_text("".join(lines))
    wanted = [keys[2], "lamps/one", "in/neither", keys[1]]
    views = joined_views([first, second], wanted)
    assert views.ids.tolist() == [keys[2], "lamps/one", keys[1]]
    assert views.count == 3
    alone = load_views(first, wanted)
    for view in range(3):
        assert np.array_equal(views.picture(keys[1], view), alone.picture(keys[1], view % 2))
        assert views.camera(keys[1], view) == pytest.approx(ANGLES[view % 2], abs=1e-6)
        assert np.all(views.picture("lamps/one", view) == 50 + view)
        assert views.camera("lamps/one", view) == pytest.approx(cameras[view], abs=1e-6)
    with pytest.raises(InputError, match="hold no pictures of these objects"):
        joined_views([first, second], ["in/neither"])


def test_pictures_of_one_object_in_several_sets_are_all_its_own(tmp_path):
    """As where an object was rendered again from other heights; the others' pictures come over again."""
    first, second = tmp_path / "first", tmp_path / "second"
    keys = save_renderings(first, cameras=True)
    folder = second / "ShapeNetRendering" / keys[1] / "rendering"
    folder.mkdir(parents=True)
    Image.fromarray(np.full((112, 112, 4), 77, dtype=np.uint8)).save(folder / "00.png")
    (folder / "rendering_metadata.txt").write_text("10 45 0 1.5 25\n")
    views = joined_views([first, second], keys)
    assert views.count == 3
    assert np.all(views.picture(keys[1], 2) == 77)
    assert views.camera(keys[1], 2) == pytest.approx(np.radians([10, 45]), abs=1e-6)
    alone = load_views(first, keys)
    for key, view, wanted in [(keys[1], 0, 0), (keys[1], 1, 1), (keys[2], 1, 1), (keys[2], 2, 0)]:
        assert np.array_equal(views.picture(key, view), alone.picture(key, wanted))
        assert views.camera(key, view) == pytest.approx(ANGLES[wanted], abs=1e-6)
