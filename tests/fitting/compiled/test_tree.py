import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmf_model.fitting.compiled.tree import build, nearest


def brute(points, queries, count):
    squares = np.square(queries[:, None].astype(np.float64) - points[None]).sum(axis=2)
    return np.sort(squares, axis=1)[:, :count], squares


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 400),
    st.sampled_from([1, 2, 3]),
    st.sampled_from([0.0, 0.02, 1.0]),
    st.integers(0, 10**6),
)
def test_the_nearest_are_those_of_brute_force(size, count, thickness, seed):
    """Also of points in a line, and of many at one place."""
    count = min(count, size)
    rng = np.random.default_rng(seed)
    points = (rng.uniform(-1, 1, (size, 3)) * (1, thickness, thickness)).astype(np.float32)
    points[rng.random(size) < 0.2] = points[0]
    queries = np.concatenate([rng.uniform(-3, 3, (30, 3)), points[:10]]).astype(np.float32)
    found = nearest(build(points), queries, count)
    expected, squares = brute(points, queries, count)
    got = np.take_along_axis(squares, found.astype(np.int64), axis=1)
    assert np.allclose(got, expected, rtol=1e-5, atol=1e-9)
    assert all(len(set(row)) == count for row in found.tolist())


@pytest.mark.parametrize("size", [7, 8, 9, 4096])
def test_every_point_is_in_one_leaf(size):
    points = np.random.default_rng(size).normal(size=(size, 3)).astype(np.float32)
    tree = build(points)
    leaves = range(len(tree.first) // 2, len(tree.first))
    held = np.concatenate([tree.number[tree.first[leaf] : tree.last[leaf]] for leaf in leaves])
    assert sorted(held.tolist()) == list(range(size))
    assert max(tree.last[leaf] - tree.first[leaf] for leaf in leaves) <= 8
    assert np.array_equal(points[tree.number], tree.points)
