"""The split must never change: weights that were trained on one split would be tested on another."""

from __future__ import annotations

from collections import Counter

from nmf_model.data.splits import split_of


def test_the_split_of_known_ids_is_fixed() -> None:
    assert split_of("Blend Swap CC-0#relaxChair") == "test"
    assert split_of("Scopia#children_bed") == "validation"
    assert split_of("Scopia#ryokanChair") == "train"


def test_a_tenth_is_test_and_a_tenth_validation() -> None:
    counts = Counter(split_of(f"folder/object-{number}") for number in range(20_000))
    assert set(counts) == {"train", "validation", "test"}
    # Five standard deviations of a binomial count.
    assert abs(counts["test"] - 2000) < 212
    assert abs(counts["validation"] - 2000) < 212
