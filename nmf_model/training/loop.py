r"""The training loop, for both trainings, from the first step to the last.

On a machine with one GPU, where a command may run ten minutes at a time::

    python training_cli.py train ae --packed data/library_points.npz \
        --config resources/configs/default.toml --out runs/ae --max-minutes 9 --resume

The same line starts the run and goes on with it. A first try of one minute (``--max-minutes 1``) tells the
steps per second; then set the schedule to what the time allows with ``--set training.steps=N``, which may
change between calls. ``--set training.compile=true`` fuses the velocity where a compiler is at hand.
Then the pictures::

    python training_cli.py train svr --packed data/library_points.npz --views data/library_views.npz \
        --ae runs/ae/best.safetensors --config resources/configs/default_svr.toml --out runs/svr \
        --max-minutes 9 --resume

What to bring back: ``RUN/latest.safetensors`` and ``RUN/best.safetensors`` (the model in half precision),
``RUN/metrics.jsonl``, and to go on elsewhere ``RUN/config.json`` and the newest folder in
``RUN/checkpoints``, whose files are below 15 MiB each.
"""

from __future__ import annotations

import hashlib
import math
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from nmf_model import checkpoint
from nmf_model.errors import NmfError
from nmf_model.losses import NotFiniteError
from nmf_model.model import NeuralMeshFlow
from nmf_model.training.batches import CloudBatch, PictureBatch
from nmf_model.training.devices import Votes, by_first, clip_gradients, told_by_first
from nmf_model.training.interrupts import Interrupts
from nmf_model.training.objective import LossTerms
from nmf_model.training.reporting import Reporter
from nmf_model.training.run_dir import RunDir, Snapshot, optimiser_tensors, restore_optimiser, suits_optimiser
from nmf_model.training.settings import RunConfig, TrainingConfig, validation_settings
from nmf_model.training.trackers import CometAccount, open_trackers


class TrainingError(NmfError):
    """The run cannot go on: its loss or a weight is no longer a number."""


class Batches(Protocol):
    """Where batches come from."""

    def draw(self, step: int) -> CloudBatch | PictureBatch:
        """Return this process's share of the batch of a step."""


class Validation(Protocol):
    """How well the model does on what it does not learn from."""

    def __call__(self) -> float:
        """Return the task's ``measure``, unit-sphere units."""


class Samples(Protocol):
    """Results to look at."""

    def __call__(self, folder: Path) -> Path | None:
        """Write meshes and a picture of them into a folder; return the picture."""


@dataclass(frozen=True)
class Task:
    """Everything that a training is made of.

    Attributes:
        kind: "ae" or "svr".
        config: its settings.
        model: saved in checkpoints, and exported as a whole.
        objective: answers a batch with loss terms; what learns is its parameters that need gradients.
        parts: names of the parts of the loss that it answers with.
        batches: where the batches come from.
        generator: the source of all that is drawn; part of the state.
        validation: asked now and then.
        nfe: evaluations of the velocity a shape, for the record; asked for where the solver decides.
        provenance: what an exported model says about its origin.
        data: what tells the data from other data, by names: a run goes on with the same only.
        measure: what a validation's value is called: "chamfer_l2" of surfaces, "chamfer_l2_points" of clouds
            that are predicted, which surfaces are yet to be made of.
        samples: written after each validation, if there are any.
        notes: sentences to say first.
    """

    kind: str
    config: RunConfig
    model: NeuralMeshFlow
    objective: nn.Module
    parts: tuple[str, ...]
    batches: Batches
    generator: torch.Generator
    validation: Validation
    nfe: int | Callable[[], int]
    provenance: Mapping[str, str]
    data: Mapping[str, str]
    measure: str = "chamfer_l2"
    samples: Samples | None = None
    notes: tuple[str, ...] = ()


@dataclass
class Progress:
    """What changes while training, besides weights and moments; all of it is in a checkpoint.

    Attributes:
        step: updates done.
        seconds: time trained, over all calls.
        best: smallest validation value so far.
        sums: (3 + K,) of loss, gradient norm, 1 and the loss's parts, since the last report; on the device.
    """

    step: int
    seconds: float
    best: float
    sums: Tensor


