"""Recipes of procedural shapes: parametric families of things, and random compositions.

Each family is a function ``(Builder) -> None`` that adds solids, upright (y up, front towards +z), in
units of its own; only proportions matter. Solids overlap a little where they join, so that no inner
wall remains on the surface.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmf_model.data.primitives import FLAT, Solid

Vector = Sequence[float] | NDArray[np.float64]
SECTIONS = (2.0, 2.0, 4.0, FLAT, FLAT)


class Builder:
    """Collects the solids of one shape and draws its random numbers."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.solids: list[Solid] = []

    def between(self, low: float, high: float) -> float:
        """Return a uniform random number."""
        return float(self.rng.uniform(low, high))

    def chance(self, probability: float = 0.5) -> bool:
        """Return True with a probability."""
        return bool(self.rng.random() < probability)

    def integer(self, low: int, high: int) -> int:
        """Return a whole number from low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def pick(self, *choices: float) -> float:
        """Return one of the choices."""
        return choices[self.integer(0, len(choices) - 1)]

    def add(
        self,
        centre: Vector,
        half: Vector,
        *,
        rotation: NDArray[np.float64] | None = None,
        section: float = 2.0,
        profile: float = 2.0,
        taper: tuple[float, float] | float = 0.0,
        bend: float = 0.0,
        carve: bool = False,
    ) -> None:
        """Add a solid; its bend is limited so that its inner side keeps a length."""
        size = np.maximum(np.asarray(half, dtype=np.float64), 1e-3)
        pair = (taper, taper) if isinstance(taper, float | int) else taper
        pair = (float(np.clip(pair[0], -0.97, 0.97)), float(np.clip(pair[1], -0.97, 0.97)))
        limit = min(6.0, 1.8 * size[1] / (size[0] * (1 + abs(pair[0]))))
        turn = np.eye(3) if rotation is None else rotation
        middle = np.asarray(centre, dtype=np.float64)
        bent = float(np.clip(bend, -limit, limit))
        self.solids.append(Solid(middle, size, turn, section, profile, pair, bent, carve))

    def box(self, centre: Vector, half: Vector, **more: Any) -> None:
        """Add a box, sharp or with rounded edges by a third of the chances."""
        edge = FLAT if self.chance(0.67) else 8.0
        self.add(centre, half, section=edge, profile=edge, **more)

    def rod(
        self, start: Vector, end: Vector, radius: float, *, square: bool = False, taper: float = 0.0
    ) -> None:
        """Add a round or square bar from point to point."""
        first, last = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
        length = float(np.linalg.norm(last - first))
        self.add(
            (first + last) / 2,
            (radius, length / 2, radius),
            rotation=_turn_y_to(last - first),
            section=FLAT if square else 2.0,
            profile=FLAT,
            taper=taper,
        )

    def disc(self, centre: Vector, radius: float, half_height: float, **more: Any) -> None:
        """Add a flat round plate with its axis along y."""
        self.add(centre, (radius, half_height, radius), profile=FLAT, **more)

    def wheel(self, centre: Vector, radius: float, half_width: float) -> None:
        """Add a round plate with its axis along x."""
        self.add(
            centre,
            (radius, half_width, radius),
            rotation=_turn_y_to((1.0, 0.0, 0.0)),
            profile=self.pick(4.0, FLAT),
        )

    def legs(self, half_width: float, half_depth: float, top: float, radius: float) -> None:
        """Add four legs from height 0 to ``top``: upright or splayed, round or square."""
        splay, square, taper = self.between(-0.05, 0.25), self.chance(), self.between(0, 0.5)
        spread = splay * top * self.chance(0.5)
        for x in (-1, 1):
            for z in (-1, 1):
                foot = (x * (half_width + spread), 0.0, z * (half_depth + spread))
                self.rod(foot, (x * half_width, top, z * half_depth), radius, square=square, taper=taper)

    def pedestal(self, height: float, radius: float) -> None:
        """Add a column on a round, square or star-shaped foot."""
        self.rod((0, 0, 0), (0, height, 0), radius)
        foot = self.between(0.18, 0.35)
        kind = self.integer(0, 2)
        if kind == 0:
            self.disc((0, 0.02, 0), foot, 0.02 + radius / 4, taper=self.between(-0.6, 0.0))
        elif kind == 1:
            self.box((0, 0.02, 0), (foot, 0.025, foot))
        else:
            for angle in np.arange(arms := self.integer(3, 5)) * 2 * np.pi / arms:
                self.rod((0, 0.06, 0), (foot * np.cos(angle), 0.02, foot * np.sin(angle)), radius * 0.8)


Family = Callable[[Builder], None]


def chair(b: Builder) -> None:
    """A seat on legs or a pedestal, with a back of a plate, bars or an arc, perhaps with arms."""
    width, depth, seat = b.between(0.2, 0.32), b.between(0.2, 0.32), b.between(0.38, 0.5)
    thick, top = b.between(0.012, 0.06), seat + b.between(0.25, 0.65)
    if b.chance(0.8):
        b.box((0, seat, 0), (width, thick, depth))
    else:
        b.disc((0, seat, 0), width, thick)
    if b.chance(0.75):
        b.legs(width * 0.88, depth * 0.88, seat, b.between(0.012, 0.035))
    else:
        b.pedestal(seat, b.between(0.015, 0.04))
    lean, behind = b.between(0, 0.12), -depth * 0.9
    style = b.integer(0, 2)
    if style == 0:
        tilt = _turn_x(-lean * 2)
        middle = ((seat + top) / 2, behind - lean * 0.4)
        b.box(
            (0, *middle),
            (width * b.between(0.7, 1), (top - seat) / 2 + 0.02, b.between(0.012, 0.05)),
            rotation=tilt,
        )
    else:
        radius, bars = b.between(0.01, 0.02), 2 if style == 1 else b.integer(3, 6)
        for x in np.linspace(-0.9, 0.9, bars) * width:
            b.rod((x, seat - 0.01, behind), (x, top, behind - lean), radius, square=b.chance())
        for share in [1.0, 0.6][: b.integer(1, 2)]:
            height = seat + (top - seat) * share - 0.03
            b.box((0, height, behind - lean * share), (width * 0.95, b.between(0.02, 0.07), radius))
    if b.chance(0.35):
        arm = seat + b.between(0.15, 0.25)
        for x in (-width, width):
            b.rod((x, seat, depth * 0.7), (x, arm, depth * 0.7), 0.015)
            b.box((x, arm, 0), (0.025, 0.015, depth))


def stool(b: Builder) -> None:
    """A seat without a back."""
    size, seat = b.between(0.14, 0.25), b.between(0.35, 0.8)
    b.disc((0, seat, 0), size, b.between(0.015, 0.06), section=b.pick(2.0, 2.0, FLAT))
    if b.chance(0.6):
        b.legs(size * 0.65, size * 0.65, seat, b.between(0.01, 0.03))
    else:
        b.pedestal(seat, b.between(0.015, 0.05))


def table(b: Builder) -> None:
    """A plate on four legs, a pedestal or two sides, perhaps with a shelf, an apron or drawers."""
    width, depth, height = b.between(0.35, 1.0), b.between(0.25, 0.5), b.between(0.3, 0.75)
    thick = b.between(0.01, 0.04)
    b.add((0, height, 0), (width, thick, depth), section=b.pick(2.0, 4.0, FLAT, FLAT, FLAT), profile=FLAT)
    inset = b.between(0.65, 0.92)
    kind = b.integer(0, 5)
    if kind == 0:
        b.pedestal(height, b.between(0.02, 0.07))
    elif kind == 1:
        for x in (-1, 1):
            b.box((x * width * inset, height / 2, 0), (0.02, height / 2, depth * inset))
    else:
        b.legs(width * inset * 0.75, depth * inset * 0.75, height, b.between(0.015, 0.045))
    if b.chance(0.3) and kind > 0:
        b.box((0, height * b.between(0.2, 0.5), 0), (width * inset * 0.8, 0.012, depth * inset * 0.8))
    if b.chance(0.3) and kind > 0:
        drawer = b.between(0.1, 0.35)
        b.box(
            (width * inset * 0.5, height - drawer / 2, 0),
            (width * 0.25, drawer / 2 + 0.01, depth * inset * 0.9),
        )


def sofa(b: Builder) -> None:
    """A seat block, a back, two arms, cushions and feet."""
    width, depth, seat = b.between(0.35, 1.1), b.between(0.35, 0.5), b.between(0.28, 0.42)
    round_edge = b.pick(4.0, 6.0, 8.0, FLAT)
    style: dict[str, Any] = {"section": round_edge, "profile": round_edge}
    lift = b.between(0, 0.12)
    b.add((0, (seat + lift) / 2, 0), (width, (seat - lift) / 2, depth), **style)
    back, thick = b.between(0.65, 0.95), b.between(0.07, 0.16)
    b.add(
        (0, (back + lift) / 2, -depth),
        (width, (back - lift) / 2, thick),
        rotation=_turn_x(-b.between(0, 0.15)),
        **style,
    )
    if b.chance(0.85):
        arm, wide = b.between(seat + 0.08, 0.7), b.between(0.05, 0.14)
        for x in (-1, 1):
            b.add((x * width, (arm + lift) / 2, 0), (wide, (arm - lift) / 2, depth * 1.02), **style)
    seats = b.integer(1, 3)
    for x in (np.arange(seats) + 0.5) / seats * 2 - 1:
        b.add((x * width, seat, 0.03), (width / seats * 0.95, 0.07, depth * 0.93), section=6.0, profile=4.0)
    if lift > 0.03:
        b.legs(width * 0.9, depth * 0.85, lift + 0.03, 0.025)


def bed(b: Builder) -> None:
    """A mattress on a frame with a head and perhaps a foot, pillows, posts."""
    width, length, height = b.between(0.4, 0.95), 1.0, b.between(0.2, 0.45)
    b.box((0, height * 0.7, 0), (width, height * 0.3, length))
    b.add((0, height + 0.05, 0.02), (width * 0.96, 0.1, length * 0.96), section=8.0, profile=6.0)
    head = b.between(0.5, 1.0)
    bow = b.pick(4.0, FLAT, FLAT)
    b.add((0, head / 2, -length), (width * 1.03, head / 2, 0.04), section=FLAT, profile=bow)
    if b.chance():
        b.box((0, head * 0.3, length), (width * 1.03, head * 0.3, 0.04))
    for x in (-1, 1) if width > 0.6 else (0,):
        b.add(
            (x * width * 0.45, height + 0.18, -length * 0.72),
            (width * 0.38, 0.07, 0.2),
            section=4.0,
            profile=2.5,
        )
    b.legs(width * 0.93, length * 0.93, height * 0.5, 0.04)


def cabinet(b: Builder) -> None:
    """A closed body with doors, drawers, handles, feet; sometimes open shelves."""
    width, depth, height = b.between(0.25, 0.9), b.between(0.18, 0.4), b.between(0.4, 1.6)
    lift = b.between(0.03, 0.2) * b.chance(0.6)
    columns, rows = b.integer(1, 3), b.integer(1, 4)
    middle = lift + height / 2
    if b.chance(0.3):
        board = b.between(0.012, 0.03)
        for x in (-1, 1):
            b.box((x * width, middle, 0), (board, height / 2, depth))
        for y in np.linspace(0, 1, rows + 2):
            b.box((0, lift + board + y * (height - 2 * board), 0), (width, board, depth * 0.97))
        if b.chance(0.7):
            b.box((0, middle, -depth), (width, height / 2, board))
    else:
        b.box((0, middle, 0), (width, height / 2, depth))
        for x in (np.arange(columns) + 0.5) / columns * 2 - 1:
            for y in (np.arange(rows) + 0.5) / rows:
                front = (x * width, lift + y * height, depth)
                if columns * rows <= 8:
                    b.box(front, (width / columns * 0.93, height / rows * 0.46, 0.02))
                b.add((front[0], front[1], depth + 0.03), (0.02, 0.012, 0.025))
        if b.chance(0.4):
            b.box((0, lift + height, 0), (width * 1.06, 0.02, depth * 1.08))
    if lift:
        b.legs(width * 0.9, depth * 0.9, lift + 0.02, b.between(0.02, 0.04))


def lamp(b: Builder) -> None:
    """A shade on a stem, straight or an arc, or hanging from a cord."""
    height, radius = b.between(0.4, 1.6), b.between(0.008, 0.03)
    shade, tall = b.between(0.1, 0.3), b.between(0.08, 0.25)
    taper = -b.between(0, 0.7)
    place = np.array([0.0, height, 0.0])
    if b.chance(0.25):
        b.rod(place, place + np.array([0, b.between(0.3, 1.0), 0]), radius)
    elif b.chance(0.25):
        reach = b.between(0.2, 0.5)
        b.pedestal(height * 0.6, radius)
        elbow = np.array([0.0, height * 0.6, 0.0])
        place = np.array([reach, height * 0.8, 0.0])
        b.rod(elbow - [0, radius, 0], place, radius)
        b.add(elbow, [radius * 1.6] * 3)
    else:
        b.pedestal(height, radius)
        if b.chance(0.4):
            b.add(
                (0, height * 0.3, 0),
                (b.between(0.05, 0.15), height * 0.28, b.between(0.05, 0.15)),
                profile=b.pick(2.0, 3.0),
            )
    kind = b.integer(0, 3)
    form: dict[str, Any] = {"section": b.pick(2.0, 2.0, FLAT), "profile": b.pick(FLAT, FLAT, 2.0, 4.0)}
    b.add(place, (shade, tall, shade), taper=taper, **form)
    if kind == 0:
        below = place - [0, tall * 0.3, 0]
        b.add(below, (shade * 0.92, tall * 0.8, shade * 0.92), taper=taper, carve=True, **form)
        b.add(place, (shade * 0.35, tall * 0.6, shade * 0.35))
        b.rod(place - [0, tall, 0], place + np.array([0, tall, 0]), radius)


def car(b: Builder) -> None:
    """A body, a cabin, four wheels, sometimes a truck's load."""
    width, length = b.between(0.32, 0.45), 1.0
    ground, belt = b.between(0.08, 0.16), b.between(0.32, 0.45)
    edge = b.pick(4.0, 6.0, 8.0)
    middle, half = (ground + belt) / 2, (belt - ground) / 2
    b.add(
        (0, middle, 0), (width, half, length), section=edge, profile=edge, taper=(-0.05, -b.between(0, 0.12))
    )
    roof, cabin, shift = b.between(0.14, 0.26), b.between(0.3, 0.65), b.between(-0.3, 0.15)
    b.add(
        (0, belt + roof * 0.7, shift),
        (width * 0.85, roof, cabin),
        section=edge,
        profile=edge,
        taper=(-0.15, -b.between(0.1, 0.45)),
    )
    if b.chance(0.3):
        load = b.between(0.15, 0.4)
        b.box((0, belt + load * 0.9, -length * 0.5), (width * 0.95, load, length * 0.48))
    radius = b.between(0.12, 0.19)
    for x in (-1, 1):
        for z in (-b.between(0.5, 0.65), b.between(0.5, 0.65)):
            b.wheel((x * width * 0.92, radius * 0.9, z * length), radius, b.between(0.05, 0.08))
    if b.chance(0.3):
        b.box((0, belt + 0.08, -length * 0.93), (width * 0.9, 0.012, 0.07))


def aircraft(b: Builder) -> None:
    """A fuselage, swept wings, a tail, engines."""
    radius = b.between(0.06, 0.13)
    along = _turn_y_to((0.0, 0.0, 1.0))
    b.add(
        (0, 0, 0),
        (radius, 1.0, radius * b.between(0.9, 1.2)),
        rotation=along,
        profile=b.pick(3.0, 4.0, 6.0),
        taper=b.between(-0.2, 0.5),
    )
    span, chord, sweep, lift = (
        b.between(0.5, 1.1),
        b.between(0.1, 0.24),
        b.between(-0.1, 0.7),
        b.between(-0.05, 0.15),
    )
    height = radius * b.pick(-0.7, 0.0, 0.8)
    thin = b.between(0.012, 0.025)
    for side in (-1, 1):
        tip = np.array([side * span, height + lift * span, -sweep * span])
        _blade(b, np.array([0, height, 0.1]), tip, chord, thin)
        tail = np.array([side * span * 0.38, radius * 0.5 + 0.05, -0.95 - sweep * 0.3])
        _blade(b, np.array([0, radius * 0.4, -0.85]), tail, chord * 0.6, thin)
        if b.chance(0.55):
            share = b.between(0.3, 0.5)
            spot = share * tip + (1 - share) * np.array([0, height, 0.1])
            b.add(
                spot + np.array([0, -0.05, 0.06]),
                (0.05, b.between(0.1, 0.18), 0.05),
                rotation=along,
                profile=4.0,
            )
    _blade(b, np.array([0, 0, -0.8]), np.array([0, b.between(0.25, 0.4), -1.0]), chord * 0.8, thin)
    if b.chance(0.3):
        b.rod((0, -radius, 0.5), (0, -radius - 0.12, 0.5), 0.02)
        b.wheel((0, -radius - 0.12, 0.5), 0.05, 0.025)


def boat(b: Builder) -> None:
    """A hull, solid or hollow, with a cabin, masts or seats."""
    width, height = b.between(0.15, 0.32), b.between(0.1, 0.22)
    hull: dict[str, Any] = {"section": 2.2, "profile": b.pick(2.0, 3.0)}
    along = _turn_y_to((0.0, 0.0, 1.0))
    b.add((0, 0, 0), (width, 1.0, height), rotation=along, taper=(b.between(-0.5, 0.0), 0.0), **hull)
    if b.chance(0.5):
        b.box((0, height * 0.3, b.between(-0.4, 0.1)), (width * 0.6, height * 1.5, b.between(0.2, 0.5)))
        if b.chance():
            b.rod((0, 0, 0.2), (0, b.between(0.7, 1.6), 0.2), 0.02)
    else:
        b.box((0, height * 1.35, 0), (width * 2, height * 1.2, 1.2), carve=True)
        b.add((0, height * 0.12, 0), (width * 0.86, 0.93, height * 0.85), rotation=along, carve=True, **hull)


def vessel(b: Builder) -> None:
    """A bowl, cup, pot or vase: a turned body that is hollow from above, perhaps with a handle."""
    radius, half = b.between(0.2, 0.5), b.between(0.15, 0.7)
    form: dict[str, Any] = {"section": b.pick(2.0, 2.0, 2.0, 4.0, FLAT), "profile": b.pick(3.0, 6.0, FLAT)}
    taper, wall = b.between(-0.3, 0.6), b.between(0.03, 0.07)
    b.add((0, half, 0), (radius, half, radius), taper=taper, **form)
    inner = radius - wall
    b.add(
        (0, half + wall * 1.5, 0),
        (inner, half, inner),
        taper=taper,
        profile=form["profile"],
        section=form["section"],
        carve=True,
    )
    if form["profile"] < 8:
        b.box((0, 2.15 * half, 0), (1.0, 0.4 * half, 1.0), carve=True)
    if b.chance(0.4):
        # The ends of the arc stay in the wall, so the hollow must not cut them: it bends away from it.
        middle = radius * (1.0 + 0.02)
        b.add((middle + half * 0.32, half, 0), (0.03, half * 0.75, 0.03), profile=FLAT, bend=np.pi * 0.9)


def bottle(b: Builder) -> None:
    """A body, shoulders, a neck and a cap."""
    radius, body = b.between(0.12, 0.3), b.between(0.3, 0.7)
    square = b.pick(2.0, 2.0, 2.0, 6.0)
    b.add(
        (0, body / 2, 0),
        (radius, body / 2, radius),
        section=square,
        profile=b.pick(8.0, FLAT),
        taper=b.between(-0.15, 0.15),
    )
    shoulder, neck = b.between(0.08, 0.3), b.between(0.03, 0.09)
    b.add((0, body, 0), (radius * 0.97, shoulder, radius * 0.97), section=square)
    top = body + shoulder + b.between(0.05, 0.4)
    b.rod((0, body, 0), (0, top, 0), neck, taper=-b.between(0, 0.3))
    if b.chance(0.7):
        b.disc((0, top, 0), neck * b.between(1.05, 1.5), b.between(0.02, 0.06))
    if b.chance(0.2):
        b.add((radius + 0.08, body * 0.55, 0), (0.025, 0.3, 0.025), profile=FLAT, bend=2.6)


def person(b: Builder) -> None:
    """A standing figure."""
    hip, chest = b.between(0.8, 0.95), b.between(1.3, 1.45)
    b.add(
        (0, (hip + chest) / 2, 0),
        (b.between(0.14, 0.22), (chest - hip) / 2 + 0.12, b.between(0.09, 0.16)),
        section=3.0,
        profile=3.0,
        taper=b.between(-0.1, 0.3),
    )
    b.add((0, chest + 0.28, 0), (0.09, 0.13, 0.1))
    b.rod((0, chest, 0), (0, chest + 0.2, 0), 0.05)
    for side in (-1, 1):
        foot = (side * b.between(0.08, 0.25), 0.05, b.between(-0.15, 0.15))
        b.rod(foot, (side * 0.09, hip + 0.05, 0), 0.075, taper=0.3)
        b.add((foot[0], 0.04, foot[2] + 0.06), (0.05, 0.045, 0.13))
        hand = (side * b.between(0.25, 0.75), b.between(0.75, 1.6), b.between(-0.1, 0.35))
        b.rod((side * 0.17, chest + 0.02, 0), hand, 0.045, taper=-0.25)
        b.add(hand, (0.05, 0.06, 0.05))


def animal(b: Builder) -> None:
    """A body on four legs with neck, head and tail."""
    length, girth, leg = b.between(0.35, 0.6), b.between(0.12, 0.25), b.between(0.25, 0.6)
    height = leg + girth * 0.7
    along = _turn_y_to((0.0, 0.0, 1.0))
    b.add(
        (0, height, 0),
        (girth * 0.85, length, girth),
        rotation=along,
        profile=b.pick(2.0, 3.0),
        taper=b.between(-0.2, 0.2),
    )
    b.legs(girth * 0.55, length * 0.7, height, b.between(0.03, 0.07))
    head = np.array([0, height + b.between(0.1, 0.6), length + b.between(0.05, 0.3)])
    b.rod((0, height, length * 0.75), head, girth * 0.4, taper=-0.2)
    b.add(head + np.array([0, 0, 0.06]), (0.09, 0.17, 0.1), rotation=along, taper=-b.between(0, 0.4))
    for side in (-1, 1):
        b.add(head + np.array([side * 0.06, 0.1, 0]), (0.03, b.between(0.05, 0.2), 0.02))
    b.rod((0, height, -length * 0.9), (0, height + b.between(-0.2, 0.2), -length - b.between(0.1, 0.4)), 0.03)


def plant(b: Builder) -> None:
    """A pot or a trunk with leaves or a crown."""
    trunk = b.between(0.2, 0.8)
    if b.chance(0.7):
        b.add(
            (0, 0.12, 0),
            (0.16, 0.12, 0.16),
            profile=FLAT,
            taper=b.between(0, 0.35),
            section=b.pick(2.0, 2.0, FLAT),
        )
    b.rod((0, 0.05, 0), (0, trunk + 0.1, 0), b.between(0.015, 0.05))
    if b.chance(0.4):
        for _ in range(b.integer(1, 5)):
            spot = b.rng.normal(size=3) * 0.12 + [0, trunk + 0.2, 0]
            b.add(spot, np.full(3, b.between(0.15, 0.3)) * b.rng.uniform(0.8, 1.25, 3))
        return
    for angle in np.arange(leaves := b.integer(5, 11)) * 2 * np.pi / leaves + b.between(0, 1):
        rise, reach = b.between(0.1, 0.6), b.between(0.2, 0.45)
        away = np.array([np.cos(angle), 0, np.sin(angle)])
        start = np.array([0, trunk * b.between(0.8, 1.1), 0])
        _blade(b, start, start + away * reach + [0, rise, 0], b.between(0.03, 0.09), 0.012, profile=2.0)


