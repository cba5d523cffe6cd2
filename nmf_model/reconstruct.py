"""From a request to a mesh, as a stream of frames that a window or a progress bar can follow."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmf_model.errors import Cancelled, InputError
from nmf_model.findings import Residual, notes_of, residual_notes
from nmf_model.fitting.correction import GUESSED, MEASURED, correct_flow
from nmf_model.fitting.findings import findings_in
from nmf_model.fitting.fit import FitProgress, FitSettings, FittedFlow, fit_flow
from nmf_model.fitting.placement import even_out
from nmf_model.fitting.residual import emptiness_of, residual_of, spanned_share
from nmf_model.flow.carrier import GridCarrier, MovingCarrier, TurnedCarrier
from nmf_model.geometry.cameras import turned
from nmf_model.geometry.outliers import find_outliers
from nmf_model.geometry.sampling import thinned
from nmf_model.geometry.template import Template, icosphere
from nmf_model.network import predict_flow
from nmf_model.plan import Plan, is_near, make_plan, misfit, placed
from nmf_model.sound.certify import PLAIN, Budget, SoundProgress, SoundSurface, sound_stages
from nmf_model.sound.forms import written_forms
from nmf_model.streams import drain, mapped
from nmf_model.threads import single_thread
from nmf_model.types import (
    CancelCheck,
    Carrier,
    Device,
    FlowFrame,
    Mesh,
    Normalization,
    Reconstruction,
    ReconstructionRequest,
    Trajectory,
)
from nmf_model.words import counted

BASE_LEVEL = 3
"""Template level that the adaptive template starts from, if no level was asked for."""
BUDGETS = {"fit": Budget(vertices=4_000), "silhouette": Budget(vertices=5_000, tolerance=0.001)}
"""What the adaptive template may cost; an outline seen at close range needs more."""
COARSE_LEVEL = 3
"""Up to this level the vertices are moved on the sphere to where the shape needs them; from the next on an
even sphere was as good on development shapes."""

MAX_FIT_POINTS = 20_000
"""More points than this do not make the fit better, only slower; a random part of them is fitted."""

_JUDGED_POINTS = 200_000
"""Of more points than this, strays are not told from the others one by one."""

_NETWORK_SHARE = 0.04
"""Share of the progress bar that belongs to the network where a fit follows."""
_CORRECTION_STARTS = 0.3
"""Share of the progress bar at which the network's answer is there, where it is corrected next."""
_GLIMPSES = 25
"""Frames in which the network's flow is shown."""
_FIT_SHARE = 0.90
"""Share of the progress bar that belongs to the fit ..."""
_AGAIN_SHARE = 0.93
"""... to a second one, where the first went wrong ..."""
_SOUND_SHARE = 0.95
"""... and where the final flow begins; between them the template is refined and the mesh checked."""
_CHECKS = ((0.0, 0.4), (0.4, 0.6), (0.6, 0.7), (0.7, 1.0))
"""Parts of that share for a corrected answer, one corrected anew, the bare answer, and the first again."""
_FEW_ROUNDS = 6
"""Of refining against crossings: corrected answers that came out sound on development shapes took no more."""
_LITTLE_PATIENCE = 0.75
"""Share of the defects that a push may leave while there are other answers to try."""
_FEW_DEFECTS = 50
"""Faces at fault up to which a corrected answer is worth all that is done for a fit's."""
_IS_BARE = (
    "What the points would correct in the network's answer does not come out sound, so this is the answer "
    "itself"
)
_COMES_NEARER = "auto or fit come nearer"
_JUDGED_LEVEL = 4
"""Template level at which a fit is asked whether it left something out, or spans gaps."""
_ALIKE = 0.8
"""Two fits span about as much if the one's share of that is this much of the other's."""

FrameHandler = Callable[[FlowFrame], None]
Fitted = TypeVar("Fitted")


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
    flow = yield from _flow_of(plan, chosen, request, device, cancel)
    flow, surface = yield from _sound_flow(flow, chosen, request, normalization, cancel)
    trajectory, nfe = yield from _flow_frames(flow.carrier, surface, request.frames, cancel)
    residual, found = _residual(plan, request, chosen, surface, normalization)
    notes = (*plan.notes, *found, *flow.notes, *_notes_on(surface, request.level))
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


