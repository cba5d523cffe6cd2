"""Solids that procedural shapes are composed of, many shapes at once on any device.

A solid is a superellipsoid around its own y axis, then tapered, then bent into an arc::

    |(|(x, z)|_p, y)|_q <= 1      p: section (2 round .. inf square), q: profile (2 dome .. inf flat end)

so balls, boxes, cylinders, cones, capsules, rounded boxes and sectors of rings are one formula whose
surface map and inside test are both exact. A shape is the union of its solids less those that carve.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FLAT = math.inf
"""Exponent of a square section, or of a profile with flat ends."""
_STRAIGHT = 1e-3
"""Bends below this angle (radians) are taken for none, which avoids infinite radii."""
_AROUND, _ALONG = 24, 12
_SKIN = 1e-4
"""Share of a solid's size by which a point must be inside it to be rejected: surfaces may coincide."""


@dataclass(frozen=True)
class Solid:
    """One solid of one shape.

    Attributes:
        centre: (3,), of the straight solid, in the shape's own units.
        half: (3,) half extents along the solid's axes, y being its long axis.
        rotation: (3, 3), columns are the solid's axes.
        section, profile: exponents p and q, at least 2; ``FLAT`` for square and flat.
        taper: (2,) in -0.97..0.97: the section's x and z are scaled by ``1 + taper · y / half_y``.
        bend: angle in radians of the arc that the y axis becomes, turning towards -x.
        carve: taken away from the shape instead of added.
    """

    centre: NDArray[np.float64]
    half: NDArray[np.float64]
    rotation: NDArray[np.float64]
    section: float = 2.0
    profile: float = 2.0
    taper: tuple[float, float] = (0.0, 0.0)
    bend: float = 0.0
    carve: bool = False


@dataclass(frozen=True)
class Solids:
    """B shapes of up to K solids: the fields of ``Solid`` stacked, shapes with fewer padded.

    Attributes:
        centre, half: (B, K, 3). rotation: (B, K, 3, 3). taper: (B, K, 2).
        section, profile, bend: (B, K). carve, present: (B, K) bool.
    """

    centre: Tensor
    half: Tensor
    rotation: Tensor
    section: Tensor
    profile: Tensor
    taper: Tensor
    bend: Tensor
    carve: Tensor
    present: Tensor

    def rows(self, index: Tensor | slice) -> Solids:
        """Return some of the shapes."""
        return Solids(*(getattr(self, field.name)[index] for field in fields(self)))

    def each(self, index: Tensor) -> Solids:
        """Return, for (B, M) solid numbers, the solid of each as (B, M, ...)."""
        row = torch.arange(len(index), device=index.device)[:, None]
        return Solids(*(getattr(self, field.name)[row, index] for field in fields(self)))


def stack(shapes: Sequence[Sequence[Solid]], device: torch.device | str = "cpu") -> Solids:
    """Pad shapes to the same number of solids and put them on a device as float32."""
    count = max(len(shape) for shape in shapes)
    padding = Solid(np.zeros(3), np.full(3, 1e-3), np.eye(3))
    padded = [[*shape, *[padding] * (count - len(shape))] for shape in shapes]

    def tensor(name: str) -> Tensor:
        rows = np.array([[getattr(solid, name) for solid in shape] for shape in padded])
        return torch.as_tensor(rows, dtype=torch.bool if name == "carve" else torch.float32, device=device)

    present = [[number < len(shape) for number in range(count)] for shape in shapes]
    names = [field.name for field in fields(Solid)]
    stacked = {name: tensor(name) for name in names}
    return Solids(**stacked, present=torch.as_tensor(present, device=device))


def contains(solids: Solids, points: Tensor) -> Tensor:
    """Return (B, M, K) bool: whether (B, M, 3) points are inside each solid of their shape."""
    relative = points[:, :, None, :] - solids.centre[:, None]
    x, y, z = torch.einsum("bmki,bkij->bmkj", relative, solids.rotation).unbind(-1)
    bend, length = solids.bend[:, None], 2 * solids.half[:, None, :, 1]
    is_bent = bend.abs() > _STRAIGHT
    radius = torch.where(is_bent, length / bend, torch.ones_like(bend))
    # For a negative radius the arc's centre is on the other side; its sign turns both arguments.
    side = radius.sign()
    angle = torch.atan2(y * side, (x + radius) * side)
    x = torch.where(is_bent, side * torch.hypot(x + radius, y) - radius, x)
    y = torch.where(is_bent, angle * radius, y)
    x, y, z = (part / solids.half[:, None, :, axis] for axis, part in enumerate((x, y, z)))
    # Beyond the ends the taper could reach zero or turn; those points are outside by y alone.
    clamped = y.clamp(-1, 1)
    x = x / (1 + solids.taper[:, None, :, 0] * clamped)
    z = z / (1 + solids.taper[:, None, :, 1] * clamped)
    size = _norm(_norm(x.abs(), z.abs(), solids.section[:, None]), y.abs(), solids.profile[:, None])
    return (size < 1 - _SKIN) & solids.present[:, None]


