"""From a mesh file, sound or broken, to coloured points of its outer surface and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmf_model.defects import MeshSurface
from nmf_model.errors import InputError
from nmf_model.geometry.coincidence import merge_coincident
from nmf_model.geometry.defects import MAX_FACES_FOR_CROSSINGS, diagnose, pieces_of
from nmf_model.geometry.sampling import sample_surface
from nmf_model.geometry.seen import sample_seen
from nmf_model.geometry.specks import find_specks
from nmf_model.io.collect import MIN_POINTS
from nmf_model.io.paint import Paint, read_looks
from nmf_model.io.surface import Surface
from nmf_model.words import counted

_MAX_BAD_SHARE = 0.05
_NOT_LOOKED = f"With more than {MAX_FACES_FOR_CROSSINGS:,} faces the mesh was not checked for crossings."


class Wrapped(NamedTuple):
    """What a mesh file becomes.

    Attributes:
        points: (S, 3) float64, file units.
        colors: (S, 3) uint8, or None if the file has none.
        notes: sentences for the user.
        surface: the mesh, and where it is broken.
        paint: the colours of the whole mesh, or None.
        faces: (S,) int64, the face of ``paint`` that each point lies on, -1 on a patch over a hole.
    """

    points: NDArray[np.float64]
    colors: NDArray[np.uint8] | None
    notes: tuple[str, ...]
    surface: MeshSurface
    paint: Paint | None
    faces: NDArray[np.int64]


def sample_outside(path: Path, surface: Surface, count: int, seed: int) -> Wrapped:
    """Sample a mesh uniformly by area: all of a sound one, of a broken one what is seen from outside.

    Args:
        path: the file, for its colours and for what the user is told.
        surface: what ``load_surface`` read from it.
        count: S.
        seed: of the sampling.

    Raises:
        InputError: too many faces have no finite place, or none has an area.
    """
    usable, notes = _usable(path, surface)
    paint, unseen = read_looks(path, surface)
    notes += unseen
    diagnosed = diagnose(surface.vertices, usable)
    defects = diagnosed.defects
    vertices, faces = surface.vertices, usable
    if paint is not None:
        vertices, faces = paint.vertices, paint.faces
        kept = np.flatnonzero(np.isfinite(vertices[faces]).all(axis=(1, 2)))
        faces = faces[kept]
    rng = np.random.default_rng(seed)
    try:
        if defects.none:
            points, chosen = sample_surface(vertices, faces, count, rng)
            notes.append(f"{counted(count, 'point')} sampled on the surface of the mesh")
        else:
            seen = sample_seen(vertices, faces, count, rng)
            points, chosen = seen.points, seen.faces
            notes += defects.sentences() + _told(seen.filled, seen.share)
            notes.append(f"{counted(count, 'point')} sampled on what is seen of the mesh from outside")
            if defects.pieces > 1:
                large, of_pieces = _told_of_pieces(vertices, faces, points, chosen)
                points, chosen = points[large], chosen[large]
                notes[-1:-1] = of_pieces
        notes += [_NOT_LOOKED] if defects.crossings is None else []
    except ValueError as error:
        raise InputError(f"{path.name} has no usable surface ({error}); export it again.") from None
    colors, on_faces = None, chosen
    if paint is not None:
        on_faces = np.where(chosen >= 0, kept[chosen], -1)
        # A patch over a hole takes the colour of what was sampled nearest to it.
        on_mesh = chosen >= 0
        colors = np.zeros((len(points), 3), dtype=np.uint8)
        colors[on_mesh] = paint.at(points[on_mesh], on_faces[on_mesh])
        if on_mesh.any() and not on_mesh.all():
            colors[~on_mesh] = nearest_colors(points[~on_mesh], points[on_mesh], colors[on_mesh])
    return Wrapped(points, colors, tuple(notes), diagnosed, paint, on_faces)


def nearest_colors(
    places: NDArray[np.float64], points: NDArray[np.float64], colors: NDArray[np.uint8], blend: int = 3
) -> NDArray[np.uint8]:
    """Return (V, 3) the colours at places: a mean of the nearest points, nearer ones counting more.

    Args:
        places: (V, 3).
        points: (N, 3).
        colors: (N, 3).
        blend: how many points are averaged.
    """
    from scipy.spatial import cKDTree

    count = min(blend, len(points))
    distances, indices = cKDTree(points).query(places, k=np.arange(1, count + 1))
    weights = 1 / np.maximum(distances, 1e-9 * np.ptp(points) + 1e-300)
    mixed = np.einsum("vk,vkc->vc", weights / weights.sum(axis=1, keepdims=True), colors[indices])
    result: NDArray[np.uint8] = mixed.round().astype(np.uint8)
    return result


def _usable(path: Path, surface: Surface) -> tuple[NDArray[np.int64], list[str]]:
    """Return the faces with finite corners."""
    finite = np.asarray(np.isfinite(surface.vertices).all(axis=1))
    usable = np.asarray(finite[surface.faces].all(axis=1))
    broken = int(len(usable) - usable.sum())
    if broken >= _MAX_BAD_SHARE * len(usable):
        raise InputError(
            f"{path.name} has NaN or infinite coordinates in {broken:,} of {counted(len(usable), 'face')}; "
            "remove those and try again."
        )
    notes = [f"{counted(broken, 'face')} with NaN or infinite coordinates dropped"] if broken else []
    return surface.faces[usable], notes


def _told(filled: int, share: float) -> list[str]:
    notes = [f"{filled:,} small hole{'s were' if filled > 1 else ' was'} filled."] if filled else []
    if share < 0.995:
        notes.append(f"{100 * (1 - share):.0f} % of the surface is hidden inside and was left out.")
    return notes


def _told_of_pieces(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    points: NDArray[np.float64],
    chosen: NDArray[np.int64],
) -> tuple[NDArray[np.bool_], list[str]]:
    """Return (S,) which samples are of no specks, and what to say of pieces hidden inside and of specks."""
    welded, joined = merge_coincident(vertices, faces)
    piece = pieces_of(joined)
    corners = welded[joined]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    expected = np.bincount(piece, areas) / areas.sum() * len(chosen)
    found = np.bincount(piece[chosen[chosen >= 0]], minlength=len(expected))
    # Where each could have expected a few dozen samples, none is no chance.
    hidden = int(np.count_nonzero((found == 0) & (expected > 24)))
    notes = [f"{hidden:,} of the pieces {_verb(hidden, 'lie')} hidden inside the others."] if hidden else []
    own_piece = np.where(chosen >= 0, piece[chosen], -1)
    specks = find_specks(points, own_piece, float(np.sqrt(areas.sum() / len(points))), MIN_POINTS)
    if specks.any():
        count = len(np.unique(own_piece[specks]))
        was = "was" if count == 1 else "were"
        notes.append(
            f"{count:,} of the pieces, too small to be reconstructed and apart from the rest, {was} left out."
        )
    return ~specks, notes


def _verb(count: int, verb: str) -> str:
    return f"{verb}s" if count == 1 else verb
