"""Long and flat objects squeezed, so that a flow has room for their profile.

A flow is equally fine in all directions, and its ball reaches as far as the object: the profile of a rail
150 times as long as it is wide would be less than a cell of the grid, and so would the thickness of a sheet.
Squeezed to a few times its width it is many cells wide, and the points around it are as dense as they are
many: two sides nearer to each other than points are become two sides again. A linear map folds nothing, so
what is found there is stretched again as it is: the flow stays one to one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nmf_model.fitting.scatter import scatter_of
from nmf_model.flow.carrier import MovingCarrier, PlacedCarrier
from nmf_model.geometry.normalization import normalize
from nmf_model.geometry.outliers import find_outliers
from nmf_model.types import FlowFrame

LONGEST, FLATTEST = 4.0, 8.0
"""What is longer than so many widths, or wider than so many thicknesses, is squeezed."""
_THINNEST = 1e-4
"""What is thinner than this share of its length has no thickness but by rounding."""
_MIDDLE = (0.0005, 0.9995)
"""Shares of the points between which the object extends."""


@dataclass(frozen=True)
class Squeeze:
    """The way back from the frame in which a long object is fitted to that of the unit sphere.

    Attributes:
        stretch: (3, 3), symmetric and positive definite, and
        shift: (3,): a place y of the squeezed frame, a row, is ``y @ stretch + shift``.
    """

    stretch: NDArray[np.float64]
    shift: NDArray[np.float64]

    @property
    def detail(self) -> float:
        """How large the squeezed unit is where that is smallest: across the object, unit-sphere units."""
        return float(np.linalg.eigvalsh(self.stretch)[0])

    @property
    def metric(self) -> NDArray[np.float64]:
        """(3, 3): differences, rows, times this are as they are in the squeezed frame."""
        return np.asarray(np.linalg.inv(self.stretch), dtype=np.float64)

    def into(self, places: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return places (N, 3) in the squeezed frame."""
        return ((places - self.shift) @ self.metric).astype(np.float32)

    def out(self, places: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return where places (N, 3) of the squeezed frame are."""
        return np.asarray(places @ self.stretch + self.shift, dtype=np.float64)

    def carrier(self, inner: MovingCarrier) -> PlacedCarrier:
        """Return the flow of the whole length."""
        return PlacedCarrier(inner, self.stretch, self.shift)

    def shown(self, frame: FlowFrame) -> FlowFrame:
        """Return a frame in its whole length."""
        return replace(frame, vertices=self.out(frame.vertices).astype(np.float32))


def squeeze_of(points: NDArray[np.float32]) -> Squeeze | None:
    """Return how a cloud is to be squeezed; None for one that is neither long nor flat.

    Nor for one that would be noisy then: noise of a flat cloud would be stretched with its thickness, and an
    open tube that is fitted smoothly, through the middle of its points, became a skin around its wall.

    Args:
        points: (N, 3), unit-sphere units; strays among them are left out.
    """
    kept = points[~find_outliers(points)].astype(np.float64)
    axes = np.linalg.svd(kept - kept.mean(axis=0), full_matrices=False)[2]
    low, high = np.quantile(kept @ axes.T, _MIDDLE, axis=0)
    length, width, thickness = high - low
    if thickness < _THINNEST * length:
        return None
    shares = np.array([min(1.0, LONGEST * width / length), 1.0, max(1.0, width / (FLATTEST * thickness))])
    if (shares == 1).all():
        return None
    squeezed = normalize(kept @ (axes.T * shares) @ axes)
    back = (axes.T / shares) @ axes
    squeeze = Squeeze(squeezed.scale * back, squeezed.offset @ back)
    return None if scatter_of(squeeze.into(kept)) else squeeze