@dataclass(frozen=True)
class _Flow:
    """A flow for the cloud, how it was found, and what to say of it.

    Attributes:
        correction: how it was corrected, where it was.
    """

    carrier: MovingCarrier
    method: str
    notes: tuple[str, ...] = ()
    correction: _Corrector | None = None


@dataclass(frozen=True)
class _Corrector:
    """What brings a network's answer nearer to the points.

    Attributes:
        answer: what the network answered.
        points: (N, 3), unit-sphere units, in its frame.
        device: of the computation.
        cancel: polled between steps.
        place: turns the result upright and gives it its place on the picture, where there is one.
        view: (3, 3), the rotation from the frame of what is shown to that of the answer.
        guessed: whether the points are the network's own, seen on a picture.
    """

    answer: GridCarrier
    points: NDArray[np.float32]
    device: torch.device
    cancel: CancelCheck
    place: Callable[[MovingCarrier], MovingCarrier]
    view: NDArray[np.float64]
    guessed: bool

    def frames(self, seed: int, begins: float, ends: float) -> Generator[FlowFrame, None, MovingCarrier]:
        """Correct, with the random samples of a seed."""
        progress = correct_flow(
            self.answer,
            self.points,
            kind=GUESSED if self.guessed else MEASURED,
            device=self.device,
            seed=seed,
            cancel=self.cancel,
        )
        frames = mapped(_followed(progress, "Correcting", begins, ends), self._shown)
        return self.place((yield from frames))

    def _shown(self, frame: FlowFrame) -> FlowFrame:
        return replace(frame, vertices=turned(frame.vertices, self.view.T).astype(np.float32))


def _flow_of(
    plan: Plan,
    points: NDArray[np.float32],
    request: ReconstructionRequest,
    device: torch.device,
    cancel: CancelCheck,
) -> Generator[FlowFrame, None, _Flow]:
    """Find the flow: ask the network, fit, or first the one and then the other."""
    if plan.model is None and plan.answer is None:
        fitted, _ = yield from _fit_frames(points, None, 0.0, request, device, cancel)
        return _Flow(fitted.carrier, plan.method, _stray(fitted.outliers))
    if plan.answer is not None:
        carrier, outliers = plan.answer
    else:
        assert plan.model is not None
        carrier, outliers = predict_flow(plan.model, points, device=device, seed=request.seed)
    answer = carrier.inner if isinstance(carrier, TurnedCarrier) else carrier
    on_grids = answer if isinstance(answer, GridCarrier) else None
    shown_until = _NETWORK_SHARE if plan.fits else _FIT_SHARE if on_grids is None else _CORRECTION_STARTS
    yield from _glimpses(carrier, plan, points, shown_until, cancel)
    if not plan.fits:
        # The strays of a picture are the network's own guesses, which nobody gave.
        notes = () if plan.is_picture else _stray(outliers)
        place = partial(placed, plan)
        if on_grids is None:
            return _Flow(place(answer), plan.method, notes)
        seen = turned(points, plan.view).astype(np.float32)
        correction = _Corrector(on_grids, seen, device, cancel, place, plan.view, guessed=plan.is_picture)
        better = yield from correction.frames(request.seed, _CORRECTION_STARTS, _FIT_SHARE)
        return _Flow(better, plan.method, notes, correction)
    start = on_grids if on_grids is not None and _can_start(on_grids, points) else None
    fitted, began = yield from _fit_frames(points, start, _NETWORK_SHARE, request, device, cancel)
    method = plan.method if plan.is_picture else "network+fit" if began else "fit"
    return _Flow(fitted.carrier, method, _stray(fitted.outliers))


def _can_start(answer: GridCarrier, points: NDArray[np.float32]) -> bool:
    """Return whether a fit can go on from what the network answered, and had better."""
    return answer.blocks == FitSettings().blocks and is_near(answer, points)


def _stray(outliers: int) -> tuple[str, ...]:
    if not outliers:
        return ()
    were = "was" if outliers == 1 else "were"
    return (f"{counted(outliers, 'stray point')} far from the surface {were} left out.",)


