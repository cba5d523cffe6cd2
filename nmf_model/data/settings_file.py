"""What a set was prepared with: a folder holds objects of one choice of settings only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nmf_model.data.layout import SETTINGS_FILE
from nmf_model.data.render import ELEVATION
from nmf_model.errors import InputError
from nmf_model.io.atomic import write_text_atomically

_OPTIONS = {"points": "--points", "views": "--views", "size": "--view-size", "elevation": "--elevation"}


def record_settings(out: Path, settings: Mapping[str, Any]) -> None:
    """Record the settings of a new set, or refuse those that are not the ones of the set that is there.

    Args:
        out: the set's folder.
        settings: "points", "views", "size" and "elevation", (2,) degrees.

    Raises:
        InputError: they differ; each is named with what it was and is.
        OSError, ValueError: the record cannot be written or read.
    """
    path = out / SETTINGS_FILE
    usual = {"elevation": list(ELEVATION)}  # sets of earlier versions say nothing of it
    now = {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}
    if not path.is_file():
        told = {name: value for name, value in now.items() if value != usual.get(name)}
        write_text_atomically(path, json.dumps(told) + "\n")
        return
    known = json.loads(path.read_text("utf-8"))
    if not isinstance(known, dict):
        raise ValueError(f"{path.name} is damaged")
    was = usual | known
    differing = [
        f"{option} was {_spelt(was.get(name))}, now {_spelt(now.get(name))}"
        for name, option in _OPTIONS.items()
        if was.get(name) != now.get(name)
    ]
    if differing:
        raise InputError(
            f"{out} was prepared with other settings ({', '.join(differing)}); choose another folder."
        )


def _spelt(value: object) -> str:
    """Return a setting as on the command line."""
    return " ".join(f"{part:g}" for part in value) if isinstance(value, list) else str(value)
