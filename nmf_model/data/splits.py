"""Which part of a data set an object belongs to: by object, never by view, and the same on every machine."""

from __future__ import annotations

import hashlib
from typing import Literal, get_args

Split = Literal["train", "validation", "test"]
PARTS: tuple[Split, ...] = get_args(Split)


def split_of(object_id: str) -> Split:
    """Return the part for an id: a tenth each of test and validation, the rest training.

    Args:
        object_id: the catalogue id, or the path relative to the source folder with forward slashes.
    """
    remainder = int(hashlib.sha1(object_id.encode(), usedforsecurity=False).hexdigest(), 16) % 10
    if remainder == 0:
        return "test"
    return "validation" if remainder == 1 else "train"