def _glimpses(
    carrier: MovingCarrier, plan: Plan, points: NDArray[np.float32], until: float, cancel: CancelCheck
) -> Generator[FlowFrame, None, None]:
    """Show the sphere flowing as the network says, at once."""
    sphere = icosphere(BASE_LEVEL)
    shown, viewer = (points, plan.view[2]) if plan.is_picture else (None, None)
    for number, moment in enumerate(carrier.moments(sphere.vertices, _GLIMPSES, cancel)):
        fraction = until * min(1.0, (number + 1) / _GLIMPSES)
        yield FlowFrame(moment.vertices, sphere.faces, "Network", fraction, points=shown, viewer=viewer)


def _fit_frames(
    points: NDArray[np.float32],
    start: GridCarrier | None,
    begins: float,
    request: ReconstructionRequest,
    device: torch.device,
    cancel: CancelCheck,
) -> Generator[FlowFrame, None, tuple[FittedFlow, bool]]:
    """Fit, and anew from elsewhere if the mesh spans gaps or leaves out what the points enclose.

    The network's flow can have a film across an opening, which a fit that goes on from it cannot tear; a
    small sphere that grows has none. But a body that grows between two walls meets their points before those
    of its ends, and can turn into a skin around the walls; a sphere that shrinks cannot. Whichever is better
    is taken. Returns the fit, and whether it began at ``start``.
    """
    fit = partial(fit_flow, points, device=device, seed=request.seed, cancel=cancel)
    fitted = yield from _followed(fit(start=start), "Fitting", begins, _FIT_SHARE)
    began = start is not None
    empty = _judged(emptiness_of, fitted, points)
    spanned = _judged(spanned_share, fitted, points) if began and not empty else 0.0
    if spanned:
        inside = fit(start=None)
        grown = yield from _followed(inside, "Fitting from inside", _FIT_SHARE, _AGAIN_SHARE)
        if not _judged(emptiness_of, grown, points) and _is_better(grown, fitted, spanned, points):
            fitted, began = grown, False
    if empty:
        outside = fit(start=None, from_outside=True)
        shrunk = yield from _followed(outside, "Fitting from outside", _FIT_SHARE, _AGAIN_SHARE)
        if _judged(emptiness_of, shrunk, points) < empty:
            fitted, began = shrunk, False
    return fitted, began


def _is_better(grown: FittedFlow, fitted: FittedFlow, spanned: float, points: NDArray[np.float32]) -> bool:
    """Return whether a fit spans clearly less than one that spans so much, or about as much and is nearer."""
    share = _judged(spanned_share, grown, points) / spanned
    if not _ALIKE <= share <= 1 / _ALIKE:
        return share < 1
    return misfit(grown.carrier, points) < misfit(fitted.carrier, points)


def _followed(
    progress: Generator[FitProgress, None, Fitted], stage: str, begins: float, ends: float
) -> Generator[FlowFrame, None, Fitted]:
    def frame(glimpse: FitProgress) -> FlowFrame:
        fraction = begins + (ends - begins) * glimpse.fraction
        return FlowFrame(glimpse.vertices, glimpse.faces, stage, fraction)

    return (yield from mapped(progress, frame))


def _judged(
    measure: Callable[[NDArray[np.floating], NDArray[np.int64], NDArray[np.floating]], float],
    fitted: FittedFlow,
    points: NDArray[np.float32],
) -> float:
    sphere = icosphere(_JUDGED_LEVEL)
    return measure(fitted.carrier.carry(sphere.vertices), sphere.faces, points)


def _template_for(carrier: Carrier, method: str, level: int | None) -> tuple[Template, Budget]:
    """Return what to begin with and how much may be added.

    A level that was asked for is kept, its vertices moved to where they are needed if there are few.
    """
    if level is None:
        return icosphere(BASE_LEVEL), BUDGETS.get(method, BUDGETS["fit"])
    template = icosphere(level)
    if level > COARSE_LEVEL:
        return template, PLAIN

    def flow(sphere: Tensor) -> Tensor:
        return torch.from_numpy(carrier.carry(sphere.numpy()))

    return even_out(template, flow), PLAIN


