"""Preparing a set, with real processes and real pictures, from a library and a folder the tests write."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from nmf_model.data import prepare as module
from nmf_model.data.lock import LOCK_FILE, held
from nmf_model.data.pack import write_points, write_views
from nmf_model.data.packed import PackedViews, read_packed_points
from nmf_model.data.prepare import PrepareSummary, prepare
from nmf_model.data.render import DISTANCE, FIELD_OF_VIEW, draw_cameras, render_views
from nmf_model.data.shapenet import ShapeNetSet
from nmf_model.data.sources import list_objects
from nmf_model.data.splits import split_of
from nmf_model.errors import InputError
from nmf_model.io.meshes import write_mesh
from nmf_model.training.shapes import load_shapes
from nmf_model.training.views import load_views
from nmf_model.types import Mesh

CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
FACES = np.array(
    [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1],
     [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]]
)  # fmt: skip
RED_ABOVE = "newmtl top\nKd 0.9 0.1 0.1\nKa 0 0 0\nnewmtl rest\nKd 0.1 0.1 0.9\nKa 0 0 0\n"
CATALOGUE = """id#1=Lib#box
name#1=Box
category#1=Boxes & more
creator#1=Ada
model#1=/lib/box/box.obj
modelRotation#1=1 0 0 0 0 1 0 -1 0
id#2=Lib#broken
name#2=Broken
category#2=Boxes & more
model#2=/lib/broken/broken.obj
"""


def _obj(half: tuple[float, float, float], top_axis: int = 1) -> str:
    """A box whose faces on the positive side of an axis have the material "top"."""
    lines = ["mtllib box.mtl"]
    lines += [f"v {x} {y} {z}" for x, y, z in CORNERS * half]
    for face in FACES:
        on_top = (CORNERS[face, top_axis] > 0).all()
        lines += [
            "usemtl top" if on_top else "usemtl rest",
            "f " + " ".join(str(corner + 1) for corner in face),
        ]
    return "\n".join(lines) + "\n"


def _library(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("PluginFurnitureCatalog.properties", CATALOGUE)
        archive.writestr("LICENSE.TXT", "http://creativecommons.org/publicdomain/zero/1.0/")
        # In the file z is up; the catalogue's rotation makes it y.
        archive.writestr("lib/box/box.obj", _obj((2.0, 1.0, 3.0), top_axis=2))
        archive.writestr("lib/box/box.mtl", RED_ABOVE)
        archive.writestr("lib/broken/broken.obj", "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n")
    return path


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, PrepareSummary, list[tuple[int, int, str]]]:
    folder = tmp_path_factory.mktemp("prepare")
    meshes = folder / "meshes" / "plain"
    meshes.mkdir(parents=True)
    (meshes / "cube.obj").write_text(_obj((1, 1, 1)).replace("mtllib box.mtl\n", ""))
    steps: list[tuple[int, int, str]] = []
    sources = [str(_library(folder / "lib.sh3f")), str(folder / "meshes"), "synthetic:2:7"]
    summary = prepare(
        sources, folder / "out", views=2, points=800, jobs=2, on_progress=lambda *step: steps.append(step)
    )
    return folder, summary, steps


def test_all_is_made_but_the_broken_model_which_is_listed(prepared) -> None:
    _, summary, steps = prepared
    assert (summary.objects, summary.made, summary.with_views, summary.plain) == (4, 4, 4, 1)
    assert [entry.id for entry in summary.skipped] == ["Lib#broken"]
    assert "no triangle with an area" in summary.skipped[0].reason
    assert not summary.without_views
    assert [step[:2] for step in steps] == [(number, 5) for number in range(1, 6)]
    assert {step[2] for step in steps} == {
        "Lib#box",
        "Lib#broken",
        "plain/cube.obj",
        "synthetic-7-0",
        "synthetic-7-1",
    }


def test_a_mesh_with_corners_that_are_no_numbers_is_listed_as_broken(tmp_path: Path) -> None:
    """Its other faces would be taken for the whole object."""
    (tmp_path / "meshes").mkdir()
    content = _obj((1, 1, 1)).replace("mtllib box.mtl\n", "")
    (tmp_path / "meshes" / "whole.obj").write_text(content)
    broken = content.replace("v -1.0 -1.0 -1.0", "v nan -1.0 -1.0").replace("v -1 -1 -1", "v nan -1 -1")
    assert broken != content
    (tmp_path / "meshes" / "broken.obj").write_text(broken)
    summary = prepare([str(tmp_path / "meshes")], tmp_path / "out", views=0, points=100, jobs=1)
    assert summary.objects == 1
    (entry,) = summary.skipped
    assert entry.id == "broken.obj"
    assert "of the 12 faces of broken have coordinates that are not finite" in entry.reason


def test_points_are_centred_scaled_on_the_surface_with_outward_normals(prepared) -> None:
    read = ShapeNetSet(prepared[0] / "out")
    for number, item in enumerate(read.items):
        shape = read.shape(number)
        assert shape.points.shape == shape.normals.shape == (800, 3)
        assert shape.points.dtype == np.float32
        assert np.abs(shape.points.mean(axis=0)).max() < 1e-5
        assert np.linalg.norm(shape.points, axis=1).max() == pytest.approx(1, abs=1e-5)
        assert np.linalg.norm(shape.normals, axis=1) == pytest.approx(np.ones(800), abs=1e-4)
        if item.id == "Lib#box":
            frame = json.loads((read.points_folder / item.key / "frame.json").read_text())
            points = shape.points * frame["scale"] + frame["offset"]
            # Upright: half extents (2, 1, 3) with z up have become (2, 3, 1).
            on_side = np.isclose(np.abs(points), [2, 3, 1], atol=1e-4)
            assert (on_side.sum(axis=1) == 1).all()
            assert np.allclose(shape.normals, np.sign(points) * on_side, atol=1e-5)


def test_lists_name_every_object_with_its_licence_part_and_credit(prepared) -> None:
    out = prepared[0] / "out"
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    entries = {entry["id"]: entry for entry in manifest["objects"]}
    box = entries["Lib#box"]
    assert (box["name"], box["category"], box["licence"], box["creator"]) == (
        "Box",
        "Boxes & more",
        "CC0",
        "Ada",
    )
    assert (box["source"], box["views"], box["split"]) == ("lib.sh3f", 2, split_of("Lib#box"))
    assert [entry["id"] for entry in manifest["skipped"]] == ["Lib#broken"]
    split = json.loads((out / "split.json").read_text())
    assert sorted(sum(split.values(), [])) == sorted(entry["path"] for entry in entries.values())  # noqa: RUF017
    assert all(entry["path"] in split[split_of(object_id)] for object_id, entry in entries.items())
    credits = (out / "credits.md").read_text("utf-8")
    assert "| Lib#box | Box | Ada | [CC0]" in credits
    assert "synthetic-7" not in credits


def test_pictures_show_materials_upright_inside_a_true_outline(prepared) -> None:
    read = ShapeNetSet(prepared[0] / "out")
    number = next(number for number, item in enumerate(read.items) if item.id == "Lib#box")
    cameras = read.cameras(number)
    assert cameras is not None
    assert ((np.degrees(cameras[:, 1]) >= 20) & (np.degrees(cameras[:, 1]) <= 32)).all()
    for view in range(2):
        image = read.image(number, view).astype(int)
        assert image.shape == (137, 137, 4)
        solid = image[..., 3] == 255
        red = solid & (image[..., 0] > image[..., 2] + 40)
        blue = solid & (image[..., 2] > image[..., 0] + 40)
        assert (red | blue)[solid].mean() > 0.9
        rows = np.arange(137)[:, None] * np.ones(137)
        assert 0 < red.sum() < blue.sum()
        assert rows[red].mean() < rows[blue].mean()
        assert (image[image[..., 3] == 0][:, :3] == 0).all()
        assert _overlap(image[..., 3] > 127, read.shape(number).points, cameras[view]) > 0.9


def _overlap(mask: np.ndarray, points: np.ndarray, camera: np.ndarray) -> float:
    """Compare a mask with the convex outline of points under a pinhole camera, written apart from VTK."""
    from scipy.spatial import Delaunay

    azimuth, elevation = camera
    back = np.array(
        [np.cos(elevation) * np.sin(azimuth), np.sin(elevation), np.cos(elevation) * np.cos(azimuth)]
    )
    right = np.cross([0, 1, 0], back)
    right /= np.linalg.norm(right)
    depth = DISTANCE - points @ back
    scale = 1 / np.tan(np.radians(FIELD_OF_VIEW / 2))
    flat = np.stack([points @ right, points @ np.cross(back, right)], axis=1) / depth[:, None] * scale
    column, row = np.meshgrid((np.arange(137) + 0.5) / 137 * 2 - 1, 1 - (np.arange(137) + 0.5) / 137 * 2)
    inside = Delaunay(flat).find_simplex(np.stack([column, row], axis=-1).reshape(-1, 2)) >= 0
    inside = inside.reshape(137, 137)
    return float((inside & mask).sum() / (inside | mask).sum())


def test_a_second_run_makes_only_what_is_missing(prepared) -> None:
    folder, _, _ = prepared
    out = folder / "out"
    item = next(item for item in ShapeNetSet(out).items if item.id == "synthetic-7-1")
    points = out / "ShapeNetPoints" / item.key / "points.npy"
    before = points.read_bytes()
    kept = {path: path.stat().st_mtime_ns for path in out.rglob("*.npy") if path.parent != points.parent}
    pictures = sorted((out / "ShapeNetRendering" / item.key).rglob("*.png"))
    looks = [np.asarray(Image.open(path)) for path in pictures]
    shutil.rmtree(points.parent)
    shutil.rmtree(out / "ShapeNetRendering" / item.key)
    (out / ".partial-left").mkdir()
    summary = prepare(["synthetic:2:7"], out, views=2, points=800, jobs=1)
    assert (summary.objects, summary.made) == (2, 1)
    assert points.read_bytes() == before
    assert all(
        np.array_equal(np.asarray(Image.open(path)), look) for path, look in zip(pictures, looks, strict=True)
    )
    assert kept == {path: path.stat().st_mtime_ns for path in kept}
    assert not (out / ".partial-left").exists()
    # Objects of sources that were not named again stay in the lists.
    assert len(json.loads((out / "manifest.json").read_text())["objects"]) == 4


def test_other_settings_and_unusable_sources_are_refused(prepared, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"other settings \(--views was \d+, now 3\); choose"):
        prepare(["synthetic:1"], prepared[0] / "out", views=3, points=800)
    for source, message in [
        ("synthetic:none", "synthetic:COUNT"),
        ("synthetic:0", "synthetic:COUNT"),
        (str(tmp_path), "holds no model"),
        (str(tmp_path / "absent.obj"), "is neither"),
    ]:
        with pytest.raises(InputError, match=message):
            prepare([source], tmp_path / "out")
    for name, count, least in (("points", 0, 1), ("views", -1, 0), ("jobs", 0, 1)):
        with pytest.raises(InputError, match=rf"^--{name} must be at least {least}, not {count}\.$"):
            prepare(["synthetic:1"], tmp_path / "out", **{name: count})
    for elevation in [(30.0, 20.0), (-95.0, 0.0), (0.0, 90.0)]:
        with pytest.raises(InputError, match="degrees above the horizon"):
            prepare(["synthetic:1"], tmp_path / "out", elevation=elevation)
    for size in (0, 15, 1025):
        with pytest.raises(InputError, match="from 16 to 1024"):
            prepare(["synthetic:1"], tmp_path / "out", size=size)


def test_cameras_stand_as_high_as_asked(tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(["synthetic:1"], out, views=6, points=200, elevation=(-5.0, 5.0))
    [lines] = out.rglob("rendering_metadata.txt")
    heights = [float(line.split()[1]) for line in lines.read_text().splitlines()]
    assert len(heights) == 6
    assert -5 <= min(heights) < max(heights) <= 5
    assert max(heights) - min(heights) > 2
    with pytest.raises(InputError, match=r"other settings \(--elevation was -5 5, now 20 32\); choose"):
        prepare(["synthetic:1"], out, views=6, points=200)


def test_pictures_are_as_large_as_asked(tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(["synthetic:1"], out, views=2, points=200, size=48)
    assert [Image.open(path).size for path in out.rglob("*.png")] == [(48, 48)] * 2
    [appearance] = out.rglob("appearance.json")
    assert json.loads(appearance.read_text())["size"] == 48
    with pytest.raises(InputError, match=r"other settings \(--view-size was 48, now 137\); choose"):
        prepare(["synthetic:1"], out, views=2, points=200)


def test_what_crashes_with_its_materials_is_drawn_plain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task's function is replaced, for VTK's own crash depends on its version; processes are real."""
    (tmp_path / "meshes").mkdir()
    (tmp_path / "meshes" / "cube.obj").write_text(_obj((1, 1, 1)))
    monkeypatch.setattr(module, "_make_object", crash_with_materials)
    summary = prepare([str(tmp_path / "meshes")], tmp_path / "out", views=1, points=200, jobs=1)
    assert (summary.objects, summary.with_views, summary.plain) == (1, 1, 1)
    assert not summary.skipped
    assert not summary.without_views


