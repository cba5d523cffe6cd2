"""Columns of tables by the names that programs give them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product

_UNIT = re.compile(r"\s*(\[[^\]]*\]|\([^)]*\))$")
"""A unit or a range in brackets behind a name."""
_BLANKS_BEFORE_UNIT = re.compile(r"\s+(?=\[[^\]]*\]|\([^)]*\))")
_POINTS = (
    "point", "points", "pos", "position", "positions", "coord", "coords", "coordinate", "coordinates", "loc",
    "location", "vertex", "vertices", "xyz", "points_m_xyz",
)  # fmt: skip
_COLORS = ("rgb", "rgba", "color", "colors", "colour", "colours")
_BETWEEN = (":", "_", ".", "-", " ", "")

_COORDINATES = (
    ("x", "y", "z"),
    *(tuple(f"{word}{sign}{axis}" for axis in axes)
      for axes, word, sign in product(("xyz", "012"), _POINTS, _BETWEEN)),
    *(tuple(f"{axis}{sign}{word}" for axis in "xyz") for word, sign in product(_POINTS, _BETWEEN)),
    *(tuple(f"{axis}_{unit}" for axis in "xyz") for unit in ("m", "mm", "cm", "km", "um", "in", "ft")),
)  # fmt: skip
"""ParaView's ``Points:0``, VeloView's ``Points_m_XYZ:0`` and others, in lower case; the first one counts."""
_SURVEYED = (
    ("easting", "eastings", "east", "x", "e", "rechtswert", "ostwert"),
    ("northing", "northings", "north", "y", "n", "hochwert", "nordwert"),
    ("z", "elevation", "elev", "height", "altitude", "alt", "up", "h", "höhe"),
)
_DEGREES = (("lat", "latitude", "breite"), ("lon", "long", "lng", "longitude", "länge"))
COLOR_NAMES = (
    ("red", "green", "blue"),
    ("diffuse_red", "diffuse_green", "diffuse_blue"),
    ("r", "g", "b"),
    ("rf", "gf", "bf"),
)
"""What the columns of a colour are called, in lower case."""
_COLOR_NAMES = (
    *COLOR_NAMES,
    *(tuple(f"{word}{sign}{channel}" for channel in channels)
      for channels, word, sign in product(("rgb", "012"), _COLORS, _BETWEEN)),
)  # fmt: skip


def with_units_attached(heading: str) -> str:
    """Return a line of names, separated by blanks, without those between a name and a unit in brackets."""
    return _BLANKS_BEFORE_UNIT.sub("", heading)


def coordinate_columns(names: Sequence[str]) -> tuple[int, ...]:
    """Return the columns of x, y and z, from 0, or () if the names do not tell them."""
    plain = _plain(names)
    columns = _first_trio(plain, _COORDINATES)
    if columns:
        return columns
    found = [next((plain.index(name) for name in group if name in plain), -1) for group in _SURVEYED]
    return () if -1 in found else tuple(found)


def color_columns(names: Sequence[str]) -> tuple[int, ...]:
    """Return the columns of red, green and blue, from 0, or () if there are none."""
    return _first_trio(_plain(names), _COLOR_NAMES)


def are_degrees(names: Sequence[str]) -> bool:
    """Return whether columns are called latitude and longitude."""
    return all(any(name in group for name in _plain(names)) for group in _DEGREES)


def _plain(names: Sequence[str]) -> list[str]:
    return [_UNIT.sub("", name.strip()).lower() for name in names]


def _first_trio(names: list[str], trios: Sequence[tuple[str, ...]]) -> tuple[int, ...]:
    present = set(names)
    found = next((trio for trio in trios if present.issuperset(trio)), ())
    return tuple(names.index(name) for name in found)
