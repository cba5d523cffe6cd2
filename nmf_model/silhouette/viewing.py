"""A reconstruction in the eyes of whoever took its picture: nearer parts larger, and inside the same box."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from nmf_model.encoders.pictures import MARGIN
from nmf_model.encoders.pixel_points import with_perspective
from nmf_model.flow.carrier import MovingCarrier, PlacedCarrier
from nmf_model.geometry.template import icosphere
from nmf_model.silhouette.outline import MaskFrame
from nmf_model.types import Carrier, Mesh, Normalization

_LEVEL = 5  # a coarser sphere misses thin tips by some percent of the box


def as_seen(mesh: Mesh) -> Mesh:
    """Return a mesh in a mask's frame as its viewer sees it: nearer parts larger.

    What ``outline.outline_iou`` compares with the mask.
    """
    return Mesh(seen_places(mesh.vertices), mesh.faces)


def seen_places(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where places (N, 3) of a mask's frame are seen, their depths kept."""
    return (with_perspective(torch.from_numpy(places / MARGIN)) * MARGIN).numpy()


def surface_of(carrier: Carrier, normalization: Normalization) -> Mesh:
    """Return the surface that a flow makes of a sphere, in file units."""
    template = icosphere(_LEVEL)
    return Mesh(normalization.to_file(carrier.carry(template.vertices)), template.faces)


def placed_on_mask(
    carrier: MovingCarrier, normalization: Normalization, mask: NDArray[np.bool_]
) -> PlacedCarrier:
    """Stretch a flow so that its surface, as the viewer sees it, has the box of the mask.

    Its tips end a little short of where they are seen.

    Args:
        carrier: of unit-sphere units.
        normalization: between these and the frame of the mask.
        mask: (H, W), where the object is; not empty.
    """
    scale, shift = _onto_mask(as_seen(surface_of(carrier, normalization)), mask)
    offset, unit = normalization.offset, normalization.scale
    return PlacedCarrier(carrier, np.diag(scale), (offset * scale + shift - offset) / unit)


def _onto_mask(seen: Mesh, mask: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the scale (3,) and shift (3,) that give a mesh, as it is seen, the box of a mask."""
    rows, columns = np.nonzero(mask)
    corners = np.array([[columns.min(), rows.max() + 1], [columns.max() + 1, rows.min()]], dtype=np.float64)
    wanted = MaskFrame.of(mask).to_space(corners)
    box = np.stack([seen.vertices[:, :2].min(axis=0), seen.vertices[:, :2].max(axis=0)])
    scale = np.ptp(wanted, axis=0) / np.maximum(np.ptp(box, axis=0), 1e-9)
    shift = wanted.mean(axis=0) - scale * box.mean(axis=0)
    return np.append(scale, scale.mean()), np.append(shift, 0.0)
