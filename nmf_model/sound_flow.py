"""From the flow that was found to a sound surface, or to that of the next best flow if it has none."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmf_model.fitting.placement import even_out
from nmf_model.found_flow import FoundFlow
from nmf_model.geometry.template import Template, icosphere
from nmf_model.shares import AGAIN_SHARE, SOUND_SHARE
from nmf_model.sound.certify import PLAIN, Budget, SoundProgress, SoundSurface, sound_stages
from nmf_model.sound.forms import written_forms
from nmf_model.streams import mapped
from nmf_model.types import CancelCheck, FlowFrame, Normalization, ReconstructionRequest

BASE_LEVEL = 3
"""Template level that the adaptive template starts from, if no level was asked for."""
BUDGETS = {"fit": Budget(vertices=4_000), "silhouette": Budget(vertices=5_000, tolerance=0.001)}
"""What the adaptive template may cost; an outline seen at close range needs more."""
COARSE_LEVEL = 3
"""Up to this level the vertices are moved on the sphere to where the shape needs them; from the next on an
even sphere was as good on development shapes."""

_CHECKS = ((0.0, 0.4), (0.4, 0.6), (0.6, 0.7), (0.7, 1.0))
"""Parts of this stage's share of the progress bar for a corrected answer, one corrected anew, the bare
answer, and the first again."""
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


def sound_flow(
    flow: FoundFlow,
    points: NDArray[np.float32],
    request: ReconstructionRequest,
    normalization: Normalization,
    cancel: CancelCheck,
) -> Generator[FlowFrame, None, tuple[FoundFlow, SoundSurface]]:
    """Make the flow's surface sound, or that of another correction of the network's answer.

    A thin part can come out of the correction so crumpled that hardly a template follows it, and of one with
    other random samples smooth. Next the answer itself is tried, which is smooth but less near, and last, if
    little is left to mend, the first correction again, as thoroughly as a fit. Where nothing is sound, what
    is the least bad is taken.
    """
    check = partial(
        _sound_frames,
        begin=partial(_template_for, request=request),
        points=points,
        normalization=normalization,
        cancel=cancel,
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


def _severity(tried: tuple[FoundFlow, SoundSurface]) -> tuple[int, int]:
    """Return how bad a surface is, the worse the greater; last how many of its faces are at fault."""
    report = tried[1].report
    return -report.clean_forms, report.crossing_faces + report.flat_faces


def _sound_share(fraction: float) -> float:
    """Return the share of the progress bar at a fraction of what makes a surface sound."""
    return AGAIN_SHARE + (SOUND_SHARE - AGAIN_SHARE) * fraction


def _sound_frames(
    flow: FoundFlow,
    begin: Callable[[FoundFlow], tuple[Template, Budget]],
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
        begin: returns the template to begin with, and how much may be added.
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

    template, budget = begin(flow)
    if is_quick:
        budget = replace(budget, turns=1, rounds=_FEW_ROUNDS, patience=_LITTLE_PATIENCE)
    stages = sound_stages(flow.carrier, points, template, budget, cancel, written_forms(normalization))
    return (yield from mapped(stages, frame))


def _template_for(found: FoundFlow, request: ReconstructionRequest) -> tuple[Template, Budget]:
    """Return what to begin with and how much may be added.

    A level that was asked for is kept, its vertices moved to where they are needed if there are few. That of
    an earlier result is kept as it is: turned, its vertices would no longer correspond to this one's.
    """
    if request.template is not None:
        assert request.template.sphere is not None
        return Template(request.template.sphere, request.template.faces), replace(PLAIN, turns=1)
    level, carrier = request.level, found.carrier
    if level is None:
        budget = BUDGETS.get(found.method, BUDGETS["fit"])
        return icosphere(BASE_LEVEL), replace(budget, metric=found.metric)
    template = icosphere(level)
    if level > COARSE_LEVEL:
        return template, PLAIN

    def flow(sphere: Tensor) -> Tensor:
        return torch.from_numpy(carrier.carry(sphere.numpy()))

    return even_out(template, flow), PLAIN
