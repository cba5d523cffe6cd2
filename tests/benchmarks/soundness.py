"""Count crossings before and after certifying: ``python -m tests.benchmarks.soundness [--cached] [--quick]``.

First the ablation on the development objects: the same fitted flows with ever more done about their
templates. Then one line for each of at least 40 objects: these fits, the network's answers for some of them,
pictures by the network and by their outline, and shapes made to be hard. Fits are kept in ``runs/cache``;
``--cached`` takes only those that are there already, ``--quick`` fits the hard shapes by a short schedule.
Seconds are processor time of what comes after the fit.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from nmf_model.fitting.correction import GUESSED, correct_flow
from nmf_model.fitting.fit import FitSettings, Stage
from nmf_model.flow.carrier import GridCarrier
from nmf_model.geometry.normalization import normalize
from nmf_model.geometry.sampling import sample_surface
from nmf_model.geometry.template import icosphere
from nmf_model.io.images import IMAGE_SUFFIXES, read_image
from nmf_model.metrics import chamfer_l2, f1_score
from nmf_model.network import predict_cloud, predict_flow
from nmf_model.quality import inspect_mesh
from nmf_model.silhouette import find_mask, inflate
from nmf_model.silhouette.viewing import placed_on_mask
from nmf_model.sound.certify import PLAIN, Budget, make_sound
from nmf_model.sound.forms import written_forms
from nmf_model.sound_flow import BASE_LEVEL, BUDGETS
from nmf_model.streams import drain
from nmf_model.types import Carrier, Mesh, Normalization, QualityReport
from nmf_model.weights import load_weights
from tests.benchmarks.cached_fits import CACHE, cached_fit, cached_flow, count_of, drain_fit
from tests.benchmarks.objects import FOLDER
from tests.benchmarks.silhouette import PICTURES
from tests.support.stress_shapes import STRESS_SHAPES

THRESHOLD = 0.03
NETWORK_CLOUDS = 12
_DEFAULT = BUDGETS["fit"]
_QUICK = FitSettings(
    samples=1500,
    stages=(Stage(2, 3, 150, 2, grows=True), Stage(3, 3, 150, 3, settles=True)),
)


@dataclass(frozen=True)
class Case:
    """One fitted object: its flow, what was given, what it is compared with (both in file units).

    ``radius`` is the object's, in file units: what distances are measured in.
    """

    name: str
    carrier: Carrier
    given: NDArray[np.float64]
    target: NDArray[np.float64]
    normalization: Normalization
    radius: float = 1.0
    budget: Budget = BUDGETS["fit"]
    kind: str = "fitted clouds"


@dataclass(frozen=True)
class Row:
    """What was measured of one mesh; distances in units of the object's radius."""

    name: str
    before: int
    report: QualityReport
    chamfer_l2: float
    f1: float
    missed: float
    seconds: float
    largest_move: float = 0.0


def plain(case: Case, level: int, steps: int) -> Row:
    """Carry an icosphere and do nothing more."""
    template = icosphere(level)
    started = time.process_time()
    image = case.carrier.carry(template.vertices, steps=steps)
    seconds = time.process_time() - started
    mesh = Mesh(case.normalization.to_file(image), template.faces)
    row = _measured(case, mesh, 0, seconds)
    return Row(**{**vars(row), "before": row.report.self_intersecting_faces})


def certified(case: Case, level: int, budget: Budget) -> Row:
    """Make the image of an icosphere sound."""
    forms = written_forms(case.normalization)
    unit = case.normalization.to_unit(case.given)
    started = time.process_time()
    surface = make_sound(case.carrier, unit, icosphere(level), budget, forms=forms)
    seconds = time.process_time() - started
    mesh = Mesh(case.normalization.to_file(surface.image), surface.faces)
    report = surface.report
    return _measured(case, mesh, report.crossings_before, seconds, report.largest_move)


