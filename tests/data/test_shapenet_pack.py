"""The published layout and the packed form: what is written is read, and nothing damaged passes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nmf_model.data.pack import write_points, write_views
from nmf_model.data.packed import PackedViews, read_packed_points
from nmf_model.data.renderings import open_renderings
from nmf_model.data.shapenet import ShapeNetSet
from nmf_model.data.splits import split_of
from nmf_model.data.synthetic import SyntheticShapes, synthetic_batch
from nmf_model.errors import InputError
from tests.support import in_process

KEYS = [f"{category}/item{number}" for category in ("chairs", "lamps") for number in range(8)]


def _shape(number: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(number)
    normals = rng.normal(size=(300, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return normals * [1.0, 0.5, 0.7], normals


def _write_set(root: Path, views: int = 3, folder: str = "rendering") -> Path:
    for number, key in enumerate(KEYS):
        points, normals = _shape(number)
        place = root / "ShapeNetPoints" / key
        place.mkdir(parents=True)
        np.save(place / "points.npy", points.astype(np.float32))
        np.save(place / "normals.npy", normals.astype(np.float32))
        if number == 1:
            continue
        place = root / "ShapeNetRendering" / key / folder
        place.mkdir(parents=True)
        for view in range(views):
            image = np.zeros((56, 56, 4), dtype=np.uint8)
            image[14:42, 7 * view : 7 * view + 28] = [200, 10 * number, 50, 255]
            Image.fromarray(image).save(place / f"{view:02}.png")
        lines = [f"{40 * view} {20 + view} 0 3.5 34\n" for view in range(views)]
        (place / "rendering_metadata.txt").write_text("".join(lines))
    return root


@pytest.mark.parametrize("folder", ["rendering", "renderings"])
def test_the_layout_is_read_as_it_is(tmp_path: Path, folder: str) -> None:
    read = ShapeNetSet(_write_set(tmp_path, folder=folder))
    assert [item.key for item in read.items] == KEYS
    points, normals = _shape(5)
    assert np.array_equal(read.shape(5).points, points.astype(np.float32))
    assert np.array_equal(read.shape(5).normals, normals.astype(np.float32))
    assert [read.view_count(0), read.view_count(1)] == [3, 0]
    assert read.image(4, 2)[20, 20].tolist() == [200, 40, 50, 255]
    assert read.image(4, 2)[20, 5].tolist()[3] == 0
    cameras = read.cameras(4)
    assert cameras is not None
    assert np.allclose(np.degrees(cameras), [[0, 20], [40, 21], [80, 22]])


def test_the_split_is_made_by_the_rule_or_taken_from_a_file(tmp_path: Path) -> None:
    root = _write_set(tmp_path)
    assert [item.split for item in ShapeNetSet(root).items] == [split_of(key) for key in KEYS]
    own = {"train": KEYS[:10], "val": KEYS[10:11], "test": KEYS[11:13]}
    (root / "own.json").write_text(json.dumps(own))
    parts = [
        ShapeNetSet(root, split=part, split_file=root / "own.json")
        for part in ("train", "validation", "test")
    ]
    assert [[item.key for item in part.items] for part in parts] == list(own.values())
    (root / "split.json").write_text(json.dumps({"test": KEYS[:2]}))
    assert [item.key for item in ShapeNetSet(root, split="test").items] == KEYS[:2]
    assert {item.key for item in ShapeNetSet(root / "ShapeNetPoints", categories=["chairs"]).items} == set(
        KEYS[:2]
    )
    with pytest.raises(InputError, match="no object of the part 'train'"):
        ShapeNetSet(root, split="train")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"train": ["chairs/absent"]}', "names chairs/absent"),
        ('{"train": ["chairs/item1"], "test": ["chairs/item1"]}', "chairs/item1 into two parts"),
        ('["chairs/item1"]', "must be an object"),
        ("{", "cannot be read as JSON"),
    ],
)
def test_a_wrong_split_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    root = _write_set(tmp_path, views=0)
    (root / "split.json").write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        ShapeNetSet(root)
    assert "split.json" in str(caught.value)


def test_missing_and_damaged_items_are_named_and_never_replaced(tmp_path: Path) -> None:
    root = _write_set(tmp_path)
    folder = root / "ShapeNetPoints"
    (folder / KEYS[0] / "normals.npy").unlink()
    (folder / KEYS[1] / "points.npy").write_bytes((folder / KEYS[1] / "points.npy").read_bytes()[:900])
    np.save(folder / KEYS[2] / "points.npy", np.full((300, 3), np.nan))
    np.save(folder / KEYS[3] / "points.npy", np.zeros((7, 3)))
    np.save(folder / KEYS[4] / "points.npy", np.zeros((7, 2)))
    np.save(folder / KEYS[6] / "points.npy", np.full((300, 3), 0.5))
    np.save(folder / KEYS[7] / "normals.npy", np.zeros((300, 3)))
    picture = root / "ShapeNetRendering" / KEYS[5] / "rendering" / "01.png"
    picture.write_bytes(picture.read_bytes()[:60])
    read = ShapeNetSet(root)
    messages = {
        0: "normals.npy is missing",
        1: "points.npy is missing or damaged",
        2: "not finite",
        3: "7 points but 300 normals",
        4: "rows of x, y and z",
        6: "points.npy is damaged: all its points coincide",
        7: "normals.npy is damaged: most normals have no length",
    }
    for number, named in messages.items():
        with pytest.raises(InputError, match=named) as caught:
            read.shape(number)
        assert KEYS[number] in str(caught.value)
    with pytest.raises(InputError, match=r"item5/rendering/01\.png is a damaged picture"):
        read.image(5, 1)
    with pytest.raises(InputError, match=r"item1 has 0 pictures .* view 0 is missing"):
        read.image(1, 0)
    with pytest.raises(InputError, match="not a folder"):
        ShapeNetSet(tmp_path / "nothing")


def test_the_authors_own_split_file_is_understood(tmp_path: Path) -> None:
    """Theirs lists objects by category, and calls the validation part "valid" or "val"."""
    root = _write_set(tmp_path, views=0)
    theirs = {
        "train": {"chairs": ["item0", "item3"]},
        "valid": {"lamps": ["item1"]},
        "test": {"chairs": ["item2"]},
    }
    (root / "mysplit.json").write_text(json.dumps(theirs))
    read = ShapeNetSet(root, split_file=root / "mysplit.json")
    assert {item.key: item.split for item in read.items} == {
        "chairs/item0": "train", "chairs/item3": "train", "lamps/item1": "validation", "chairs/item2": "test",
    }  # fmt: skip


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    prepared = ShapeNetSet(_write_set(folder / "set"))
    write_points(folder / "points.npz", prepared, 256)
    write_views(folder / "views.npz", prepared, size=28)
    return folder


def test_packing_keeps_points_normals_and_their_pairing(packed: Path) -> None:
    shapes = read_packed_points(packed / "points.npz")
    assert shapes.ids.tolist() == KEYS
    assert shapes.splits.tolist() == [split_of(key) for key in KEYS]
    assert shapes.normals is not None
    for number in (0, 9):
        points, normals = shapes.points[number], shapes.normals[number]
        expected, directions = (part[:256] for part in _shape(number))
        nearest = np.linalg.norm(points[:, None] - expected[None], axis=2)
        match = nearest.argmin(axis=1)
        assert sorted(match) == list(range(256))
        assert nearest.min(axis=1).max() < 5e-5
        assert np.abs(normals - directions[match]).max() < 0.01
        assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=0.01)


def test_views_keep_alpha_colour_and_camera(packed: Path) -> None:
    views = PackedViews(packed / "views.npz")
    assert views.per_object == 3
    assert views.has_views.tolist() == [number != 1 for number in range(len(KEYS))]
    view = views.image(8, 2)
    expected = np.zeros((28, 28), dtype=bool)
    expected[7:21, 7:21] = True
    assert np.array_equal(view[:, :, 3] == 255, expected)
    assert (view[~expected][:, 3] == 0).all()
    assert np.abs(view[expected].astype(int)[:, :3] - [200, 80, 50]).max() < 20
    assert np.degrees(views.angles[8, 2]) == pytest.approx([80, 22], abs=1e-4)
    with pytest.raises(InputError, match="item1 has no renderings"):
        views.image(1, 0)
    with pytest.raises(InputError, match="View 3 was asked for"):
        views.image(0, 3)


def test_objects_without_all_their_pictures_are_named(tmp_path: Path) -> None:
    root = _write_set(tmp_path / "set")
    (root / "ShapeNetRendering" / KEYS[4] / "rendering" / "02.png").unlink()
    (root / "ShapeNetRendering" / KEYS[4] / "rendering" / "rendering_metadata.txt").unlink()
    lacking = write_views(tmp_path / "views.npz", ShapeNetSet(root), size=28)
    assert lacking == {KEYS[1]: 0, KEYS[4]: 2}
    views = PackedViews(tmp_path / "views.npz")
    assert {str(name) for name in views.ids[~views.has_views]} == lacking.keys()
    assert write_views(tmp_path / "views.npz", ShapeNetSet(root), 2, size=28) == {KEYS[1]: 0}
    outcome = in_process.training(tmp_path, "pack", root, "--out", "p.npz", "--views", "v.npz",
                                  "--points-per-shape", 256)  # fmt: skip
    assert outcome.code == 0, outcome.err
    (line,) = [line for line in outcome.out.splitlines() if "without pictures" in line]
    assert line.startswith("2 objects ")
    assert line.endswith(f"{KEYS[1]} (0), {KEYS[4]} (2).")


def test_an_object_that_is_no_shape_spoils_a_pack_and_is_named(packed: Path, tmp_path: Path) -> None:
    stored = dict(np.load(packed / "points.npz"))
    real = stored["points"] / 32767
    for name, value, sentence in [
        ("points", stored["points"][5, :1], "the points of chairs/item5 coincide"),
        ("normals", 0, "the normals of chairs/item5 mostly have no length"),
        ("real", np.nan, "the points of chairs/item5 are not all finite"),
    ]:
        key, array = ("points", real.copy()) if name == "real" else (name, stored[name].copy())
        array[5] = value
        np.savez(tmp_path / "p.npz", **{**stored, key: array})
        with pytest.raises(InputError, match=f"p.npz is damaged: {sentence}"):
            read_packed_points(tmp_path / "p.npz")


def test_a_prepared_folder_is_not_read_without_its_manifest(tmp_path: Path) -> None:
    """The parts are by id, and ids are in the manifest alone: keys in their place mix the parts."""
    root = _write_set(tmp_path)
    ids = {key: f"id of {key}" for key in KEYS}
    assert any(split_of(key) != split_of(ids[key]) for key in KEYS)
    (root / "settings.json").write_text("{}")
    for read in (ShapeNetSet, lambda path: open_renderings(path).keys_by_id()):
        with pytest.raises(InputError, match=r"was prepared, but its manifest\.json is missing"):
            read(root)
    entries = [{"path": key, "id": ids[key]} for key in KEYS]
    content = {"objects": entries[:3], "unfinished": entries[3:-1]}
    (root / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=f"manifest.json does not list {KEYS[-1]}"):
        ShapeNetSet(root)
    content["unfinished"] = entries[3:]
    (root / "manifest.json").write_text(json.dumps(content))
    items = ShapeNetSet(root).items
    assert {item.key: item.id for item in items} == ids
    assert all(item.split == split_of(item.id) for item in items)


def test_damaged_packs_are_named(packed: Path, tmp_path: Path) -> None:
    whole = (packed / "points.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    np.savez(tmp_path / "other.npz", points=np.zeros((2, 5, 3)))
    np.savez(tmp_path / "flat.npz", points=np.zeros((2, 5)), id=np.array(["a", "b"]))
    (tmp_path / "text.npz").write_text("no archive")
    for name, message in [
        ("cut", "cut.npz is not a readable"),
        ("text", "text.npz is not a readable"),
        ("other", "has no id"),
        ("flat", "do not fit"),
        ("absent", r"no file or folder .*absent\.npz"),
    ]:
        with pytest.raises(InputError, match=message):
            read_packed_points(tmp_path / f"{name}.npz")
    stored = dict(np.load(packed / "views.npz"))
    np.savez(tmp_path / "views.npz", **{**stored, "offset": stored["offset"][:-1]})
    with pytest.raises(InputError, match="offsets do not match"):
        PackedViews(tmp_path / "views.npz")


def test_points_beyond_the_unit_sphere_are_not_clipped_in_silence(tmp_path: Path) -> None:
    root = _write_set(tmp_path, views=0)
    np.save(root / "ShapeNetPoints" / KEYS[3] / "points.npy", 1.5 * _shape(3)[0])
    with pytest.raises(InputError, match=f"{KEYS[3]} reaches beyond"):
        write_points(tmp_path / "points.npz", ShapeNetSet(root), 256)


def test_procedural_shapes_are_packed_as_they_are_made(tmp_path: Path) -> None:
    write_points(tmp_path / "pool.npz", SyntheticShapes(3, 5, 128), 128)
    stored = read_packed_points(tmp_path / "pool.npz")
    assert stored.ids.tolist() == ["synthetic-5-0", "synthetic-5-1", "synthetic-5-2"]
    made = synthetic_batch(5, 2, 1, 128).points[0].numpy()
    distance = np.linalg.norm(stored.points[2][:, None] - made[None], axis=2)
    assert sorted(distance.argmin(axis=1)) == list(range(128))
    assert distance.min(axis=1).max() < 5e-5
