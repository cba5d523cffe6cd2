"""Shapes to learn: a damaged one is named, and none loses points in silence."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from nmf_model.errors import InputError
from nmf_model.training.shapes import load_shapes
from nmf_model.training.targets import Targets
from tests.support.tiny_models import egg, save_folder, save_pack

COUNT = 150


@pytest.fixture
def root(tmp_path):
    """Twelve objects of 150 to 161 points."""
    return save_folder(tmp_path / "set")


def store(root, number: int, count: int, *, points=None, normals=None) -> str:
    """Replace the files of an object; return its key."""
    key = f"{('egg', 'ball')[number % 2]}/item{number}"
    for name, made, given in zip(("points", "normals"), egg(number, count), (points, normals), strict=True):
        np.save(root / "ShapeNetPoints" / key / f"{name}.npy", made if given is None else given)
    return key


@pytest.mark.parametrize("points", [None, 100])
def test_an_object_of_a_few_points_is_refused_and_never_shrinks_the_others(root, points):
    key = store(root, 4, 7)
    sentence = f"{re.escape(key)}/points.npy has only 7 points, while the median object has 155"
    with pytest.raises(InputError, match=sentence):
        load_shapes([root], points=points)
    assert load_shapes([root], points=7).points.shape == (12, 7, 3)


def test_nothing_is_cut_below_what_is_wanted_without_a_line(root, tmp_path, capsys):
    key = store(root, 3, 90)
    assert load_shapes([root], points=80).points.shape == (12, 80, 3)
    assert load_shapes([root]).points.shape == (12, 90, 3)
    assert capsys.readouterr().err == ""
    shapes = load_shapes([root], points=120)
    assert shapes.points.shape == (12, 90, 3)
    assert capsys.readouterr().err == f"All shapes are cut to 90 of 120 points, since {key} has no more.\n"
    packed = save_pack(tmp_path / "packed.npz")
    store(root, 3, 153)
    assert load_shapes([packed, root], points=200).points.shape == (16, 150, 3)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == f"All shapes are cut to 150 of 200 points, since {root} has no more."
    assert load_shapes([packed], points=4096).points.shape == (4, 200, 3)
    assert capsys.readouterr().err == ""


def test_an_object_that_comes_twice_is_refused(root, tmp_path):
    packed = save_pack(tmp_path / "packed.npz")
    stored = dict(np.load(packed))
    again = tmp_path / "again.npz"
    np.savez(again, **{**stored, "id": np.array(["a", "b", "shape2", "c"]), "split": np.array(["train"] * 4)})
    with pytest.raises(InputError, match="shape2 is in the data twice"):
        load_shapes([packed, again])
    assert len(load_shapes([packed, root]).ids) == 16


def test_the_identity_of_shapes_is_that_of_their_points_in_any_order(tmp_path):
    packed = save_pack(tmp_path / "packed.npz")
    shapes = load_shapes([packed])
    assert shapes.rows(np.array([2, 0, 3, 1])).identity == shapes.identity
    assert shapes.rows(np.array([0, 1, 2])).identity != shapes.identity
    stored = dict(np.load(packed))
    stored["points"][3, 5, 1] += 1
    np.savez(tmp_path / "moved.npz", **stored)
    assert load_shapes([tmp_path / "moved.npz"]).identity != shapes.identity
    assert load_shapes([packed], points=100).identity != shapes.identity


def test_points_are_counted_without_reading_them(root, tmp_path):
    targets = Targets([root], "test")
    counts = [targets.point_count(index) for index in range(len(targets))]
    assert counts == [len(targets.read(index).points) for index in range(len(targets))]
    assert Targets([save_pack(tmp_path / "packed.npz")], "test").point_count(3) == 200


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ({"points": np.full((COUNT, 3), 0.25)}, "points.npy is damaged: all its points coincide"),
        ({"normals": np.zeros((COUNT, 3))}, "normals.npy is damaged: most normals have no length"),
    ],
)
def test_damaged_files_are_named_in_training_and_evaluation(root, damage, sentence):
    key = store(root, 5, COUNT, **damage)
    with pytest.raises(InputError, match=f"{key}/{sentence}"):
        load_shapes([root])
    (root / "split.json").write_text(json.dumps({"test": [key]}))
    with pytest.raises(InputError, match=f"{key}/{sentence}"):
        Targets((root,), "test").read(0)


def test_a_part_without_objects_is_told_with_how_many_are_needed(root):
    shapes = load_shapes([root])
    others = shapes.rows(np.flatnonzero(shapes.splits != "validation"))
    with pytest.raises(InputError, match=r"no shapes of the part 'validation'.*one object in ten.*some 40"):
        others.part("validation")