def surface(solids: Solids, around: Tensor, along: Tensor) -> tuple[Tensor, Tensor]:
    """Map angles to points and outward unit normals of solids, all tensors of one leading shape.

    Args:
        solids: one solid for each pair of angles.
        around: in -π..π, about the y axis.
        along: in -π/2..π/2, from the bottom to the top.
    """
    section, profile = solids.section, solids.profile
    unit_x, unit_z = _on_unit_curve(around, section)
    ring, y = _on_unit_curve(along, profile)
    x, z = ring * unit_x, ring * unit_z
    (ring_slope, normal_y), (slope_x, slope_z) = (
        _gradient(ring, y, profile),
        _gradient(unit_x, unit_z, section),
    )
    taper_x, taper_z = solids.taper.unbind(-1)
    half_x, half_y, half_z = solids.half.unbind(-1)
    wide_x, wide_z = half_x * (1 + taper_x * y), half_z * (1 + taper_z * y)
    # Inverse transpose of the Jacobian of scaling and tapering.
    normal_x, normal_z = ring_slope * slope_x / wide_x, ring_slope * slope_z / wide_z
    normal_y = (normal_y - half_x * x * taper_x * normal_x - half_z * z * taper_z * normal_z) / half_y
    point = torch.stack([wide_x * x, half_y * y, wide_z * z], dim=-1)
    normal = torch.stack([normal_x, normal_y, normal_z], dim=-1)
    point, normal = _bent(solids, point, normal)
    point = torch.einsum("...ij,...j->...i", solids.rotation, point) + solids.centre
    normal = torch.einsum("...ij,...j->...i", solids.rotation, normal)
    return point, torch.nn.functional.normalize(normal, dim=-1)


