"""Words for numbers of things."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number of things in words: "1 point", "2,000 points"; ``plural`` where "s" is not enough."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
