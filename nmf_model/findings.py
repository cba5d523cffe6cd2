"""What in an input a sphere cannot become, and where a finished mesh shows it: places, and words for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Place = NDArray[np.float64]


@dataclass(frozen=True)
class Body:
    """A separate part: the share of the points it has, 0..1, and their mean (3,)."""

    share: float
    centre: Place


@dataclass(frozen=True)
class Tunnel:
    """A hole through the object: its middle (3,) and the radius of the largest ball that passes."""

    centre: Place
    radius: float


@dataclass(frozen=True)
class InputFindings:
    """What was found in a cloud, lengths in the units of the cloud it was asked of.

    Attributes:
        bodies: separate parts, most points first; one for an ordinary object.
        tunnels: holes through the object, widest first; a mesh of genus 0 spans or pinches them.
        ground: share of the points that lie on a plane as of a table or floor under the rest, 0..1.
    """

    bodies: tuple[Body, ...]
    tunnels: tuple[Tunnel, ...]
    ground: float = 0.0

    def mapped(self, place: Callable[[Place], Place], scale: float) -> InputFindings:
        """Return the same in another frame: ``place`` maps (K, 3) points, ``scale`` lengths."""
        return InputFindings(
            tuple(replace(body, centre=place(body.centre[None])[0]) for body in self.bodies),
            tuple(Tunnel(place(hole.centre[None])[0], hole.radius * scale) for hole in self.tunnels),
            self.ground,
        )


@dataclass(frozen=True)
class Region:
    """A place where mesh and points are far from each other: its middle, half its width, and a share, 0..1.

    The middle is one of the points, or of the mesh. The share is that of all points for points that the mesh
    misses, that of the area for mesh without points.
    """

    centre: Place
    radius: float
    share: float


@dataclass(frozen=True)
class Shell:
    """A mesh that is hardly anything but skin: its mean thickness, and how far apart its points are."""

    thickness: float
    spacing: float


@dataclass(frozen=True)
class Residual:
    """Where a finished mesh and the points it was made for are far apart, and whether it is but a shell.

    Attributes:
        missed: points that the mesh leaves far away, most points first.
        films: mesh that is far from any point, the largest first, but for that in a tunnel.
        membranes: of each tunnel in which there is such mesh, its index and the largest piece.
        shell: the mesh, if it is thinner than its points can show: as where they are of one side of a solid.
        hollow: what the points enclose and the mesh leaves out, a cavity of the object or a fault;
            its share is of all that they enclose.
    """

    missed: tuple[Region, ...] = ()
    films: tuple[Region, ...] = ()
    membranes: tuple[tuple[int, Region], ...] = ()
    shell: Shell | None = None
    hollow: Region | None = None

    @property
    def regions(self) -> tuple[Region, ...]:
        """What is to be marked."""
        return (*self.missed, *self.films, *(() if self.hollow is None else (self.hollow,)))

    def mapped(self, place: Callable[[Place], Place], scale: float) -> Residual:
        """Return the same in another frame: ``place`` maps (K, 3) points, ``scale`` lengths."""

        def moved(region: Region) -> Region:
            return replace(region, centre=place(region.centre[None])[0], radius=region.radius * scale)

        return Residual(
            tuple(map(moved, self.missed)),
            tuple(map(moved, self.films)),
            tuple((index, moved(region)) for index, region in self.membranes),
            None if self.shell is None else Shell(self.shell.thickness * scale, self.shell.spacing * scale),
            None if self.hollow is None else moved(self.hollow),
        )


def notes_of(findings: InputFindings, split: str = "--bodies split") -> tuple[str, ...]:
    """Return sentences for the user; places are given as they are in ``findings``, so in file units.

    ``split`` is what the user is told to ask for in order to have a mesh of each body.
    """
    notes = []
    if findings.ground:
        notes.append(
            f"{_percent(findings.ground)} of the points lie on one plane, under all others: if that is a "
            "table or the floor, remove them, or it becomes part of the object."
        )
    if len(findings.bodies) > 1:
        notes.append(
            f"The input seems to consist of {len(findings.bodies)} separate bodies; one mesh joins them by "
            f"thin bridges. {split} makes one mesh of each."
        )
    # Two ways around can lead through one place, which is told once.
    places = list(dict.fromkeys(map(_near, findings.tunnels)))
    notes += [
        f"The object seems to have a hole through it {place}, as in a ring: a mesh of genus 0 will "
        f"span or pinch it."
        for place in places[:3]
    ]
    if len(places) > 3:
        notes.append(f"{len(places)} holes of that kind were found in all; the widest are named.")
    return tuple(notes)


def residual_notes(residual: Residual, tunnels: Sequence[Tunnel]) -> tuple[str, ...]:
    """Return one sentence for each kind of place, with the lengths and places of ``residual``."""
    notes = []
    if residual.membranes:
        films = [replace(film, centre=tunnels[index].centre) for index, film in residual.membranes]
        holes = "this hole" if len(films) == 1 else "these holes"
        notes.append(f"The mesh spans {holes} through the object with a film: {_places(films)}.")
    if residual.missed:
        share = sum(region.share for region in residual.missed)
        notes.append(
            f"The mesh stays away from {_percent(share)} of the points, {_count(residual.missed)}: "
            f"{_places(residual.missed)}."
        )
    if residual.films:
        share = sum(region.share for region in residual.films)
        notes.append(
            f"{_percent(share)} of the mesh spans gaps where the input has no points, "
            f"{_count(residual.films)}: {_places(residual.films)}."
        )
    if residual.hollow is not None:
        notes.append(
            f"The mesh leaves out {_percent(residual.hollow.share)} of the space that the points enclose, "
            f"{_places([residual.hollow])}: if that is no cavity of the object, do not use this mesh."
        )
    if residual.shell is not None:
        notes.append(
            f"The mesh is a shell, on average {residual.shell.thickness:.2g} thick where points are "
            f"{residual.shell.spacing:.2g} apart: if they show one side of a solid, this is not the solid."
        )
    return tuple(notes)


def _places(regions: Sequence[Region]) -> str:
    named = [_near(region) for region in regions[:3]]
    return "; ".join([*named, *([f"and {len(regions) - 3} more"] if len(regions) > 3 else [])])


def _count(regions: Sequence[Region]) -> str:
    return "in one place" if len(regions) == 1 else f"in {len(regions)} places"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"


def _near(place: Tunnel | Region) -> str:
    """Say where something is, to about a tenth of its radius however far the origin is, and how wide."""
    decimals = max(0, 1 - math.floor(math.log10(place.radius))) if place.radius > 0 else 6
    centre = ", ".join(f"{value:.{decimals}f}" for value in place.centre)
    return f"near ({centre}), about {2 * place.radius:.3g} wide"
