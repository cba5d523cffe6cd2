"""The flow for a cloud: what the network answers, corrected or not, or a fit, begun from there or not."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from nmf_model.familiarity import misfit
from nmf_model.fitting.correction import GUESSED, MEASURED, correct_flow
from nmf_model.fitting.fit import FitProgress, FitSettings, FittedFlow, fit_flow
from nmf_model.fitting.residual import emptiness_of, spanned_share
from nmf_model.fitting.scatter import scatter_of
from nmf_model.fitting.squeeze import Squeeze, squeeze_of
from nmf_model.flow.carrier import GridCarrier, MovingCarrier, TurnedCarrier
from nmf_model.flow.facing import facing
from nmf_model.geometry.cameras import turned
from nmf_model.geometry.outliers import find_outliers
from nmf_model.geometry.sampling import thinned
from nmf_model.geometry.template import icosphere
from nmf_model.network import predict_flow
from nmf_model.plan import Plan, is_near, placed
from nmf_model.shares import AGAIN_SHARE, CORRECTION_STARTS, FIT_SHARE, NETWORK_SHARE
from nmf_model.streams import mapped
from nmf_model.types import CancelCheck, FlowFrame, ReconstructionRequest
from nmf_model.words import counted

_SHOWN_LEVEL = 3
"""Template level that the network's flow is shown with."""
_GLIMPSES = 25
"""Frames in which the network's flow is shown."""
_JUDGED_LEVEL = 4
"""Template level at which a fit is asked whether it left something out, or spans gaps."""
_ALIKE = 0.8
"""Two fits span about as much if the one's share of that is this much of the other's."""
_FAR_MORE = 2.0
"""A body that has grown, but not been fitted yet, and that spans as many times more is given up."""
_GROWN = FitSettings().stages[0].max_steps / sum(stage.max_steps for stage in FitSettings().stages)
"""How much of a fit from inside is done once the body has grown."""

Fitted = TypeVar("Fitted")


@dataclass(frozen=True)
class FoundFlow:
    """A flow for the cloud, how it was found, and what to say of it.

    Attributes:
        correction: how it was corrected, where it was.
        metric: (3, 3): differences, rows, times this are as they are where the flow was found; None if that
            is the frame of the unit sphere.
    """

    carrier: MovingCarrier
    method: str
    notes: tuple[str, ...] = ()
    correction: Corrector | None = None
    metric: NDArray[np.float64] | None = None

    def stretched(self, squeeze: Squeeze) -> FoundFlow:
        """Return what was found for a squeezed cloud, for the cloud itself."""
        correction = None if self.correction is None else self.correction.stretched(squeeze)
        return replace(
            self, carrier=squeeze.carrier(self.carrier), correction=correction, metric=squeeze.metric
        )


@dataclass(frozen=True)
class Corrector:
    """What brings a network's answer nearer to the points.

    Attributes:
        answer: what the network answered.
        points: (N, 3), unit-sphere units, in its frame.
        device: of the computation.
        cancel: polled between steps.
        place: turns the result upright and gives it its place on the picture, where there is one.
        shown: returns where places of the answer are shown.
        guessed: whether the points are the network's own, seen on a picture.
    """

    answer: GridCarrier
    points: NDArray[np.float32]
    device: torch.device
    cancel: CancelCheck
    place: Callable[[MovingCarrier], MovingCarrier]
    shown: Callable[[NDArray[np.floating]], NDArray[np.float64]]
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
        frames = mapped(_followed(progress, "Correcting", begins, ends), self._frame)
        return self.place((yield from frames))

    def stretched(self, squeeze: Squeeze) -> Corrector:
        """Return the same for the cloud that was squeezed for it."""
        return replace(
            self,
            place=lambda flow: squeeze.carrier(self.place(flow)),
            shown=lambda places: squeeze.out(self.shown(places)),
        )

    def _frame(self, frame: FlowFrame) -> FlowFrame:
        return replace(frame, vertices=self.shown(frame.vertices).astype(np.float32))


def find_flow(
    plan: Plan,
    points: NDArray[np.float32],
    request: ReconstructionRequest,
    device: torch.device,
    cancel: CancelCheck,
) -> Generator[FlowFrame, None, FoundFlow]:
    """Find the flow; long and flat clouds are squeezed for that."""
    squeeze = None if plan.is_picture else squeeze_of(points)
    if squeeze is None:
        return (yield from _find(plan, points, request, device, cancel))
    found = _find(plan, squeeze.into(points), request, device, cancel, squeeze.detail)
    return (yield from mapped(found, squeeze.shown)).stretched(squeeze)


