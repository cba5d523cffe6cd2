"""Fit the benchmark's objects once and keep the flows in ``runs/cache``, where work on templates finds them.

``python -m tests.benchmarks.cached_fits [--set test|development] [--tag NAME]``
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from nmf_model.fitting.fit import FitSettings, FittedFlow, fit_flow
from nmf_model.flow.carrier import GridCarrier
from nmf_model.geometry.normalization import normalize
from nmf_model.streams import drain
from nmf_model.types import Normalization
from tests.benchmarks.objects import FOLDER

CACHE = Path(__file__).parents[2] / "runs" / "cache"
_INT16 = 32767


@dataclass(frozen=True)
class CachedFit:
    """One object and the flow fitted to it.

    Attributes:
        given: (N, 3) the cloud that was fitted and
        target: (M, 3) the points it is compared with, both in the unit-radius frame of the benchmark.
        normalization: from the flow's units to that frame.
        seconds: that the fit took.
    """

    name: str
    kind: str
    given: NDArray[np.float64]
    target: NDArray[np.float64]
    normalization: Normalization
    carrier: GridCarrier
    seconds: float


def drain_fit(
    points: NDArray[np.float32], *, start: GridCarrier | None = None, settings: FitSettings | None = None
) -> FittedFlow:
    """Fit a cloud in unit-sphere units without showing anything; see ``fit_flow``."""
    return drain(fit_flow(points, start=start, settings=settings))


def cached_fit(set_name: str, index: int, tag: str = "now") -> CachedFit:
    """Return one object's fit, from the cache if it is there."""
    path = CACHE / f"{set_name}-{index:02d}-{tag}.pt"
    with np.load(FOLDER / f"{set_name}.npz", allow_pickle=False) as stored:
        given = stored["given"][index] / _INT16
        target = stored["target"][index] / _INT16
        name, kind = str(stored["name"][index]), str(stored["kind"][index])
    normalization = normalize(given)
    carrier, seconds = cached_flow(path, normalization.to_unit(given))
    return CachedFit(name, kind, given, target, normalization, carrier, seconds)


def cached_flow(path: Path, points: NDArray[np.float32]) -> tuple[GridCarrier, float]:
    """Return the flow fitted to points in unit-sphere units, and its seconds; from a file if it is there."""
    if not path.exists():
        started = time.perf_counter()
        fitted = drain_fit(points)
        kept = {
            "fields": fitted.fields,
            "centre": torch.from_numpy(fitted.centre),
            "radius": fitted.radius,
            "seconds": time.perf_counter() - started,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(kept, path)
    kept = torch.load(path, weights_only=True)
    return GridCarrier(kept["fields"], kept["centre"].numpy(), kept["radius"]), kept["seconds"]


def count_of(set_name: str) -> int:
    """Return how many objects a set has."""
    with np.load(FOLDER / f"{set_name}.npz", allow_pickle=False) as stored:
        return len(stored["id"])


def main(words: Sequence[str] | None = None) -> None:
    """Fit all objects of a set that are not in the cache yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--set", choices=("test", "development"), default="development")
    parser.add_argument("--tag", default="now", help="name of this state of the fit")
    arguments = parser.parse_args(words)
    torch.set_num_threads(1)
    for index in range(count_of(arguments.set)):
        fit = cached_fit(arguments.set, index, arguments.tag)
        print(f"{index:2d} {fit.name}: {fit.seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main()