def _sound_flow(
    flow: _Flow,
    points: NDArray[np.float32],
    request: ReconstructionRequest,
    normalization: Normalization,
    cancel: CancelCheck,
) -> Generator[FlowFrame, None, tuple[_Flow, SoundSurface]]:
    """Make the flow's surface sound, or that of another correction of the network's answer.

    A thin part can come out of the correction so crumpled that hardly a template follows it, and of one with
    other random samples smooth. Next the answer itself is tried, which is smooth but less near, and last, if
    little is left to mend, the first correction again, as thoroughly as a fit. Where nothing is sound, what
    is the least bad is taken.
    """
    check = partial(
        _sound_frames, level=request.level, points=points, normalization=normalization, cancel=cancel
    )
    if flow.correction is None:
        return flow, (yield from check(flow))
    surface = yield from check(flow, part=_CHECKS[0], is_quick=True)
    if surface.report.is_clean:
        return flow, surface
    correction, now = flow.correction, _sound_share(_CHECKS[1][0])
    other = yield from correction.frames(request.seed + 1, now, now)
    tries = [(flow, surface)]
    note = _IS_BARE if correction.guessed else f"{_IS_BARE}; {_COMES_NEARER}"
    bare = replace(flow, carrier=correction.place(correction.answer), notes=(*flow.notes, f"{note}."))
    for candidate, part, is_quick in (
        (replace(flow, carrier=other), _CHECKS[1], True),
        (bare, _CHECKS[2], True),
        (flow, _CHECKS[3], False),
    ):
        if not is_quick and _severity(tries[0])[1] > _FEW_DEFECTS:
            break
        tries.append((candidate, (yield from check(candidate, part=part, is_quick=is_quick))))
        if tries[-1][1].report.is_clean:
            break
    return min(tries, key=_severity)


def _severity(tried: tuple[_Flow, SoundSurface]) -> tuple[int, int]:
    """Return how bad a surface is, the worse the greater; last how many of its faces are at fault."""
    report = tried[1].report
    return -report.clean_forms, report.crossing_faces + report.flat_faces


def _sound_share(fraction: float) -> float:
    """Return the share of the progress bar at a fraction of what makes a surface sound."""
    return _AGAIN_SHARE + (_SOUND_SHARE - _AGAIN_SHARE) * fraction


def _sound_frames(
    flow: _Flow,
    level: int | None,
    points: NDArray[np.float32],
    normalization: Normalization,
    cancel: CancelCheck,
    part: tuple[float, float] = (0.0, 1.0),
    *,
    is_quick: bool = False,
) -> Generator[FlowFrame, None, SoundSurface]:
    """Refine the template until its image is sound in every form that a file can hold.

    Args:
        flow: whose surface.
        level: of the template that was asked for, if one was.
        points: of the shape, unit-sphere units.
        normalization: tells what files will hold.
        cancel: polled between steps.
        part: of this stage's share of the progress bar.
        is_quick: give up soon, for there is something else to try.
    """

    def frame(progress: SoundProgress) -> FlowFrame:
        share = _sound_share(part[0] + (part[1] - part[0]) * progress.fraction)
        shown = progress.surface
        return FlowFrame(shown.image.astype(np.float32), shown.faces, progress.stage, share)

    template, budget = _template_for(flow.carrier, flow.method, level)
    if is_quick:
        budget = replace(budget, turns=1, rounds=_FEW_ROUNDS, patience=_LITTLE_PATIENCE)
    stages = sound_stages(flow.carrier, points, template, budget, cancel, written_forms(normalization))
    return (yield from mapped(stages, frame))


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


def _notes_on(surface: SoundSurface, level: int | None) -> tuple[str, ...]:
    notes = surface.report.notes()
    added = len(surface.sphere) - (len(surface.sphere) if level is None else 10 * 4**level + 2)
    if added:
        were = f"{counted(added, 'vertex', 'vertices')} {'was' if added == 1 else 'were'}"
        notes = (f"{were} added to those of level {level} so that no faces cross.", *notes)
    return notes


def _flow_frames(
    carrier: MovingCarrier, surface: SoundSurface, frames: int, cancel: CancelCheck
) -> Generator[FlowFrame, None, tuple[Trajectory, int]]:
    """Follow the flow once, keeping ``frames`` states from the sphere to the object.

    The last state is the certified surface itself. Where that was moved off the flow, and by rounding, it
    differs from where the flow ends; the last block's states share the difference out.
    """
    yield FlowFrame(surface.image, surface.faces, "Flowing", _SOUND_SHARE)
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
        fraction = _SOUND_SHARE + (1 - _SOUND_SHARE) * moment.time / moments[-1].time
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
