"""Telling how a run goes: files always, TensorBoard where it is installed, a line on the terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.status import Status

from nmf_model.training.run_dir import RunDir


class Reporter:
    """Writes what is measured; on any process but the first it does nothing.

    Args:
        run: its metrics file is appended to.
        active: whether this is the first process.
        steps: length of the schedule.
    """

    def __init__(self, run: RunDir, *, active: bool, steps: int) -> None:
        self._run, self._active, self._steps = run, active, steps
        self.console = Console(highlight=False, soft_wrap=True, stderr=False)
        self._board = _tensorboard(run) if active else None
        self._status: Status | None = None
        if active and self.console.is_terminal:
            self._status = self.console.status("starting")
            self._status.start()

    def train(self, record: Mapping[str, Any], *, deadline: float | None) -> None:
        """Report the means since the last time."""
        self._write("train", record)
        left = (self._steps - record["step"]) * record["seconds_per_step"]
        if deadline is not None:
            left = min(left, max(0.0, deadline - time.monotonic()))
        blocks = " ".join(f"{value:.5f}" for name, value in record.items() if name.startswith("chamfer_"))
        self._say(
            f"step {record['step']}/{self._steps}  loss {record['loss']:.5f}  chamfer {blocks}  "
            f"lr {record['learning_rate']:.1e}  {record['shapes_per_second']:.1f} shapes/s  "
            f"nfe {record['nfe']}  {_clock(left)} left"
        )

    def validation(self, record: Mapping[str, Any]) -> None:
        """Report a validation."""
        self._write("validation", record)
        self.note(f"validation at step {record['step']}: chamfer_l2 {record['validation_chamfer_l2']:.5f}")

    def note(self, sentence: str) -> None:
        """Print a line that stays."""
        if self._active:
            self.console.print(sentence, markup=False)

    def close(self) -> None:
        """Finish the files and the terminal's line."""
        if self._status is not None:
            self._status.stop()
        if self._board is not None:
            self._board.close()
        if self._active:
            self._run.write_csv()

    def _write(self, kind: str, record: Mapping[str, Any]) -> None:
        if not self._active:
            return
        self._run.log({"kind": kind, **record})
        if self._board is not None:
            for name, value in record.items():
                if isinstance(value, (int, float)) and name != "step":
                    self._board.add_scalar(f"{kind}/{name}", value, record["step"])

    def _say(self, line: str) -> None:
        if self._status is not None:
            self._status.update(line)
        else:
            self.note(line)


def _tensorboard(run: RunDir) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(run.path / "tensorboard"))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
