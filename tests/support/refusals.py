"""What is said of a bad file: one sentence that names it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nmf_model.errors import InputError


def refusal(read: Callable[[Path], object], path: Path) -> str:
    """Return what the reader says of a bad file: one line that names it and ends with a full stop."""
    with pytest.raises(InputError) as caught:
        read(path)
    sentence = str(caught.value)
    assert path.name in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence
