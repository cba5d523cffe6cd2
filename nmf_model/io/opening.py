"""What can be said about a file before reading it, and sentences for what goes wrong while reading."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

from nmf_model.errors import InputError
from nmf_model.io.pipes import refuse_pipe
from nmf_model.io.suffixes import listed

T = TypeVar("T")

_SIGNATURES: tuple[tuple[bytes, str, tuple[str, ...]], ...] = (
    (b"\x89PNG", "a PNG picture", (".png",)),
    (b"\xff\xd8\xff", "a JPEG picture", (".jpg", ".jpeg")),
    (b"GIF8", "a GIF picture", (".gif",)),
    (b"II*\0", "a TIFF picture", (".tif", ".tiff")),
    (b"MM\0*", "a TIFF picture", (".tif", ".tiff")),
    (b"RIFF", "a picture or a sound", (".webp",)),
    (b"%PDF", "a PDF document", (".pdf",)),
    (b"\x1f\x8b", "a gzip archive", (".gz",)),
    (b"PK\x03\x04", "a ZIP archive", (".npz", ".3mf", ".zip")),
    (b"ply\n", "a PLY file", (".ply",)),
    (b"ply\r", "a PLY file", (".ply",)),
    (b"LASF", "a LAS scan", (".las", ".laz")),
    (b"glTF", "a binary glTF model", (".glb",)),
    (b"\x93NUMPY", "a NumPy array", (".npy",)),
    (b"# .PCD", "a PCD cloud", (".pcd",)),
    (b"solid ", "a text STL model", (".stl",)),
    (b"OFF\n", "an OFF model", (".off",)),
)
_PACKED = frozenset({".gz", ".bz2", ".xz", ".zst", ".zip", ".7z", ".rar", ".tgz"})
"""Endings of compressed files, behind which the ending of the packed file often still stands."""


def check_file(path: Path, supported: Collection[str]) -> None:
    """Raise InputError unless ``path`` is a readable, non-empty file whose content may fit its suffix."""
    name = path.name or str(path.absolute())
    if path.is_dir():
        raise InputError(f"{name} is a folder; choose the files inside it instead.")
    refuse_pipe(path)
    if path.suffix.lower() in _PACKED:
        raise InputError(f"{name} is compressed; unpack it first, then choose the unpacked file.")
    if path.suffix.lower() not in supported:
        kind = f"ends in {path.suffix}" if path.suffix else "has no file ending"
        raise InputError(f"{name} {kind}, which cannot be read; use {listed(frozenset(supported))}.")
    with open(path, "rb") as stream:
        head = stream.read(64)
    if not head:
        raise InputError(f"{name} is empty; export it again from the program that made it.")
    for signature, kind, suffixes in _SIGNATURES:
        if head.startswith(signature) and path.suffix.lower() not in suffixes:
            hint = f"rename it to end in {suffixes[0]}" if suffixes[0] in supported else "choose another file"
            hint = "unpack it first" if suffixes[0] in _PACKED else hint
            raise InputError(f"{name} is really {kind}, not {path.suffix.lower()}; {hint}.")


def reading(path: Path, read: Callable[[], T]) -> T:
    """Run ``read`` and turn whatever it raises into one sentence about ``path``.

    Raises:
        InputError: always and only, whatever the file contains.
    """
    try:
        return read()
    except InputError:
        raise
    except OSError as error:
        raise InputError(_os_sentence(path, error)) from error
    except Exception as error:  # the parsers of other libraries raise anything on damaged files
        raise damaged(path) from error
    except BaseException as error:
        # A panic in laspy's decompressor, compiled from Rust, is not an Exception.
        if type(error).__name__ != "PanicException":
            raise
        raise damaged(path) from error


def damaged(path: Path) -> InputError:
    """Return the error for content that is not what the suffix promises."""
    return InputError(
        f"{path.name} is damaged or not a {path.suffix.lower()} file; export it again or correct its ending."
    )


def truncated(path: Path, detail: str) -> InputError:
    """Return the error for a file that ends too early; ``detail`` says what was promised and found."""
    return InputError(f"{path.name} is truncated ({detail}); copy or export it again.")


def require_bytes(path: Path, needed: int) -> None:
    """Raise InputError if the file is shorter than its own header promises."""
    size = os.path.getsize(path)
    if size < needed:
        raise truncated(path, f"{size:,} of {needed:,} bytes")


def _os_sentence(path: Path, error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return f"{path.name} does not exist in {path.parent}; check the name."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{path.name} may not be read by you; change its permissions or copy it elsewhere."
    if error.errno is None:
        return str(damaged(path))
    return f"{path.name} could not be read ({error.strerror}); check the disk and the name."
