"""From a request to a mesh, as a stream of frames that a window or a progress bar can follow."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmf_model.config import SolverConfig
from nmf_model.errors import Cancelled, InputError
from nmf_model.fitting.fit import FittedFlow, fit_flow
from nmf_model.fitting.placement import even_out
from nmf_model.flow.grid import flow_midpoint, velocity
from nmf_model.flow.solver import Velocity, integrate
from nmf_model.geometry.normalization import normalize
from nmf_model.geometry.template import Template, icosphere
from nmf_model.sound.certify import PLAIN, Budget, SoundSurface, sound_stages
from nmf_model.sound.forms import written_forms
from nmf_model.types import (
    CancelCheck,
    Carrier,
    Device,
    FlowFrame,
    Mesh,
    Normalization,
    PointCloud,
    Reconstruction,
    ReconstructionRequest,
    ShapeImage,
    Trajectory,
)

BASE_LEVEL = 3
"""Template level that the adaptive template starts from, if no level was asked for."""
BUDGETS = {"fit": Budget(vertices=4_000), "silhouette": Budget(vertices=5_000, tolerance=0.001)}
"""What the adaptive template may cost; an outline seen at close range needs more."""
COARSE_LEVEL = 3
"""Up to this level the vertices are moved on the sphere to where the shape needs them; from the next on an
even sphere was as good on development shapes."""

MAX_FIT_POINTS = 20_000
"""More points than this do not make the fit better, only slower; a random part of them is fitted."""

FINAL_SOLVER = SolverConfig(method="midpoint", steps=8)
"""Per block of the final flow. The fit bounds the velocity's gradient and varies its own steps, so that more
steps or a higher order move no vertex by more than about a hundredth of the object's radius."""

_FIT_SHARE = 0.90
"""Share of the progress bar that belongs to the fit ..."""
_SOUND_SHARE = 0.95
"""... and where the final flow begins; between them the template is refined and the mesh checked."""

FrameHandler = Callable[[FlowFrame], None]


def never() -> bool:
    """Return False: the cancel check of a caller that does not cancel."""
    return False