def crash_with_materials(task: module._Task) -> None:
    from nmf_model.data.prepare import _make_object, _make_points
    from nmf_model.data.sources import loaded

    if task.materials:
        with loaded(task.item, task.points) as source:
            _make_points(task, source)
        os.abort()
    _make_object(task)


def test_materials_that_draw_something_else_are_not_believed(tmp_path: Path) -> None:
    model = tmp_path / "box.obj"
    model.write_text(_obj((1, 1, 1)))
    (tmp_path / "box.mtl").write_text(RED_ABOVE)
    mesh, cameras = Mesh(CORNERS * 0.5, FACES), draw_cameras(2, np.random.default_rng(0))
    fitting, off = np.diag([0.5, 0.5, 0.5, 1.0]), np.diag([0.4, 0.5, 0.5, 1.0])
    coloured = render_views(mesh, cameras, size=48, model=model, placement=fitting)
    diffuse = render_views(mesh, cameras, size=48, model=model, placement=off)
    assert coloured.has_materials
    assert diffuse.has_materials
    # The same outline, and colours of the right places although the model is drawn elsewhere.
    assert np.array_equal(diffuse.images[..., 3], render_views(mesh, cameras, size=48).images[..., 3])
    solid = diffuse.images[..., 3] == 255
    red = [image[..., 0].astype(int) > image[..., 2] for image in (coloured.images, diffuse.images)]
    assert (red[0] == red[1])[solid].mean() > 0.95
    assert 0.1 < red[1][solid].mean() < 0.9
    model.write_text(model.read_text() + "f 1 2 3\n")
    plain = render_views(mesh, cameras, size=48, model=model, placement=off)
    assert not plain.has_materials
    assert np.array_equal(plain.images, render_views(mesh, cameras, size=48).images)
    model.write_text(_obj((1, 1, 1)))
    (tmp_path / "box.mtl").write_text("newmtl top\nKd 0 0 0\nKs 0 0 0\nnewmtl rest\nKd 0 0 0\nKs 0 0 0\n")
    assert not render_views(mesh, cameras, size=48, model=model, placement=fitting).has_materials