def screen(b: Builder) -> None:
    """A flat screen, laptop or picture on a foot."""
    width, height = b.between(0.35, 0.7), b.between(0.25, 0.45)
    b.box(
        (0, height + 0.12, 0), (width, height, b.between(0.015, 0.06)), rotation=_turn_x(-b.between(0, 0.3))
    )
    if b.chance(0.5):
        b.rod((0, 0, -0.02), (0, height, -0.02), b.between(0.02, 0.05))
        b.box((0, 0.01, 0), (width * b.between(0.3, 0.7), 0.015, b.between(0.1, 0.2)))
    else:
        b.box((0, 0.13, height * 0.8), (width, 0.02, height * 0.85))


def tool(b: Builder) -> None:
    """A handle with a head: hammer, brush, shovel, pan."""
    length, radius = b.between(0.5, 1.0), b.between(0.02, 0.06)
    b.rod((0, 0, 0), (0, length, 0), radius, taper=b.between(-0.3, 0.3), square=b.chance(0.3))
    half = np.array([b.between(0.03, 0.35), b.between(0.03, 0.25), b.between(0.02, 0.15)])
    b.add(
        (0, length + half[1] * 0.6, 0),
        half,
        section=b.pick(*SECTIONS),
        profile=b.pick(*SECTIONS),
        taper=b.between(-0.6, 0.6),
    )
    if b.chance(0.4):
        b.add(
            (b.between(-0.2, 0.2), length, 0),
            (0.05, b.between(0.1, 0.3), 0.05),
            rotation=_turn_y_to((1.0, 0.2, 0.0)),
            taper=-0.6,
        )


