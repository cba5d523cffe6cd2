"""What a fit aims at: the cleaned points and the local shape of the surface around each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmf_model.fitting.scatter import scatter_of
from nmf_model.geometry.nearest import NearestPoints
from nmf_model.geometry.outliers import find_outliers, neighbours_of

_NEIGHBOURS = 10


@dataclass(frozen=True)
class FitTarget:
    """A cloud with its local frames, on the device of the fit.

    Attributes:
        points: (N, 3) float32, unit-sphere units.
        normals: (N, 3) float32, unit length, sign arbitrary: the direction of least spread of the neighbours.
        planarity: (N,) float32 in 0..1: 1 where the neighbours lie in a plane, 0 where they fill space.
        spacing: (N,) float32, mean distance to the nearest neighbours, unit-sphere units.
        nearest: finds the nearest of the points.
        outliers: how many points of the input were left out.
        scatter: by how much the points scatter about the surface, unit-sphere units; 0 if that is no matter.
    """

    points: Tensor
    normals: Tensor
    planarity: Tensor
    spacing: Tensor
    nearest: NearestPoints
    outliers: int
    scatter: float = 0.0


def build_target(
    points: NDArray[np.float32], device: torch.device, *, heeds_scatter: bool = True
) -> FitTarget:
    """Drop the outliers and estimate the local frames.

    Args:
        points: (N, 3), unit-sphere units, N ≥ 50.
        device: where the fit runs.
        heeds_scatter: whether points that are noisy are asked how much they are.
    """
    is_inlier = ~find_outliers(points)
    kept = np.ascontiguousarray(points[is_inlier])
    normals, planarity, spacing = local_frames(kept)
    scatter = scatter_of(kept) if heeds_scatter else 0.0
    on_device = torch.from_numpy(kept).to(device)
    return FitTarget(
        points=on_device,
        normals=torch.from_numpy(normals).to(device),
        planarity=torch.from_numpy(planarity).to(device),
        spacing=torch.from_numpy(spacing).to(device),
        nearest=NearestPoints(on_device),
        outliers=int(np.count_nonzero(~is_inlier)),
        scatter=scatter,
    )


def local_frames(
    points: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return unoriented normals (N, 3), planarity (N,) and spacing (N,) by principal components."""
    distances, indices = neighbours_of(points, _NEIGHBOURS)
    patches = points[indices] - points[indices].mean(axis=1, keepdims=True)
    spread, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", patches, patches))
    planarity = 1 - spread[:, 0] / np.maximum(spread[:, 1], 1e-20)
    return (
        np.ascontiguousarray(axes[:, :, 0]).astype(np.float32),
        planarity.clip(0, 1).astype(np.float32),
        distances[:, 1:7].mean(axis=1).astype(np.float32),
    )