def test_ids_and_folder_names_are_unique_and_safe(tmp_path: Path) -> None:
    for name in ("a b/über.obj", "a_b/über.obj", "a b/x.ply"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    listing = list_objects([str(tmp_path), "synthetic:3", "synthetic:2", str(tmp_path / "a_b")])
    items = listing.objects
    assert [item.id for item in items[:3]] == ["a b/x.ply", "a b/über.obj", "a_b/über.obj"]
    assert len({item.key for item in items}) == len(items) == 6
    assert all(item.key.isascii() and " " not in item.key and item.key.count("/") == 1 for item in items)
    assert listing.repeated == ("synthetic-0-0", "synthetic-0-1", "über.obj")


def test_a_catalogue_that_repeats_an_id_loses_no_model(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "lib.sh3f", "w") as archive:
        archive.writestr(
            "PluginFurnitureCatalog.properties",
            "id#1=Lib#box\nmodel#1=/a.obj\nid#2=Lib#box\nmodel#2=/b.obj\nid#3=Lib#box\nmodel#3=/b.obj\n",
        )
    listing = list_objects([str(tmp_path / "lib.sh3f")])
    assert [item.id for item in listing.objects] == ["Lib#box", "lib.sh3f/Lib#box 2"]
    assert len({item.key for item in listing.objects}) == 2
    assert listing.repeated == ("Lib#box",)


def _boxes(folder: Path, **halves: tuple[float, float, float]) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for name, half in halves.items():
        (folder / f"{name}.obj").write_text(_obj(half))
    return str(folder)


def _made(out: Path, *sources: str) -> tuple[PrepareSummary, dict[str, tuple[str, float]]]:
    """Prepare; return the summary, and key and flatness of each object by its id."""
    summary = prepare(sources, out, views=0, points=300, jobs=1)
    read = ShapeNetSet(out)
    flat = [np.ptp(read.points(number), axis=0) for number in range(len(read))]
    return summary, {
        item.id: (item.key, float(extent[1] / extent[0]))
        for item, extent in zip(read.items, flat, strict=True)
    }


def test_folders_of_one_name_keep_apart_in_any_order_and_a_moved_one_is_known(tmp_path: Path) -> None:
    out = tmp_path / "out"
    one = _boxes(tmp_path / "xa" / "mm", a=(1, 1, 1), b=(1, 1, 1))
    other = _boxes(tmp_path / "xb" / "mm", a=(1, 0.1, 1))
    third = _boxes(tmp_path / "tables", a=(1, 0.5, 1))
    first, alone = _made(out, one)
    assert alone.keys() == {"a.obj", "b.obj"}
    # As they were named before several folders could have one name.
    digest = hashlib.sha1(b"mm:a.obj").hexdigest()[:6]
    assert alone["a.obj"][0] == f"mm/a.obj-{digest}"
    summary, both = _made(out, other, third, one)
    assert (first.made, summary.made, summary.objects) == (2, 2, 4)
    assert {name: round(flat, 1) for name, (_, flat) in both.items()} == {
        "a.obj": 1.0, "b.obj": 1.0, "xb/mm/a.obj": 0.1, "tables/a.obj": 0.5,
    }  # fmt: skip
    assert {name: both[name] for name in alone} == alone
    assert len({key for key, _ in both.values()}) == 4
    (tmp_path / "xa").rename(tmp_path / "moved")
    summary, again = _made(out, str(tmp_path / "moved" / "mm"), third, other, other)
    assert summary.made == 0
    assert again == both
    assert summary.repeated == ("a.obj",)


def test_failures_of_earlier_sources_stay_listed_until_they_are_mended(tmp_path: Path) -> None:
    out = tmp_path / "out"
    one, other = _boxes(tmp_path / "one", fine=(1, 1, 1)), _boxes(tmp_path / "other", good=(1, 1, 1))
    (tmp_path / "one" / "bad.ply").write_text("no mesh")
    (tmp_path / "other" / "worse.ply").write_text("no mesh")

    def skipped(*sources: str) -> list[str]:
        _made(out, *sources)
        return [entry["id"] for entry in json.loads((out / "manifest.json").read_text())["skipped"]]

    assert skipped(one) == ["bad.ply"]
    assert skipped(other) == ["bad.ply", "worse.ply"]
    write_mesh(Mesh(CORNERS, FACES), tmp_path / "one" / "bad.ply")
    assert skipped(other, one) == ["worse.ply"]


def test_a_folder_is_prepared_by_one_at_a_time_and_left_as_it_was(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with held(out):
        (out / ".partial-others").mkdir()
        with pytest.raises(InputError, match="Another prepare is at work"):
            prepare(["synthetic:1"], out, views=0, points=20, jobs=1)
        assert (out / ".partial-others").is_dir()
        shutil.rmtree(out / ".partial-others")
    assert not out.exists()
    # What a killed process leaves is no obstacle.
    out.mkdir()
    (out / LOCK_FILE).write_text("1\n")
    assert prepare(["synthetic:1"], out, views=0, points=20, jobs=1).made == 1
    assert not (out / LOCK_FILE).exists()


def test_a_prepared_set_packs_and_reads_back(prepared, tmp_path: Path) -> None:
    from_folder = ShapeNetSet(prepared[0] / "out")
    write_points(tmp_path / "points.npz", from_folder, 400)
    write_views(tmp_path / "views.npz", from_folder, 2)
    shapes, views = read_packed_points(tmp_path / "points.npz"), PackedViews(tmp_path / "views.npz")
    assert len(shapes.ids) == len(views.ids) == 4
    box = shapes.ids.tolist().index("Lib#box")
    assert shapes.categories[box] == "Boxes & more"
    assert views.image(box, 1).shape == (112, 112, 4)
    with np.load(tmp_path / "points.npz", allow_pickle=False) as stored:
        assert stored["creator"][stored["id"] == "Lib#box"].tolist() == ["Ada"]
        assert stored["split"].tolist() == [split_of(object_id) for object_id in stored["id"].tolist()]


def test_ids_of_points_and_pictures_agree_packed_and_in_folders(prepared, tmp_path: Path) -> None:
    """Folders are named by key, packs by catalogue id: any pair of them must fit together."""
    root = prepared[0] / "out"
    write_points(tmp_path / "points.npz", ShapeNetSet(root), 400)
    write_views(tmp_path / "views.npz", ShapeNetSet(root), 2)
    sets = [load_shapes([path]) for path in (root, root / "ShapeNetPoints", tmp_path / "points.npz")]
    assert all(part.ids.tolist() == sets[0].ids.tolist() for part in sets)
    assert "Lib#box" in sets[0].ids
    assert all(part.splits.tolist() == sets[0].splits.tolist() for part in sets)
    found = [
        load_views(path, sets[0].ids.tolist())
        for path in (root, root / "ShapeNetRendering", tmp_path / "views.npz")
    ]
    assert all(part.ids.tolist() == sets[0].ids.tolist() for part in found)
    assert np.array_equal(found[0].pictures, found[1].pictures)
    assert found[2].pictures.shape == found[0].pictures.shape == (4, 2, 4, 112, 112)
    rough = np.abs(found[2].pictures[:, :, 3].astype(int) - found[0].pictures[:, :, 3])
    assert rough.mean() < 4
    lost = root / "ShapeNetRendering" / ShapeNetSet(root).items[0].key / "rendering" / "01.png"
    kept = lost.read_bytes()
    lost.unlink()
    try:
        with pytest.raises(InputError, match="has only 1 of 2 pictures"):
            load_views(root, sets[0].ids.tolist())
    finally:
        lost.write_bytes(kept)


def test_hidden_files_of_a_folder_are_no_objects(tmp_path: Path) -> None:
    """A macOS archive leaves such beside each model; generate and evaluate do not see them either."""
    folder = tmp_path / "meshes"
    for name in ("box.ply", "._box.ply", ".trash/box.ply"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        trimesh.creation.box().export(folder / name)
    summary = prepare([str(folder)], tmp_path / "out", views=0, points=100)
    assert (summary.objects, summary.skipped) == (1, ())
