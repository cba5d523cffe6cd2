"""Telling how a run goes: files always, trackers where there are any, a line on the terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.status import Status

from nmf_model.training.printing import terminal
from nmf_model.training.run_dir import RunDir
from nmf_model.training.trackers import Tracker


class Reporter:
    """Writes what is measured; on any process but the first it does nothing.

    Args:
        run: its metrics file is appended to.
        trackers: told the same.
        parts: names of the parts of the loss.
        active: whether this is the first process.
        steps: length of the schedule.
        measure: what a validation's value is called.
    """

    def __init__(
        self,
        run: RunDir,
        trackers: Sequence[Tracker],
        parts: Sequence[str],
        *,
        active: bool,
        steps: int,
        measure: str,
    ) -> None:
        self._measure = measure
        self._run, self._trackers, self._active, self._steps = run, trackers, active, steps
        self._others = [name for name in parts if not name.startswith("chamfer_")]
        self.console = terminal()
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
        others = "".join(f"{name} {record[name]:.4f}  " for name in self._others)
        self._say(
            f"step {record['step']}/{self._steps}  loss {record['loss']:.5f}  chamfer {blocks}  {others}"
            f"lr {record['learning_rate']:.1e}  {record['shapes_per_second']:.1f} shapes/s  "
            f"nfe {record['nfe']}  {_clock(left)} left"
        )

    def validation(self, record: Mapping[str, Any], sheet: Path | None) -> None:
        """Report a validation, with a picture of samples if there is one."""
        self._write("validation", record)
        for tracker in self._trackers if sheet is not None else ():
            tracker.picture("samples", sheet, record["step"])  # type: ignore[arg-type]
        value = record[f"validation_{self._measure}"]
        self.note(f"validation at step {record['step']}: {self._measure} {value:.5f}")

    def note(self, sentence: str) -> None:
        """Print a line that stays."""
        if self._active:
            self.console.print(sentence, markup=False)

    def close(self) -> None:
        """Finish the files and the terminal's line."""
        if self._status is not None:
            self._status.stop()
        for tracker in self._trackers:
            tracker.close()
        if self._active:
            self._run.write_csv()

    def _write(self, kind: str, record: Mapping[str, Any]) -> None:
        if not self._active:
            return
        self._run.log({"kind": kind, **record})
        numbers = {
            f"{kind}/{name}": value
            for name, value in record.items()
            if isinstance(value, int | float) and name != "step"
        }
        for tracker in self._trackers:
            tracker.numbers(numbers, record["step"])

    def _say(self, line: str) -> None:
        if self._status is not None:
            self._status.update(line)
        else:
            self.note(line)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
