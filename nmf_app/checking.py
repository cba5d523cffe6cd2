"""``--verify``: check mesh files again, without a window. Imports neither Qt nor torch."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmf_app.console import Console
from nmf_app.exit_codes import BAD_USE, DONE, INTERNAL_FAILURE, NOT_PRINTED, NOT_SOUND
from nmf_app.patterns import refuse_pattern
from nmf_app.targets import check_report
from nmf_model.errors import InputError
from nmf_model.io.atomic import write_text_atomically
from nmf_model.io.suffixes import MESH_SUFFIXES, SOLID_SUFFIXES
from nmf_model.words import counted

if TYPE_CHECKING:
    from nmf_model.verify import Verification

_GREEN, _RED, _GREY, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[90m", "\x1b[0m"


def run(args: argparse.Namespace) -> int:
    """Check every file and print what was found, one line a check.

    Args:
        args: what ``nmf_app.__main__.build_parser`` parsed, with ``files`` given.

    Returns:
        The exit code: 0 all sound and all certificates true, 3 some not, 2 some unreadable, 1 an internal
        failure, or nothing wrong but lines that could not be printed.
    """
    console = Console(args.quiet)
    try:
        if args.report is not None:
            check_report(args.report, args.files)
        codes, entries = set(), []
        for path in args.files:
            code, entry = _one(path, console, args.quiet)
            codes.add(code)
            entries.append(entry)
        if args.report is not None:
            _write(entries if len(entries) > 1 else entries[0], args.report)
    except InputError as error:
        console.error(str(error))
        return BAD_USE
    worst = next(code for code in (INTERNAL_FAILURE, BAD_USE, NOT_SOUND, DONE) if code in codes)
    return NOT_PRINTED if worst == DONE and console.lost_lines else worst


def _one(path: Path, console: Console, quiet: bool) -> tuple[int, dict[str, Any]]:
    try:
        found = _verified(path)
    except InputError as error:
        sentence, code = str(error), BAD_USE
    except MemoryError:
        sentence, code = "not enough memory to check it.", INTERNAL_FAILURE
    except Exception as error:  # one file's defect must not take the others down
        if os.environ.get("NMF_DEBUG"):
            raise
        sentence, code = f"internal failure ({type(error).__name__}: {error}).", INTERNAL_FAILURE
    else:
        if not quiet:
            for line in spoken(found, _coloured()):
                console.line(line)
        return (DONE if found.passed else NOT_SOUND), found.to_dict()
    if path.name not in sentence:
        sentence = f"{path}: {sentence}"
    console.error(sentence)
    return code, {"file": str(path), "passed": False, "error": sentence}


def _verified(path: Path) -> Verification:
    from nmf_model.io.opening import check_file, reading
    from nmf_model.verify import verify

    refuse_pattern(path)
    readable = MESH_SUFFIXES | frozenset(SOLID_SUFFIXES)
    if path.suffix.lower() not in readable:
        reading(path, lambda: check_file(path, readable))
    return verify(path)


def spoken(found: Verification, coloured: bool) -> list[str]:
    """Return the lines to print for one file: a verdict, then each check with "ok" or "BAD" before it."""
    report = found.report
    sound = "sound" if report.is_sound else "NOT SOUND"
    false = (
        ""
        if all(line.good for line in found.certificate_lines)
        else ", and its certificate is NOT TRUE of it"
    )
    head = f"{found.path}: {sound}{false} ({_counts(found)})"
    lines = [_painted(head, _GREEN if found.passed else _RED, coloured)]
    for line in (*found.mesh_lines, *found.certificate_lines):
        mark = _painted("ok  ", _GREEN, coloured) if line.good else _painted("BAD ", _RED, coloured)
        lines.append(f"  {mark} {line.text if line.good else _painted(line.text, _RED, coloured)}")
    lines += [f"  {_painted('note', _GREY, coloured)} {note}" for note in found.notes]
    return lines


def _counts(found: Verification) -> str:
    faces = counted(found.report.faces, "face", "faces")
    if found.solid is None:
        return f"{counted(found.report.vertices, 'vertex', 'vertices')}, {faces}"
    cells = found.solid.tetrahedra
    around = "it" if cells == 1 else "them"
    return f"{counted(cells, 'tetrahedron', 'tetrahedra')}, {faces} around {around}"


def _painted(text: str, colour: str, coloured: bool) -> str:
    return f"{colour}{text}{_PLAIN}" if coloured else text


def _coloured() -> bool:
    terminal = sys.stdout is not None and sys.stdout.isatty()
    return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _write(values: object, path: Path) -> None:
    text = json.dumps(values, indent=2, allow_nan=False) + "\n"
    write_text_atomically(path, text)
