"""From a request to a mesh, as a stream of frames that a window or a progress bar can follow."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator

import numpy as np
import torch
from numpy.typing import NDArray

from nmf_model.errors import Cancelled, InputError
from nmf_model.findings import Residual, notes_of, residual_notes
from nmf_model.fitting.findings import findings_in
from nmf_model.fitting.residual import residual_of
from nmf_model.flow.carrier import MovingCarrier
from nmf_model.found_flow import find_flow
from nmf_model.geometry.outliers import find_outliers
from nmf_model.geometry.sampling import thinned
from nmf_model.plan import Plan, make_plan
from nmf_model.shares import SOUND_SHARE
from nmf_model.sound.certify import SoundSurface
from nmf_model.sound_flow import sound_flow
from nmf_model.streams import drain
from nmf_model.threads import single_thread
from nmf_model.types import (
    CancelCheck,
    Device,
    FlowFrame,
    Mesh,
    Normalization,
    Reconstruction,
    ReconstructionRequest,
    Trajectory,
)
from nmf_model.words import counted

MAX_FIT_POINTS = 20_000
"""More points than this do not make the fit better, only slower; a random part of them is fitted."""

_JUDGED_POINTS = 200_000
"""Of more points than this, strays are not told from the others one by one."""

FrameHandler = Callable[[FlowFrame], None]


def never() -> bool:
    """Return False: the cancel check of a caller that does not cancel."""
    return False


def run(
    request: ReconstructionRequest, cancel: CancelCheck = never, on_frame: FrameHandler | None = None
) -> Reconstruction:
    """Drain ``stream``, handing each frame to ``on_frame``, and return the result."""
    return drain(stream(request, cancel), on_frame)


def stream(
    request: ReconstructionRequest, cancel: CancelCheck = never
) -> Generator[FlowFrame, None, Reconstruction]:
    """Reconstruct one input; yields frames in order, returns the finished ``Reconstruction``.

    Runs entirely in the calling thread. Frames of the fit come first, then those of the final flow
    (``is_trajectory``), from the sphere to the object.

    Raises:
        InputError: if the source and the method do not go together, or the picture shows no object.
        Cancelled: soon after ``cancel`` returned True.
        SolverError: if the flow cannot be integrated.
    """
    started = time.perf_counter()
    device = choose_device(request.device)
    with single_thread(device):
        return (yield from _frames(request, device, started, cancel))


def _frames(
    request: ReconstructionRequest, device: torch.device, started: float, cancel: CancelCheck
) -> Generator[FlowFrame, None, Reconstruction]:
    plan = make_plan(request, device)
    normalization = plan.normalization
    chosen = thinned(normalization.to_unit(plan.cloud.points), MAX_FIT_POINTS, request.seed)
    flow = yield from find_flow(plan, chosen, request, device, cancel)
    flow, surface = yield from sound_flow(flow, chosen, request, normalization, cancel)
    trajectory, nfe = yield from _flow_frames(flow.carrier, surface, request.frames, cancel)
    residual, found = _residual(plan, request, chosen, surface, normalization)
    notes = (*plan.notes, *found, *flow.notes, *_notes_on(surface, request))
    vertices = normalization.to_file(surface.image)
    colors = None if plan.coloring is None else plan.coloring.at(vertices)
    mesh = Mesh(vertices, surface.faces, surface.sphere, colors=colors, unit=plan.cloud.unit)
    return Reconstruction(
        mesh=mesh,
        trajectory=trajectory,
        normalization=normalization,
        target=plan.cloud.points if plan.is_picture else _surface_points(plan.cloud.points),
        method=flow.method,
        seconds=time.perf_counter() - started,
        nfe=nfe,
        seed=request.seed,
        notes=notes,
        carrier=flow.carrier,
        residual=residual,
        coloring=plan.coloring,
        view=plan.view,
    )


def choose_device(device: Device) -> torch.device:
    """Return the torch device for a request.

    Raises:
        InputError: if "cuda" is asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("No CUDA GPU was found; use --device cpu, or auto.")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def _surface_points(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the points that a result is measured against: all but the strays, if that is soon decided."""
    return points if len(points) > _JUDGED_POINTS else points[~find_outliers(points)]


def _residual(
    plan: Plan,
    request: ReconstructionRequest,
    points: NDArray[np.float32],
    surface: SoundSurface,
    normalization: Normalization,
) -> tuple[Residual, tuple[str, ...]]:
    """Return where mesh and points are far from each other, and what is to be said of that and of the input.

    A picture's points are the program's own, so nothing about them can surprise the user.
    """
    if plan.is_picture:
        return Residual(), ()
    findings = request.findings or findings_in(plan.cloud)
    scale, offset = normalization.scale, normalization.offset
    tunnels = findings.mapped(lambda places: (places - offset) / scale, 1 / scale).tunnels
    residual = residual_of(surface.image, surface.faces, points, tunnels)
    residual = residual.mapped(normalization.to_file, scale)
    return residual, (*notes_of(findings), *residual_notes(residual, findings.tunnels))


def _notes_on(surface: SoundSurface, request: ReconstructionRequest) -> tuple[str, ...]:
    notes = surface.report.notes()
    if request.template is not None:
        begun, of_what, still = len(request.template.vertices), "the template", "; its own come first"
    elif request.level is not None:
        begun, of_what, still = 10 * 4**request.level + 2, f"level {request.level}", ""
    else:
        return notes
    if added := len(surface.sphere) - begun:
        were = f"{counted(added, 'vertex', 'vertices')} {'was' if added == 1 else 'were'}"
        notes = (f"{were} added to those of {of_what} so that no faces cross{still}.", *notes)
    return notes


def _flow_frames(
    carrier: MovingCarrier, surface: SoundSurface, frames: int, cancel: CancelCheck
) -> Generator[FlowFrame, None, tuple[Trajectory, int]]:
    """Follow the flow once, keeping ``frames`` states from the sphere to the object.

    The last state is the certified surface itself. Where that was moved off the flow, and by rounding, it
    differs from where the flow ends; the last block's states share the difference out.
    """
    yield FlowFrame(surface.image, surface.faces, "Flowing", SOUND_SHARE)
    moments = list(carrier.moments(surface.sphere, frames, cancel))
    correction = surface.image - moments[-1].vertices
    began = max((m.time for m in moments if m.block < moments[-1].block), default=0.0)
    states = []
    for moment in moments:
        if cancel():
            raise Cancelled("The flow was cancelled.")
        share = max(0.0, moment.time - began) / (moments[-1].time - began)
        states.append(moment.vertices + np.float32(share) * correction)
        if moment is moments[-1]:
            states[-1] = surface.image
        fraction = SOUND_SHARE + (1 - SOUND_SHARE) * moment.time / moments[-1].time
        yield FlowFrame(
            states[-1], surface.faces, "Flowing", fraction, moment.block, moment.time, moment.nfe, True
        )
    trajectory = Trajectory(
        np.stack(states),
        surface.faces,
        np.array([moment.time for moment in moments]),
        np.array([moment.block for moment in moments]),
    )
    return trajectory, moments[-1].nfe
