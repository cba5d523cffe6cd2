"""Services that keep curves and pictures of runs: TensorBoard where it is installed, Comet with a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from nmf_model.config import to_dict
from nmf_model.errors import InputError
from nmf_model.io.atomic import write_text_atomically
from nmf_model.training.settings import RunConfig


class Tracker(Protocol):
    """One service."""

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Keep values by name."""

    def picture(self, name: str, path: Path, step: int) -> None:
        """Keep a PNG."""

    def close(self) -> None:
        """Send what is left."""


@dataclass(frozen=True)
class CometAccount:
    """Where on Comet a run is kept.

    Attributes:
        key: of the user's API; never written anywhere.
        workspace: None for the user's own.
        project: name.
    """

    key: str
    workspace: str | None = None
    project: str = "neural-mesh-flow"


def open_trackers(
    folder: Path, config: RunConfig, comet: CometAccount | None, step: int = 0
) -> list[Tracker]:
    """Return the services of the run in a folder, which goes on from a step.

    What TensorBoard was told of later steps, before the run was killed, is not drawn any more.

    Raises:
        InputError: if Comet was asked for and cannot be had.
    """
    trackers: list[Tracker] = [] if comet is None else [_Comet(folder, config, comet)]
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return trackers
    writer: Any = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1 if step else None)
    return [*trackers, _TensorBoard(writer)]


class _TensorBoard:
    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, name: str, path: Path, step: int) -> None:
        from PIL import Image

        with Image.open(path) as image:
            self._writer.add_image(name, np.asarray(image.convert("RGB")), step, dataformats="HWC")

    def close(self) -> None:
        self._writer.close()


class _Comet:
    """A run that is resumed goes on in the experiment whose key lies in its folder."""

    def __init__(self, folder: Path, config: RunConfig, account: CometAccount) -> None:
        try:
            import comet_ml
        except ImportError as error:
            raise InputError(
                "Logging to Comet needs the package comet_ml; install it with 'pip install comet_ml', or "
                "leave the Comet key out."
            ) from error
        known = folder / "comet_experiment"
        try:
            self._experiment: Any = comet_ml.start(
                api_key=account.key,
                workspace=account.workspace,
                project_name=account.project,
                experiment_key=known.read_text("ascii") if known.exists() else None,
            )
            key = str(self._experiment.get_key())
        except Exception as error:  # whatever its client raises means the same to the user
            raise InputError(
                f"Comet did not accept the run ({error}); check the key, the workspace and the network."
            ) from error
        write_text_atomically(known, key)
        self._experiment.log_parameters(to_dict(config))

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        self._experiment.log_metrics(dict(values), step=step)

    def picture(self, name: str, path: Path, step: int) -> None:
        self._experiment.log_image(str(path), name=name, step=step)

    def close(self) -> None:
        self._experiment.end()
