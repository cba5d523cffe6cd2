"""Compile the loops and keep them on disk: ``python -m nmf_model.fitting.compiled``, as the set-up does.

Otherwise the first fit does; it waits some ten seconds longer then.
"""

from __future__ import annotations

import numpy as np

from nmf_model.fitting.fit import FitSettings, Stage, fit_flow
from nmf_model.fitting.lasting import lasting_tunnels
from nmf_model.geometry.template import icosphere


def main() -> None:
    """Take one step of a small fit, and look for the hole of a small ring."""
    settings = FitSettings(samples=64, stages=(Stage(1, 3, 1),))
    for _ in fit_flow(icosphere(2).vertices, settings=settings):
        pass
    ring = np.ones((3, 3, 1), dtype=bool)
    ring[1, 1] = False
    lasting_tunnels(ring, ring)


if __name__ == "__main__":
    main()
