"""The stored benchmark objects: none of the test part among those that may be tuned on, and sane points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nmf_model.data.splits import split_of

FOLDER = Path(__file__).parents[2] / "resources" / "benchmark"


@pytest.mark.parametrize(("name", "parts"), [("development", {"train", "validation"}), ("test", {"test"})])
def test_objects_belong_to_their_part_and_are_credited(name: str, parts: set[str]) -> None:
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as stored:
        ids, creators = stored["id"].tolist(), stored["creator"].tolist()
        assert stored["split"].tolist() == [split_of(object_id) for object_id in ids]
    assert {split_of(object_id) for object_id in ids} <= parts
    assert len(set(ids)) == len(ids) >= 24
    credits = (FOLDER / "credits.md").read_text("utf-8")
    for object_id, creator in zip(ids, creators, strict=True):
        assert any(object_id in line and creator in line for line in credits.splitlines())


@pytest.mark.parametrize("name", ["development", "test"])
def test_points_are_centred_scaled_and_independent(name: str) -> None:
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as stored:
        given, target = stored["given"], stored["target"]
    assert given.shape[1:] == (2500, 3)
    assert target.shape == (len(given), 10_000, 3)
    for both in np.concatenate([given, target], axis=1) / 32767:
        assert np.linalg.norm(both, axis=1).max() == pytest.approx(1.0, abs=1e-4)
        assert np.abs(both.mean(axis=0)).max() < 1e-4
        # Rounding to int16 makes a few of 12,500 points of a flat object coincide, copies would be thousands.
        assert len(np.unique(both, axis=0)) > 12_000
