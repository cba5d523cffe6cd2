"""The command line: ``nmf``, ``python main.py`` and ``python -m nmf_app``."""

from __future__ import annotations

import argparse
import glob
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, get_args

from nmf_app.console import Console
from nmf_app.exit_codes import BAD_USE, INTERNAL_FAILURE, INTERRUPTED
from nmf_app.patterns import is_pattern, nothing_like
from nmf_model.errors import CheckpointError
from nmf_model.types import MAX_SEED, METHODS, Device

MAX_LEVEL = 7

EPILOG = """\
without --output the window opens, on the given files if there are any.

PATH is a file for one input; its suffix chooses the format: .obj .ply .stl .off .glb .3mf,
or .vtu .msh for the solid inside as tetrahedra.
PATH is a folder for several inputs, if it is an existing folder or if it ends with a slash: each result
is written there as NAME.ply, or as NAME.EXT.ply where inputs differ only in their ending.

--verify checks mesh files, ours or not, prints one line a check and compares with their certificates.

FILE may be a pattern with * ? or [ ], for shells that leave such names as they are.

exit codes: 0 done, 2 bad use or bad input, 3 checked and not sound, 1 internal failure, or a verdict of
--verify that could not be printed, 130 interrupted."""


NEED_OUTPUT = ("certificate", "bodies", "texture", "template")
"""Options of what is written; the window's export dialog asks for it."""
NOT_TO_VERIFY = ("method", "level", "weights", *NEED_OUTPUT, "device", "seed")
"""Options of how a mesh is made."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without repeating the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_USE, f"{self.prog}: {message} (see --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = _Parser(
        prog="nmf",
        description="Turn point clouds and pictures into closed meshes by flowing a sphere into their shape.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="*", metavar="FILE", type=Path, help="a point cloud, mesh or picture")
    parser.add_argument("--output", metavar="PATH", help="work without a window and write the mesh here")
    parser.add_argument(
        "--verify", action="store_true", help="check the mesh files FILE… instead; 0 only if all are sound"
    )
    parser.add_argument("--method", choices=METHODS, default="auto", help="default: auto")
    parser.add_argument(
        "--level",
        type=_level,
        metavar="0-7",
        help="resolution: 10·4^k+2 vertices; default: the method chooses",
    )
    parser.add_argument(
        "--template",
        metavar="RESULT",
        type=Path,
        help="with --output: the vertices and faces of an earlier result (.ply or .glb), in another shape",
    )
    parser.add_argument(
        "--weights",
        metavar="FILE.safetensors",
        type=Path,
        help="trained weights of your own for the network, instead of those that ship",
    )
    parser.add_argument(
        "--report",
        metavar="FILE.json",
        type=Path,
        help="with --output or --verify: write what was found; a list if there are several inputs",
    )
    parser.add_argument(
        "--no-certificate",
        dest="certificate",
        action="store_false",
        help="with --output: no certificate, neither beside the mesh (mesh.ply.certificate.json) nor in it",
    )
    parser.add_argument(
        "--bodies",
        choices=("together", "split"),
        default="together",
        help="with --output: one mesh of everything, or NAME-1, NAME-2 ... of each separate body",
    )
    parser.add_argument(
        "--texture",
        action="store_true",
        help="with --output: bake the colours of the input (.glb, or .obj with .mtl and .png)",
    )
    parser.add_argument("--device", choices=get_args(Device), default="auto", help="default: auto")
    parser.add_argument(
        "--seed", type=_seed, default=0, metavar="N", help="repeat a result exactly; default: 0"
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    return parser


def _level(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_LEVEL):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {MAX_LEVEL}")
    return int(text)


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_SEED):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {MAX_SEED}")
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 0, 1, 2, 3 or 130."""
    _survive_narrow_encodings()
    parser = build_parser()
    args = parser.parse_args(argv)
    several = len(args.files) > 1 and (args.verify or args.output is not None)
    args.files = [file for named in args.files for file in _expanded(parser, named, several)]
    try:
        if args.verify:
            return _verify(parser, args)
        if args.output is None:
            return _open_window(parser, args)
        if not args.files:
            parser.error("--output needs at least one FILE to read")
        if args.weights is not None and args.method in ("fit", "silhouette"):
            parser.error(f"--method {args.method} asks no network; leave out --weights")
        if args.template is not None and args.level is not None:
            parser.error("--template brings its own vertices; leave out --level")
        from nmf_app.headless import run

        return run(args)
    except KeyboardInterrupt:
        return INTERRUPTED


def _expanded(parser: argparse.ArgumentParser, named: Path, several: bool) -> list[Path]:
    """Return the files that a pattern means, which some shells leave to the program; else the name itself.

    A pattern that matches nothing is bad use, but among ``several`` inputs it stays, to fail in its turn.
    """
    if not is_pattern(named):
        return [named]
    # Folders whose names only look like patterns are taken as they are, too.
    folder = next((parent for parent in named.parents if os.path.isdir(parent)), None)
    found = glob.glob(str(named.relative_to(folder)), root_dir=folder) if folder is not None else []
    if not found and several:
        return [named]
    if not found:
        parser.error(nothing_like(named))
    return sorted(Path(folder or "", name) for name in found)


def _verify(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    if args.output is not None:
        parser.error("--verify writes no mesh; leave out --output")
    if idle := _given(parser, args, NOT_TO_VERIFY):
        parser.error(f"--verify makes no mesh; leave out {' and '.join(idle)}")
    if not args.files:
        parser.error("--verify needs at least one mesh FILE to check")
    from nmf_app.checking import run

    return run(args)


def _open_window(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    if args.report is not None:
        parser.error("--report needs --output or --verify")
    if idle := _given(parser, args, NEED_OUTPUT):
        parser.error(f"{' and '.join(idle)} {'needs' if len(idle) == 1 else 'need'} --output")
    if not _has_display():
        parser.error("there is no display for a window; add --output PATH to work without one")
    if args.weights is not None and not _are_weights(args.weights):
        return BAD_USE
    try:
        from nmf_app.app import run_window
    except ImportError as error:
        Console(quiet=True).error(f"the window cannot open: {error}; README lists what it needs.")
        return INTERNAL_FAILURE
    return run_window(
        args.files,
        method=args.method,
        level=args.level,
        device=args.device,
        seed=args.seed,
        weights=args.weights,
    )


def _given(parser: argparse.ArgumentParser, args: argparse.Namespace, names: Sequence[str]) -> list[str]:
    """Return which of some options ask for other than their default, as they are typed."""
    asked = [name for name in names if getattr(args, name) != parser.get_default(name)]
    return ["--no-certificate" if name == "certificate" else f"--{name}" for name in asked]


def _are_weights(path: Path) -> bool:
    """Return whether a file holds weights; if not, that is said."""
    from nmf_app.targets import check_weights

    try:
        check_weights(path)
    except CheckpointError as error:
        Console(quiet=True).error(str(error))
        return False
    return True


def _has_display() -> bool:
    """Whether Qt can open a window; on X11 and Wayland it would abort the process if not."""
    names = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return not sys.platform.startswith("linux") or any(os.environ.get(name) for name in names)


def _survive_narrow_encodings() -> None:
    """Let file names and signs that a terminal cannot show be escaped instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
