"""Settings by their dotted names, and in which of them two configurations differ, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nmf_model.config import to_dict


def differences(old: Any, new: Any) -> list[str]:
    """Name the settings in which two configurations differ, as ``table.name was old, now new``."""
    before, now = settings_of(to_dict(old)), settings_of(to_dict(new))
    names = dict.fromkeys([*before, *now])
    return [
        f"{name} was {_shown(before.get(name))}, now {_shown(now.get(name))}"
        for name in names
        if before.get(name) != now.get(name)
    ]


def settings_of(tables: Mapping[str, Any], table: str = "") -> dict[str, Any]:
    """Return all settings of nested tables that have a value, by their dotted names."""
    found: dict[str, Any] = {}
    for name, value in tables.items():
        if isinstance(value, Mapping):
            found |= settings_of(value, f"{table}{name}.")
        elif value is not None:
            found[f"{table}{name}"] = value
    return found


def _shown(value: Any) -> str:
    return "not there" if value is None else str(value)