def run(
    request: ReconstructionRequest, cancel: CancelCheck = never, on_frame: FrameHandler | None = None
) -> Reconstruction:
    """Drain ``stream``, handing each frame to ``on_frame``, and return the result."""
    frames = stream(request, cancel)
    while True:
        try:
            frame = next(frames)
        except StopIteration as end:
            result: Reconstruction = end.value
            return result
        if on_frame is not None:
            on_frame(frame)


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
    if device.type == "cpu":
        # Thousands of tiny operations: a second thread gains little on an idle machine, and on a busy one
        # its barriers cost minutes. It also leaves a core to the window.
        torch.set_num_threads(1)
    cloud, method, notes = _cloud_of(request)
    normalization = normalize(cloud.points)
    chosen = _thin(normalization.to_unit(cloud.points), request.seed)
    fitted = yield from _fit_frames(chosen, request, device, cancel)
    template, budget = _template_for(fitted, method, request.level)
    surface = yield from _sound_frames(fitted.carrier, chosen, template, budget, normalization, cancel)
    trajectory, nfe = yield from _flow_frames(fitted, surface, request.frames, cancel)
    if fitted.outliers:
        notes = (*notes, f"{fitted.outliers} stray points far from the surface were left out of the fit.")
    notes = (*notes, *_notes_on(surface, request.level))
    mesh = Mesh(normalization.to_file(surface.image), surface.faces, surface.sphere)
    return Reconstruction(
        mesh=mesh,
        trajectory=trajectory,
        normalization=normalization,
        target=cloud.points,
        method=method,
        seconds=time.perf_counter() - started,
        nfe=nfe,
        seed=request.seed,
        notes=notes,
        carrier=fitted.carrier,
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


def _cloud_of(request: ReconstructionRequest) -> tuple[PointCloud, str, tuple[str, ...]]:
    """Return the cloud to fit, the method really used and the notes so far."""
    if request.method == "network":
        raise InputError(
            "The method 'network' needs trained weights and none are installed; use auto or fit."
        )
    if isinstance(request.source, PointCloud):
        if request.method == "silhouette":
            raise InputError(
                f"{request.source.name} is a point cloud; the method 'silhouette' needs a picture."
            )
        return request.source, "fit", request.source.notes
    cloud = _inflate(request.source, request.seed)
    return cloud, "silhouette", cloud.notes


def _inflate(image: ShapeImage, seed: int) -> PointCloud:
    from nmf_model.silhouette import find_mask, inflate

    found = image if image.mask is not None else find_mask(image)
    if found.mask is None:
        raise InputError(f"No object was found on {image.name}.")
    cloud = inflate(found.mask, seed=seed)
    return replace(cloud, name=image.name, path=image.path, notes=(*found.notes, *cloud.notes))


def _thin(points: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    if len(points) <= MAX_FIT_POINTS:
        return points
    chosen = np.random.default_rng(seed).choice(len(points), MAX_FIT_POINTS, replace=False)
    return points[np.sort(chosen)]


def _fit_frames(
    points: NDArray[np.float32], request: ReconstructionRequest, device: torch.device, cancel: CancelCheck
) -> Generator[FlowFrame, None, FittedFlow]:
    progress = fit_flow(points, device=device, seed=request.seed, cancel=cancel)
    while True:
        try:
            glimpse = next(progress)
        except StopIteration as end:
            fitted: FittedFlow = end.value
            return fitted
        yield FlowFrame(glimpse.vertices, glimpse.faces, "Fitting", _FIT_SHARE * glimpse.fraction)


def _template_for(fitted: FittedFlow, method: str, level: int | None) -> tuple[Template, Budget]:
    """Return what to begin with and how much may be added.

    A level that was asked for is kept, its vertices moved to where they are needed if there are few.
    """
    if level is None:
        return icosphere(BASE_LEVEL), BUDGETS[method]
    template = icosphere(level)
    if level > COARSE_LEVEL:
        return template, PLAIN
    centre = torch.tensor(fitted.centre, device=fitted.fields.device)

    def flow(sphere: Tensor) -> Tensor:
        start = sphere.to(fitted.fields.device) * fitted.radius + centre
        with torch.no_grad():
            return flow_midpoint(start, fitted.fields, FINAL_SOLVER.steps)

    return even_out(template, flow), PLAIN


def _sound_frames(
    carrier: Carrier,
    points: NDArray[np.float32],
    template: Template,
    budget: Budget,
    normalization: Normalization,
    cancel: CancelCheck,
) -> Generator[FlowFrame, None, SoundSurface]:
    """Refine the template until its image is sound in every form that a file can hold."""
    stages = sound_stages(carrier, points, template, budget, cancel, written_forms(normalization))
    while True:
        try:
            progress = next(stages)
        except StopIteration as end:
            surface: SoundSurface = end.value
            return surface
        share = _FIT_SHARE + (_SOUND_SHARE - _FIT_SHARE) * progress.fraction
        shown = progress.surface
        yield FlowFrame(shown.image.astype(np.float32), shown.faces, progress.stage, share)


def _notes_on(surface: SoundSurface, level: int | None) -> tuple[str, ...]:
    notes = surface.report.notes()
    added = len(surface.sphere) - (len(surface.sphere) if level is None else 10 * 4**level + 2)
    if added:
        notes = (f"{added} vertices were added to those of level {level} so that no faces cross.", *notes)
    return notes


def _flow_frames(
    fitted: FittedFlow, surface: SoundSurface, frames: int, cancel: CancelCheck
) -> Generator[FlowFrame, None, tuple[Trajectory, int]]:
    """Integrate the fitted flow once, keeping ``frames`` states from the sphere to the object.

    The last state is the certified surface itself. Where that was moved off the flow, and by rounding, it
    differs from where the flow ends; the last block's states share the difference out.
    """
    device = fitted.fields.device
    sphere = surface.sphere * np.float32(fitted.radius) + fitted.centre
    x = torch.tensor(sphere, device=device)[None]
    blocks = len(fitted.fields)
    per_block = _frames_per_block(frames, blocks)
    states, times, indices = [x[0].cpu().numpy()], [0.0], [0]
    yield FlowFrame(states[0], surface.faces, "Flowing", _SOUND_SHARE, is_trajectory=True)
    nfe = 0
    for block, (field, count) in enumerate(zip(fitted.fields, per_block, strict=True)):
        moments = np.linspace(0.0, 1.0, count + 1)
        with torch.no_grad():
            solution = integrate(_of_field(field), x, moments.tolist(), FINAL_SOLVER, cancel=cancel)
        nfe += solution.nfe
        x = solution.states[-1]
        correction = surface.image - x[0].cpu().numpy() if block == blocks - 1 else np.float32(0)
        for moment, state in zip(moments[1:], solution.states[1:], strict=True):
            if cancel():
                raise Cancelled("The flow was cancelled.")
            states.append(state[0].cpu().numpy() + np.float32(moment) * correction)
            times.append(block + float(moment))
            indices.append(block)
            if times[-1] == blocks:
                states[-1] = surface.image
            fraction = _SOUND_SHARE + (1 - _SOUND_SHARE) * times[-1] / blocks
            yield FlowFrame(states[-1], surface.faces, "Flowing", fraction, block, times[-1], nfe, True)
    trajectory = Trajectory(np.stack(states), surface.faces, np.array(times), np.array(indices))
    return trajectory, nfe


def _of_field(field: Tensor) -> Velocity:
    return lambda _time, x: velocity(field, x)


def _frames_per_block(frames: int, blocks: int) -> list[int]:
    """Share ``frames`` − 1 steps out over the blocks, at least one each."""
    edges = np.linspace(0, max(frames - 1, blocks), blocks + 1).round().astype(int)
    return [int(count) for count in np.diff(edges)]