def sample_union(solids: Solids, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw points uniformly by area from the surface of each shape.

    Args:
        solids: B shapes.
        count: S, points of each.
        generator: on the same device; the only source of randomness.

    Returns:
        (B, S, 3) points and (B, S, 3) unit normals that point out of the solid.

    Raises:
        ValueError: almost nothing of a shape's solids is on its surface.
    """
    points = solids.centre.new_zeros(len(solids.centre), count, 3)
    normals = torch.zeros_like(points)
    filled = torch.zeros(len(points), dtype=torch.int64, device=points.device)
    cells = _Cells.of(solids)
    for _ in range(60):
        rows = torch.nonzero(filled < count)[:, 0]
        if not len(rows):
            return points, normals
        found = _candidates(solids.rows(rows), cells.rows(rows), 2 * count, generator)
        _store(found, rows, points, normals, filled)
    raise ValueError("almost nothing of a shape's solids is on its surface")


def grid(solids: Solids, around: int = _AROUND, along: int = _ALONG) -> Tensor:
    """Return (B, K, along + 1, around + 1, 3) points on each solid; the last column repeats the first."""
    device = solids.centre.device
    turn = torch.linspace(-math.pi, math.pi, around + 1, device=device).expand(along + 1, -1)
    rise = torch.linspace(-math.pi / 2, math.pi / 2, along + 1, device=device)[:, None].expand_as(turn)
    spread = Solids(*(getattr(solids, field.name)[:, :, None, None] for field in fields(solids)))
    leading = (*solids.bend.shape, *turn.shape)
    return surface(spread, turn.expand(leading), rise.expand(leading))[0]


def on_union(solids: Solids, points: Tensor, owner: Tensor) -> Tensor:
    """Return (B, M) bool: whether points on the surfaces of solids ``owner`` are on the shape's surface."""
    inside = contains(solids, points)
    inside.scatter_(2, owner[:, :, None], False)
    carve = solids.carve[:, None]
    in_matter, in_hollow = (inside & ~carve).any(dim=2), (inside & carve).any(dim=2)
    is_carver = solids.carve.gather(1, owner)
    return (in_matter == is_carver) & ~in_hollow


@dataclass(frozen=True)
class _Cells:
    """Small quadrilaterals of all solids: (B, K·C) cumulative areas and their lower and upper edges."""

    cumulative: Tensor
    lower: Tensor
    upper: Tensor

    @classmethod
    def of(cls, solids: Solids) -> _Cells:
        corners = grid(solids)
        edges = torch.linalg.vector_norm(corners[..., 1:, :] - corners[..., :-1, :], dim=-1)
        first = corners[:, :, 1:, 1:] - corners[:, :, :-1, :-1]
        second = corners[:, :, 1:, :-1] - corners[:, :, :-1, 1:]
        areas = 0.5 * torch.linalg.vector_norm(torch.linalg.cross(first, second), dim=-1)
        areas = areas * solids.present[:, :, None, None]
        cumulative = areas.flatten(1).double().cumsum(dim=1)
        return cls(cumulative, edges[:, :, :-1].flatten(1), edges[:, :, 1:].flatten(1))

    def rows(self, index: Tensor) -> _Cells:
        return _Cells(self.cumulative[index], self.lower[index], self.upper[index])


def _candidates(
    solids: Solids, cells: _Cells, count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw points on the solids; return them, their normals, and whether each is on the shape's surface."""
    shape, device = (len(solids.centre), count), solids.centre.device
    place = torch.rand(shape, generator=generator, device=device, dtype=torch.float64)
    cell = torch.searchsorted(cells.cumulative, place * cells.cumulative[:, -1:], right=True)
    cell = cell.clamp_max(cells.cumulative.shape[1] - 1)
    across, rise = torch.rand((2, *shape), generator=generator, device=device)
    lower, upper = cells.lower.gather(1, cell), cells.upper.gather(1, cell)
    # A cell is a trapezium, a triangle at the poles: uniform by area is not uniform in its height.
    root = torch.sqrt(lower**2 + rise * (upper**2 - lower**2))
    rise = rise * (lower + upper) / (lower + root).clamp_min(1e-20)
    owner, inner = cell // (_AROUND * _ALONG), cell % (_AROUND * _ALONG)
    around = ((inner % _AROUND + across) / _AROUND - 0.5) * 2 * math.pi
    along = ((inner // _AROUND + rise.clamp(0, 1)) / _ALONG - 0.5) * math.pi
    points, normals = surface(solids.each(owner), around, along)
    sign = 1 - 2 * solids.carve.gather(1, owner).to(normals.dtype)
    return points, normals * sign[:, :, None], on_union(solids, points, owner)


def _store(
    found: tuple[Tensor, Tensor, Tensor], rows: Tensor, points: Tensor, normals: Tensor, filled: Tensor
) -> None:
    """Append the kept candidates of each row, as far as there is room."""
    new_points, new_normals, kept = found
    slot = filled[rows][:, None] + kept.cumsum(dim=1) - 1
    kept = kept & (slot < points.shape[1])
    row = rows[:, None].expand_as(kept)[kept]
    points[row, slot[kept]] = new_points[kept]
    normals[row, slot[kept]] = new_normals[kept]
    filled[rows] += kept.sum(dim=1)


def _norm(a: Tensor, b: Tensor, exponent: Tensor) -> Tensor:
    """Return the p-norm of two non-negative numbers, the maximum for p = inf."""
    largest = torch.maximum(a, b)
    smallest = torch.minimum(a, b)
    ratio = smallest / largest.clamp_min(1e-20)
    finite = torch.where(torch.isinf(exponent), torch.full_like(exponent, 2.0), exponent)
    grown = largest * torch.exp(torch.log1p(torch.exp(finite * torch.log(ratio))) / finite)
    return torch.where(torch.isinf(exponent), largest, grown)


def _on_unit_curve(angle: Tensor, exponent: Tensor) -> tuple[Tensor, Tensor]:
    """Return the point of norm 1 in the direction of an angle."""
    first, second = torch.cos(angle), torch.sin(angle)
    size = _norm(first.abs(), second.abs(), exponent)
    return first / size, second / size


def _gradient(first: Tensor, second: Tensor, exponent: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradient of the p-norm at a point of norm 1."""
    is_flat = torch.isinf(exponent)
    power = torch.where(is_flat, torch.full_like(exponent, 2.0), exponent) - 1
    a, b = first.abs(), second.abs()
    along_first = torch.where(is_flat, (a >= b).to(a.dtype), a**power)
    along_second = torch.where(is_flat, (b > a).to(b.dtype), b**power)
    return first.sign() * along_first, second.sign() * along_second


def _bent(solids: Solids, point: Tensor, normal: Tensor) -> tuple[Tensor, Tensor]:
    """Bend points, and normals by the inverse transpose, of straight solids."""
    is_bent = solids.bend.abs() > _STRAIGHT
    length = 2 * solids.half[..., 1]
    radius = torch.where(is_bent, length / solids.bend, torch.ones_like(length))
    (x, y, z), (normal_x, normal_y, normal_z) = point.unbind(-1), normal.unbind(-1)
    cosine, sine = torch.cos(y / radius), torch.sin(y / radius)
    bent = torch.stack([(radius + x) * cosine - radius, (radius + x) * sine, z], dim=-1)
    shrunk = normal_y * radius / (radius + x)
    turned = torch.stack([normal_x * cosine - shrunk * sine, normal_x * sine + shrunk * cosine, normal_z], -1)
    choice = is_bent[..., None]
    return torch.where(choice, bent, point), torch.where(choice, turned, normal)
