"""Where each result of a run without a window goes; that and the options are checked before any long work."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nmf_app.formats import written_files
from nmf_app.patterns import is_pattern, nothing_like
from nmf_model.certificate import certificate_path, shared_certificate_path
from nmf_model.errors import InputError
from nmf_model.io.suffixes import IMAGE_SUFFIXES, OUTPUT_SUFFIXES, POINT_SUFFIXES, TEXTURE_SUFFIXES, listed
from nmf_model.methods import check_method
from nmf_model.types import Device, Method
from nmf_model.weights import opened

FOLDER_SUFFIX = ".ply"
"""The format of the results that are written into a folder."""
TEXTURED_FOLDER_SUFFIX = ".glb"
"""The same for results with a texture: one file each."""
_NAMED = 4
"""So many results at most are named in one line."""


@dataclass(frozen=True)
class Target:
    """One input file, the mesh file it becomes, and whether a certificate and a texture go with that.

    ``renamed``: its ending is kept in the result's name, which would be that of another one without it.
    ``refusal``: why nothing is written for it, in a sentence, or "".
    """

    source: Path
    output: Path
    certificate: bool = False
    texture: bool = False
    renamed: bool = False
    refusal: str = ""

    @property
    def files(self) -> tuple[Path, ...]:
        """Everything that is written, the mesh first."""
        return written_files(self.output, texture=self.texture, certificate=self.certificate)


def plan(
    files: Sequence[Path],
    output: str,
    report: Path | None,
    certificate: bool = False,
    texture: bool = False,
) -> list[Target]:
    """Decide the output file of every input.

    Of several inputs, those whose results would have one name keep their ending in it. Those that cannot be
    written all the same have a ``refusal``, and the others go on.

    Args:
        files: the inputs, in the order given.
        output: PATH of ``--output`` as typed, so that a slash at its end can be seen.
        report: the file of ``--report``, or None.
        certificate: whether a certificate is written beside each mesh.
        texture: whether the results have a texture, which few formats hold.

    Raises:
        InputError: nothing can be written there; nothing was touched.
    """
    path = Path(output)
    if path.is_dir() or output.endswith(("/", os.sep)) or len(files) > 1:
        targets = _into_folder(files, path, TEXTURED_FOLDER_SUFFIX if texture else FOLDER_SUFFIX)
        _refuse_unwritable_folder(path if path.exists() else path.parent)
    else:
        targets = [_into_file(files[0], path, texture)]
        _refuse_unwritable_folder(path.parent)
    targets = [replace(target, certificate=certificate, texture=texture) for target in targets]
    if len(files) > 1:
        targets = _told_apart(targets)
    _refuse_collisions([target for target in targets if not target.refusal], report)
    if len(files) == 1:
        _refuse_unwritable_files(targets[0])
    if report is not None:
        check_report(report, files)
    return targets


def renamed_note(targets: Sequence[Target]) -> str:
    """Say which results have the ending of their input in their name; "" if none has."""
    names = [target.output.name for target in targets if target.renamed and not target.refusal]
    if not names:
        return ""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"Results of inputs that differ only in their ending keep it: {', '.join(names[:_NAMED])}{more}."


def numbered(
    target: Target, count: int, others: Sequence[Target], report: Path | None = None
) -> list[Target]:
    """Return a target for each body of one input: NAME-1, NAME-2 ... beside NAME.

    Raises:
        InputError: a file of one of them is an input, another result or the report, or cannot be written.
    """
    path = target.output
    bodies = [
        replace(target, output=path.with_name(f"{path.stem}-{number}{path.suffix}"))
        for number in range(1, count + 1)
    ]
    taken = {_key(other.source) for other in others}
    taken |= {_key(path) for other in others if not other.refusal for path in other.files}
    _refuse_collisions(bodies, report)
    for path in (path for body in bodies for path in body.files):
        if _key(path) in taken:
            raise InputError(f"{path} is another input or its result: choose another --output.")
        _refuse_unwritable_file(path)
    return bodies


def check_template(template: Path, targets: Sequence[Target]) -> None:
    """Raise InputError if a result would take the place of the file of ``--template``, which others need."""
    for path in (path for target in targets for path in target.files):
        if _key(path) == _key(template):
            raise InputError(f"{path} is the template: choose another --output.")


def check_weights(weights: Path) -> None:
    """Raise CheckpointError unless a file of ``--weights`` says that it is a checkpoint.

    What needs no torch comes first: loading that takes seconds.
    """
    with opened(weights, "numpy"):
        pass
    from nmf_model.checkpoint import read_header

    read_header(weights)


def check_device(device: Device) -> None:
    """Raise InputError if there is no such device; for "cuda" this loads torch."""
    if device == "cuda":
        from nmf_model.reconstruct import choose_device

        choose_device(device)


def check_options(source: Path, method: Method) -> None:
    """Raise InputError where the ending of an input tells that it and the options do not go together.

    Clouds take long to read and torch long to load, so ``nmf_model.plan`` would say the same much later. What
    is wrong with the file itself comes first.
    """
    from nmf_model.io.images import read_image
    from nmf_model.io.opening import check_file, reading

    suffix = source.suffix.lower()
    if suffix in POINT_SUFFIXES and method == "silhouette":
        reading(source, lambda: check_file(source, POINT_SUFFIXES))
        check_method(method, source.stem, is_picture=False)
    if suffix in IMAGE_SUFFIXES and method == "fit":
        read_image(source)
        check_method(method, source.stem, is_picture=True)


def _into_file(source: Path, output: Path, texture: bool) -> Target:
    suffixes = TEXTURE_SUFFIXES if texture else OUTPUT_SUFFIXES
    if output.suffix.lower() not in suffixes:
        kind = "file that holds a texture" if texture else "mesh file"
        raise InputError(
            f"{output} is no {kind}: end its name with {listed(suffixes)}, or with / if it is a folder."
        )
    return Target(source, output)


def _into_folder(files: Sequence[Path], folder: Path, suffix: str) -> list[Target]:
    if folder.is_file() or (
        folder.suffix.lower() in OUTPUT_SUFFIXES and not folder.is_dir() and len(files) > 1
    ):
        raise InputError(f"{folder} names a file: several inputs need a folder as --output.")
    return [Target(source, folder / f"{_stem(source)}{suffix}") for source in files]


def _told_apart(targets: Sequence[Target]) -> list[Target]:
    """Keep the ending of an input in its result's name where inputs differ only in that.

    What has no file of its own then, or cannot be written, is given a refusal.
    """
    apart = _without_repeats(targets)
    while True:  # a new name can be that of another result
        shared = _shared(apart)
        renamed = [_renamed(target) if _key(target.output) in shared else target for target in apart]
        if renamed == apart:
            break
        apart = renamed
    inputs = {_key(target.source): target.source for target in targets}
    return [
        target if target.refusal else replace(target, refusal=_refusal(target, shared, inputs))
        for target in apart
    ]


def _without_repeats(targets: Sequence[Target]) -> list[Target]:
    """Refuse patterns that match nothing, and all but the first of inputs that are one file."""
    seen: set[str] = set()
    apart = []
    for target in targets:
        path, refusal = os.path.abspath(target.source), ""
        if is_pattern(target.source):
            refusal = f"{nothing_like(target.source)}."
        elif path in seen:
            refusal = f"{target.source} is named twice: one mesh is made of it."
        seen.add(path)
        apart.append(replace(target, refusal=refusal))
    return apart


def _shared(targets: Sequence[Target]) -> set[str]:
    """Return the keys of the meshes that more than one input would become."""
    counts = Counter(_key(target.output) for target in targets if not target.refusal)
    return {key for key, count in counts.items() if count > 1}


def _renamed(target: Target) -> Target:
    if target.refusal or target.renamed:
        return target
    name = f"{_stem(target.source)}{target.source.suffix}"
    output = target.output.with_name(f"{name}{target.output.suffix}")
    return replace(target, output=output, renamed=True)


def _refusal(target: Target, shared: set[str], inputs: Mapping[str, Path]) -> str:
    """Say why the files of one of several inputs cannot be written, or "" if they can."""
    if _key(target.output) in shared:
        return f"{target.source} and another input would both be written to {target.output}: rename one."
    for path in target.files:
        if _key(path) in inputs:
            return _overwriting(target, path, inputs[_key(path)])
    try:
        _refuse_unwritable_files(target)
    except InputError as error:
        return str(error)
    return ""


def _overwriting(target: Target, path: Path, source: Path) -> str:
    what = "its own result" if path == target.output else f"what goes with {target.output}"
    return f"{source} would be overwritten by {what}: choose another --output."


def _stem(source: Path) -> str:
    # A folder given as input has no suffix worth cutting; it is refused when it is read.
    return source.stem or source.resolve().name or "mesh"


def _refuse_collisions(targets: Sequence[Target], report: Path | None) -> None:
    """Refuse results that would overwrite each other, an input, or the report."""
    inputs = {_key(target.source): target.source for target in targets}
    taken: dict[str, Path] = {}
    for target, path in [(each, path) for each in targets for path in each.files]:
        key = _key(path)
        if key in taken:
            raise InputError(f"{taken[key]} and {target.source} would both be written to {path}: rename one.")
        if key in inputs:
            raise InputError(_overwriting(target, path, inputs[key]))
        taken[key] = target.source
    if report is None:
        return
    if _key(report) in inputs.keys() | {_key(target.output) for target in targets}:
        raise InputError(f"{report} is also an input or the mesh: choose another file for --report.")
    if _key(report) in taken:
        raise InputError(f"{report} is also the certificate: choose another file for --report.")


def _key(path: Path) -> str:
    """Name a path so that two spellings of one file agree, also where letter case makes no difference."""
    return str(path.resolve()).casefold()


def check_report(report: Path, inputs: Sequence[Path]) -> None:
    """Raise InputError unless ``--report`` can be written and is no input nor its certificate.

    Nothing is touched.
    """
    if _key(report) in {_key(path) for path in inputs}:
        raise InputError(f"{report} is also an input: choose another file for --report.")
    for path in inputs:
        if _key(report) in {_key(certificate_path(path)), _key(shared_certificate_path(path))}:
            raise InputError(f"{report} is the certificate of {path}: choose another file for --report.")
    if report.suffix.lower() != ".json":
        raise InputError(f"{report} is no report file: end its name with .json.")
    _refuse_unwritable_folder(report.parent)
    _refuse_unwritable_file(report)


def _refuse_unwritable_files(target: Target) -> None:
    for path in target.files:
        _refuse_unwritable_file(path)


def _refuse_unwritable_file(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path} is a folder: choose another name for the file.")
    if path.exists() and not os.access(path, os.W_OK):
        raise InputError(f"{path} is write-protected: choose another name or change its permissions.")


def _refuse_unwritable_folder(folder: Path) -> None:
    """Try whether a file can be made in ``folder``: permission bits alone do not tell."""
    if not folder.is_dir():
        raise InputError(f"The folder {folder} does not exist: create it first.")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"Nothing can be written to the folder {folder}: {error.strerror}.") from error
