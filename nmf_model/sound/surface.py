"""A triangulated sphere together with where the flow carries it, while it is refined and coarsened."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import Cancelled
from nmf_model.geometry.coarsening import coarsen
from nmf_model.geometry.refinement import (
    Faces,
    Points,
    edge_lengths,
    list_edges,
    middles,
    refine,
    sag,
)
from nmf_model.types import CancelCheck, Carrier

_SHORTEST = 1e-4
"""Edges of the template shorter than this are not split: the sphere is kept in float32 in the end."""

_PLACES = np.array([0.5, 0.44, 0.56, 0.38, 0.62, 0.32, 0.68, 0.26, 0.74])
"""Where on an edge a bend is looked for; the middle first, so that it is taken where nothing bends."""


@dataclass(frozen=True)
class Flow:
    """A carrier with its solver settled: what turns points of the sphere into points of the surface."""

    carrier: Carrier
    steps: int
    cancel: CancelCheck | None = None

    def __call__(self, points: Points, until: float = 1.0) -> Points:
        """Return (V, 3) images in float64 that float32 can hold: what is checked is what is kept."""
        image = self.carrier.carry(points, steps=self.steps, until=until, cancel=self.cancel)
        return rounded(image)


def stop_if(cancel: CancelCheck | None) -> None:
    """Raise Cancelled if the work is no longer wanted."""
    if cancel is not None and cancel():
        raise Cancelled("The check was cancelled.")


def rounded(points: Points) -> Points:
    """Return the nearest points with float32 coordinates, as float64."""
    nearest: Points = points.astype(np.float32).astype(np.float64)
    return nearest


@dataclass(frozen=True)
class FlowedSphere:
    """A template and its image.

    Attributes:
        sphere: (V, 3) float64 on the unit sphere.
        faces: (F, 3).
        image: (V, 3) float64, unit-sphere units.
    """

    sphere: Points
    faces: Faces
    image: Points

    def refined_by_error(
        self, flow: Flow, most_vertices: int, tolerance: float, metric: Points | None = None
    ) -> FlowedSphere:
        """Split the edges at whose middles flat triangles are farthest from the flowed surface.

        At most those with an error over the tolerance, and no more than an eighth of all edges at once, so
        that the worst places are seen to first. Differences are multiplied with a ``metric`` (3, 3), if any.
        """
        edges = list_edges(self.faces)
        true = flow(middles(self.sphere, edges.ends))
        change = np.eye(3) if metric is None else metric
        error = sag(self.image @ change, self.faces, edges.ends, true @ change)
        error[edge_lengths(self.sphere, edges) < _SHORTEST] = 0
        room = max(0, most_vertices - len(self.sphere))
        count = min(len(error) // 8, max(room // 2, min(room, 16)))
        worst = np.argsort(-error, kind="stable")[:count]
        marked = np.zeros(len(error), dtype=bool)
        marked[worst] = error[worst] > tolerance
        result = refine(self.sphere, self.faces, marked, edges, edge_lengths(self.image, edges))
        return FlowedSphere(result.sphere, result.faces, np.concatenate([self.image, true[result.split]]))

    def refined_at(self, bad: NDArray[np.int64], flow: Flow) -> FlowedSphere:
        """Split all sides of the given faces, each where its image bends most.

        A flow stored on a grid has kinks. Where one folds the surface sharply, flat triangles across it cross
        at every size; with vertices on the kink they lie on either side of it.
        """

        def at_the_bend(sphere: Points, ends: NDArray[np.int64]) -> Points:
            starts, stops = sphere[ends[:, 0]], sphere[ends[:, 1]]
            along = starts + _PLACES[:, None, None] * (stops - starts)
            along /= np.linalg.norm(along, axis=2, keepdims=True)
            image = flow(along.reshape(-1, 3)).reshape(along.shape)
            first, last = self.image[ends[:, 0]], self.image[ends[:, 1]]
            chord = last - first
            squares = np.maximum((chord * chord).sum(axis=1), np.finfo(float).tiny)
            off = image - first
            off -= ((off * chord).sum(axis=2) / squares)[:, :, None] * chord
            best = np.linalg.norm(off, axis=2).argmax(axis=0)
            chosen: Points = along[best, np.arange(len(ends))]
            return chosen

        edges = list_edges(self.faces)
        marked = np.zeros(len(edges.ends), dtype=bool)
        marked[edges.of_side[bad].ravel()] = True
        marked &= edge_lengths(self.sphere, edges) >= _SHORTEST
        result = refine(self.sphere, self.faces, marked, edges, edge_lengths(self.image, edges), at_the_bend)
        added = flow(result.sphere[len(self.sphere) :])
        return FlowedSphere(result.sphere, result.faces, np.concatenate([self.image, added]))

    def coarsened(self, flow: Flow, tolerance: float) -> FlowedSphere:
        """Merge vertices where that moves the image by no more than the tolerance."""
        result = coarsen(self.sphere, self.faces, self.image, tolerance, flow)
        return FlowedSphere(self.sphere[result.kept], result.faces, self.image[result.kept])

    def moved(self, image: Points) -> FlowedSphere:
        """Return the same template with another image, rounded to float32."""
        return replace(self, image=rounded(image))
