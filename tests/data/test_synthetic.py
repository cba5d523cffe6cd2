"""Procedural shapes: points lie on the outer surface of the union, uniformly, whatever the solids' form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nmf_model.data import primitives
from nmf_model.data.families import FAMILIES, Builder, draw_shape
from nmf_model.data.primitives import FLAT, Solid
from nmf_model.data.synthetic import contact_sheet, shape_mesh, synthetic_batch

UNIT = np.ones(3)


def _random_solid(rng: np.random.Generator) -> Solid:
    builder = Builder(rng)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    builder.add(
        rng.normal(size=3), rng.uniform(0.2, 1.0, 3), rotation=turn * np.sign(np.linalg.det(turn)),
        section=builder.pick(2.0, 4.0, FLAT), profile=builder.pick(2.0, 3.0, FLAT),
        taper=(rng.uniform(-0.8, 0.8), rng.uniform(-0.8, 0.8)), bend=rng.uniform(-3, 3) * builder.chance(0.7),
    )  # fmt: skip
    return builder.solids[0]


def _sample(*solids: Solid, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    generator = torch.Generator().manual_seed(1)
    points, normals = primitives.sample_union(primitives.stack([solids]), count, generator)
    return points[0].double().numpy(), normals[0].double().numpy()


def _inside(solids: list[Solid], points: np.ndarray) -> np.ndarray:
    """(M, K) bool."""
    return primitives.contains(primitives.stack([solids]), torch.as_tensor(points[None]).float())[0].numpy()


def test_surface_and_inside_test_agree_for_bent_tapered_turned_solids() -> None:
    """The surface map and the inside test are written apart; a step along the normal must cross over."""
    solids = [_random_solid(np.random.default_rng(seed)) for seed in range(24)]
    for solid in solids:
        points, normals = _sample(solid, count=300)
        assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-4)
        step = 4e-3 * solid.half.min()
        inner, outer = _inside([solid], points - step * normals), _inside([solid], points + step * normals)
        # Only next to a sharp edge may a step along one face's normal miss.
        assert inner.mean() > 0.97
        assert outer.mean() < 0.01


def test_inside_of_known_solids_has_their_volume() -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (200_000, 3))
    box = Solid(np.zeros(3), np.array([0.5, 0.8, 0.3]), np.eye(3), FLAT, FLAT)
    cylinder = Solid(np.zeros(3), np.full(3, 0.7), np.eye(3), 2.0, FLAT)
    cone = Solid(np.zeros(3), np.array([0.5, 0.9, 0.5]), np.eye(3), 2.0, FLAT, (-0.97, -0.97))
    for solid, volume in [
        (box, 8 * 0.5 * 0.8 * 0.3),
        (Solid(np.zeros(3), np.full(3, 0.9), np.eye(3)), 4 / 3 * np.pi * 0.9**3),
        (cylinder, np.pi * 0.7**3 * 2),
        (cone, np.pi * 0.25 * 1.8 * (1 + 0.97**2 / 3)),
    ]:
        assert _inside([solid], points).mean() * 8 == pytest.approx(volume, rel=0.02)


def test_a_bent_rod_is_a_sector_of_a_ring() -> None:
    """Pappus: a bend keeps the volume of a symmetric section; every point is a tube away from the ring."""
    rod = Solid(np.zeros(3), np.array([0.2, 1.5, 0.2]), np.eye(3), 2.0, FLAT, (0.0, 0.0), 3.0)
    points, _ = _sample(rod)
    from_ring = np.hypot(np.hypot(points[:, 0] + 1, points[:, 1]) - 1, points[:, 2])
    assert from_ring.max() < 0.2 + 1e-5
    assert np.isclose(from_ring, 0.2, atol=1e-5).mean() == pytest.approx(
        2 * 1.5 / (2 * 1.5 + 0.2), abs=0.02
    )  # lateral area 2πr·L against two caps πr²


def test_points_are_uniform_by_area_on_a_box_and_a_ball() -> None:
    half = np.array([0.5, 1.0, 0.25])
    points, normals = _sample(Solid(np.zeros(3), half, np.eye(3), FLAT, FLAT))
    face = np.abs(points / half).argmax(axis=1)
    areas = np.array([half[1] * half[2], half[0] * half[2], half[0] * half[1]])
    assert np.bincount(face) / len(face) == pytest.approx(areas / areas.sum(), abs=0.015)
    assert np.allclose(np.abs(normals[np.arange(len(face)), face]), 1, atol=1e-5)
    on_top = points[(face == 1) & (points[:, 1] > 0)]
    # No crowding at the pole of the parametrisation: nine equal fields of the top hold equal shares.
    fields = np.histogram2d(on_top[:, 0], on_top[:, 2], bins=3, range=[[-0.5, 0.5], [-0.25, 0.25]])[0]
    assert fields / len(on_top) == pytest.approx(np.full((3, 3), 1 / 9), abs=0.02)
    ball, normals = _sample(Solid(np.zeros(3), UNIT, np.eye(3)))
    assert np.allclose(ball, normals, atol=1e-4)
    # Archimedes: equal heights of a sphere have equal areas.
    assert np.histogram(ball[:, 1], bins=8, range=(-1, 1))[0] / len(ball) == pytest.approx(
        np.full(8, 0.125), abs=0.012
    )


def test_of_two_balls_only_the_outside_remains_in_proportion() -> None:
    distance, small = 1.0, 0.6
    balls = [
        Solid(np.zeros(3), UNIT, np.eye(3)),
        Solid(np.array([distance, 0, 0]), UNIT * small, np.eye(3)),
    ]
    points, _ = _sample(*balls)
    from_first, from_second = (
        np.linalg.norm(points, axis=1),
        np.linalg.norm(points - [distance, 0, 0], axis=1),
    )
    assert (from_first > 1 - 1e-3).all()
    assert (from_second > small - 1e-3).all()
    plane = (distance**2 + 1 - small**2) / (2 * distance)
    kept_first, kept_second = 2 * np.pi * (1 + plane), 2 * np.pi * small * (small + distance - plane)
    share = np.isclose(from_first, 1, atol=1e-4).mean()
    assert share == pytest.approx(kept_first / (kept_first + kept_second), abs=0.015)


def test_a_carved_hollow_has_walls_that_face_into_it() -> None:
    block = Solid(np.zeros(3), UNIT, np.eye(3), FLAT, FLAT)
    hollow = Solid(np.array([0.0, 0.5, 0.0]), np.array([0.6, 1.0, 0.6]), np.eye(3), FLAT, FLAT, carve=True)
    points, normals = _sample(block, hollow)
    wall = (np.abs(points[:, [0, 2]]).max(axis=1) < 0.61) & (np.abs(points[:, 1] - 0.25) < 0.74)
    sides, floor, all_area = 4 * 1.2 * 1.5, 1.2**2, 4 * 4 + 4 + 4 - 1.44
    assert wall.mean() == pytest.approx(sides / (all_area + sides + floor), abs=0.02)
    assert (np.einsum("ij,ij->i", points[wall][:, [0, 2]], normals[wall][:, [0, 2]]) < 0).all()
    assert (points[:, 1] < 1 + 1e-5).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_one_sane_shape(family: str) -> None:
    batch = synthetic_batch(5, 0, 4, 1024, family=family)
    assert batch.families == (family,) * 4
    points, normals = batch.points, batch.normals
    assert points.shape == normals.shape == (4, 1024, 3)
    assert torch.allclose(points.norm(dim=2).amax(dim=1), torch.ones(4))
    assert points.mean(dim=1).abs().max() < 1e-5
    assert torch.allclose(normals.norm(dim=2), torch.ones(4, 1024), atol=1e-4)
    for number in range(4):
        solids = draw_shape(5, number, family)[1]
        matter = [solid for solid in solids if not solid.carve]
        raw, outward = _sample(*solids, count=2000)
        if len(matter) == len(solids):
            assert _inside(matter, raw).any(axis=1).mean() < 1e-3
            # Slivers between nearly coincident surfaces may be thinner than the step.
            assert _inside(matter, raw + 1e-3 * outward).any(axis=1).mean() < 0.15


def test_shapes_do_not_depend_on_batches_and_differ_between_numbers_and_seeds() -> None:
    first, again = draw_shape(3, 17), draw_shape(3, 17)
    assert first[0] == again[0]
    assert all(np.array_equal(a.centre, b.centre) for a, b in zip(first[1], again[1], strict=True))
    whole, same = synthetic_batch(3, 0, 6, 200), synthetic_batch(3, 0, 6, 200)
    assert torch.equal(whole.points, same.points)
    assert synthetic_batch(3, 4, 2, 200).families == whole.families[4:]
    assert not torch.equal(whole.points, synthetic_batch(4, 0, 6, 200).points)
    assert len({draw_shape(0, number)[0] for number in range(150)}) >= 17


def test_the_mesh_of_a_shape_lies_where_its_points_do() -> None:
    from scipy.spatial import cKDTree

    for family in ("chair", "vessel", "ring"):
        solids = draw_shape(0, 1, family)[1]
        mesh, owner = shape_mesh(solids)
        assert len(owner) == len(mesh.faces)
        points, _ = _sample(*solids, count=2000)
        gap = cKDTree(mesh.vertices[np.unique(mesh.faces)]).query(points)[0]
        assert gap.max() < 0.1 * np.ptp(points, axis=0).max()


def test_the_contact_sheet_shows_every_tile(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    contact_sheet(path, count=5, columns=3)
    sheet = np.asarray(Image.open(path))
    assert sheet.shape == (224, 336, 3)
    tiles = sheet.reshape(2, 112, 3, 112, 3).transpose(0, 2, 1, 3, 4).reshape(6, -1)
    assert ((tiles < 255).mean(axis=1)[:5] > 0.03).all()
    assert (tiles[5] == 255).all()
