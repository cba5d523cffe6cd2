"""Time a training step at batch 8 against the published formulation, on the same machine in one run.

``python -m tests.benchmarks.published_step [--repeats 3]``. The published formulation: the code is
carried in the state beside each vertex, 1003 numbers, and reduced again at each evaluation; dopri5 with the
adjoint, rtol = atol = 1e-5; width 512, 1000 latent numbers; level-3 template.
Ours: ``default.toml``, and besides the published architecture on a fixed grid, the code out of the state.
All steps: forward, the same loss, backward, Adam; medians.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
import torchdiffeq
from torch import Tensor, nn

from nmf_model.config import ModelConfig, SolverConfig
from nmf_model.model import NeuralMeshFlow
from nmf_model.training.batches import CloudBatch
from nmf_model.training.objective import AutoEncoderObjective
from nmf_model.training.settings import TrainingConfig, load_run_config
from tests.benchmarks.timing import median_seconds

BATCH = 8


class CarriedCode(nn.Module):
    """The velocity of a state (B, V, 3 + Z) whose last Z numbers, the code, stand still."""

    def __init__(self, dynamics: nn.Module) -> None:
        super().__init__()
        self.dynamics = dynamics

    def forward(self, _time: Tensor, state: Tensor) -> Tensor:
        x, code = state[..., :3], state[..., 3:]
        d = self.dynamics
        h = torch.relu(d.first(x)) * torch.tanh(d.gain(code))
        for layer in d.hidden:
            h = torch.relu(layer(h)) + h
        return torch.cat([torch.tanh(d.last(h)), torch.zeros_like(code)], dim=-1)


class PublishedObjective(AutoEncoderObjective):
    """The same loss with the published way to flow."""

    def flow(self, code: Tensor) -> list[Tensor]:
        flow = self.model.flow
        x = flow.rescales[0](self.template.expand(len(code), -1, -1), code)
        times = torch.tensor([0.0, flow.config.integration_time])
        surfaces = []
        for block, rescale in zip(flow.blocks, flow.rescales[1:], strict=True):
            for node in block.nodes:
                state = torch.cat([x, code[:, None].expand(-1, x.shape[1], -1)], dim=2)
                state = torchdiffeq.odeint_adjoint(
                    CarriedCode(node), state, times, rtol=1e-5, atol=1e-5, method="dopri5"
                )[-1]
                x = state[..., :3]
            x = rescale(x, code)
            surfaces.append(x)
        return surfaces


def batch_of(config: TrainingConfig) -> CloudBatch:
    generator = torch.Generator().manual_seed(0)
    clouds = torch.randn(BATCH, config.target_points, 3, generator=generator)
    clouds = clouds / clouds.norm(dim=2, keepdim=True) * torch.tensor([1.0, 0.6, 0.4])
    uniform = torch.rand(BATCH, 3, 3, config.samples, generator=generator)
    return CloudBatch(clouds[:, : config.input_points], clouds, uniform)


def step_of(objective: AutoEncoderObjective, batch: CloudBatch) -> Callable[[], None]:
    optimiser = torch.optim.Adam(objective.parameters(), 1e-5)
    carried = isinstance(objective, PublishedObjective)

    def step() -> None:
        optimiser.zero_grad()
        if carried:
            surfaces = objective.flow(objective.model.encode(batch.inputs))
            objective.compare(surfaces, batch).total.backward()
        else:
            objective(batch).total.backward()
        optimiser.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--published-repeats", type=int, default=1, help="a step takes a minute or more")
    parser.add_argument("--threads", type=int, help="of torch; its own choice if not given")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    ours = load_run_config(Path("resources/configs/default.toml"), ["training.precision=float32"])
    batch = batch_of(ours.training)
    fast = step_of(AutoEncoderObjective(NeuralMeshFlow(ours.model), ours.training), batch)
    slow = step_of(PublishedObjective(NeuralMeshFlow(ModelConfig()), ours.training), batch)
    fixed = ModelConfig(solver=SolverConfig(method="midpoint", steps=2))
    same = step_of(AutoEncoderObjective(NeuralMeshFlow(fixed), ours.training), batch)
    published = median_seconds(slow, arguments.published_repeats, warm_ups=0)
    print(f"published: {BATCH / published:.3f} shapes/s ({published:.1f} s a step)", flush=True)
    for name, step in (("published architecture, ours to compute", same), ("default.toml", fast)):
        quick = median_seconds(step, arguments.repeats)
        print(
            f"{name}: {BATCH / quick:.2f} shapes/s ({quick:.2f} s a step), "
            f"{published / quick:.1f} times as fast",
            flush=True,
        )


if __name__ == "__main__":
    main()
