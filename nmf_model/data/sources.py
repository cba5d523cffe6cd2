"""What a set is prepared from: furniture libraries, folders of meshes, procedural shapes."""

from __future__ import annotations

import hashlib
import posixpath
import re
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from nmf_model.data.library import LibraryEntry, load_mesh, read_library
from nmf_model.errors import InputError
from nmf_model.io.meshes import read_mesh
from nmf_model.io.suffixes import MESH_SUFFIXES
from nmf_model.types import Mesh


@dataclass(frozen=True)
class Procedural:
    """Shape ``number`` of the procedural sequence of a seed."""

    seed: int
    number: int


@dataclass(frozen=True)
class SourceObject:
    """One object to prepare.

    Attributes:
        id: catalogue id, path relative to the source folder, or ``synthetic-SEED-NUMBER``.
        name, category, licence, creator: for the manifest.
        source: name of the library file or folder, or "synthetic".
        origin: where its surface comes from.
    """

    id: str
    name: str
    category: str
    licence: str
    creator: str
    source: str
    origin: LibraryEntry | Path | Procedural

    @property
    def key(self) -> str:
        """``<category>/<object>`` folder names, safe on every system and unique."""
        digest = hashlib.sha1(f"{self.source}:{self.id}".encode(), usedforsecurity=False).hexdigest()[:6]
        return f"{_safe(self.category) or 'other'}/{_safe(self.id)[:80]}-{digest}"


@dataclass(frozen=True)
class LoadedObject:
    """An object's surface, upright, in its own units.

    Attributes:
        mesh: what is seen; may have hidden interiors.
        model: an OBJ file with its materials and textures beside it, if there is one.
        rotation: (3, 3), from the OBJ file's coordinates to the mesh's.
        face_colors: (F, 3) uint8 or None.
        surface: (points, normals), each (S, 3), where the outer surface is known without looking.
    """

    mesh: Mesh
    model: Path | None
    rotation: NDArray[np.float64]
    face_colors: NDArray[np.uint8] | None = None
    surface: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None


def list_objects(sources: Sequence[str]) -> list[SourceObject]:
    """Return the objects of all sources in order, none twice.

    Args:
        sources: ``.sh3f`` files, folders of meshes, or ``synthetic:COUNT[:SEED]``.

    Raises:
        InputError: a source cannot be read, holds nothing, or is none of these.
    """
    found: dict[str, SourceObject] = {}
    for source in sources:
        objects = _objects_of(source)
        if not objects:
            raise InputError(f"{source} holds no model; give a folder of meshes or a .sh3f library.")
        found.update((item.key, item) for item in objects)
    return list(found.values())


@contextmanager
def loaded(item: SourceObject, points: int) -> Iterator[LoadedObject]:
    """Load an object; its model file exists inside the ``with`` block alone.

    Args:
        item: what to load.
        points: how many points of a procedural shape to draw.

    Raises:
        InputError: the model is missing or cannot be read.
    """
    if isinstance(item.origin, Procedural):
        yield _procedural(item.origin, points)
    elif isinstance(item.origin, Path):
        model = item.origin if item.origin.suffix.lower() == ".obj" else None
        yield LoadedObject(read_mesh(item.origin), model, np.eye(3))
    else:
        with tempfile.TemporaryDirectory() as folder:
            model = _extracted(item.origin, Path(folder))
            yield LoadedObject(load_mesh(item.origin), model, item.origin.rotation)


def _objects_of(source: str) -> list[SourceObject]:
    if source.startswith("synthetic:"):
        return _synthetic_objects(source)
    path = Path(source)
    if path.is_dir():
        return _folder_objects(path)
    if path.suffix.lower() == ".sh3f":
        return [
            SourceObject(entry.id, entry.name, entry.category, entry.license, entry.creator, path.name, entry)
            for entry in read_library(path)
        ]
    raise InputError(f"{source} is neither a .sh3f library, nor a folder, nor synthetic:COUNT[:SEED].")


def _folder_objects(folder: Path) -> list[SourceObject]:
    objects = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in MESH_SUFFIXES and path.is_file():
            relative = PurePosixPath(path.relative_to(folder).as_posix())
            category = relative.parts[0] if len(relative.parts) > 1 else folder.resolve().name
            name = folder.resolve().name
            objects.append(
                SourceObject(str(relative), path.stem, category, "unknown", "", name, path.resolve())
            )
    return objects


def _synthetic_objects(source: str) -> list[SourceObject]:
    from nmf_model.data.families import draw_shape
    from nmf_model.data.synthetic import parse_source, synthetic_id

    count, seed = parse_source(source)
    objects = []
    for number in range(count):
        family, name = draw_shape(seed, number)[0], synthetic_id(seed, number)
        objects.append(
            SourceObject(name, name, family, "generated", "", "synthetic", Procedural(seed, number))
        )
    return objects


def _procedural(origin: Procedural, count: int) -> LoadedObject:
    import torch

    from nmf_model.data.families import draw_shape
    from nmf_model.data.primitives import sample_union, stack
    from nmf_model.data.synthetic import shape_mesh

    solids = draw_shape(origin.seed, origin.number)[1]
    generator = torch.Generator().manual_seed(origin.seed * 1_000_003 + origin.number)
    points, normals = (part[0].double().numpy() for part in sample_union(stack([solids]), count, generator))
    mesh, owner = shape_mesh(solids)
    rng = np.random.default_rng((origin.seed, origin.number, 1))
    palette = rng.integers(40, 236, (4, 3)).astype(np.uint8)
    colors = palette[rng.integers(0, len(palette), len(solids))]
    return LoadedObject(mesh, None, np.eye(3), colors[owner], (points, normals))


def _extracted(entry: LibraryEntry, folder: Path) -> Path:
    """Unpack the model with what lies beside it: materials and textures."""
    beside = posixpath.dirname(entry.model) + "/"
    try:
        with zipfile.ZipFile(entry.library) as archive:
            names = [name for name in archive.namelist() if name.startswith(beside)]
            archive.extractall(folder, [name for name in names if name == entry.model or _is_material(name)])
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise InputError(
            f"{entry.model} is missing or damaged in {entry.library}; download the library again."
        ) from error
    return folder / entry.model


def _is_material(name: str) -> bool:
    return posixpath.splitext(name)[1].lower() in {".mtl", ".jpg", ".jpeg", ".png", ".bmp", ".tga", ".gif"}


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._")
