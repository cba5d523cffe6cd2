"""Whether the network's answer to a picture is to be believed, or the inflated outline to be shown instead.

Outlines alone do not tell: thin parts miss the picture's outline on furniture that the network knows well.
And an inflated outline, round and symmetric to the picture's plane, is far from most furniture, which is seen
aslant. So it is preferred only where the network itself sees a body not far from it, as animals and figures
are from the side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nmf_model.geometry.normalization import normalize
from nmf_model.geometry.sampling import sample_surface, thinned
from nmf_model.geometry.template import icosphere
from nmf_model.metrics import chamfer_l2
from nmf_model.types import Carrier, Mesh

FAMILIAR_OUTLINE = 0.85
"""Share of a picture's outline and of its reconstruction's that must be common (intersection over union),
after both were given the same box, to say nothing of it."""
FAMILIAR_MISFIT = 0.02
"""chamfer_l2 between the network's points and its mesh of them from which it does not know such shapes."""
FAR_APART = 0.04
"""chamfer_l2 between the network's surface and the inflated outline from which the latter is not preferred.
Chosen on the validation part (see the model card), and on photos, of which only the looks can be judged."""
_LEVEL = 3
_SAMPLES = 4_000


@dataclass(frozen=True)
class Familiarity:
    """Whether a picture looks like what the network learnt from.

    Attributes:
        outline: intersection over union of the picture's outline and the reconstruction's; None for a
            network that answers in a frame of its own.
        misfit: chamfer_l2 between the predicted points and the mesh made of them.
        apart: chamfer_l2 between the reconstruction and the inflated outline, each in its own unit sphere;
            None where the outline is met, or not known.
    """

    outline: float | None
    misfit: float
    apart: float | None = None

    @property
    def meets_outline(self) -> bool:
        """The outline does not speak against the network."""
        return self.outline is None or self.outline >= FAMILIAR_OUTLINE

    @property
    def is_familiar(self) -> bool:
        """The network is to be preferred to the inflated outline."""
        sees_another = self.apart is None or self.apart > FAR_APART
        return self.misfit <= FAMILIAR_MISFIT and (self.meets_outline or sees_another)


def misfit(carrier: Carrier, points: NDArray[np.float32]) -> float:
    """Return chamfer_l2 between a flow's surface and points, unit-sphere units."""
    template = icosphere(_LEVEL)
    return chamfer_l2(_samples(Mesh(carrier.carry(template.vertices), template.faces)), points)


def apart(surface: Mesh, points: NDArray[np.float64]) -> float:
    """Return chamfer_l2 between a surface and points, each in its own unit sphere: of their shapes alone."""
    samples = _samples(surface)
    chosen = thinned(points, _SAMPLES, seed=1)
    return chamfer_l2(normalize(samples).to_unit(samples), normalize(chosen).to_unit(chosen))


def _samples(surface: Mesh) -> NDArray[np.float64]:
    return sample_surface(surface.vertices, surface.faces, _SAMPLES, np.random.default_rng(0))[0]
