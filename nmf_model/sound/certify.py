"""The way from a flow to a mesh without crossings: spend vertices, check exactly, mend, check again.

The flow of a sphere never meets itself, but the flat triangles between flowed vertices can. Smaller ones
follow the flow more closely, so the template is refined where its image is far from flat, then wherever
faces cross, until none does; what is then still too close for the precision of a file is pushed apart a
little. What remains after all that is reported, never hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from nmf_model.geometry.refinement import Points
from nmf_model.geometry.template import Template
from nmf_model.sound.defects import Defects, Written, as_they_are, find_defects
from nmf_model.sound.injectivity import Solve, settle_steps
from nmf_model.sound.relax import relax
from nmf_model.sound.surface import Flow, FlowedSphere, stop_if
from nmf_model.streams import drain
from nmf_model.types import CancelCheck, Carrier
from nmf_model.words import counted


@dataclass(frozen=True)
class Budget:
    """How much may be spent.

    Attributes:
        vertices: as many as accuracy may use; 0 leaves the given template as it is unless faces cross.
        tolerance: distance of flat triangles from the flowed surface at which no more are used,
            unit-sphere units.
        metric: (3, 3), which differences, rows, are multiplied with for that distance; None for none.
        most_vertices: at which the fight against crossings stops adding more, or twice those of the template
            if that is more.
        coarsening_rounds: in which vertices are merged where the image is flat.
        rounds: of refining where faces cross.
        turns: rotations of the template that are tried, at least 1.
        patience: share of the defects that a push may leave for finer triangles to be tried further.
    """

    vertices: int = 4_000
    tolerance: float = 0.003
    most_vertices: int = 8_000
    coarsening_rounds: int = 0
    rounds: int = 12
    turns: int = 3
    patience: float = 1.0
    metric: NDArray[np.float64] | None = None


PLAIN = Budget(vertices=0)
"""For a template of a level that somebody asked for: refined only where faces cross."""


@dataclass(frozen=True)
class SoundReport:
    """What was done and what is left.

    Attributes:
        crossing_faces: left in the end, in the first of the written forms that has any; 0 if all is well.
        flat_faces: faces without area or with coinciding vertices, likewise.
        clean_forms: how many of the forms before that one are sound; the first of all is the most exact.
        crossings_before: crossing faces of the given template's image.
        rounds: of refinement against crossings.
        solve: how the flow was solved, and whether its map is proved to be one to one.
        moved_vertices: pushed off the flowed surface,
        largest_move: by at most so much, unit-sphere units.
        until: share of the flow's time that was used; 1 unless it had to be stepped back.
    """

    crossing_faces: int
    flat_faces: int
    clean_forms: int
    crossings_before: int
    rounds: int
    solve: Solve
    moved_vertices: int = 0
    largest_move: float = 0.0
    until: float = 1.0

    @property
    def is_clean(self) -> bool:
        """Nothing is left to mend."""
        return self.crossing_faces == 0 and self.flat_faces == 0

    def notes(self) -> tuple[str, ...]:
        """Return sentences for the user on what is not as hoped."""
        if self.is_clean:
            return ()
        what = []
        if self.crossing_faces:
            cross = "crosses" if self.crossing_faces == 1 else "cross"
            what.append(f"{counted(self.crossing_faces, 'face')} still {cross} others")
        if self.flat_faces:
            what.append(f"{counted(self.flat_faces, 'face')} without area")
        if self.clean_forms:
            but = "STL or GLB" if self.clean_forms == 1 else "STL"
            return (f"{' and '.join(what)} in single precision: export this mesh as anything but {but}.",)
        return (f"{' and '.join(what)}: this mesh is not certified.",)


@dataclass(frozen=True)
class SoundSurface:
    """The outcome.

    Attributes:
        sphere: (V, 3) float32 on the unit sphere.
        faces: (F, 3), closed, oriented outward, genus 0.
        image: (V, 3) float32, the surface in unit-sphere units.
        report: what is true of it.
    """

    sphere: NDArray[np.float32]
    faces: NDArray[np.int64]
    image: NDArray[np.float32]
    report: SoundReport


@dataclass(frozen=True)
class SoundProgress:
    """A glimpse: the stage in words for the user, its fraction 0..1, and the surface as it is."""

    stage: str
    fraction: float
    surface: FlowedSphere


StageHandler = Callable[[SoundProgress], None]


def make_sound(
    carrier: Carrier,
    target: NDArray[np.floating],
    template: Template,
    budget: Budget | None = None,
    cancel: CancelCheck | None = None,
    on_stage: StageHandler | None = None,
    forms: Sequence[Written] = (as_they_are,),
) -> SoundSurface:
    """Carry a template into the shape and make the result sound; see ``sound_stages``."""
    return drain(sound_stages(carrier, target, template, budget, cancel, forms), on_stage)


def sound_stages(
    carrier: Carrier,
    target: NDArray[np.floating],
    template: Template,
    budget: Budget | None = None,
    cancel: CancelCheck | None = None,
    forms: Sequence[Written] = (as_they_are,),
) -> Generator[SoundProgress, None, SoundSurface]:
    """Do the same as a stream. Deterministic: nothing is random.

    Args:
        carrier: the flow.
        target: (N, 3) points of the shape, unit-sphere units: a step back in time must not lose them.
        template: where to begin.
        budget: None for the defaults.
        cancel: polled between steps.
        forms: the coordinates that files will hold; the result is checked in all of them.

    Raises:
        Cancelled: if ``cancel`` returned True.
    """
    budget = budget or Budget()
    sphere = template.vertices.astype(np.float64)
    solve = settle_steps(carrier, sphere, cancel=cancel)
    flow = Flow(carrier, solve.steps, cancel)
    before, best = -1, None
    turns = _TURNS[: budget.turns]
    for attempt, turn in enumerate(turns):
        turned = sphere @ turn
        surface = FlowedSphere(turned, template.faces, flow(turned))
        if best is None:
            before = find_defects(surface.image, surface.faces, forms).crossing_faces
        part = (attempt / len(turns), 1 / len(turns))
        tried = yield from _attempt(surface, flow, budget, forms, part)
        if best is None or tried.defects.severity < best.defects.severity:
            best = tried
        if not 0 < len(best.defects.faces) <= _MOST_MENDED:
            break
    assert best is not None
    surface, defects, until = best.surface, best.defects, 1.0
    if len(defects.faces) and not _is_hopeless(surface, defects):
        stop_if(cancel)
        surface, defects, until = _step_back(surface, defects, flow, forms, target)
    yield SoundProgress("Checking", 1.0, surface)
    moves = np.linalg.norm(surface.image - flow(surface.sphere, until), axis=1)
    moves[moves < _ROUNDING] = 0.0
    report = SoundReport(
        crossing_faces=defects.crossing_faces,
        flat_faces=len(defects.flat),
        clean_forms=defects.clean_forms,
        crossings_before=before,
        rounds=best.rounds,
        solve=solve,
        moved_vertices=int(np.count_nonzero(moves)),
        largest_move=float(moves.max()),
        until=until,
    )
    return SoundSurface(
        surface.sphere.astype(np.float32), surface.faces, surface.image.astype(np.float32), report
    )


_TURNS = (
    np.eye(3),
    np.array([[2, -1, 2], [2, 2, -1], [-1, 2, 2]]) / 3,
    np.array([[6, 2, 3], [-3, 6, 2], [-2, -3, 6]]) / 7,
)
"""Rotations of the template to try: how triangles lie across a kink of the flow is a matter of luck."""


_MOST_MENDED = 1_500
"""Where more faces than this cross even after a push, whole sheets do: no other push or turn parts them."""

_MOST_SHARE = 0.25
"""Share of all faces beyond which so many are pushed only once, and neither refined nor stepped back."""
_MOST_AT_ALL = 10_000
"""Beyond this many as well, of however many faces."""
_SHEETS_APART = 2e-3
"""How far that push is, unit-sphere units: about as far as flat triangles may be from the surface."""


class _Attempt(NamedTuple):
    surface: FlowedSphere
    defects: Defects
    rounds: int


def _attempt(
    surface: FlowedSphere,
    flow: Flow,
    budget: Budget,
    forms: Sequence[Written],
    part: tuple[float, float],
) -> Generator[SoundProgress, None, _Attempt]:
    """Spend the budget, refine where faces cross, push apart what refining does not part."""
    done, share = part
    yield SoundProgress("Refining", done, surface)
    surface = _spend(surface, flow, budget)
    yield SoundProgress("Checking", done + 0.2 * share, surface)
    defects = find_defects(surface.image, surface.faces, forms)
    limit = max(budget.most_vertices, 2 * len(surface.sphere))
    counts = [len(defects.faces)]
    while len(defects.faces) and len(counts) <= budget.rounds and len(surface.sphere) < limit:
        stop_if(flow.cancel)
        if _is_hopeless(surface, defects):
            break
        surface = surface.refined_at(defects.faces, flow)
        defects = find_defects(surface.image, surface.faces, forms)
        counts.append(len(defects.faces))
        yield SoundProgress("Checking", done + (0.2 + 0.6 * min(len(counts) / 20, 1.0)) * share, surface)
        if _stagnates(counts):
            pushed, left = relax(surface, defects, flow, forms)
            # A vertex added later would be on the flow again, beside neighbours that are not.
            if not len(left.faces):
                surface, defects = pushed, left
            elif len(counts) > 6 or len(left.faces) > min(_MOST_MENDED, budget.patience * len(defects.faces)):
                return _Attempt(pushed, left, len(counts) - 1)
    if len(defects.faces):
        stop_if(flow.cancel)
        yield SoundProgress("Refining", done + 0.8 * share, surface)
        if _is_hopeless(surface, defects):
            surface, defects = relax(surface, defects, flow, forms, (_SHEETS_APART,))
        if not _is_hopeless(surface, defects):
            surface, defects = relax(surface, defects, flow, forms)
    return _Attempt(surface, defects, len(counts) - 1)


def _is_hopeless(surface: FlowedSphere, defects: Defects) -> bool:
    """Return whether so much of the surface crosses that more triangles would only cross as well.

    A push may still part whole sheets, so it is tried; but on a finer mesh it would take minutes.
    """
    return len(defects.faces) > max(_MOST_MENDED, min(_MOST_SHARE * len(surface.faces), _MOST_AT_ALL))


def _stagnates(counts: Sequence[int]) -> bool:
    """Return whether two rounds did not halve the defects.

    A flow stored on a grid has kinks, and across a kink flat triangles can cross at every size: smaller ones
    are only more of them, while a push as large as the few that are there ends it.
    """
    return len(counts) > 2 and counts[-1] > 0 and len(counts) % 2 == 1 and 2 * counts[-1] > counts[-3]


def _spend(surface: FlowedSphere, flow: Flow, budget: Budget) -> FlowedSphere:
    """Spend vertices where flat triangles are far from the flowed surface, and save them elsewhere."""
    while len(surface.sphere) < budget.vertices:
        stop_if(flow.cancel)
        refined = surface.refined_by_error(flow, budget.vertices, budget.tolerance, budget.metric)
        if len(refined.sphere) == len(surface.sphere):
            break
        surface = refined
    for _ in range(budget.coarsening_rounds):
        stop_if(flow.cancel)
        surface = surface.coarsened(flow, budget.tolerance)
    return surface


_ROUNDING = 1e-6
"""Two runs of a carrier with other points beside may differ by this, unit-sphere units."""
_EARLIER = (0.995, 0.99, 0.98, 0.96, 0.93, 0.9)
_WORTH = 5e-4
"""By so much may chamfer_l2 rise for a mesh without crossings, unit-sphere units squared."""


def _step_back(
    surface: FlowedSphere,
    defects: Defects,
    flow: Flow,
    forms: Sequence[Written],
    target: NDArray[np.floating],
) -> tuple[FlowedSphere, Defects, float]:
    """Return the last clean state of the flow, if one is near enough; else everything as it was."""
    limit = _distance(surface.image, target) + _WORTH
    for until in _EARLIER:
        earlier = surface.moved(flow(surface.sphere, until=until))
        if _distance(earlier.image, target) > limit:
            break
        found = find_defects(earlier.image, earlier.faces, forms)
        if not len(found.faces):
            return earlier, found, until
    return surface, defects, 1.0


def _distance(image: Points, target: NDArray[np.floating]) -> float:
    """Return the mean squared distance of the vertices to the target plus that of the target to them."""
    there, _ = cKDTree(target).query(image)
    back, _ = cKDTree(image).query(target)
    return float(np.mean(np.square(there)) + np.mean(np.square(back)))
