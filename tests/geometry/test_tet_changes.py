"""Local changes of tetrahedral meshes: each keeps the boundary, the volume and the sign."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.spatial import Delaunay

from nmf_model.geometry.ball import ball
from nmf_model.geometry.mend import coarsen, mend, untangle
from nmf_model.geometry.relax import not_positive
from nmf_model.geometry.template import icosphere
from nmf_model.geometry.tet_batch import collapse_edges, remove_edges, swap_faces
from nmf_model.geometry.tet_cavity import is_sphere, join, smooth
from nmf_model.geometry.tet_complex import TetComplex, qualities
from nmf_model.geometry.tet_flips import collapse, remove_edge, swap_face
from nmf_model.geometry.tet_place import smooth_vertices, split_edges
from nmf_model.geometry.tetrahedra import boundary_faces, faces_are_shared_well, volumes

SPHERE = icosphere(1)
FIXED = len(SPHERE.vertices)
GOAL = 0.6


@pytest.fixture
def mesh() -> tuple[np.ndarray, np.ndarray]:
    """A positive ball whose inner vertices lie anywhere: many tetrahedra are bad, none inverted."""
    start = ball(SPHERE)
    rng = np.random.default_rng(2)
    x = start.vertices
    for _ in range(30):
        moved = x.copy()
        moved[FIXED:] += 0.1 * rng.normal(size=moved[FIXED:].shape)
        wrong = np.unique(start.tetrahedra[qualities(moved, start.tetrahedra) <= 0])
        moved[wrong] = x[wrong]
        if not_positive(moved, start.tetrahedra) == 0:
            x = moved
    assert (x != start.vertices).any()
    return x, start.tetrahedra


def oriented(faces: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(np.roll(face, -face.argmin())) for face in faces}


def assert_same_solid(before: tuple[np.ndarray, np.ndarray], after: tuple[np.ndarray, np.ndarray]) -> None:
    (old_x, old), (x, new) = before, after
    np.testing.assert_array_equal(x[:FIXED], old_x[:FIXED])
    assert oriented(boundary_faces(new)) == oriented(boundary_faces(old))
    assert faces_are_shared_well(new)
    assert not_positive(x, new) == 0
    assert len(np.unique(np.sort(new, axis=1), axis=0)) == len(new)
    assert volumes(x, new).sum() == pytest.approx(volumes(old_x, old).sum(), rel=1e-12)
    used = len(np.unique(new))
    edges = {pair for tet in np.sort(new, axis=1).tolist() for pair in combinations(tet, 2)}
    faces = {face for tet in np.sort(new, axis=1).tolist() for face in combinations(tet, 3)}
    assert used - len(edges) + len(faces) - len(new) == 1, "a ball"


def worst_after(x: np.ndarray, tetrahedra: np.ndarray) -> float:
    return float(qualities(x, tetrahedra).min())


BATCHES = {
    "remove": lambda x, t, bad: (x, remove_edges(x, t, bad)),
    "swap": lambda x, t, bad: (x, swap_faces(x, t, bad)),
    "collapse": lambda x, t, bad: (x, collapse_edges(x, t, bad, FIXED)),
    "smooth": lambda x, t, bad: (smooth_vertices(x, t, bad, FIXED, 0), t),
    "split": split_edges,
}


@pytest.mark.parametrize("name", BATCHES)
def test_many_changes_at_once_keep_the_solid_and_raise_the_lowest_quality(mesh, name):
    x, tetrahedra = mesh
    after = BATCHES[name](x, tetrahedra, qualities(x, tetrahedra) < GOAL)
    assert_same_solid(mesh, after)
    assert after[0].tobytes() != x.tobytes() or after[1].tobytes() != tetrahedra.tobytes()
    assert worst_after(*after) >= worst_after(*mesh)


@pytest.mark.parametrize("name", BATCHES)
def test_nothing_changes_where_nothing_is_bad(mesh, name):
    x, tetrahedra = mesh
    after = BATCHES[name](x, tetrahedra, np.zeros(len(tetrahedra), dtype=bool))
    np.testing.assert_array_equal(after[0], x)
    np.testing.assert_array_equal(after[1], tetrahedra)


def single(name: str, editor: TetComplex, number: int) -> bool:
    tet = editor.tets[number]
    if name == "remove":
        return any(remove_edge(editor, a, b) for a, b in combinations(tet, 2))
    if name == "swap":
        return any(swap_face(editor, number, editor.face_opposite(tet, v)) for v in tet)
    if name == "collapse":
        return any(collapse(editor, v, onto) for v in tet for onto in tet if v != onto)
    if name == "smooth":
        return any(smooth(editor, v) for v in tet)
    return bool(join(editor, (number,)))


@pytest.mark.parametrize("name", ["remove", "swap", "collapse", "smooth", "join"])
def test_single_changes_keep_the_solid_and_raise_the_lowest_quality(mesh, name):
    editor = TetComplex(*mesh, FIXED)
    made = 0
    for _, number in sorted((q, n) for n, q in editor.quality.items() if q < GOAL)[:60]:
        if number in editor.tets:
            made += single(name, editor, number)
    assert made > 0
    after = editor.arrays()
    assert_same_solid(mesh, after)
    assert worst_after(*after) >= worst_after(*mesh)
    np.testing.assert_allclose(list(editor.quality.values()), qualities(*after), atol=1e-12)


def test_the_edge_of_three_tetrahedra_becomes_a_face_and_comes_back():
    ring = [(np.cos(a), np.sin(a), 0.0) for a in (0, 2 * np.pi / 3, 4 * np.pi / 3)]
    x = np.array([(0, 0, -2.0), (0, 0, 2.0), *ring])
    three = np.array([(0, 1, 2, 3), (0, 1, 3, 4), (0, 1, 4, 2)])
    x[:2] *= 0.3
    two = swap_faces(x, three[:0], np.zeros(0, dtype=bool))
    assert len(two) == 0
    x[:2] /= 0.3
    two = remove_edges(x, three, np.ones(3, dtype=bool))
    assert {tuple(sorted(t)) for t in two.tolist()} == {(1, 2, 3, 4), (0, 2, 3, 4)}
    assert oriented(boundary_faces(two)) == oriented(boundary_faces(three))
    x[:2] *= 0.1
    back = swap_faces(x, two, np.ones(2, dtype=bool))
    assert {tuple(sorted(t)) for t in back.tolist()} == {tuple(sorted(t)) for t in three.tolist()}
    assert not_positive(x, back) == 0


def test_the_best_of_all_fillings_of_a_ring_is_found():
    rng = np.random.default_rng(5)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 7) * 0.02 + np.arange(7) * 2 * np.pi / 7)
    x = np.array(
        [
            (0.85, 0, -0.8),
            (0.85, 0.02, 0.8),
            *np.stack([np.cos(angles), np.sin(angles), 0.2 * np.cos(3 * angles)], 1),
        ]
    )
    start = np.array([(0, 1, 2 + i, 2 + (i + 1) % 7) for i in range(7)])
    assert not_positive(x, start) == 0
    many = remove_edges(x, start, np.ones(7, dtype=bool))
    editor = TetComplex(x, start, len(x))
    assert remove_edge(editor, 0, 1)
    assert len(many) == len(editor.tets) == 10
    assert worst_after(x, many) == pytest.approx(editor.worst(editor.tets), abs=1e-12)


def test_spheres_are_told_from_what_is_not_one():
    faces = [tuple(f) for f in SPHERE.faces.tolist()]
    assert is_sphere(faces)
    assert not is_sphere(faces[1:])
    assert not is_sphere([faces[0][::-1], *faces[1:]])
    apart = [tuple(v + FIXED for v in f) for f in faces]
    assert not is_sphere(faces + apart)
    touching = [tuple(0 if v == FIXED else v for v in f) for f in apart]
    assert not is_sphere(faces + touching)


def test_qualities_are_known_and_those_of_one_equal_those_of_many():
    regular = np.array([(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)], dtype=float)
    both = np.array([(0, 1, 2, 3), (1, 0, 2, 3)])
    np.testing.assert_allclose(np.abs(qualities(regular, both)), 1)
    np.testing.assert_allclose(qualities(regular, both).sum(), 0, atol=1e-12)
    points = np.random.default_rng(0).normal(size=(30, 3))
    tetrahedra = Delaunay(points).simplices.astype(np.int64)
    editor = TetComplex(points, tetrahedra, 0)
    np.testing.assert_allclose(list(editor.quality.values()), qualities(points, tetrahedra), rtol=1e-9)


def test_shared_faces_are_told_from_overlapping_ones():
    assert faces_are_shared_well(np.array([(0, 1, 2, 3), (0, 2, 1, 4)]))
    assert not faces_are_shared_well(np.array([(0, 1, 2, 3), (0, 1, 2, 4)]))


def test_coarsening_keeps_the_solid_and_its_quality():
    start = ball(icosphere(1))
    before = start.vertices, start.tetrahedra
    after = coarsen(*before, FIXED, floor=0.2, rounds=5)
    assert_same_solid(before, after)
    assert len(after[0]) < len(before[0])
    assert worst_after(*after) > min(0.2, worst_after(*before) - 1e-9)


def test_a_tangled_ball_is_put_right():
    start = ball(SPHERE)
    rng = np.random.default_rng(3)
    x = start.vertices.copy()
    x[FIXED:] += 0.15 * rng.normal(size=x[FIXED:].shape)
    assert not_positive(x, start.tetrahedra) > 20
    after = mend(x, start.tetrahedra, FIXED, goal=0.1, rounds=6, iterations=15)
    after = untangle(*after, FIXED, passes=4)
    assert_same_solid((start.vertices, start.tetrahedra), after)


def test_the_last_knots_open_once_the_mesh_around_gives_them_room():
    start = ball(SPHERE)
    x = start.vertices.copy()
    inner = np.arange(FIXED, len(x))
    middle = inner[np.linalg.norm(x[inner], axis=1).argmin()]
    near = np.unique(start.tetrahedra[(start.tetrahedra == middle).any(axis=1)])
    x[near[near >= FIXED]] *= -1  # a knot: what lies around the middle is turned inside out
    assert 0 < not_positive(x, start.tetrahedra) < 100
    after, tetrahedra = untangle(x, start.tetrahedra, FIXED, passes=0)
    assert not_positive(after, tetrahedra) == 0
    assert np.array_equal(tetrahedra, start.tetrahedra), "nothing had to be joined anew"
    assert np.array_equal(after[:FIXED], start.vertices[:FIXED])


def test_mending_changes_only_what_is_near():
    start = ball(icosphere(2))
    fixed = 162
    worst = qualities(start.vertices, start.tetrahedra)
    goal = float(np.sort(worst)[:2].mean())
    x, tetrahedra = mend(start.vertices, start.tetrahedra, fixed, goal=goal, rounds=1, iterations=5)
    np.testing.assert_array_equal(x[:fixed], start.vertices[:fixed])
    old = {tet.tobytes() for tet in start.vertices[start.tetrahedra]}
    new = {tet.tobytes() for tet in x[tetrahedra]}
    assert 0 < len(new - old) < len(old) / 4
    assert not_positive(x, tetrahedra) == 0
    assert qualities(x, tetrahedra).min() > worst.min()
