"""File names with ``*``, ``?`` or ``[ ]``, which some shells leave to the program."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from nmf_model.errors import InputError


def is_pattern(named: Path) -> bool:
    """Whether a name stands for others; a file may really have such a name: then no pattern is meant."""
    return glob.has_magic(str(named)) and not os.path.lexists(named)


def nothing_like(named: Path) -> str:
    """Say that a pattern matches nothing, without a full stop."""
    return f"nothing has a name like {named}; check the folder and the pattern"


def refuse_pattern(named: Path) -> None:
    """Raise InputError for a pattern that is still there since nothing matched it."""
    if is_pattern(named):
        raise InputError(f"{nothing_like(named)}.")
