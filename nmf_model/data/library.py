"""Sweet Home 3D furniture libraries: zip files of OBJ models with a catalogue of their licences.

Format: the ``.sh3f`` archive holds ``PluginFurnitureCatalog.properties`` with lines ``key#N=value`` for
model N, and a ``LICENSE.TXT`` that covers the whole library.
"""

from __future__ import annotations

import posixpath
import re
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.io.meshes import read_mesh
from nmf_model.types import Mesh

CATALOGUE = "PluginFurnitureCatalog.properties"
_LINE = re.compile(r"^\s*([A-Za-z]+)#(\d+)\s*[=:]\s*(.*?)\s*$")
_UNICODE_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_LICENSE_LINKS = (
    ("creativecommons.org/licenses/by/3.0/us", "CC BY 3.0 US"),
    ("creativecommons.org/licenses/by/3.0", "CC BY 3.0"),
    ("creativecommons.org/choose/zero", "CC0"),
    ("creativecommons.org/publicdomain/zero", "CC0"),
)


@dataclass(frozen=True)
class LibraryEntry:
    """One model of a library, as its catalogue describes it.

    Attributes:
        library: the ``.sh3f`` file.
        id, name, category, creator: as in the catalogue; empty where it says nothing.
        license: short name of the library's licence, "unknown" if its text names none that is known.
        model: path of the OBJ inside the archive.
        rotation: (3, 3) float64, applied to column vectors to stand the model upright (y up).
    """

    library: Path
    id: str
    name: str
    category: str
    creator: str
    license: str
    model: str
    rotation: NDArray[np.float64]


def read_library(path: Path) -> list[LibraryEntry]:
    """Return the models of a ``.sh3f`` file in the order of its catalogue.

    Raises:
        InputError: not a furniture library, or a damaged one.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            catalogue = archive.read(CATALOGUE).decode("latin-1")
            license_name = _license_of(archive)
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise InputError(f"{path} is not a readable .sh3f furniture library; download it again.") from error
    return [_entry(path, license_name, values) for values in _models(catalogue) if "model" in values]


def load_mesh(entry: LibraryEntry) -> Mesh:
    """Return an entry's mesh, upright with y up, in the model's own units.

    Raises:
        InputError: the model is missing from the archive or cannot be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        extracted = Path(folder) / posixpath.basename(entry.model)
        try:
            with zipfile.ZipFile(entry.library) as archive:
                extracted.write_bytes(archive.read(entry.model))
        except (OSError, zipfile.BadZipFile, KeyError) as error:
            raise InputError(
                f"{entry.model} is missing or damaged in {entry.library}; download the library again."
            ) from error
        mesh = read_mesh(extracted)
    return replace(mesh, vertices=mesh.vertices @ entry.rotation.T)


def _models(catalogue: str) -> Iterator[dict[str, str]]:
    """Group the catalogue's lines by model number, in ascending order."""
    models: dict[int, dict[str, str]] = {}
    for line in catalogue.splitlines():
        if match := _LINE.match(line):
            key, number, value = match.groups()
            unescaped = _UNICODE_ESCAPE.sub(lambda code: chr(int(code[1], 16)), value)
            models.setdefault(int(number), {})[key] = unescaped.replace("\\", "")
    for number in sorted(models):
        yield models[number]


def _entry(path: Path, license_name: str, values: dict[str, str]) -> LibraryEntry:
    model = values["model"].lstrip("/")
    return LibraryEntry(
        library=path,
        id=values.get("id") or f"{path.stem}#{posixpath.splitext(model)[0]}",
        name=values.get("name", ""),
        category=values.get("category", ""),
        creator=values.get("creator", ""),
        license=license_name,
        model=model,
        rotation=_rotation(values.get("modelRotation", "1 0 0 0 1 0 0 0 1"), path),
    )


def _rotation(text: str, path: Path) -> NDArray[np.float64]:
    try:
        return np.array([float(word) for word in text.split()]).reshape(3, 3)
    except ValueError as error:
        raise InputError(f"{path} has a modelRotation that is not nine numbers: {text!r}.") from error


def _license_of(archive: zipfile.ZipFile) -> str:
    """Name the licence that the archive's own licence text links to."""
    if "LICENSE.TXT" not in archive.namelist():
        return "unknown"
    text = archive.read("LICENSE.TXT").decode("latin-1").lower()
    return next((name for link, name in _LICENSE_LINKS if link in text), "unknown")