@dataclass(frozen=True)
class Ending:
    """How a call ended; the run may go on in another one.

    Attributes:
        said: a sentence.
        is_interrupted: whether a user stopped it by Ctrl-C. SIGTERM is a batch system's way to say that the
            time is up, and as orderly an end as ``--max-minutes``.
    """

    said: str
    is_interrupted: bool = False


def train(
    task: Task,
    run: RunDir,
    devices: Any,
    *,
    resume: bool,
    max_minutes: float | None,
    comet: CometAccount | None = None,
) -> Ending:
    """Train until the schedule's end, the time's end or a signal, and return how it ended.

    Raises:
        TrainingError: if the loss is no longer a number; the last good checkpoint stays.
        InputError, CheckpointError: see ``RunDir``.
    """
    started = time.monotonic()
    deadline = None if max_minutes is None else started + 60 * max_minutes
    config = task.config.training
    learning = [p for p in task.objective.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        learning,
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        fused=devices.device.type == "cuda",
    )
    snapshot = _begin(run, task, optimiser, devices, resume)
    objective, wrapped = devices.setup(task.objective, optimiser)
    progress = _restored(snapshot, task, optimiser, devices.device)
    saver = _Saver(task, run, optimiser, devices, started, progress.seconds)
    votes = Votes(devices, progress.step)
    is_first = devices.global_rank == 0
    trackers = by_first(devices, lambda: open_trackers(run.path, task.config, comet, progress.step)) or []
    reporter = Reporter(run, trackers, task.parts, active=is_first, steps=config.steps, measure=task.measure)
    for sentence in (*task.notes, *(snapshot.notes if snapshot is not None else ())):
        reporter.note(sentence)
    reporter.note(
        f"Training {sum(p.numel() for p in learning):,} parameters on {devices.device}, "
        f"from step {progress.step} to {config.steps}, in {run.path}."
    )
    reason = ""
    last_report, first_step = time.monotonic(), progress.step
    try:
        with Interrupts() as interrupts:
            objective.train()
            while progress.step < config.steps:
                step = progress.step
                rate = learning_rate(config, step)
                for group in optimiser.param_groups:
                    group["lr"] = rate
                loss, parts = _backward(objective, task.batches.draw(step), config.accumulate, devices)
                norm = clip_gradients(learning, config.clip)
                wrapped.step()
                wrapped.zero_grad(set_to_none=True)
                progress.sums += torch.cat([torch.stack([loss, norm, torch.ones_like(loss)]), parts])
                progress.step += 1

                if progress.step % config.log_every == 0 or progress.step == config.steps:
                    done, now = progress.step - first_step, time.monotonic()
                    record = _means(progress, task, run, devices, rate)
                    record["seconds_per_step"] = (now - last_report) / done
                    record["shapes_per_second"] = config.batch_size * done / (now - last_report)
                    last_report, first_step = now, progress.step
                    reporter.train(record, deadline=deadline)
                if progress.step % config.validate_every == 0 or progress.step == config.steps:
                    folder = run.path / "samples" / f"step-{progress.step:08d}" if is_first else None
                    value, sheet = _validate(task, objective, folder)
                    saver.seconds(progress)
                    reporter.validation(
                        {
                            "step": progress.step,
                            f"validation_{task.measure}": value,
                            "elapsed": progress.seconds,
                        },
                        sheet,
                    )
                    if value < progress.best:
                        progress.best = value
                        saver.export("best", progress)
                    last_report, first_step = time.monotonic(), progress.step
                reason = _reason_to_stop(interrupts, deadline)
                is_stopped, is_due = votes.count(
                    progress.step,
                    (bool(reason), is_first and saver.is_due(config.checkpoint_minutes)),
                    now=progress.step % config.log_every == 0,
                )
                if is_stopped:
                    reason = reason or "another process was stopped"
                    break
                reason = ""
                if is_due:
                    saver.save(progress)
                    last_report, first_step = time.monotonic(), progress.step
            saver.save(progress)
            saver.export("latest", progress)
    except TrainingError:
        raise
    except Exception as error:
        explained = _explained(error, task, run, devices, progress.step + 1)
        if explained is None:
            raise
        raise explained from error
    finally:
        reporter.close()
    if reason:
        said = f"Stopped at step {progress.step} of {config.steps} ({reason}); go on with --resume."
        return Ending(said, is_interrupted=reason == signal.SIGINT.name)
    best = f"; best validation {task.measure} {progress.best:.5f}" if math.isfinite(progress.best) else ""
    return Ending(f"Finished {config.steps} steps{best}.")


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Return the learning rate of a step, counted from 0."""
    peak, final = config.learning_rate, config.final_rate
    if step < config.warmup:
        return peak * (step + 1) / config.warmup
    if config.schedule == "published":
        return max(final, peak * config.rate_decay ** (step // 250))
    share = min(1.0, (step - config.warmup) / max(1, config.steps - config.warmup))
    if config.schedule == "decay":
        return peak + (final - peak) * max(0.0, (share - 0.8) / 0.2)
    return final + (peak - final) * (1 + math.cos(math.pi * share)) / 2


def _begin(
    run: RunDir, task: Task, optimiser: torch.optim.Optimizer, devices: Any, resume: bool
) -> Snapshot | None:
    """Let the first process prepare the folder; the others read what it left."""
    snapshot = by_first(
        devices,
        lambda: run.begin(
            task.kind,
            task.config,
            resume=resume,
            data=task.data,
            trained=_trained(task),
            suits=lambda tensors: suits_optimiser(optimiser, tensors),
        ),
    )
    return run.latest() if devices.global_rank > 0 and resume else snapshot


def _trained(task: Task) -> str:
    """Return how many weights learn, and a digest of their names."""
    learning = {id(parameter) for parameter in task.objective.parameters() if parameter.requires_grad}
    names = [name for name, parameter in task.model.named_parameters() if id(parameter) in learning]
    digest = hashlib.sha256("\0".join(names).encode()).hexdigest()
    return f"{len(names)} tensors, {digest[:16]}"


def _restored(
    snapshot: Snapshot | None, task: Task, optimiser: torch.optim.Optimizer, device: torch.device
) -> Progress:
    if snapshot is None:
        return Progress(0, 0.0, math.inf, torch.zeros(3 + len(task.parts), device=device))
    weights = {name[6:]: t for name, t in snapshot.tensors.items() if name.startswith("model/")}
    task.model.load_state_dict(weights)
    restore_optimiser(optimiser, snapshot.tensors)
    task.generator.set_state(snapshot.tensors["generator"])
    numbers = snapshot.numbers
    best = numbers.get("best", math.inf)
    sums = snapshot.tensors["sums"].to(device)
    if len(sums) != 3 + len(task.parts):  # of a version that reported other parts
        sums = torch.zeros(3 + len(task.parts), device=device)
    return Progress(snapshot.step, numbers["seconds"], best, sums)


def _backward(
    objective: nn.Module, batch: CloudBatch | PictureBatch, parts: int, devices: Any
) -> tuple[Tensor, Tensor]:
    """Add the gradients of a batch, and return its loss and the loss's parts, detached."""
    losses, made_of = [], []
    pieces = batch.parts(parts)
    for index, piece in enumerate(pieces):
        with devices.no_backward_sync(objective, enabled=index < len(pieces) - 1):
            terms: LossTerms = objective(piece)
            devices.backward(terms.total / len(pieces))
        losses.append(terms.total.detach())
        made_of.append(terms.parts)
    return torch.stack(losses).mean(), torch.stack(made_of).mean(dim=0)


