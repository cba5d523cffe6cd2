"""What every test shares: settings kept out of the user's home, and repeatable property tests."""

from __future__ import annotations

import os
import tempfile

import pytest
from hypothesis import settings

settings.register_profile("suite", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("suite")

_home = pytest.StashKey[tempfile.TemporaryDirectory]()


def pytest_configure(config: pytest.Config) -> None:
    # Before any test module imports Qt, which reads these once.
    config.stash[_home] = tempfile.TemporaryDirectory(prefix="nmf-tests-")
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        os.environ[name] = config.stash[_home].name
    os.environ.setdefault("QT_API", "pyside6")
    # Workers, and what they start, share the processors; threads of their own would only wait for each other.
    if hasattr(config, "workerinput"):
        os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_home].cleanup()