def ring(b: Builder) -> None:
    """Arcs and rings: horseshoes, hooks, springs of a few turns, frames."""
    tube = b.between(0.03, 0.14)
    for _ in range(b.integer(1, 3)):
        turn = _random_rotation(b.rng) if b.chance() else _turn_y_to((1.0, 0.0, 0.0))
        # The middle of an arc stays in place, so arcs that share it are joined.
        middle = b.rng.normal(size=3) * tube * 0.3
        b.add(
            middle,
            (tube, b.between(0.4, 1.4), tube * b.between(0.6, 1.6)),
            rotation=turn,
            section=b.pick(*SECTIONS),
            profile=b.pick(2.0, FLAT),
            bend=b.between(1.0, 5.0) * b.pick(-1, 1),
            taper=(0.0, b.between(-0.5, 0.5)),
        )


def composition(b: Builder) -> None:
    """A tree of random solids, each begun inside an earlier one, half of them mirrored left to right."""
    mirrored = b.chance(0.5)
    scale = np.ones(3)
    places = [np.zeros(3)]
    for number in range(b.integer(2, 9)):
        half = np.exp(b.rng.normal(-1.4 if number else -0.7, 0.6, size=3)).clip(0.015, 1.0)
        parent = places[b.integer(0, len(places) - 1)]
        turn = _random_rotation(b.rng) if b.chance(0.5) else np.eye(3)[:, b.rng.permutation(3)]
        offset = turn[:, 1] * half[1] * b.pick(-1, 1) * b.chance(0.85) if number else np.zeros(3)
        centre = parent + offset
        form: dict[str, Any] = {"section": b.pick(*SECTIONS), "profile": b.pick(*SECTIONS)}
        taper, bend = b.between(-0.9, 0.9) * b.chance(0.4), b.between(-2.5, 2.5) * b.chance(0.25)
        b.add(centre, half * scale, rotation=turn, taper=taper, bend=bend, **form)
        # The middle of a bent solid stays where it was, its far end does not.
        places += [centre] if bend else [centre, centre + offset * 0.9]
        # A mirror image close to its original would only leave slivers between the two.
        if mirrored and abs(centre[0]) > 0.05:
            _mirror_last(b)