def _find(
    plan: Plan,
    points: NDArray[np.float32],
    request: ReconstructionRequest,
    device: torch.device,
    cancel: CancelCheck,
    detail: float = 1.0,
) -> Generator[FlowFrame, None, FoundFlow]:
    """Ask the network, fit, or first the one and then the other.

    Args:
        plan: what is to be done.
        points: (N, 3), where the flow is to end.
        request: method, weights and seed.
        device: of the computation.
        cancel: polled between steps.
        detail: size of a unit of the points, unit-sphere units.
    """
    told = partial(_told, plan=plan, unit=detail * plan.normalization.scale)
    if plan.model is None and plan.answer is None:
        fitted, _ = yield from _fit_frames(points, None, 0.0, request, device, cancel)
        return FoundFlow(facing(fitted.carrier), plan.method, told(fitted.outliers, fitted.scatter))
    if plan.answer is not None:
        carrier, outliers = plan.answer
    else:
        assert plan.model is not None
        carrier, outliers = predict_flow(plan.model, points, device=device, seed=request.seed)
    answer = carrier.inner if isinstance(carrier, TurnedCarrier) else carrier
    on_grids = answer if isinstance(answer, GridCarrier) else None
    shown_until = NETWORK_SHARE if plan.fits else FIT_SHARE if on_grids is None else CORRECTION_STARTS
    yield from _glimpses(carrier, plan, points, shown_until, cancel)
    if not plan.fits:

        def place(flow: MovingCarrier) -> MovingCarrier:
            return facing(placed(plan, flow))

        if on_grids is None:
            return FoundFlow(place(answer), plan.method, told(outliers, 0.0))
        seen = turned(points, plan.view).astype(np.float32)
        shown = partial(turned, rotation=plan.view.T)
        correction = Corrector(on_grids, seen, device, cancel, place, shown, guessed=plan.is_picture)
        better = yield from correction.frames(request.seed, CORRECTION_STARTS, FIT_SHARE)
        scatter = 0.0 if plan.is_picture else _scatter_corrected(points, request.seed)
        return FoundFlow(better, plan.method, told(outliers, scatter), correction)
    start = on_grids if on_grids is not None and _can_start(on_grids, points) else None
    fitted, began = yield from _fit_frames(points, start, NETWORK_SHARE, request, device, cancel)
    method = plan.method if plan.is_picture else "network+fit" if began else "fit"
    return FoundFlow(facing(fitted.carrier), method, told(fitted.outliers, fitted.scatter))


def _can_start(answer: GridCarrier, points: NDArray[np.float32]) -> bool:
    """Return whether a fit can go on from what the network answered, and had better."""
    return answer.blocks == FitSettings().blocks and is_near(answer, points)


def _scatter_corrected(points: NDArray[np.float32], seed: int) -> float:
    """Return by how much those points scatter that a correction looks at, to which it gives way."""
    seen = thinned(points, MEASURED.points, seed)
    return scatter_of(seen[~find_outliers(seen)])


def _told(outliers: int, scatter: float, plan: Plan, unit: float) -> tuple[str, ...]:
    """Say how many points were left out, and whether the others scatter too much to be followed.

    By how much is given in units that are ``unit`` of the file's long. The points of a picture are the
    program's own guesses, which nobody gave.
    """
    if plan.is_picture:
        return ()
    notes = []
    if outliers:
        were = "was" if outliers == 1 else "were"
        notes.append(f"{counted(outliers, 'stray point')} far from the surface {were} left out.")
    if scatter:
        notes.append(
            f"The points are noisy, they scatter by about {scatter * unit:.2g} about the "
            "surface: the mesh is smoothed, and lacks details of that size."
        )
    return tuple(notes)


def _glimpses(
    carrier: MovingCarrier, plan: Plan, points: NDArray[np.float32], until: float, cancel: CancelCheck
) -> Generator[FlowFrame, None, None]:
    """Show the sphere flowing as the network says, at once."""
    sphere = icosphere(_SHOWN_LEVEL)
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
    fitted = yield from _followed(fit(start=start), "Fitting", begins, FIT_SHARE)
    began = start is not None
    empty = _judged(emptiness_of, fitted, points)
    spanned = _judged(spanned_share, fitted, points) if began and not empty else 0.0
    if spanned:
        inside = while_promising(fit(start=None), spanned, points)
        grown = yield from _followed(inside, "Fitting from inside", FIT_SHARE, AGAIN_SHARE)
        if (
            grown is not None
            and not _judged(emptiness_of, grown, points)
            and _is_better(grown, fitted, spanned, points)
        ):
            fitted, began = grown, False
    if empty:
        outside = fit(start=None, from_outside=True)
        shrunk = yield from _followed(outside, "Fitting from outside", FIT_SHARE, AGAIN_SHARE)
        if _judged(emptiness_of, shrunk, points) < empty:
            fitted, began = shrunk, False
    return fitted, began


def while_promising(
    progress: Generator[FitProgress, None, FittedFlow], spanned: float, points: NDArray[np.float32]
) -> Generator[FitProgress, None, FittedFlow | None]:
    """Go on with a fit whose body has grown only if that is no shell and spans not far more than ``spanned``.

    The rest of the fit, most of its time, moves the surface but hardly ever makes another body of it. Returns
    None for a fit that was given up.
    """
    for glimpse in progress:
        yield glimpse
        if glimpse.fraction >= _GROWN:
            seen = glimpse.vertices, glimpse.faces, points
            if emptiness_of(*seen) or spanned_share(*seen) > _FAR_MORE * spanned:
                progress.close()
                return None
            break
    return (yield from progress)


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
