"""Spend a training budget in three ways: ``python -m tests.benchmarks.budget --packed points.npz``.

The published architecture, ours, and ours with half of each batch procedural, each with our training settings
(``resources/configs/default.toml``; the published recipe's rate of 1e-5 needs days) and as many steps as its
speed allows in the same time on the same device, so that each schedule ends with its budget. Measured on the
validation part, by the best checkpoint. Runs are kept in ``--out`` and not repeated.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from nmf_model import checkpoint

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "resources" / "configs"
PROBE_STEPS = (5, 25)
"""Of two short runs, whose difference is free of what starting costs."""
# The published model under our training settings: fixed steps, which train faster than its dopri5.
_PUBLISHED = ("solver.method=midpoint", "training.template_level=3")
VARIANTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "published architecture": ("published.toml", _PUBLISHED),
    "ours": ("default.toml", ()),
    "ours, half procedural": ("default.toml", ("training.synthetic_share=0.5",)),
}


def command(words: Sequence[str]) -> None:
    """Run the training command line; its own words go to its log in the run's folder."""
    subprocess.run([sys.executable, str(ROOT / "training_cli.py"), *words], check=True, capture_output=True)


def train(config: Path, settings: Sequence[str], packed: Path, out: Path, steps: int) -> float:
    """Train for some steps, or find that it was done; returns the seconds that it took."""
    started = time.perf_counter()
    sets = [f"training.steps={steps}", f"training.validate_every={max(1, steps // 4)}", *settings]
    words = ["train", "ae", "--packed", packed, "--config", config, "--out", out, "--resume"]
    command([*map(str, words), *(word for each in sets for word in ("--set", each))])
    return time.perf_counter() - started


def published_config(folder: Path) -> Path:
    """Write the published model's tables with our table of training."""
    model = (CONFIGS / "paper.toml").read_text(encoding="utf-8").split("[training]")[0]
    ours = (CONFIGS / "default.toml").read_text(encoding="utf-8").split("[training]")[1]
    path = folder / "published.toml"
    path.write_text(f"{model}\n[training]{ours}", encoding="utf-8")
    return path


def measure(name: str, arguments: argparse.Namespace) -> str:
    """Train one variant and return its line."""
    file, settings = VARIANTS[name]
    config = published_config(arguments.out) if file == "published.toml" else CONFIGS / file
    run = arguments.out / name.replace(" ", "-").replace(",", "")
    plan = run.with_suffix(".steps")
    if not plan.exists():
        # A validation of one shape, so that only steps are timed.
        probe = [*settings, "training.validation_shapes=1", "training.sample_shapes=0"]
        times = [
            train(config, probe, arguments.packed, Path(f"{run}-probe-{steps}"), steps)
            for steps in PROBE_STEPS
        ]
        a_step = (times[1] - times[0]) / (PROBE_STEPS[1] - PROBE_STEPS[0])
        plan.write_text(str(max(1, round(60 * arguments.minutes / a_step))))
    steps = int(plan.read_text())
    seconds = train(config, settings, arguments.packed, run, steps)
    report = run / "validation"
    if not (report / "evaluation.json").exists():
        words = ["evaluate", "--checkpoint", run / "best.safetensors", "--packed", arguments.packed]
        command([*map(str, words), "--split", "validation", "--no-pictures", "--out", str(report)])
    mean = json.loads((report / "evaluation.json").read_text(encoding="utf-8"))["mean"]
    model = checkpoint.load(run / "best.safetensors")
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return (
        f"| {name} | {parameters / 1e6:.2f} M | {steps} | {seconds / 60:.1f} "
        f"| {1e3 * mean['chamfer_l2_unaligned']:.2f} | {mean['f1@0.03_unaligned']:.3f} "
        f"| {mean['normal_consistency_unaligned']:.3f} | {100 * mean['self_intersecting_faces']:.2f} % |"
    )


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--packed", type=Path, required=True, help="a packed data set")
    parser.add_argument("--minutes", type=float, default=8.0, help="of training for each way")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "budget")
    arguments = parser.parse_args(words)
    arguments.out.mkdir(parents=True, exist_ok=True)
    print(
        "| spent on | parameters | steps of 8 shapes | minutes | validation chamfer_l2 ·1e3 | F1@0.03 "
        "| normal consistency | self-intersecting faces |\n|---|---:|---:|---:|---:|---:|---:|---:|"
    )
    for name in VARIANTS:
        print(measure(name, arguments), flush=True)


if __name__ == "__main__":
    main()