def _measured(case: Case, mesh: Mesh, before: int, seconds: float, largest_move: float = 0.0) -> Row:
    target = (case.target - case.normalization.offset) / case.radius
    vertices = (mesh.vertices - case.normalization.offset) / case.radius
    samples, _ = sample_surface(vertices, mesh.faces, len(target), np.random.default_rng(0))
    distances = np.asarray(cKDTree(samples).query(target)[0])
    return Row(
        name=case.name,
        before=before,
        report=inspect_mesh(mesh),
        chamfer_l2=chamfer_l2(samples, target),
        f1=f1_score(samples, target, THRESHOLD),
        missed=float(np.mean(distances > THRESHOLD)),
        seconds=seconds,
        largest_move=largest_move,
    )


VARIANTS = {
    "plain template, level 4": lambda case: plain(case, 4, 8),
    "plain template, level 5": lambda case: plain(case, 5, 8),
    "tighter solve (32 steps a block), level 4": lambda case: plain(case, 4, 32),
    "level 4, refined where faces cross": lambda case: certified(case, 4, PLAIN),
    "adaptive (the default)": lambda case: certified(case, BASE_LEVEL, _DEFAULT),
    "adaptive + coarsening": lambda case: certified(
        case, BASE_LEVEL, Budget(_DEFAULT.vertices, _DEFAULT.tolerance, coarsening_rounds=3)
    ),
}


def benchmark_cases(set_name: str, cached: bool) -> Iterator[Case]:
    """Yield the objects of a set, fitted."""
    for index in range(count_of(set_name)):
        if cached and not (CACHE / f"{set_name}-{index:02d}-now.pt").exists():
            continue
        fit = cached_fit(set_name, index)
        yield Case(fit.name, fit.carrier, fit.given, fit.target, fit.normalization)


def network_cases(count: int) -> Iterator[Case]:
    """Yield the first development objects corrected as by ``--method network``, without a fit.

    The program tries with less first, and with other corrections before it spends as much as here.
    """
    model = load_weights("ae")
    with np.load(FOLDER / "development.npz", allow_pickle=False) as stored:
        for index in range(count):
            given, target = (stored[part][index] / 32767 for part in ("given", "target"))
            normalization = normalize(given)
            unit = normalization.to_unit(given)
            carrier, _ = predict_flow(model, unit)
            assert isinstance(carrier, GridCarrier)
            yield Case(
                f"{stored['name'][index]}, network",
                drain(correct_flow(carrier, unit)),
                given,
                target,
                normalization,
                kind="network, clouds",
            )


def picture_cases(cached: bool) -> Iterator[Case]:
    """Yield the benchmark's pictures: the shipped network's answers, and their inflated outlines, fitted.

    What they are compared with is what was fitted, for nobody knows the far sides.
    """
    model = load_weights("svr")
    for path in sorted(p for p in PICTURES.iterdir() if p.suffix in IMAGE_SUFFIXES):
        image = find_mask(read_image(path))
        assert image.mask is not None
        predicted = predict_cloud(model, image)
        seen = predicted.together
        normalization = normalize(seen)
        answer, _ = predict_flow(model, normalization.to_unit(predicted.points))
        assert isinstance(answer, GridCarrier)
        corrected = drain(correct_flow(answer, normalization.to_unit(seen), kind=GUESSED))
        yield Case(
            f"{path.name}, network",
            placed_on_mask(corrected, normalization, image.mask),
            seen,
            seen,
            normalization,
            normalization.scale,
            kind="network, pictures",
        )
        kept = CACHE / f"picture-{path.stem}-now.pt"
        if cached and not kept.exists():
            continue
        body = inflate(image.mask, seed=0).points
        normalization = normalize(body)
        fitted, _ = cached_flow(kept, normalization.to_unit(body))
        name = f"{path.name}, silhouette"
        budget = BUDGETS["silhouette"]
        yield Case(name, fitted, body, body, normalization, normalization.scale, budget, "outlines, fitted")


