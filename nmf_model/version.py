"""The version of this program, installed or run from its checkout."""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path


def program_version() -> str:
    """Return the version of the checkout the code runs from, else of the installation."""
    project = Path(__file__).resolve().parent.parent / "pyproject.toml"
    try:
        with open(project, "rb") as stream:
            return str(tomllib.load(stream)["project"]["version"])
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        pass
    try:
        return metadata.version("neural-mesh-flow")
    except metadata.PackageNotFoundError:
        return "unknown"
