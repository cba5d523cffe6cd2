"""What a set is prepared from: furniture libraries, folders of meshes, procedural shapes."""

from __future__ import annotations

import errno
import hashlib
import posixpath
import re
import tempfile
import zipfile
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
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
        id: catalogue id, path relative to the source folder, or ``synthetic-SEED-NUMBER``; with the source
            before it where another object has that.
        name, category, licence, creator: for the manifest.
        source: name of the library file or folder, or "synthetic".
        origin: where its surface comes from.
        within: what it is called in its source, if that is not its id.
    """

    id: str
    name: str
    category: str
    licence: str
    creator: str
    source: str
    origin: LibraryEntry | Path | Procedural
    within: str = ""

    @property
    def key(self) -> str:
        """``<category>/<object>`` folder names, safe on every system and unique."""
        name = self.within or self.id
        digest = hashlib.sha1(f"{self.source}:{name}".encode(), usedforsecurity=False).hexdigest()[:6]
        return f"{_safe(self.category) or 'other'}/{_safe(name)[:80]}-{digest}"


@dataclass(frozen=True)
class Known:
    """What a set already remembers.

    Attributes:
        places: path of each source folder by its name in the set.
        ids: id of each object by its key.
    """

    places: Mapping[str, str] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Listing:
    """What the sources of a set hold.

    Attributes:
        objects: in order, none twice; their ids and keys are unique.
        repeated: ids of those that were found again, once for each time.
        places: as in ``Known``, with the folders named now.
    """

    objects: tuple[SourceObject, ...]
    repeated: tuple[str, ...]
    places: dict[str, str]


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


def list_objects(sources: Sequence[str], known: Known | None = None) -> Listing:
    """Return the objects of all sources.

    Args:
        sources: ``.sh3f`` files, folders of meshes, or ``synthetic:COUNT[:SEED]``.
        known: of the set they are added to, whose objects keep their ids and keys.

    Raises:
        InputError: a source cannot be read, holds nothing, or is none of these.
    """
    known = known or Known()
    places = dict(known.places)
    found: dict[str, SourceObject] = {}
    seen: set[object] = set()
    repeated: list[str] = []
    for source in sources:
        objects = _objects_of(source, places)
        if not objects:
            raise InputError(f"{source} holds no model; give a folder of meshes or a .sh3f library.")
        for item in objects:
            if _identity(item) in seen:
                repeated.append(item.id)
                continue
            seen.add(_identity(item))
            own = _with_own_key(item, found)
            found[own.key] = own
    return Listing(tuple(_with_own_ids(found.values(), known.ids)), tuple(repeated), places)


@contextmanager
def loaded(item: SourceObject, points: int) -> Iterator[LoadedObject]:
    """Load an object; its model file exists inside the ``with`` block alone.

    Args:
        item: what to load.
        points: how many points of a procedural shape to draw.

    Raises:
        InputError: the model is missing, cannot be read, or has corners without a place.
    """
    if isinstance(item.origin, Procedural):
        yield _procedural(item.origin, points)
    elif isinstance(item.origin, Path):
        model = item.origin if item.origin.suffix.lower() == ".obj" else None
        yield LoadedObject(_finite(read_mesh(item.origin), item), model, np.eye(3))
    else:
        with tempfile.TemporaryDirectory() as folder:
            model = _extracted(item.origin, Path(folder))
            yield LoadedObject(_finite(load_mesh(item.origin), item), model, item.origin.rotation)


def _finite(mesh: Mesh, item: SourceObject) -> Mesh:
    """Refuse a surface of which a part would be left out without a word."""
    finite = np.isfinite(mesh.vertices[mesh.faces]).reshape(-1, 9)
    lost = np.flatnonzero(~finite.all(axis=1))
    if len(lost):
        raise InputError(
            f"{len(lost):,} of the {len(mesh.faces):,} faces of {item.name} have coordinates that are not "
            "finite; repair the file."
        )
    return mesh


def _identity(item: SourceObject) -> object:
    """Return what two mentions of one object have in common.

    A library is known by its file name wherever it lies, for a newer copy has the same catalogue.
    """
    if isinstance(item.origin, LibraryEntry):
        return item.source, item.id, item.origin.model
    return item.origin


def _with_own_key(item: SourceObject, taken: Container[str]) -> SourceObject:
    """Number an object whose name another of its source has, as in a catalogue that repeats an id."""
    own, number = item, 2
    while own.key in taken:
        own, number = replace(item, within=f"{item.id} {number}"), number + 1
    return own


def _with_own_ids(items: Iterable[SourceObject], known: Mapping[str, str]) -> Iterator[SourceObject]:
    """Give every object an id that no other has: pictures and parts are found by it."""
    owner = {object_id: key for key, object_id in known.items()}
    for item in items:
        name, object_id = item.within or item.id, known.get(item.key, item.id)
        if owner.setdefault(object_id, item.key) != item.key:
            object_id = f"{item.source}/{name}"
            owner[object_id] = item.key
        yield item if object_id == item.id else replace(item, id=object_id, within=name)


def _name_of(folder: Path, places: dict[str, str]) -> str:
    """Return a folder's name, with as many of its parents' as tell it from the others of the set.

    A remembered folder that is no longer there has moved: its name is free for the one that is.
    """
    place = folder.resolve()
    for name, known in places.items():
        if Path(known) == place:
            return name
    names = ["/".join(place.parts[-count:]) for count in range(1, len(place.parts) + 1)]
    free = (name for name in names if name not in places or not Path(places[name]).is_dir())
    name = place.name if len(names) == 1 else next(free, names[-1])
    places[name] = str(place)
    return name


def _objects_of(source: str, places: dict[str, str]) -> list[SourceObject]:
    if source.startswith("synthetic:"):
        return _synthetic_objects(source)
    path = Path(source)
    if path.is_dir():
        return _folder_objects(path, _name_of(path, places))
    if path.suffix.lower() == ".sh3f":
        return [
            SourceObject(entry.id, entry.name, entry.category, entry.license, entry.creator, path.name, entry)
            for entry in read_library(path)
        ]
    raise InputError(f"{source} is neither a .sh3f library, nor a folder, nor synthetic:COUNT[:SEED].")


def _folder_objects(folder: Path, name: str) -> list[SourceObject]:
    objects = []
    for path in sorted(folder.rglob("*")):
        relative = PurePosixPath(path.relative_to(folder).as_posix())
        if any(part.startswith(".") for part in relative.parts):  # such as macOS leaves beside each file
            continue
        if path.suffix.lower() in MESH_SUFFIXES and path.is_file():
            category = relative.parts[0] if len(relative.parts) > 1 else folder.resolve().name
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
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"The folder for temporary files has no room for {entry.model}; free some space."
            ) from error
        raise InputError(
            f"{entry.model} is missing or damaged in {entry.library}; download the library again."
        ) from error
    return folder / entry.model


def _is_material(name: str) -> bool:
    return posixpath.splitext(name)[1].lower() in {".mtl", ".jpg", ".jpeg", ".png", ".bmp", ".tga", ".gif"}


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._")