FAMILIES: dict[str, tuple[Family, float]] = {
    "chair": (chair, 2.0), "stool": (stool, 0.7), "table": (table, 1.6), "sofa": (sofa, 1.2),
    "bed": (bed, 0.7), "cabinet": (cabinet, 1.2), "lamp": (lamp, 1.0), "car": (car, 1.0),
    "aircraft": (aircraft, 1.2), "boat": (boat, 0.6), "vessel": (vessel, 1.0), "bottle": (bottle, 0.8),
    "person": (person, 0.8), "animal": (animal, 0.8), "plant": (plant, 0.7), "screen": (screen, 0.6),
    "tool": (tool, 0.8), "ring": (ring, 0.5), "composition": (composition, 5.0),
}  # fmt: skip
"""Every family and how often it is drawn, relative to the others."""
_WEIGHTS = np.array([weight for _, weight in FAMILIES.values()])


def draw_shape(seed: int, number: int, family: str | None = None) -> tuple[str, list[Solid]]:
    """Return the family and the solids of shape ``number`` of an endless sequence.

    Args:
        seed: which sequence.
        number: which shape of it, at least 0; the same whatever else is drawn.
        family: a key of ``FAMILIES``, or None to draw it too.
    """
    rng = np.random.default_rng((seed, number))
    drawn = list(FAMILIES)[int(rng.choice(len(_WEIGHTS), p=_WEIGHTS / _WEIGHTS.sum()))]
    name = family or drawn
    builder = Builder(rng)
    FAMILIES[name][0](builder)
    return name, builder.solids


def _blade(
    b: Builder,
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    chord: float,
    thick: float,
    profile: float = FLAT,
) -> None:
    """Add a thin wing from point to point, tapering; its chord lies along z as far as it can."""
    axis = end - start
    length = float(np.linalg.norm(axis))
    y = axis / length
    x = np.cross(y, (0.0, 0.0, 1.0))
    x = x / np.linalg.norm(x) if np.linalg.norm(x) > 1e-3 else np.array([1.0, 0.0, 0.0])
    turn = np.stack([x, y, np.cross(x, y)], axis=1)
    b.add(
        (start + end) / 2,
        (thick, length / 2, chord),
        rotation=turn,
        profile=profile,
        taper=(-0.3, -b.between(0.1, 0.6)),
    )


def _mirror_last(b: Builder) -> None:
    """Add the last solid's mirror image in the plane x = 0; a solid itself is symmetric in its own z."""
    last = b.solids[-1]
    flip = np.diag([-1.0, 1.0, 1.0])
    turn = flip @ last.rotation @ np.diag([1.0, 1.0, -1.0])
    b.solids.append(
        Solid(
            flip @ last.centre, last.half, turn, last.section, last.profile, last.taper, last.bend, last.carve
        )
    )


def _turn_y_to(direction: Vector) -> NDArray[np.float64]:
    """Return a rotation whose second column is along a direction and whose first is level if it can be."""
    y = np.asarray(direction, dtype=np.float64)
    y = y / np.linalg.norm(y)
    helper = np.array([0.0, 0.0, 1.0]) if abs(y[2]) < 0.9 else np.array([0.0, -1.0, 0.0])
    x = np.cross(y, helper)
    x /= np.linalg.norm(x)
    return np.stack([x, y, np.cross(x, y)], axis=1)


def _turn_x(angle: float) -> NDArray[np.float64]:
    """Return the rotation about x that brings y towards z."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])


def _random_rotation(rng: np.random.Generator) -> NDArray[np.float64]:
    orthogonal, upper = np.linalg.qr(rng.normal(size=(3, 3)))
    orthogonal *= np.sign(np.diag(upper))
    orthogonal[:, 0] *= np.linalg.det(orthogonal)
    return orthogonal
