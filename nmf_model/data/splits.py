"""Which part of a data set an object belongs to: by object, never by view, and the same on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Literal, get_args

Split = Literal["train", "validation", "test"]
PARTS: tuple[Split, ...] = get_args(Split)
HOW_MANY = (
    "about one object in ten is taken for validation and one in ten for testing, by their names, "
    "so some 40 or more are needed"
)
"""Why a part can be empty, without a full stop."""


def split_of(object_id: str) -> Split:
    """Return the part for an id: a tenth each of test and validation, the rest training.

    Args:
        object_id: the catalogue id, or the path relative to the source folder with forward slashes.
    """
    remainder = int(hashlib.sha1(object_id.encode(), usedforsecurity=False).hexdigest(), 16) % 10
    if remainder == 0:
        return "test"
    return "validation" if remainder == 1 else "train"


def empty_parts_note(splits: Iterable[str]) -> str:
    """Return a sentence on the parts that none of some objects belongs to; "" if all have some."""
    found = set(splits)
    empty = [part for part in PARTS if part not in found]
    if not empty:
        return ""
    return f"Nothing is there for {' and '.join(empty)}: {HOW_MANY}."
