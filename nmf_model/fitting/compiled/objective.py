"""The fit's objective and its gradient, compiled; ``fitting.objective.TorchObjective`` says what it is."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nmf_model.fitting.compiled import surface
from nmf_model.fitting.compiled.flow import backward, forward
from nmf_model.fitting.compiled.grids import refine, refine_back, regularity
from nmf_model.fitting.compiled.jit import Floats, Numbers
from nmf_model.fitting.compiled.parallel import side_by_side
from nmf_model.fitting.compiled.surface import Cloud, Drawn
from nmf_model.fitting.loss import CANDIDATES
from nmf_model.fitting.objective import Evaluation, Trial, Weights
from nmf_model.fitting.target import FitTarget
from nmf_model.flow.grid import GridFlow
from nmf_model.geometry.nearest import NearestPoints

_PARTS, _WORTHWHILE = 4, 1500
"""Parts in which vertices are flowed, from so many on."""


class CompiledObjective:
    """Answers like ``TorchObjective``, on the CPU."""

    def __init__(self, target: FitTarget, weights: Weights) -> None:
        self._target, self._weights = target, weights
        self._cloud = Cloud(*map(_array, (target.points, target.normals, target.spacing, target.planarity)))
        self._every = np.arange(len(target.points), dtype=np.int32)

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
        if not np.isfinite(vertices).all():
            return Evaluation(math.nan, torch.from_numpy(vertices))  # nothing can be compared with them
        loss, slopes = self._of_surface(vertices, faces, _array(trial.random), chosen)
        regular = partial(regularity, fields, weights.smoothness, weights.lipschitz, weights.lipschitz_bound)
        back = [
            partial(backward, part, asked, fields)
            for (_, asked), part in zip(flowed, _parts(slopes), strict=True)
        ]
        (rough, by_fields), *more = side_by_side([regular, *back])
        for found in more:
            by_fields += found
        for grid in flow.grids:
            grid.grad = None
        for grid in reversed(used):
            grid.grad = torch.from_numpy(np.ascontiguousarray(np.moveaxis(by_fields, 4, 1)))
            if grid is not used[0]:
                by_fields = refine_back(by_fields)
        return Evaluation(float(loss + rough), torch.from_numpy(vertices))

    def _of_surface(
        self, vertices: Floats, faces: Numbers, random: Floats, chosen: Numbers
    ) -> tuple[float, Floats]:
        """Return what depends on the surface alone, and its gradient by the vertices (V, 3)."""
        areas, normals = surface.double_areas(vertices, faces)
        drawn = surface.draw(vertices, faces, areas, random)
        (one, slopes, grown), (other, more) = side_by_side(
            [
                partial(self._accuracy, drawn, vertices, faces, areas, normals),
                partial(self._completeness, drawn, vertices, faces, chosen),
            ]
        )
        slopes += more
        weights = self._weights
        stretched = surface.tension(vertices, faces, areas, weights.tension, weights.evenness, slopes, grown)
        surface.areas_back(vertices, faces, normals, grown, slopes)
        return one + other + stretched, slopes

    def _accuracy(
        self, drawn: Drawn, vertices: Floats, faces: Numbers, areas: Floats, normals: Floats
    ) -> Any:
        near = self._target.nearest(torch.from_numpy(drawn.points)).numpy().astype(np.int32)
        alignment = self._weights.alignment
        return surface.accuracy(drawn, near, vertices, faces, areas, normals, self._cloud, alignment)

    def _completeness(self, drawn: Drawn, vertices: Floats, faces: Numbers, chosen: Numbers) -> Any:
        samples = NearestPoints(torch.from_numpy(drawn.points), is_transient=True)
        near = samples.several(self._target.points[chosen], CANDIDATES).numpy().astype(np.int32)
        cloud, urgency = self._cloud, self._weights.urgency
        return surface.completeness(drawn, near, vertices, faces, cloud, chosen, urgency)


def _parts(rows: Floats) -> list[Floats]:
    """Return rows in the parts in which they are flowed, the same on every machine: sums depend on it."""
    return np.array_split(rows, _PARTS) if len(rows) >= _WORTHWHILE else [rows]


def _array(values: Tensor) -> Floats:
    return np.ascontiguousarray(values.detach().numpy(), dtype=np.float32)


def _inside_out(grid: Tensor) -> Floats:
    """Return a grid (K, 3, R, R, R) with its components last."""
    return np.ascontiguousarray(np.moveaxis(grid.detach().numpy(), 1, 4))
