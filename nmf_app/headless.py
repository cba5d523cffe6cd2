"""Reconstruct without a window. Imports no Qt, and torch only once input and options have been checked."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from nmf_app.console import Console
from nmf_app.exit_codes import BAD_USE, DONE, INTERNAL_FAILURE, INTERRUPTED
from nmf_app.targets import (
    Target,
    check_device,
    check_options,
    check_template,
    check_weights,
    numbered,
    plan,
    renamed_note,
)
from nmf_model.certificate import Origin, file_sha256
from nmf_model.errors import Cancelled, CheckpointError, InputError, NmfError
from nmf_model.io.atomic import write_text_atomically
from nmf_model.io.templates import read_template
from nmf_model.types import (
    CancelCheck,
    Coloring,
    Mesh,
    PointCloud,
    Reconstruction,
    ReconstructionRequest,
    Source,
)

Entry = dict[str, Any]
"""The report of one input as it goes into the file of ``--report``."""


def run(args: argparse.Namespace) -> int:
    """Reconstruct every input and write its mesh.

    A bad input is reported and the others go on. Ctrl-C stops the work within one evaluation of the flow;
    a second one ends the process at once.

    Args:
        args: what ``nmf_app.__main__.build_parser`` parsed, with ``output`` and ``files`` given.

    Returns:
        The exit code: 0 all done, 2 bad use or a bad input, 1 an internal failure, 130 interrupted. Whether
        the lines on it could be printed changes nothing.
    """
    console = Console(args.quiet)
    with _quiet_libraries(), _cancel_on_interrupt() as cancel:
        try:
            targets = plan(args.files, args.output, args.report, args.certificate, args.texture)
            if args.weights is not None:
                check_weights(args.weights)
            check_device(args.device)
            template = None if args.template is None else read_template(args.template)
        except (InputError, CheckpointError) as error:
            console.error(str(error))
            return BAD_USE
        return _Run(args, console, cancel, template).all(targets)


class _Run:
    """One call of the command line: the options shared by all inputs, and what came of each."""

    def __init__(
        self, args: argparse.Namespace, console: Console, cancel: CancelCheck, template: Mesh | None
    ) -> None:
        self._args = args
        self._template = template
        # Once, as it was read: it may be gone before the last input is reached.
        self._template_sha256 = None if template is None else file_sha256(args.template)
        self._console = console
        self._cancel = cancel
        self._entries: list[Entry] = []
        self._reports: list[Entry] = []
        self._targets: list[Target] = []

    def all(self, targets: list[Target]) -> int:
        """Work through the inputs, write the report, and return the exit code."""
        codes = set()
        self._targets = targets
        told = renamed_note(targets)
        if told:
            self._console.line(told)
        for number, target in enumerate(targets, start=1):
            counter = f"[{number}/{len(targets)}] " if len(targets) > 1 else ""
            codes.add(self._one(target, counter + target.source.name))
            if INTERRUPTED in codes:
                for left in targets[number:]:
                    self._tell(left, "interrupted before it was begun.")
                self._write_report()
                return INTERRUPTED
        codes.add(self._write_report())
        return next(code for code in (INTERNAL_FAILURE, BAD_USE, DONE) if code in codes)

    def _one(self, target: Target, title: str) -> int:
        """Reconstruct one input; every outcome becomes an exit code and at most one line on stderr."""
        before = len(self._reports)
        try:
            self._reconstruct(target, title)
            return DONE
        except Cancelled:
            return self._interrupted(target, len(self._reports) - before)
        except (InputError, CheckpointError) as error:
            return self._fail(target, str(error), BAD_USE)
        except OSError as error:
            return self._fail(
                target, f"{error.filename or target.output}: {error.strerror or error}.", BAD_USE
            )
        except MemoryError:
            return self._fail(
                target, "not enough memory; use a lower --level or fewer points.", INTERNAL_FAILURE
            )
        except NmfError as error:
            return self._fail(target, str(error), INTERNAL_FAILURE)
        except Exception as error:  # noqa: BLE001  one input's defect must not take the others down
            sentence = f"internal failure ({type(error).__name__}: {error}); NMF_DEBUG=1 shows where."
            return self._fail(target, sentence, INTERNAL_FAILURE)

    def _interrupted(self, target: Target, bodies: int) -> int:
        """Tell what of an input was written when it was interrupted: some of its bodies, or nothing."""
        sentence = "interrupted; nothing was written for it."
        if bodies:
            what = "body" if bodies == 1 else f"{bodies} bodies"
            sentence = f"interrupted; only the first {what} of it {'was' if bodies == 1 else 'were'} written."
        self._tell(target, sentence)
        self._console.error(f"{target.source}: {sentence}")
        return INTERRUPTED

    def _fail(self, target: Target, sentence: str, code: int) -> int:
        if target.source.name not in sentence:
            sentence = f"{target.source}: {sentence}"
        self._console.error(sentence)
        if _debugging():
            self._console.trace()
        self._tell(target, sentence)
        return code

    def _tell(self, target: Target, sentence: str) -> None:
        """Say in the report what became of an input instead of a mesh."""
        self._entries.append({"input": str(target.source), "error": sentence})

    def _reconstruct(self, target: Target, title: str) -> None:
        """Read one input and write one mesh of it, or one of each of its bodies."""
        from nmf_model.io.source import read_source

        if target.refusal:
            raise InputError(target.refusal)
        check_options(target.source, self._args.method)
        origin = self._origin(target)
        source = read_source(target.source)
        if self._cancel():
            raise Cancelled("stopped after reading")
        bodies = self._bodies(source)
        targets = [target]
        if len(bodies) > 1:
            others = [other for other in self._targets if other is not target]
            targets = numbered(target, len(bodies), others, self._args.report)
        if self._args.template is not None:
            check_template(self._args.template, targets)
        for number, (body, place) in enumerate(zip(bodies, targets, strict=True), start=1):
            suffix = f" (body {number} of {len(bodies)})" if len(bodies) > 1 else ""
            colors = self._colors(body)
            self._write(self._compute(body, title + suffix), place, origin, colors)

    def _origin(self, target: Target) -> Origin | None:
        """Describe the input for the certificate, before it is read; None if none is wanted."""
        if not self._args.certificate:
            return None
        return Origin.of_file(target.source, self._args.level, self._args.device, self._template_sha256)

    def _bodies(self, source: Source) -> list[Source]:
        if self._args.bodies != "split" or not isinstance(source, PointCloud):
            return [source]
        from nmf_model.fitting.findings import split_bodies

        return list(split_bodies(source))

    def _colors(self, source: Source) -> Coloring | None:
        """Return what a texture is baked from; without colours this ends the work.

        None if no texture is wanted, or for a picture.
        """
        if not self._args.texture:
            return None
        from nmf_model.repair import dense_colors

        return dense_colors(source)

    def _compute(self, source: Source, title: str) -> Reconstruction:
        with self._console.progress(title) as on_frame:
            from nmf_model import reconstruct
            from nmf_model.repair import painted

            request = ReconstructionRequest(
                source=source,
                method=self._args.method,
                level=self._args.level,
                seed=self._args.seed,
                device=self._args.device,
                weights=self._args.weights,
                template=self._template,
            )
            return painted(reconstruct.run(request, cancel=self._cancel, on_frame=on_frame), source)

    def _write(
        self, result: Reconstruction, target: Target, origin: Origin | None, colors: Coloring | None
    ) -> None:
        from nmf_model.export import export_reconstruction, precision_warning, report_values, unit_warning

        if self._args.texture and colors is None:
            from nmf_model.repair import picture_colors

            colors = picture_colors(result)
        target.output.parent.mkdir(exist_ok=True)
        notes = list(result.notes)
        if colors is not None:
            from nmf_model.io.meshes import SEAM_NOTE
            from nmf_model.texture import export_textured

            report = export_textured(result, target.output, colors, origin, cancel=self._cancel)
            notes += [SEAM_NOTE] if target.output.suffix.lower() == ".glb" else []
        else:
            report = export_reconstruction(result, target.output, origin, self._cancel)
        cautions = [warn(result.mesh, target.output) for warn in (precision_warning, unit_warning)]
        notes += filter(None, cautions)
        certified = origin is not None
        self._console.result(target.source, target.output, report, notes, certified=certified)
        values = report_values(report, notes, certified and report.is_sound)
        self._reports.append(values)
        self._entries.append({"input": str(target.source), "output": str(target.output), **values})

    def _write_report(self) -> int:
        """Write the report of one mesh as it is; several, and what failed, as a list, interrupted or not."""
        path: Path | None = self._args.report
        if path is None:
            return DONE
        only = len(self._args.files) == len(self._entries) == len(self._reports) == 1
        try:
            _write_json(self._reports[0] if only else self._entries, path)
        except InputError as error:
            self._console.error(str(error))
            return BAD_USE
        return DONE


def _write_json(values: object, path: Path) -> None:
    text = json.dumps(values, indent=2, allow_nan=False) + "\n"
    write_text_atomically(path, text)


@contextmanager
def _cancel_on_interrupt() -> Iterator[CancelCheck]:
    """Turn the first Ctrl-C into a request to stop and let the second one kill the process."""
    event = threading.Event()

    def stop(signum: int, frame: FrameType | None) -> None:
        event.set()
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    if threading.current_thread() is not threading.main_thread():
        yield event.is_set
        return
    previous = signal.signal(signal.SIGINT, stop)
    try:
        yield event.is_set
    finally:
        signal.signal(signal.SIGINT, previous)


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Keep the warnings and log lines of libraries off the terminal: the user's lines are ours alone."""
    if not logging.getLogger().handlers:
        logging.getLogger().addHandler(logging.NullHandler())
    with warnings.catch_warnings():
        if not _debugging():
            warnings.simplefilter("ignore")
        yield


def _debugging() -> bool:
    return bool(os.environ.get("NMF_DEBUG"))
