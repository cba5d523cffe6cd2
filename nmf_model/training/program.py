"""The whole program as a method to evaluate: what main.py answers for a cloud or a picture.

Where ``reconstructing`` asks a model alone, here a fit may follow, a picture may be found unlike what the
network knows, and the mesh has the adaptive template and is made sound.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import NmfError
from nmf_model.geometry.template import icosphere
from nmf_model.reconstruct import run
from nmf_model.training.reconstructing import Frame, predicted_frame
from nmf_model.types import (
    Device,
    Mesh,
    Method,
    PointCloud,
    Reconstruction,
    ReconstructionRequest,
    ShapeImage,
)
from nmf_model.weights import load_weights, shipped_path


@dataclass(frozen=True)
class ProgramAnswer:
    """What the program answered.

    Attributes:
        mesh: in the units of the cloud, or of the predicted points.
        frame: the object's own, or the camera's.
        view: (3, 3), the rotation from the mesh's frame to the camera's, where that is ``frame``.
        facts: "method", the one that the answer comes from, and "seconds", after loading, beside whatever
            else the processors had to do.
    """

    mesh: Mesh
    frame: Frame
    view: NDArray[np.float64]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Program:
    """How the program is asked.

    Attributes:
        method: as ``main.py --method``.
        weights: as ``main.py --weights``; None for those that ship.
        device: of the flow.
    """

    method: Method
    weights: Path | None = None
    device: Device = "cpu"

    def check(self, *, of_pictures: bool) -> None:
        """Raise InputError or CheckpointError if the weights it needs cannot be used."""
        if self.method == "network" or self.weights is not None:
            load_weights("svr" if of_pictures else "ae", self.weights)

    def answer_cloud(self, points: NDArray[np.float64], name: str) -> ProgramAnswer:
        """Reconstruct a cloud (N, 3); the mesh is in its frame.

        Raises:
            NmfError: see ``reconstruct.stream``.
        """
        return _told(self._run(PointCloud(points, name)), "object")

    def answer_picture(self, rgba: NDArray[np.uint8], name: str) -> ProgramAnswer:
        """Reconstruct what is opaque on a picture (H, W, 4).

        Raises:
            NmfError: see ``reconstruct.stream``.
        """
        result = self._run(ShapeImage(rgba, has_alpha=True, name=name))
        return _told(result, "camera" if result.method == "silhouette" else self._frame())

    def _run(self, source: PointCloud | ShapeImage) -> Reconstruction:
        _warm_up(self.weights, self.device)
        return run(ReconstructionRequest(source, self.method, device=self.device, weights=self.weights))

    def _frame(self) -> Frame:
        path = self.weights or shipped_path("svr")
        assert path is not None
        return predicted_frame(path, load_weights("svr", self.weights))


@lru_cache(maxsize=4)
def _warm_up(weights: Path | None, device: Device) -> None:
    """Reconstruct a ball once in each process, so that loading is in nobody's seconds."""
    ball = PointCloud(icosphere(3).vertices.astype(np.float64))
    with suppress(NmfError):
        run(ReconstructionRequest(ball, "network", level=3, device=device, weights=weights))


def _told(result: Reconstruction, frame: Frame) -> ProgramAnswer:
    facts = {"method": result.method, "seconds": result.seconds}
    return ProgramAnswer(result.mesh, frame, result.view, facts)
