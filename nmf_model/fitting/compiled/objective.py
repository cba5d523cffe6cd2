"""The fit's objective and its gradient, compiled; ``fitting.objective.TorchObjective`` says what it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmf_model.fitting.compiled import surface
from nmf_model.fitting.compiled.flow import backward, forward
from nmf_model.fitting.compiled.grids import refine, refine_back, regularity
from nmf_model.fitting.compiled.parallel import side_by_side
from nmf_model.fitting.compiled.surface import Cloud
from nmf_model.fitting.compiled.tree import build
from nmf_model.fitting.objective import Evaluation, Trial, Weights
from nmf_model.fitting.target import FitTarget
from nmf_model.flow.grid import GridFlow

Floats = NDArray[np.float32]

_PARTS, _WORTHWHILE = 4, 1500
"""Parts in which vertices are flowed, from so many on."""


class CompiledObjective:
    """Answers like ``TorchObjective``, on the CPU."""

    def __init__(self, target: FitTarget, weights: Weights) -> None:
        points = _array(target.points)
        self._cloud = Cloud(
            points, _array(target.normals), _array(target.spacing), _array(target.planarity), build(points)
        )
        self._every = np.arange(len(points), dtype=np.int32)
        self._weights = weights

    def evaluate(self, flow: GridFlow, depth: int, trial: Trial) -> Evaluation:
        """See ``Objective.evaluate``."""
        used = list(flow.grids)[:depth]
        fields = _inside_out(used[0])
        for grid in used[1:]:
            fields = refine(fields) + _inside_out(grid)
        weights, faces = self._weights, trial.faces.numpy().astype(np.int32)
        chosen = self._every if trial.chosen is None else trial.chosen.numpy().astype(np.int32)
        parts = _parts(_array(trial.sphere))
        flowed = side_by_side([partial(forward, part, fields, trial.steps) for part in parts])
        vertices = np.concatenate([part for part, _ in flowed])
        loss, slopes = self._of_surface(vertices, faces, _array(trial.random), chosen)
        regular = partial(regularity, fields, weights.smoothness, weights.lipschitz, weights.lipschitz_bound)
        calls: list[Callable[[], tuple[float, Floats]]] = [regular]
        for (_, asked), part in zip(flowed, _parts(slopes), strict=True):
            calls.append(partial(_backward, part, asked, fields))
        done = side_by_side(calls)
        loss += sum(value for value, _ in done)
        by_fields = done[0][1]
        for _, found in done[1:]:
            by_fields += found
        for grid in flow.grids:
            grid.grad = None
        for grid in reversed(used):
            grid.grad = torch.from_numpy(np.ascontiguousarray(np.moveaxis(by_fields, 4, 1)))
            if grid is not used[0]:
                by_fields = refine_back(by_fields)
        return Evaluation(float(loss), torch.from_numpy(vertices))

    def _of_surface(
        self, vertices: Floats, faces: NDArray[np.int32], random: Floats, chosen: NDArray[np.int32]
    ) -> tuple[float, Floats]:
        """Return what depends on the surface alone, and its gradient by the vertices (V, 3)."""
        areas, normals = surface.double_areas(vertices, faces)
        drawn = surface.draw(vertices, faces, areas, random)
        weights, cloud = self._weights, self._cloud
        (one, slopes, grown), (other, more, _) = side_by_side(
            [
                partial(surface.accuracy, drawn, vertices, faces, areas, cloud),
                partial(surface.completeness, drawn, vertices, faces, areas, cloud, chosen, weights.urgency),
            ]
        )
        slopes += more
        stretched = surface.tension(vertices, faces, areas, weights.tension, weights.evenness, slopes, grown)
        surface.areas_back(vertices, faces, normals, grown, slopes)
        return one + other + stretched, slopes


def _backward(slopes: Floats, asked: Floats, fields: Floats) -> tuple[float, Floats]:
    return 0.0, backward(slopes, asked, fields)


def _parts(rows: Floats) -> list[Floats]:
    """Return rows in the parts in which they are flowed, the same on every machine: sums depend on it."""
    return np.array_split(rows, _PARTS) if len(rows) >= _WORTHWHILE else [rows]


def _array(values: Tensor) -> Floats:
    return np.ascontiguousarray(values.detach().numpy(), dtype=np.float32)


def _inside_out(grid: Tensor) -> Floats:
    """Return a grid (K, 3, R, R, R) with its components last."""
    return np.ascontiguousarray(np.moveaxis(grid.detach().numpy(), 1, 4))
