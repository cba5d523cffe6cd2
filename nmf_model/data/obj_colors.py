"""Colours of an OBJ file's triangles from the diffuse colours of its materials, textures left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_UNKNOWN = (184, 184, 189)


def read_face_colors(model: Path, materials: Path, count: int) -> NDArray[np.uint8] | None:
    """Return (count, 3) uint8, a colour for each triangle in the order of ``read_mesh``.

    Args:
        model: the OBJ file.
        materials: its material file.
        count: how many triangles the mesh has.

    Returns:
        the colours, or None if the file's faces do not make that many triangles.
    """
    palette = _diffuse(materials)
    colors: list[tuple[int, int, int]] = []
    current = _UNKNOWN
    with model.open(encoding="utf-8", errors="replace") as stream:
        for line in stream:
            if line.startswith("usemtl"):
                current = palette.get(line[6:].strip(), _UNKNOWN)
            elif line.startswith("f "):
                # A polygon of n corners is a fan of n - 2 triangles.
                colors += [current] * (len(line.split()) - 3)
    return np.array(colors, dtype=np.uint8) if len(colors) == count else None


def _diffuse(materials: Path) -> dict[str, tuple[int, int, int]]:
    palette: dict[str, tuple[int, int, int]] = {}
    name = ""
    for line in materials.read_text("utf-8", errors="replace").splitlines():
        words = line.split()
        if words[:1] == ["newmtl"]:
            name = line.strip()[6:].strip()
        elif words[:1] == ["Kd"] and len(words) >= 4:
            try:
                red, green, blue = (int(255 * min(max(float(word), 0.0), 1.0)) for word in words[1:4])
            except ValueError:
                continue
            palette[name] = (red, green, blue)
    return palette
