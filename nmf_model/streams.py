"""Generators that show how far they are, and return a result."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

Item = TypeVar("Item")
Shown = TypeVar("Shown")
Result = TypeVar("Result")


def drain(stream: Generator[Item, None, Result], on_item: Callable[[Item], object] | None = None) -> Result:
    """Run a generator to its end, hand what it yields to ``on_item``, and return what it returns."""
    while True:
        try:
            item = next(stream)
        except StopIteration as end:
            result: Result = end.value
            return result
        if on_item is not None:
            on_item(item)


def mapped(
    stream: Generator[Item, None, Result], change: Callable[[Item], Shown]
) -> Generator[Shown, None, Result]:
    """Yield what a generator yields, changed, and return what it returns."""
    while True:
        try:
            item = next(stream)
        except StopIteration as end:
            result: Result = end.value
            return result
        yield change(item)
