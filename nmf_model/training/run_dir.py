"""A run's folder: settings, metrics, and checkpoints that are complete or not there at all.

``DIR/config.json`` · ``metrics.jsonl``, ``metrics.csv`` · ``latest.safetensors``, ``best.safetensors``: the
model in half precision, for use · ``checkpoints/step-00001000/``: everything needed to go on exactly.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import Tensor

from nmf_model.config import from_dict, to_dict
from nmf_model.errors import CheckpointError, InputError
from nmf_model.io.atomic import make_folder, write_atomically, write_text_atomically
from nmf_model.training.differences import differences
from nmf_model.training.settings import RunConfig, validation_settings

PART_BYTES = 14 * 2**20
"""Checkpoints are cut into files below this size, which strict file transfers still take."""

KEPT_CHECKPOINTS = 2


@dataclass(frozen=True)
class Snapshot:
    """All of a run's state between two steps.

    Attributes:
        step: updates done.
        tensors: by name: weights, the optimiser's moments, the generator, sums being averaged.
        numbers: seconds trained, best validation value …
        measured_by: the settings of its validations; None in runs of earlier versions, which do not tell.
        notes: sentences on what was changed when it was read.
    """

    step: int
    tensors: Mapping[str, Tensor]
    numbers: Mapping[str, float]
    measured_by: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()


class RunDir:
    """The folder of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self._whole: set[str] = set()
        self._damaged: set[str] = set()

    def begin(
        self,
        kind: str,
        config: RunConfig,
        *,
        resume: bool,
        data: Mapping[str, str] | None = None,
        trained: str = "",
        suits: Callable[[Mapping[str, Tensor]], bool] = lambda tensors: True,
    ) -> Snapshot | None:
        """Create the folder, or find where to go on.

        Args:
            kind: of the training.
            config: its settings.
            resume: whether to go on with what is there.
            data: what tells the data from other data, by names; a run goes on with the same data only.
            trained: what tells the weights that learn from others; "" if nothing does.
            suits: whether a checkpoint's tensors fit these weights; runs of earlier versions do not tell.

        Returns:
            the state to go on from, without a best value that later ones cannot be compared with; None for a
            new run, or one that was stopped before its first checkpoint.

        Raises:
            InputError: if the folder holds another run, one that trains other weights of the model, or one
                that was not to be resumed.
            CheckpointError: if every checkpoint in it is damaged.
        """
        known, old = self.path / "config.json", config
        if known.exists():
            if not resume:
                raise InputError(
                    f"{self.path} already holds a run; add --resume to go on, or name another --out."
                )
            old = self._check_same(known, kind, config, data or {}, trained)
        snapshot = self.latest() if resume else None
        if snapshot is not None and not suits(snapshot.tensors):
            raise self._trains_others(kind)
        make_folder(self.checkpoints)
        record = {"kind": kind, "data": dict(data or {}), "trained": trained, **to_dict(config)}
        write_text_atomically(known, json.dumps(record, indent=1) + "\n")
        self._drop_metrics_after(0 if snapshot is None else snapshot.step)
        if snapshot is None:
            return None
        before = snapshot.measured_by or validation_settings(old.training, kind)
        snapshot = _compared(snapshot, before, validation_settings(config.training, kind))
        return _told_what_changed(snapshot, differences(old, config))

    def save(self, snapshot: Snapshot) -> None:
        """Write a checkpoint, then remove the oldest; a kill at any moment leaves a complete one.

        One of the same step that is damaged is replaced.

        Raises:
            InputError: if it cannot be written here.
        """
        target = self.checkpoints / f"step-{snapshot.step:08d}"
        if target.name in self._whole and target.exists():
            return
        unfinished = self.checkpoints / f".unfinished-{snapshot.step:08d}"
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            unfinished.mkdir(parents=True)
            parts = _split(snapshot.tensors)
            for index, part in enumerate(parts):
                write_atomically(unfinished / f"part-{index:02d}.safetensors", _writer(serialize(part)))
            state = json.dumps(
                {
                    "step": snapshot.step,
                    "parts": len(parts),
                    "numbers": dict(snapshot.numbers),
                    "measured_by": snapshot.measured_by,
                }
            )
            write_text_atomically(unfinished / "state.json", state)
            _put_in_place(unfinished, target)
        except OSError as error:
            raise InputError(f"The checkpoint {target} cannot be written: {error.strerror}.") from error
        self._whole.add(target.name)
        self._damaged.discard(target.name)
        self._prune(target.name)
        self.write_csv()

    def latest(self) -> Snapshot | None:
        """Read the newest checkpoint that is whole.

        Raises:
            CheckpointError: if there are some and all are damaged.
        """
        folders = sorted(self.checkpoints.glob("step-*"), reverse=True)
        for folder in folders:
            with contextlib.suppress(OSError, ValueError, KeyError, SafetensorError):
                snapshot = _read(folder)
                self._whole.add(folder.name)
                return snapshot
            self._damaged.add(folder.name)
        if folders:
            raise CheckpointError(f"All checkpoints in {self.checkpoints} are damaged; start a new run.")
        return None

    def has_checkpoint(self) -> bool:
        """Return whether there is a checkpoint, but for those found damaged."""
        return any(folder.name not in self._damaged for folder in self.checkpoints.glob("step-*"))

    def log(self, record: Mapping[str, Any]) -> None:
        """Append one line to ``metrics.jsonl``."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def records(self) -> list[dict[str, Any]]:
        """Return all lines of ``metrics.jsonl``; one cut short by a kill is left out."""
        file = self.path / "metrics.jsonl"
        found = []
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
            with contextlib.suppress(ValueError):
                found.append(_as_written_now(json.loads(line)))
        return found

    def write_csv(self) -> None:
        """Write ``metrics.csv`` anew from ``metrics.jsonl``."""
        records = self.records()
        columns = list(dict.fromkeys(name for record in records for name in record))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns)
        writer.writeheader()
        writer.writerows(records)
        write_text_atomically(self.path / "metrics.csv", text.getvalue())

    def _trains_others(self, kind: str) -> InputError:
        """Return what is said of a run whose optimiser knows other weights than are to learn now."""
        exports = [self.path / f"{name}.safetensors" for name in ("best", "latest")]
        begun = next((path for path in exports if path.exists()), exports[0])
        option = "--ae" if kind == "svr" else "--begin-from"
        return InputError(
            f"{self.path} holds a run that trains other weights of the model, so it cannot go on with these; "
            f"begin a new one in another --out with {option} {begun}."
        )

    def _check_same(
        self, known: Path, kind: str, config: RunConfig, data: Mapping[str, str], trained: str
    ) -> RunConfig:
        """Refuse another model, other data or other weights that learn; return the settings that are known.

        How they are trained may change, the number of steps above all.
        """
        try:
            values = json.loads(known.read_text(encoding="utf-8"))
            old_kind = values.pop("kind")
            old_data = dict(values.pop("data", {}))  # runs of earlier versions do not tell
            old_trained = values.pop("trained", "")
            old = from_dict(RunConfig, values)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, InputError) as error:
            raise CheckpointError(f"{known} is damaged ({error}); start a new run.") from error
        if old_kind != kind or old.model != config.model:
            how = [f"'train {old_kind}'"] if old_kind != kind else differences(old.model, config.model)
            raise InputError(
                f"{self.path} holds a run of another model ({', '.join(how)}); name another --out."
            )
        other = [name for name in data if old_data.get(name, data[name]) != data[name]]
        if other:
            raise InputError(
                f"{self.path} holds a run on other data ({', '.join(other)}), with which its validations "
                f"cannot be compared; name that data, or another --out."
            )
        if old_trained and trained and old_trained != trained:
            raise self._trains_others(kind)
        return old

    def _drop_metrics_after(self, step: int) -> None:
        """Forget what was measured after the checkpoint: it will be measured again."""
        lines = [json.dumps(record) + "\n" for record in self.records() if record["step"] <= step]
        if (self.path / "metrics.jsonl").exists():
            write_text_atomically(self.path / "metrics.jsonl", "".join(lines))

    def _prune(self, newest: str) -> None:
        """Keep the newest checkpoints up to the one just written: any later one is damaged."""
        folders = sorted(self.checkpoints.glob("step-*"))
        usable = [folder for folder in folders if folder.name <= newest and folder.name not in self._damaged]
        left_by_kills = self.checkpoints.glob(".*-*")
        for folder in {*folders, *left_by_kills} - {*usable[-KEPT_CHECKPOINTS:]}:
            shutil.rmtree(folder, ignore_errors=True)


def _as_written_now(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record of an earlier version with the names that are in use now."""
    names = {"seconds": "elapsed"} if record.get("kind") == "validation" else {}
    return {names.get(name, name): value for name, value in record.items()}