def _means(progress: Progress, task: Task, run: RunDir, devices: Any, rate: float) -> dict[str, Any]:
    """Return the record of the steps since the last one; this waits for the device.

    Raises:
        TrainingError: if one of them is not a number.
    """
    sums = devices.all_reduce(progress.sums, reduce_op="mean").tolist()
    if not all(math.isfinite(value) for value in sums):
        raise told_by_first(devices, _not_a_number(run, progress.step))
    progress.sums.zero_()
    loss, norm, count, *parts = sums
    record = {
        "step": progress.step,
        "loss": loss / count,
        "gradient_norm": norm / count,
        "learning_rate": rate,
        "nfe": task.nfe() if callable(task.nfe) else task.nfe,
    }
    return record | {name: value / count for name, value in zip(task.parts, parts, strict=True)}


def _validate(task: Task, objective: nn.Module, folder: Path | None) -> tuple[float, Path | None]:
    """Measure on every process alike, so that none waits for another; write samples into the folder, if any.

    Returns:
        the task's ``measure``, and the picture of the samples.
    """
    task.model.eval()
    with torch.no_grad():
        value = task.validation()
        sheet = task.samples(folder) if task.samples is not None and folder is not None else None
    objective.train()
    return value, sheet


def _reason_to_stop(interrupts: Interrupts, deadline: float | None) -> str:
    """Say why this process would stop now, or nothing."""
    if interrupts.received is not None:
        return interrupts.received
    return "the time is up" if deadline is not None and time.monotonic() > deadline else ""