def stress_cases(quick: bool) -> Iterator[Case]:
    """Yield the hard shapes, fitted."""
    for name, shape in STRESS_SHAPES.items():
        given, target = (shape(count, np.random.default_rng(count)) for count in (2500, 10_000))
        normalization = normalize(given)
        unit = normalization.to_unit(given)
        if quick:
            carrier = drain_fit(unit, settings=_QUICK).carrier
        else:
            carrier, _ = cached_flow(CACHE / f"stress-{name}-now.pt", unit)
        yield Case(name, carrier, given, target, normalization, normalization.scale, kind="hard shapes")


def ablation(cases: Sequence[Case]) -> None:
    """Print one line a variant, over all cases."""
    print(
        "| template | objects without crossings | crossing faces, sum | vertices, median | chamfer_l2 ·1e3 "
        "| F1@0.03 | target points missed by 0.03 | seconds |\n|---|---:|---:|---:|---:|---:|---:|---:|"
    )
    for name, variant in VARIANTS.items():
        rows = [variant(case) for case in cases]
        crossings = [row.report.self_intersecting_faces for row in rows]
        print(
            f"| {name} | {crossings.count(0)} of {len(rows)} | {sum(crossings)} "
            f"| {np.median([row.report.vertices for row in rows]):.0f} | {_means(rows)} |",
            flush=True,
        )


def _means(rows: Sequence[Row]) -> str:
    chamfer, f1, missed, seconds = (
        np.mean([getattr(row, key) for row in rows]) for key in ("chamfer_l2", "f1", "missed", "seconds")
    )
    return f"{1e3 * chamfer:.3f} | {f1:.3f} | {100 * missed:.1f} % | {seconds:.2f}"


def table(cases: Iterator[Case]) -> None:
    """Print one line an object, then one for each kind of them and one for all."""
    print(
        "\n| object | crossing faces of level 3 | after | degenerate | closed sphere | sound | vertices "
        "| moved by at most | chamfer_l2 ·1e3 | F1@0.03 | missed by 0.03 | seconds |\n"
        "|---|---:|---:|---:|---|---|---:|---:|---:|---:|---:|---:|"
    )
    rows, kinds = [], []
    for case in cases:
        row = certified(case, BASE_LEVEL, case.budget)
        rows.append(row)
        kinds.append(case.kind)
        report = row.report
        print(
            f"| {row.name} | {row.before} | {report.self_intersecting_faces} | {report.degenerate_faces} "
            f"| {_yes(report.is_closed_sphere)} | {_yes(report.is_sound)} | {report.vertices} "
            f"| {row.largest_move:.4f} | {_means([row])} |",
            flush=True,
        )
    for kind in dict.fromkeys(kinds):
        print(_summary(kind, [row for row, own in zip(rows, kinds, strict=True) if own == kind]))
    print(_summary("all", rows))


def _summary(name: str, rows: Sequence[Row]) -> str:
    """Return sums, medians and means over objects, in the columns of the table."""
    sound, closed = (
        sum(getattr(row.report, key) for row in rows) for key in ("is_sound", "is_closed_sphere")
    )
    return (
        f"| **{name}: {len(rows)} objects** | {sum(row.before for row in rows)} "
        f"| {sum(row.report.self_intersecting_faces for row in rows)} "
        f"| {sum(row.report.degenerate_faces for row in rows)} | {closed} | {sound} "
        f"| {np.median([row.report.vertices for row in rows]):.0f} (median) "
        f"| {max(row.largest_move for row in rows):.4f} | {_means(rows)} |"
    )


def _yes(answer: bool) -> str:
    return "yes" if answer else "NO"


def main(words: Sequence[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cached", action="store_true", help="only objects whose fit is in runs/cache")
    parser.add_argument("--quick", action="store_true", help="short fits of the hard shapes")
    parser.add_argument("--only", choices=("ablation", "table"), help="only one of the tables")
    arguments = parser.parse_args(words)
    torch.set_num_threads(1)
    development = list(benchmark_cases("development", arguments.cached))
    if arguments.only != "table":
        ablation(development)
    if arguments.only != "ablation":
        table(
            case
            for group in (
                development,
                network_cases(NETWORK_CLOUDS),
                picture_cases(arguments.cached),
                stress_cases(arguments.quick),
            )
            for case in group
        )


if __name__ == "__main__":
    main()