def _put_in_place(unfinished: Path, target: Path) -> None:
    """Rename a folder that is complete; what has its name already goes, and is of no use."""
    if target.exists():
        # A folder cannot be renamed over one that is not empty. A kill between the two renames leaves none of
        # this step, and the whole ones before it.
        unwanted = target.with_name(f".replaced-{target.name}")
        shutil.rmtree(unwanted, ignore_errors=True)
        target.rename(unwanted)
    unfinished.rename(target)


def _split(tensors: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Share tensors out over as few parts of at most ``PART_BYTES`` as their order allows."""
    parts: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        copy = tensor.detach().cpu().contiguous().clone()
        if parts[-1] and size + copy.nbytes > PART_BYTES:
            parts.append({})
            size = 0
        parts[-1][name] = copy
        size += copy.nbytes
    return parts


def _read(folder: Path) -> Snapshot:
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    tensors: dict[str, Tensor] = {}
    for index in range(state["parts"]):
        tensors |= load_file(folder / f"part-{index:02d}.safetensors")
    return Snapshot(state["step"], tensors, state["numbers"], state.get("measured_by"))


def _compared(snapshot: Snapshot, before: Mapping[str, Any], now: Mapping[str, Any]) -> Snapshot:
    """Take the best value out of a state if later validations measure something else."""
    changed = [f"training.{name}" for name, value in now.items() if before.get(name, value) != value]
    if not changed or "best" not in snapshot.numbers:
        return snapshot
    numbers = {name: value for name, value in snapshot.numbers.items() if name != "best"}
    note = (
        f"Validations measure something else from here on ({', '.join(changed)}), so the best one is chosen "
        "anew."
    )
    return replace(snapshot, numbers=numbers, notes=(note,))


def _told_what_changed(snapshot: Snapshot, changed: list[str]) -> Snapshot:
    """Note the settings that a run goes on with instead of those it had: one may just be forgotten."""
    if not changed:
        return snapshot
    note = f"Settings that are not what they were before: {', '.join(changed)}."
    return replace(snapshot, notes=(note, *snapshot.notes))


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return an optimiser's state by names that ``restore_optimiser`` understands."""
    state = optimiser.state_dict()["state"]
    return {
        f"optimiser/{index}/{name}": torch.as_tensor(value)
        for index, values in state.items()
        for name, value in values.items()
    }


def suits_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> bool:
    """Return whether moments, which are stored by place, are as large as the parameters of these places."""
    shapes = [parameter.shape for group in optimiser.param_groups for parameter in group["params"]]
    moments = {
        int(key.split("/")[1]): tensor.shape
        for key, tensor in tensors.items()
        if key.startswith("optimiser/") and key.endswith("/exp_avg")
    }
    return all(place < len(shapes) and shape == shapes[place] for place, shape in moments.items())


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimiser the state that ``optimiser_tensors`` returned, laid out as its parameters are."""
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith("optimiser/"):
            _, index, name = key.split("/")
            state.setdefault(int(index), {})[name] = _laid_out_as(parameters[int(index)], tensor)
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def _laid_out_as(parameter: Tensor, tensor: Tensor) -> Tensor:
    """Return a tensor with a parameter's strides: fused optimisers walk through both as through one array."""
    if tensor.shape != parameter.shape:
        return tensor
    return torch.empty_like(parameter, dtype=tensor.dtype, device=tensor.device).copy_(tensor)


def _writer(data: bytes) -> Callable[[BinaryIO], object]:
    return lambda file: file.write(data)
