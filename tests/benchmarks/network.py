"""Time the trained network: ``python -m tests.benchmarks.network [--starts OBJECTS]``.

First one cloud, as answered and corrected, and one picture through the weights that ship, 2,562 vertices,
after loading. Then the published architecture with one and the same random weights, computed as published
(the code carried in the state, dopri5, tolerance 1e-5) and as here, and how far the results are apart. With
``--starts``, what it is worth to start a fit from the network's answer: objects fitted from a small sphere,
from the network, and as ``auto`` does.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torchdiffeq

from nmf_model.config import ModelConfig, SolverConfig
from nmf_model.fitting.correction import GUESSED, correct_flow
from nmf_model.flow.carrier import GridCarrier
from nmf_model.geometry.intersections import count_crossing_faces
from nmf_model.geometry.normalization import normalize
from nmf_model.geometry.template import icosphere
from nmf_model.io.images import read_image
from nmf_model.model import NeuralMeshFlow
from nmf_model.network import predict_cloud, predict_flow
from nmf_model.plan import is_near
from nmf_model.silhouette import find_mask
from nmf_model.streams import drain
from nmf_model.types import Mesh, ShapeImage
from nmf_model.weights import load_weights
from tests.benchmarks.cached_fits import drain_fit
from tests.benchmarks.fit import compare
from tests.benchmarks.objects import FOLDER
from tests.benchmarks.published_step import CarriedCode
from tests.benchmarks.timing import median_seconds

LEVEL = 4
STEPS = 4
"""Midpoint steps per block of the quick answer."""
_INT16 = 32767


def answer_cloud(model: NeuralMeshFlow, points: np.ndarray) -> np.ndarray:
    unit = normalize(points).to_unit(points)
    return predict_flow(model, unit)[0].carry(icosphere(LEVEL).vertices, steps=STEPS)


def corrected_answer(model: NeuralMeshFlow, points: np.ndarray) -> np.ndarray:
    unit = normalize(points).to_unit(points)
    carrier = predict_flow(model, unit)[0]
    assert isinstance(carrier, GridCarrier)
    return drain(correct_flow(carrier, unit)).carry(icosphere(LEVEL).vertices, steps=STEPS)


def answer_picture(model: NeuralMeshFlow, image: ShapeImage) -> np.ndarray:
    return answer_cloud(model, predict_cloud(model, image).points)


def corrected_picture(model: NeuralMeshFlow, image: ShapeImage) -> np.ndarray:
    predicted = predict_cloud(model, image)
    normalization = normalize(predicted.together)
    carrier = predict_flow(model, normalization.to_unit(predicted.points))[0]
    assert isinstance(carrier, GridCarrier)
    better = drain(correct_flow(carrier, normalization.to_unit(predicted.together), kind=GUESSED))
    return better.carry(icosphere(LEVEL).vertices, steps=STEPS)


def print_answers() -> None:
    model = load_weights("ae")
    points = np.load(FOLDER / "development.npz")["given"][0] / _INT16
    for words, answered in (("as answered", answer_cloud), ("corrected", corrected_answer)):
        print(f"a cloud of {len(points):,} points, 2,562 vertices, {words}: "
              f"{median_seconds(partial(answered, model, points)):.2f} s")  # fmt: skip
    model = load_weights("svr")
    image = find_mask(read_image(Path("resources/examples/wood_toy.png")))
    for words, answer in (("as answered", answer_picture), ("corrected", corrected_picture)):
        seconds = median_seconds(partial(answer, model, image))
        print(f"a picture with its mask, 2,562 vertices, {words}: {seconds:.2f} s", flush=True)


def print_published() -> None:
    """Compare the two ways to compute the published architecture."""
    torch.manual_seed(0)
    model = NeuralMeshFlow(ModelConfig(solver=SolverConfig(method="midpoint", steps=2))).eval()
    code = model.encode(torch.randn(1, 2500, 3)).detach()
    template = torch.tensor(icosphere(LEVEL).vertices)
    with torch.no_grad():
        ours = model.flow(template, code).vertices[-1][0]
        theirs = as_published(model, template, code)
        fast = median_seconds(lambda: model.flow(template, code), 3)
        slow = median_seconds(lambda: as_published(model, template, code), 1)
    apart = float((ours - theirs).norm(dim=1).max() / (theirs.amax(0) - theirs.amin(0)).norm())
    print(f"published architecture as published: {slow:.2f} s; here: {fast:.2f} s")
    print(f"{slow / fast:.1f} times as fast; largest distance {apart:.1e} of the extent", flush=True)


def as_published(model: NeuralMeshFlow, template: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
    flow = model.flow
    x = flow.rescales[0](template[None], code)
    times = torch.tensor([0.0, flow.config.integration_time])
    for block, rescale in zip(flow.blocks, flow.rescales[1:], strict=True):
        for node in block.nodes:
            state = torch.cat([x, code[:, None].expand(-1, x.shape[1], -1)], dim=2)
            x = torchdiffeq.odeint(CarriedCode(node), state, times, rtol=1e-5, atol=1e-5)[-1][..., :3]
        x = rescale(x, code)
    return x[0]


def print_starts(count: int, name: str) -> None:
    """Fit objects from a small sphere and from the network, and compare with the target's own points."""
    model, template = load_weights("ae"), icosphere(LEVEL)
    stored = np.load(FOLDER / f"{name}.npz")
    measures = ("s", "·1e3", "F1", "crossing")
    heads = ["network ·1e3", *(f"{w}, {m}" for w in ("from it", "from a sphere") for m in measures)]
    print("| object | " + " | ".join(heads) + " | auto |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|")
    rows = []
    for index in range(min(count, len(stored["id"]))):
        given, target = stored["given"][index] / _INT16, stored["target"][index] / _INT16
        frame = normalize(given)
        points = frame.to_unit(given)
        carrier, _ = predict_flow(model, points)
        assert isinstance(carrier, GridCarrier)

        def measured(flow: GridCarrier, frame=frame, target=target) -> tuple[float, float, int]:
            vertices = frame.to_file(flow.carry(template.vertices))
            chamfer, f1 = compare(Mesh(vertices, template.faces), target)
            return 1e3 * chamfer, f1, count_crossing_faces(vertices, template.faces)

        row = [measured(carrier)[0]]
        for start in (carrier, None):
            began = time.process_time()
            fitted = drain_fit(points, start=start)
            row += [time.process_time() - began, *measured(fitted.carrier)]
        near = is_near(carrier, points)
        rows.append([*row, *(row[1:5] if near else row[5:9])])
        cells = " | ".join(f"{value:.3f}" if value % 1 else f"{value:.0f}" for value in row)
        print(f"| {stored['name'][index]} | {cells} | {'network' if near else 'sphere'} |", flush=True)
    means = np.mean(rows, axis=0)
    print("| **mean** | " + " | ".join(f"{value:.3f}" for value in means[:9]) + " | |")
    print(
        f"auto: {means[9]:.1f} s, {means[10]:.3f}, F1 {means[11]:.3f}, {means[12]:.0f} crossing faces a shape"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--starts", type=int, default=0, metavar="OBJECTS", help="how many to fit both ways")
    parser.add_argument("--set", choices=("test", "development"), default="development")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # as in the program: waiting for a second thread costs more than it gives
    if arguments.starts:
        print_starts(arguments.starts, arguments.set)
        return
    print_answers()
    print_published()


if __name__ == "__main__":
    main()
