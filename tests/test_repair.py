"""Broken meshes are sampled from outside only, their faults are named, and their colours come along."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from PIL import Image

from nmf_model.geometry.atlas import make_atlas
from nmf_model.geometry.coincidence import merge_coincident
from nmf_model.geometry.defects import diagnose
from nmf_model.geometry.holes import boundary_loops, patches
from nmf_model.geometry.seen import sample_seen
from nmf_model.geometry.template import icosphere
from nmf_model.io.materials import Missing
from nmf_model.io.meshes import load_surface, read_mesh
from nmf_model.io.paint import load_paint
from nmf_model.io.points import read_points
from nmf_model.repair import CloudColors, painted
from nmf_model.texture import export_textured
from nmf_model.types import Mesh, Normalization, PointCloud, Reconstruction, Trajectory

LOST = [5, 100, 101, 333]


def box(half=1.0, cuts=3):
    mesh = trimesh.creation.box((2 * half,) * 3)
    for _ in range(cuts):
        mesh = mesh.subdivide()
    return Mesh(np.array(mesh.vertices), np.array(mesh.faces, dtype=np.int64))


def joined(*meshes):
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)]),
    )


def soup(mesh):
    return Mesh(mesh.vertices[mesh.faces].reshape(-1, 3), np.arange(mesh.faces.size).reshape(-1, 3))


def broken(mesh, rng, inner=0.7):
    """Lose a few faces, turn a fifth of the others, repeat some, and put a smaller copy inside."""
    faces = np.delete(mesh.faces, LOST, axis=0)
    turned = rng.random(len(faces)) < 0.2
    faces[turned] = faces[turned][:, ::-1]
    faces = np.concatenate([faces, faces[:40]])
    return joined(Mesh(mesh.vertices, faces), Mesh(inner * mesh.vertices, mesh.faces))


RED, BLUE = (255, 0, 0), (0, 0, 255)


def two_coloured(mesh, path):
    """Write a mesh, red where x > 0 and blue elsewhere, face by face; inner things are green."""
    loose = soup(mesh)
    middles = loose.vertices.reshape(-1, 3, 3).mean(axis=1)
    colors = np.where(middles[:, :1] > 0, RED, BLUE)
    colors[np.abs(middles).max(axis=1) < 0.9] = (0, 255, 0)
    rgba = np.repeat(np.c_[colors, np.full(len(colors), 255)], 3, axis=0).astype(np.uint8)
    trimesh.Trimesh(loose.vertices, loose.faces, vertex_colors=rgba, process=False).export(path)
    return path


def on_sphere(level=3, radius=1.0):
    template = icosphere(level)
    mesh = Mesh(template.vertices.astype(float) * radius, template.faces, template.vertices)
    flow = Trajectory(template.vertices[None], template.faces, np.zeros(1), np.zeros(1, dtype=np.int64))
    return Reconstruction(mesh, flow, Normalization(np.zeros(3), radius), mesh.vertices, "fit", 0.1, 1, 0)


def ball_cloud(rng, count=20_000):
    """Points of the unit sphere whose colour is their place."""
    points = rng.normal(size=(count, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return PointCloud(points, "ball", colors=np.round(127.5 * (points + 1)).astype(np.uint8))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("loose", [False, True])
def test_of_a_broken_box_only_the_outside_is_sampled_and_all_of_it(loose, rng):
    mesh = broken(box(), rng)
    mesh = soup(mesh) if loose else mesh
    seen = sample_seen(mesh.vertices, mesh.faces, 6000, rng)
    assert np.allclose(np.abs(seen.points).max(axis=1), 1.0)
    side = np.abs(seen.points).argmax(axis=1) * 2 + (
        np.take_along_axis(seen.points, np.abs(seen.points).argmax(axis=1)[:, None], 1)[:, 0] > 0
    )
    assert np.bincount(side, minlength=6) / 6000 == pytest.approx(np.full(6, 1 / 6), abs=0.02)
    # Two of the lost faces touched in a corner: together too wide to be filled, but covered.
    assert seen.filled == len(boundary_loops(np.delete(box().faces, LOST, axis=0))) - 1
    corners = mesh.vertices[mesh.faces[seen.faces[seen.faces >= 0]]]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    off = np.einsum("ij,ij->i", normal, seen.points[seen.faces >= 0] - corners[:, 0])
    assert np.abs(off).max() < 1e-9


def test_the_inside_of_an_open_bowl_is_seen(rng):
    mesh = trimesh.creation.icosphere(3)
    lower = mesh.faces[mesh.triangles_center[:, 2] < 0.2]
    thick = joined(Mesh(np.array(mesh.vertices), lower), Mesh(0.9 * np.array(mesh.vertices), lower))
    seen = sample_seen(thick.vertices, thick.faces, 4000, rng)
    assert 0.3 < np.mean(np.linalg.norm(seen.points, axis=1) < 0.95) < 0.5


def test_sampling_is_repeatable(rng):
    mesh = broken(box(), rng)
    one, other = (sample_seen(mesh.vertices, mesh.faces, 500, np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(one.points, other.points)


def test_nothing_to_sample_is_said(rng):
    flat = np.zeros((3, 3))
    with pytest.raises(ValueError, match="extent"):
        sample_seen(flat, np.array([[0, 1, 2]]), 10, rng)


def told(mesh):
    return diagnose(mesh.vertices, mesh.faces).defects.sentences()


def test_diagnosis_counts_each_fault():
    sound = box(cuts=1)
    assert told(sound) == []
    assert told(soup(sound)) == []  # corners at identical places belong together
    assert told(Mesh(sound.vertices, sound.faces[1:])) == ["The mesh has 1 hole."]
    assert told(Mesh(sound.vertices, sound.faces[:, ::-1])) == ["The faces of the mesh point inward."]
    turned = sound.faces.copy()
    turned[0] = turned[0][::-1]
    assert told(Mesh(sound.vertices, turned)) == [
        "3 edges of the mesh lie between faces that face opposite ways."
    ]
    doubled = np.concatenate([sound.faces, sound.faces[:2]])
    assert told(Mesh(sound.vertices, doubled)) == ["2 faces of the mesh repeat another one."]
    assert told(joined(sound, box(0.5, 0))) == ["The mesh consists of 2 separate pieces."]
    fin = Mesh(
        np.concatenate([sound.vertices, [[3.0, 3.0, 3.0]]]),
        np.concatenate([sound.faces, [[*sound.faces[0, :2], len(sound.vertices)]]]),
    )
    assert told(fin)[:2] == [
        "The mesh has 1 hole.",
        "1 edge of the mesh belongs to more than two faces.",
    ]


def test_welding_joins_identical_places_and_nothing_else():
    mesh = box(cuts=2)
    vertices, faces = merge_coincident(soup(mesh).vertices, soup(mesh).faces)
    assert len(vertices) == len(mesh.vertices)
    assert np.array_equal(vertices[faces], mesh.vertices[mesh.faces])
    apart = np.array([[0.0, 0, 0], [np.nextafter(0.0, 1), 0, 0], [-0.0, 0, 0]])
    assert len(merge_coincident(apart, np.array([[0, 1, 2]]))[0]) == 2


def test_a_patch_fills_a_planar_hole_exactly():
    mesh = box(cuts=2)
    kept = Mesh(mesh.vertices, np.delete(mesh.faces, [7], axis=0))
    (loop,) = boundary_loops(kept.faces)
    fan = patches(kept.vertices, [loop])
    area = np.linalg.norm(np.cross(fan[:, 1] - fan[:, 0], fan[:, 2] - fan[:, 0]), axis=1).sum()
    lost = mesh.vertices[mesh.faces[7]]
    assert area == pytest.approx(np.linalg.norm(np.cross(lost[1] - lost[0], lost[2] - lost[0])))


@pytest.mark.parametrize("suffix", [".ply", ".glb", ".obj"])
def test_a_broken_coloured_file_becomes_coloured_points_of_its_outside(tmp_path, rng, suffix):
    cloud = read_points(two_coloured(broken(box(), rng), tmp_path / f"box{suffix}"))
    assert np.allclose(np.abs(cloud.points).max(axis=1), 1.0, atol=1e-6)
    assert cloud.colors is not None
    assert not (cloud.colors[:, 1] > 0).any()  # nothing green: the copy inside was not seen
    clear = np.abs(cloud.points[:, 0]) > 0.3
    expected = np.where(cloud.points[clear, :1] > 0, RED, BLUE)
    assert (cloud.colors[clear] == expected).mean() > 0.995  # patches of holes blend their surroundings
    assert any("hole" in note for note in cloud.notes)
    assert any("hidden inside" in note for note in cloud.notes)


def moved(mesh, place):
    return Mesh(mesh.vertices + np.asarray(place, dtype=float), mesh.faces)


def test_dust_around_a_mesh_is_left_out_and_said_and_what_is_no_dust_stays(tmp_path):
    """A fit reaches for each speck with a finger, across space that has no points."""
    dust = [moved(box(0.02), place) for place in [(2, 0, 0), (0, -1.6, 0.5), (0, -1.6, 0.7), (0, 0, 0)]]
    # The ear is as small as dust, but near the body; the button has points enough to stand by itself, also
    # where it falls into triangles that are small each.
    ear, button = moved(box(0.03), (1.05, 0, 0)), moved(soup(box(0.15)), (0, 0, 2))
    shaken = button.vertices + np.random.default_rng(3).normal(0, 1e-6, button.vertices.shape)
    mesh = joined(box(), ear, Mesh(shaken, button.faces), *dust)
    trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).export(tmp_path / "scan.ply")
    cloud = read_points(tmp_path / "scan.ply")
    told = "3 of the pieces, too small to be reconstructed and apart from the rest, were left out."
    assert told in cloud.notes
    far = np.abs(cloud.points) > 1.2
    assert not far[:, :2].any()
    assert far[:, 2].sum() > 150
    assert (cloud.points[:, 0] > 1.01).any()
    assert len(cloud.points) < 20_000


def test_a_mesh_of_nothing_but_specks_stays_whole(tmp_path):
    places = np.stack(np.meshgrid(*[np.arange(9.0)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    mesh = joined(*(moved(box(0.1, cuts=0), place) for place in places))
    trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).export(tmp_path / "cells.ply")
    cloud = read_points(tmp_path / "cells.ply")
    assert len(cloud.points) == 20_000
    assert not any("left out" in note and "too small" in note for note in cloud.notes)


def test_a_sound_mesh_is_sampled_whole_and_told_nothing(tmp_path):
    mesh = box()
    trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).export(tmp_path / "box.obj")
    cloud = read_points(tmp_path / "box.obj")
    assert cloud.notes == ("20,000 points sampled on the surface of the mesh",)
    assert cloud.colors is None


def test_a_textured_file_gives_its_points_the_colours_of_its_picture(tmp_path, rng):
    # A square whose picture is red on the left and blue on the right, above a plain bottom.
    image = np.zeros((64, 64, 3), dtype=np.uint8)
    image[:, :32], image[:, 32:] = RED, BLUE
    mesh = box(cuts=0)
    uv = (mesh.vertices[:, :2] + 1) / 2
    visual = trimesh.visual.TextureVisuals(uv=uv, image=Image.fromarray(image))
    trimesh.Trimesh(mesh.vertices, mesh.faces, visual=visual, process=False).export(tmp_path / "box.obj")
    assert (tmp_path / "material.mtl").is_file()
    cloud = read_points(tmp_path / "box.obj")
    assert cloud.colors is not None
    # Its left and right borders blend, since textures repeat.
    clear = (np.abs(cloud.points[:, 0]) > 0.1) & (np.abs(cloud.points[:, 0]) < 0.95)
    assert np.array_equal(cloud.colors[clear], np.where(cloud.points[clear, :1] < 0, RED, BLUE))


@pytest.mark.parametrize("suffix", [".ply", ".obj", ".glb", ".3mf"])
def test_vertex_colours_are_written_and_the_mesh_stays_what_it_was(tmp_path, rng, suffix):
    from nmf_model.export import export_reconstruction

    result = painted(on_sphere(), ball_cloud(rng))
    report = export_reconstruction(result, tmp_path / f"ball{suffix}")
    assert report.is_sound
    assert np.abs(result.mesh.colors - 127.5 * (result.mesh.vertices + 1)).max() < 6
    if suffix == ".glb":  # whose colours are light
        paint = load_paint(tmp_path / "ball.glb", load_surface(tmp_path / "ball.glb"), Missing())
        assert np.abs(paint.corners - result.mesh.colors[result.mesh.faces].astype(int)).max() == 0
    elif suffix == ".3mf":
        import zipfile

        with zipfile.ZipFile(tmp_path / "ball.3mf") as archive:
            model = archive.read("3D/3dmodel.model").decode()
        red, green, blue = result.mesh.colors[0]
        assert f"#{red:02X}{green:02X}{blue:02X}FF" in model
        assert model.count("p3=") == len(result.mesh.faces)
    else:
        read = trimesh.load_mesh(tmp_path / f"ball{suffix}", process=False)
        assert np.abs(read.visual.vertex_colors[:, :3].astype(int) - result.mesh.colors).max() <= 1


def test_a_cloud_without_colours_leaves_the_mesh_plain(rng):
    result = on_sphere()
    assert painted(result, PointCloud(ball_cloud(rng).points)) is result


@pytest.mark.parametrize("level", [0, 1, 4])
def test_the_atlas_lies_in_the_picture_and_no_two_faces_overlap(level):
    mesh = on_sphere(level).mesh
    atlas = make_atlas(mesh)
    assert (atlas.uv >= 0).all()
    assert (atlas.uv <= 1).all()
    assert np.array_equal(atlas.vertex[atlas.faces], mesh.faces)
    corners = atlas.uv[atlas.faces]
    one, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    twice = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
    assert (twice > 0).all()  # none mirrored, none collapsed
    # Every face lies in one of the six charts.
    cells = np.floor(corners * (3, 2)).astype(int)
    assert (cells == cells[:, :1]).all()


@pytest.mark.parametrize("suffix", [".glb", ".obj"])
def test_the_texture_shows_at_each_place_the_colour_of_the_source(tmp_path, rng, suffix):
    cloud = ball_cloud(rng)
    result = on_sphere(3, 1.0)
    path = tmp_path / f"ball{suffix}"
    report = export_textured(result, path, CloudColors(cloud.points, cloud.colors), chart_size=128)
    assert report.is_sound
    assert report.vertices == len(result.mesh.vertices)
    if suffix == ".obj":
        assert len(read_mesh(path).vertices) == len(result.mesh.vertices)
    again = read_points(path, surface_samples=5000)  # by way of the file, its picture and its coordinates
    assert again.colors is not None
    unit = again.points / np.linalg.norm(again.points, axis=1, keepdims=True)
    error = np.abs(again.colors - 127.5 * (unit + 1))
    assert error.max() < 8
    assert error.mean() < 2
