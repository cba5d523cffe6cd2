"""Points on a surface, how far it is from the points of a cloud and how evenly it is stretched.

All with the gradient by its vertices. What is computed is said in ``geometry.surface.draw_samples``,
``fitting.loss.misfit`` and ``fitting.tension``; random numbers are given, so that both compute the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nmf_model.fitting.compiled.jit import Floats, Numbers, Scalar, compiled
from nmf_model.fitting.loss import REACH, SIDEWAYS

_TINY: Scalar = np.float32(1e-20)
_REACH, _SIDEWAYS = np.float32(REACH), np.float32(SIDEWAYS)


class Cloud(NamedTuple):
    """What a surface is compared with; see ``fitting.target.FitTarget``.

    Attributes:
        points: (N, 3) float32.
        normals: (N, 3) float32.
        spacing: (N,) float32.
        planarity: (N,) float32.
    """

    points: Floats
    normals: Floats
    spacing: Floats
    planarity: Floats


class Drawn(NamedTuple):
    """S samples of a surface.

    Attributes:
        points: (S, 3) float32.
        faces: (S,) int32, the face each lies on.
        weights: (S, 3) float32, of the face's corners.
    """

    points: Floats
    faces: Numbers
    weights: Floats


@compiled
def double_areas(vertices: Floats, faces: Numbers) -> tuple[Floats, Floats]:
    """Return twice the area (F,) and the unit normal (F, 3) of each face, 0 where there is none."""
    areas, normals = np.empty(len(faces), np.float32), np.empty((len(faces), 3), np.float32)
    for face in range(len(faces)):
        a, b, c = vertices[faces[face, 0]], vertices[faces[face, 1]], vertices[faces[face, 2]]
        ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        length = np.sqrt(x * x + y * y + z * z)
        areas[face] = length
        inverse = np.float32(1.0) / max(length, _TINY)
        normals[face, 0], normals[face, 1], normals[face, 2] = x * inverse, y * inverse, z * inverse
    return areas, normals


@compiled
def draw(vertices: Floats, faces: Numbers, areas: Floats, random: Floats) -> Drawn:
    """Draw S points uniformly by area, stratified over the faces in their order.

    Args:
        vertices: (V, 3).
        faces: (F, 3).
        areas: (F,), in any unit.
        random: (3, S) in 0 … 1.
    """
    count = random.shape[1]
    points, chosen = np.empty((count, 3), np.float32), np.empty(count, np.int32)
    weights = np.empty((count, 3), np.float32)
    total: Scalar = 0.0
    for face in range(len(areas)):
        total += areas[face]
    face, reached = 0, float(areas[0])
    for sample in range(count):
        position = (sample + random[0, sample]) / count * total
        while reached < position and face < len(faces) - 1:
            face += 1
            reached += areas[face]
        root, other = np.sqrt(random[1, sample]), random[2, sample]
        chosen[sample] = face
        weights[sample, 0] = np.float32(1.0) - root
        weights[sample, 1] = root * (np.float32(1.0) - other)
        weights[sample, 2] = root * other
        for axis in range(3):
            value = np.float32(0.0)
            for corner in range(3):
                value += weights[sample, corner] * vertices[faces[face, corner], axis]
            points[sample, axis] = value
    return Drawn(points, chosen, weights)


@compiled
def accuracy(
    drawn: Drawn,
    near: Numbers,
    vertices: Floats,
    faces: Numbers,
    areas: Floats,
    normals: Floats,
    cloud: Cloud,
    alignment: Scalar,
) -> tuple[Scalar, Floats, Floats]:
    """Return the mean residual of the samples, and its gradients.

    Args:
        drawn: the samples.
        near: (S,) which point of the cloud is nearest to each.
        vertices: (V, 3).
        faces: (F, 3).
        areas: (F,) twice the areas.
        normals: (F, 3).
        cloud: what they are compared with.
        alignment: weight of the squared sine of the angle between normals.

    Returns:
        the value, its gradient by the vertices but for that through the areas (V, 3), and by the areas (F,).
    """
    slopes, grown, turned = np.zeros_like(vertices), np.zeros_like(areas), np.zeros_like(normals)
    count, straight = len(drawn.points), np.float32(alignment)
    share = np.float32(1.0 / count)
    total: Scalar = 0.0
    for sample in range(count):
        index, face = near[sample], drawn.faces[sample]
        point, place, normal = drawn.points[sample], cloud.points[index], cloud.normals[index]
        rx, ry, rz = point[0] - place[0], point[1] - place[1], point[2] - place[2]
        height = rx * normal[0] + ry * normal[1] + rz * normal[2]
        along = height * height
        sideways = rx * rx + ry * ry + rz * rz - along
        allowance, planar = cloud.spacing[index] ** 2, cloud.planarity[index]
        forgiven = max(sideways - allowance, np.float32(0.0)) + _SIDEWAYS * min(sideways, allowance)
        value = along + planar * forgiven + (np.float32(1.0) - planar) * sideways
        if straight > 0:
            own = normals[face]
            cosine = own[0] * normal[0] + own[1] * normal[1] + own[2] * normal[2]
            value += straight * planar * (np.float32(1.0) - cosine * cosine)
            turning = np.float32(-2.0) * share * straight * planar * cosine
            for axis in range(3):
                turned[face, axis] += turning * normal[axis]
        total += value
        grown[face] += share * value / max(areas[face], _TINY)
        counted = planar * (np.float32(1.0) if sideways > allowance else _SIDEWAYS) + np.float32(1.0) - planar
        inward, across = np.float32(2.0) * share * height * (1 - counted), np.float32(2.0) * share * counted
        gx = inward * normal[0] + across * rx
        gy = inward * normal[1] + across * ry
        gz = inward * normal[2] + across * rz
        _to_corners(slopes, faces[face], drawn.weights[sample], gx, gy, gz)
    if straight > 0:
        _normals_back(vertices, faces, areas, normals, turned, slopes)
    return total / count, slopes, grown


@compiled
def completeness(
    drawn: Drawn,
    near: Numbers,
    vertices: Floats,
    faces: Numbers,
    cloud: Cloud,
    chosen: Numbers,
    urgency: Scalar,
) -> tuple[Scalar, Floats]:
    """Return the mean squared distance of the chosen points, missed ones counting more.

    Args:
        drawn: samples of the surface.
        near: (M, C) which samples are nearest to each of the chosen points; their faces are looked at.
        vertices: (V, 3).
        faces: (F, 3).
        cloud: the points.
        chosen: (M,) which of them.
        urgency: how many more times a missed point counts.

    Returns:
        the value, and its gradient by the vertices (V, 3).
    """
    slopes = np.zeros_like(vertices)
    share = np.float32(1.0 / len(chosen))
    more = np.float32(urgency)
    weights, best = np.empty(3, np.float32), np.empty(3, np.float32)
    total: Scalar = 0.0
    for row in range(len(chosen)):
        query = cloud.points[chosen[row]]
        squared, face = np.float32(np.inf), -1
        ex, ey, ez = np.float32(0.0), np.float32(0.0), np.float32(0.0)
        for rank in range(near.shape[1]):
            candidate = drawn.faces[near[row, rank]]
            if candidate == face:
                continue
            a, b, c = (
                vertices[faces[candidate, 0]],
                vertices[faces[candidate, 1]],
                vertices[faces[candidate, 2]],
            )
            _closest(query, a, b, c, weights)
            x = weights[0] * a[0] + weights[1] * b[0] + weights[2] * c[0] - query[0]
            y = weights[0] * a[1] + weights[1] * b[1] + weights[2] * c[1] - query[1]
            z = weights[0] * a[2] + weights[1] * b[2] + weights[2] * c[2] - query[2]
            distance = x * x + y * y + z * z
            if distance < squared:
                squared, face = distance, candidate
                ex, ey, ez = x, y, z
                for corner in range(3):
                    best[corner] = weights[corner]
        reach = (_REACH * cloud.spacing[chosen[row]]) ** 2
        total += squared
        counted = np.float32(2.0) * share
        if squared > reach:
            total += more * (squared - reach)
            counted *= np.float32(1.0) + more
        _to_corners(slopes, faces[face], best, counted * ex, counted * ey, counted * ez)
    return total / len(chosen), slopes


@compiled
def tension(
    vertices: Floats,
    faces: Numbers,
    areas: Floats,
    stretch: Scalar,
    evenness: Scalar,
    slopes: Floats,
    grown: Floats,
) -> Scalar:
    """Return stretch · ``dirichlet_energy`` + evenness · ``unevenness``.

    Args:
        vertices: (V, 3).
        faces: (F, 3).
        areas: (F,) twice the areas.
        stretch: a weight.
        evenness: a weight.
        slopes: (V, 3), to which the gradient by the vertices is added, but for that through the areas.
        grown: (F,), to which the gradient by the areas is added.
    """
    mean: Scalar = 0.0
    for face in range(len(areas)):
        mean += areas[face]
    mean /= len(areas)
    each = np.float32(2 * evenness / (len(areas) * mean * mean))
    weight = np.float32(2 * stretch / (4 * np.sqrt(3.0)))
    uneven: Scalar = 0.0
    energy: Scalar = 0.0
    for face in range(len(faces)):
        uneven += (areas[face] / mean) ** 2
        grown[face] += each * areas[face]
        for corner in range(3):
            one, other = faces[face, corner], faces[face, (corner + 1) % 3]
            for axis in range(3):
                across = vertices[other, axis] - vertices[one, axis]
                energy += across * across
                slopes[other, axis] += weight * across
                slopes[one, axis] -= weight * across
    return evenness * uneven / len(areas) + stretch * energy / (4 * np.sqrt(3.0))


@compiled
def areas_back(vertices: Floats, faces: Numbers, normals: Floats, grown: Floats, slopes: Floats) -> None:
    """Take a gradient by twice the areas (F,) back to the vertices, added to ``slopes`` (V, 3)."""
    for face in range(len(faces)):
        normal, weight = normals[face], grown[face]
        for corner in range(3):
            one, other = vertices[faces[face, (corner + 1) % 3]], vertices[faces[face, (corner + 2) % 3]]
            x, y, z = other[0] - one[0], other[1] - one[1], other[2] - one[2]
            slope = slopes[faces[face, corner]]
            slope[0] += weight * (normal[1] * z - normal[2] * y)
            slope[1] += weight * (normal[2] * x - normal[0] * z)
            slope[2] += weight * (normal[0] * y - normal[1] * x)


@compiled
def _normals_back(
    vertices: Floats, faces: Numbers, areas: Floats, normals: Floats, turned: Floats, slopes: Floats
) -> None:
    """Take a gradient by the unit normals (F, 3) back to the vertices, added to ``slopes`` (V, 3)."""
    for face in range(len(faces)):
        gradient, normal = turned[face], normals[face]
        lengthwise = gradient[0] * normal[0] + gradient[1] * normal[1] + gradient[2] * normal[2]
        inverse = np.float32(1.0) / max(areas[face], _TINY)
        gx = (gradient[0] - lengthwise * normal[0]) * inverse
        gy = (gradient[1] - lengthwise * normal[1]) * inverse
        gz = (gradient[2] - lengthwise * normal[2]) * inverse
        for corner in range(3):
            one, other = vertices[faces[face, (corner + 1) % 3]], vertices[faces[face, (corner + 2) % 3]]
            x, y, z = other[0] - one[0], other[1] - one[1], other[2] - one[2]
            slope = slopes[faces[face, corner]]
            slope[0] += gy * z - gz * y
            slope[1] += gz * x - gx * z
            slope[2] += gx * y - gy * x


@compiled
def _to_corners(slopes: Floats, face: Numbers, weights: Floats, gx: Scalar, gy: Scalar, gz: Scalar) -> None:
    for corner in range(3):
        slope, weight = slopes[face[corner]], weights[corner]
        slope[0] += weight * gx
        slope[1] += weight * gy
        slope[2] += weight * gz


@compiled
def _dot(a: Floats, b: Floats, c: Floats, d: Floats) -> Scalar:
    """Return (b - a) · (d - c)."""
    x = (b[0] - a[0]) * (d[0] - c[0])
    y = (b[1] - a[1]) * (d[1] - c[1])
    z = (b[2] - a[2]) * (d[2] - c[2])
    return x + y + z


@compiled
def _closest(p: Floats, a: Floats, b: Floats, c: Floats, weights: Floats) -> None:
    """Write the weights of a triangle's point that is closest to p.

    By which corner, side or inside it belongs to (Ericson, "Real-Time Collision Detection", 5.1.5).
    """
    zero, one = np.float32(0.0), np.float32(1.0)
    d1, d2 = _dot(a, b, a, p), _dot(a, c, a, p)
    if d1 <= 0 and d2 <= 0:
        weights[0], weights[1], weights[2] = one, zero, zero
        return
    d3, d4 = _dot(a, b, b, p), _dot(a, c, b, p)
    if d3 >= 0 and d4 <= d3:
        weights[0], weights[1], weights[2] = zero, one, zero
        return
    vc = d1 * d4 - d3 * d2
    if vc <= 0 and d1 >= 0 and d3 <= 0:
        v = d1 / max(d1 - d3, _TINY)
        weights[0], weights[1], weights[2] = one - v, v, zero
        return
    d5, d6 = _dot(a, b, c, p), _dot(a, c, c, p)
    if d6 >= 0 and d5 <= d6:
        weights[0], weights[1], weights[2] = zero, zero, one
        return
    vb = d5 * d2 - d1 * d6
    if vb <= 0 and d2 >= 0 and d6 <= 0:
        w = d2 / max(d2 - d6, _TINY)
        weights[0], weights[1], weights[2] = one - w, zero, w
        return
    va = d3 * d6 - d5 * d4
    if va <= 0 and d4 - d3 >= 0 and d5 - d6 >= 0:
        w = (d4 - d3) / max((d4 - d3) + (d5 - d6), _TINY)
        weights[0], weights[1], weights[2] = zero, one - w, w
        return
    whole = one / max(va + vb + vc, _TINY)
    weights[1], weights[2] = vb * whole, vc * whole
    weights[0] = one - weights[1] - weights[2]