def _explained(error: Exception, task: Task, run: RunDir, devices: Any, step: int) -> BaseException | None:
    """Return what to end with after an error that comes of what is no number; None if it comes of else.

    Weights that are none make trouble in many places. To ask only after it costs the steps nothing.
    """
    if not _is_finite(task.objective):
        return told_by_first(devices, _not_a_number(run, step))  # the weights are the same on all processes
    # Large weights may fail on one process's share of the batch alone, so each says it for itself.
    return _not_a_number(run, step) if isinstance(error, NotFiniteError) else None


def _is_finite(objective: nn.Module) -> bool:
    """Return whether all weights are numbers; this waits for the device."""
    return bool(torch.stack([torch.isfinite(p).all() for p in objective.parameters()]).all())


def _not_a_number(run: RunDir, step: int) -> TrainingError:
    advice = (
        "; the last good checkpoint is kept: go on from it"
        if run.has_checkpoint()
        else ", before the first checkpoint; start again"
    )
    return TrainingError(
        f"The loss became infinite or undefined by step {step}{advice} with --resume and a smaller "
        f"training.learning_rate."
    )


class _Saver:
    """Writes checkpoints and exports from the first process."""

    def __init__(
        self,
        task: Task,
        run: RunDir,
        optimiser: torch.optim.Optimizer,
        devices: Any,
        started: float,
        before: float,
    ) -> None:
        self._task, self._run, self._optimiser, self._devices = task, run, optimiser, devices
        self._started, self._before = started, before
        self._last = time.monotonic()

    def is_due(self, minutes: float) -> bool:
        return time.monotonic() - self._last >= 60 * minutes

    def seconds(self, progress: Progress) -> None:
        """Bring the time trained up to date."""
        progress.seconds = self._before + time.monotonic() - self._started

    def save(self, progress: Progress) -> None:
        """Write everything needed to go on exactly; all processes come here at the same step.

        Raises:
            TrainingError: if the loss or a weight is not a number; nothing is written then.
            InputError: if it cannot be written here.
        """
        self._last = time.monotonic()
        by_first(self._devices, lambda: self._write(progress))

    def _write(self, progress: Progress) -> None:
        self.seconds(progress)
        if not (_is_finite(self._task.objective) and bool(torch.isfinite(progress.sums).all())):
            raise _not_a_number(self._run, progress.step)
        tensors = {f"model/{name}": tensor for name, tensor in self._task.model.state_dict().items()}
        tensors |= optimiser_tensors(self._optimiser)
        tensors |= {"generator": self._task.generator.get_state(), "sums": progress.sums}
        numbers = {"seconds": progress.seconds}
        if math.isfinite(progress.best):
            numbers["best"] = progress.best
        measured_by = validation_settings(self._task.config.training, self._task.kind)
        self._run.save(Snapshot(progress.step, tensors, numbers, measured_by))

    def export(self, name: str, progress: Progress) -> None:
        """Write the model in half precision as ``NAME.safetensors``."""
        if self._devices.global_rank != 0:
            return
        name_of_best = f"{self._task.measure}/validation/best"
        metrics = {} if math.isinf(progress.best) else {name_of_best: progress.best}
        provenance = {**self._task.provenance, "steps": str(progress.step), "training": self._task.kind}
        path: Path = self._run.path / f"{name}.safetensors"
        checkpoint.save(path, self._task.model, metrics=metrics, provenance=provenance, storage="float16")
