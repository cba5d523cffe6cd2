"""Which edges of the picture an object reaches, and what is to be said of that."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FILLS = "The object reaches all edges of the picture; if it goes on beyond them, that is missing."
_EDGE = 2
"""Pixels along the picture's edges that count as its edge, one in a picture of fewer than `_SMALL`."""
_SMALL = 128
_REACHED = 0.04
"""Share of an edge that an object covers which seems to go on beyond it."""
OPPOSITE = (("left", "right"), ("upper", "lower"))


def beyond_the_edge(mask: NDArray[np.bool_], *, was_cut_out: bool) -> tuple[str, ...]:
    """Say where the picture seems to cut the object of a mask (H, W) off.

    What was cut out and touches two opposite edges was trimmed there.
    """
    shares = _shares(mask)
    touched = {name for name, share in shares.items() if share > 0}
    trimmed = [pair for pair in OPPOSITE if was_cut_out and touched.issuperset(pair)]
    reached = [name for name in cut_edges(mask) if not any(name in pair for pair in trimmed)]
    if not reached:
        return ()
    if len(touched) == len(shares):
        return (_FILLS,)
    names = " and ".join([", ".join(reached[:-1]), reached[-1]] if len(reached) > 1 else reached)
    return (f"The object reaches the picture's {names} edge; what goes on beyond it is missing.",)


def cut_edges(mask: NDArray[np.bool_]) -> list[str]:
    """Return the names of the edges of which the object of a mask (H, W) covers some share."""
    return [name for name, share in _shares(mask).items() if share > _REACHED]


def _shares(mask: NDArray[np.bool_]) -> dict[str, float]:
    width = _EDGE if min(mask.shape) >= _SMALL else 1
    edges = {
        "left": mask[:, :width].any(axis=1),
        "right": mask[:, -width:].any(axis=1),
        "upper": mask[:width].any(axis=0),
        "lower": mask[-width:].any(axis=0),
    }
    return {name: float(covered.mean()) for name, covered in edges.items()}
