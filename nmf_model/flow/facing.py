"""Name the places of the sphere by where the shape has them, so that results of different shapes correspond.

A fit is indifferent to how the sphere is turned before it flows, and ends with any turn. Here the one is
chosen by which each place of the sphere comes to lie, as nearly as a turn can bring it, in the direction from
the shape's middle that the place has from the sphere's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nmf_model.flow.carrier import MovingCarrier, ReframedCarrier
from nmf_model.geometry.template import icosphere

_LEVEL = 3
"""Of the template whose vertices are asked where they come to lie."""


@dataclass(frozen=True)
class FacingCarrier(ReframedCarrier):
    """A flow of the unit ball after a turn.

    Attributes:
        turn: (3, 3), a rotation: a place p of the ball, a row, is the inner flow's ``p @ turn``.
    """

    turn: NDArray[np.float64]

    def _into(self, places: NDArray[np.floating], share: float) -> NDArray[np.float64]:
        return np.asarray(places @ self.turn if share == 0 else places, dtype=np.float64)

    def _out(self, places: NDArray[np.floating], share: float) -> NDArray[np.float64]:
        return np.asarray(places, dtype=np.float64)


def facing(carrier: MovingCarrier) -> FacingCarrier:
    """Turn the sphere of a flow so that its places face as the shape's do (Kabsch, 1976)."""
    sphere = icosphere(_LEVEL).vertices.astype(np.float64)
    image = carrier.carry(sphere)
    outward = image - image.mean(axis=0)
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    # Not scipy's align_vectors: it warns where a symmetric shape leaves the turn open, which is no harm here.
    left, _, right = np.linalg.svd(sphere.T @ outward)
    proper = np.diag([1.0, 1.0, np.linalg.det(left @ right)])
    return FacingCarrier(carrier, (left @ proper @ right).T)
