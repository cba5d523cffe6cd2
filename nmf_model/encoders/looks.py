"""Several looks at one picture: what a network guesses differs a little from cut-out to cut-out.

A pixel that falls into another cell, or a picture seen in the mirror, gives other guesses of the same depths.
Together they say where the surface is better than any of them does (test-time augmentation). Points of the
outline are added: a network that minimises distances keeps its guesses away from where they could be wrong.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from nmf_model.encoders.pictures import CutOut, cut_out, place_cut_out, shrunk
from nmf_model.encoders.pixel_points import Layers, PixelPoints, without_perspective
from nmf_model.errors import InputError


class TooThin(InputError):
    """The object covers no cell of a cut-out: nothing is seen of it."""


class Look(NamedTuple):
    """One way to cut an object out.

    Attributes:
        scale: side of the square, in sides of the plain one.
        right, down: how far its middle is moved, in halves of the plain one's side.
        mirrored: whether left and right are exchanged.
    """

    scale: float = 1.0
    right: float = 0.0
    down: float = 0.0
    mirrored: bool = False


LOOKS = (
    Look(),
    Look(mirrored=True),
    Look(1.03, 0.03, -0.02),
    Look(1.03, -0.03, 0.02, mirrored=True),
    Look(1.07, -0.04, -0.03),
    Look(1.07, 0.04, 0.03, mirrored=True),
    Look(0.97, 0.01, 0.02),
    Look(0.97, -0.01, -0.02, mirrored=True),
)
"""The plain one first. All are within what the branch met in training."""
_DETAIL = 4
"""Sides of a cut-out up to which a picture is kept as sharp as it is."""
RIM_POINTS = 1_500
"""Points that are added on the outline."""
_RIM_NEIGHBOURS = 24
"""Guesses near a point of the outline, of whose depths it has the median."""


class Seen(NamedTuple):
    """What is seen on a picture, in the frame of the plain cut-out (see ``PixelPoints``).

    Attributes:
        plain: (P, 3), the branch's answer to the plain cut-out.
        together: (N, 3), all points of all looks, and points of the outline.
        up: (3,), unit, the object's upright, the mean of all looks; None from a branch that does not say.
    """

    plain: Float[Tensor, "P 3"]
    together: Float[Tensor, "N 3"]
    up: Float[Tensor, "3"] | None


def look(branch: PixelPoints, rgba: NDArray[np.uint8], mask: NDArray[np.bool_], size: int) -> Seen:
    """Ask the branch for the points of the object on a picture, several times over.

    Args:
        branch: in eval mode; called without gradients.
        rgba: (H, W, 4) colours with straight alpha.
        mask: (H, W), where the object is.
        size: side of the cut-outs, pixels.

    Raises:
        InputError: if the mask is empty.
        TooThin: if hardly a cell of the cut-outs shows anything of the object.
    """
    device = next(branch.parameters()).device
    rgba, mask = shrunk(rgba, mask, _DETAIL * size)
    whole = place_cut_out(mask)
    pictures = torch.cat([_taken(rgba, mask, size, whole, one) for one in LOOKS]).to(device)
    layers = branch.layers(pictures)
    plain = branch.cloud(Layers(layers.seen[:1], layers.inside[:1]))[0]
    points = torch.cat(
        [
            _placed(seen[inside].flatten(0, 1), one)
            for seen, inside, one in zip(layers.seen, layers.inside, LOOKS, strict=True)
        ]
    )
    if len(points) < _RIM_NEIGHBOURS or not bool(layers.inside[0].any()):
        raise TooThin("The object is too thin for the network to see it; use auto or silhouette.")
    rim = torch.from_numpy(_rim(points.cpu().numpy(), mask, whole)).to(points)
    return Seen(plain, without_perspective(torch.cat([points, rim])[None])[0], _up(layers))


def _up(layers: Layers) -> Float[Tensor, "3"] | None:
    if layers.up is None:
        return None
    towards = [[-1.0 if one.mirrored else 1.0, 1.0, 1.0] for one in LOOKS]
    return F.normalize((layers.up * layers.up.new_tensor(towards)).sum(dim=0), dim=0)


def _taken(
    rgba: NDArray[np.uint8], mask: NDArray[np.bool_], size: int, whole: CutOut, one: Look
) -> Float[Tensor, "1 4 S S"]:
    (x, y), half = whole
    square = CutOut((x + one.right * half, y + one.down * half), one.scale * half)
    cut = cut_out(rgba, mask, size, square)
    return cut.flip(3) if one.mirrored else cut


def _placed(seen: Float[Tensor, "N 3"], one: Look) -> Float[Tensor, "N 3"]:
    """Return where on the plain cut-out points of another one are seen, and their depths."""
    towards = seen.new_tensor([-1.0 if one.mirrored else 1.0, 1.0, 1.0])
    return seen * towards * one.scale + seen.new_tensor([one.right, -one.down, 0.0])


def _rim(points: NDArray[np.float32], mask: NDArray[np.bool_], whole: CutOut) -> NDArray[np.float64]:
    """Return points (R, 3) along the outline of a mask, as deep as what is seen beside them.

    Args:
        points: (N, 3), where on the plain cut-out something is seen, and its depth; N ≥ ``_RIM_NEIGHBOURS``.
        mask: (H, W), not empty.
        whole: the plain cut-out.
    """
    from scipy import ndimage
    from scipy.spatial import cKDTree

    rows, columns = np.nonzero(mask & ~ndimage.binary_erosion(mask))
    random = np.random.default_rng(0)
    chosen = random.integers(0, len(rows), RIM_POINTS)
    pixels = np.stack([columns[chosen], rows[chosen]], axis=1) + random.random((RIM_POINTS, 2))
    places = (pixels - whole.centre) * (1.0, -1.0) / whole.half
    _, near = cKDTree(points[:, :2]).query(places, _RIM_NEIGHBOURS)
    return np.column_stack([places, np.median(points[near, 2], axis=1)])
