"""Run the command lines inside the test's process: the same words, codes and sentences, without a start."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

from tests.support.command_line import Outcome


def application(folder: Path, *words: object) -> Outcome:
    """Run ``main.py WORDS`` in ``folder``, as where there is no display."""
    from nmf_app.__main__ import main

    return _run(folder, "main.py", words, lambda: main(list(map(str, words))))


def training(folder: Path, *words: object) -> Outcome:
    """Run ``training_cli.py WORDS`` in ``folder``."""
    from nmf_model.training.cli import main

    return _run(folder, "training_cli.py", words, main)


def _run(folder: Path, script: str, words: tuple[object, ...], main: Callable[[], int | None]) -> Outcome:
    out, err = io.StringIO(), io.StringIO()
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "NMF_DEBUG")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    with (
        mock.patch.dict(os.environ, kept, clear=True),
        mock.patch.object(sys, "argv", [script, *map(str, words)]),
        chdir(folder),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            code = main() or 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Outcome(code, out.getvalue(), err.getvalue())
