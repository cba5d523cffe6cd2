"""The files that ship with the program, wherever it is installed."""

from __future__ import annotations

import os
from pathlib import Path


def resource(name: str) -> Path | None:
    """Return a bundled file such as "configs/default.toml", None where it is not installed.

    It is looked for in the folder that the variable NMF_RESOURCES names, in that of a checkout, and in that
    of an installed package, in this order.
    """
    top = Path(__file__).resolve().parent.parent
    override = os.environ.get("NMF_RESOURCES")
    roots = [
        *([Path(override)] if override else []),
        top / "resources",
        top / "nmf_app" / "_resources",
    ]
    return next((root / name for root in roots if (root / name).is_file()), None)
