"""Which file types are read and written: the one place that lists suffixes (lower case, with dot)."""

from __future__ import annotations

from nmf_model.io.images import IMAGE_SUFFIXES as _IMAGE_SUFFIXES
from nmf_model.io.output_formats import OUTPUT_FORMATS

TEXT_SUFFIXES: frozenset[str] = frozenset({".xyz", ".pts", ".txt", ".csv", ".asc"})
ARRAY_SUFFIXES: frozenset[str] = frozenset({".npy", ".npz"})
SCAN_SUFFIXES: frozenset[str] = frozenset({".pcd", ".las", ".laz"})

MESH_SUFFIXES: frozenset[str] = frozenset({".ply", ".obj", ".off", ".stl", ".glb", ".gltf", ".3mf"})
"""Types that can hold faces; each of them may also hold bare points."""
POINT_SUFFIXES: frozenset[str] = TEXT_SUFFIXES | ARRAY_SUFFIXES | SCAN_SUFFIXES | MESH_SUFFIXES
"""Everything ``read_points`` opens."""
IMAGE_SUFFIXES: frozenset[str] = frozenset(_IMAGE_SUFFIXES)
"""Everything ``read_image`` opens."""
EXPORT_SUFFIXES: tuple[str, ...] = tuple(entry.suffix for entry in OUTPUT_FORMATS if not entry.solid)
"""Everything ``write_mesh`` writes, in the order to offer them."""
SOLID_SUFFIXES: tuple[str, ...] = tuple(entry.suffix for entry in OUTPUT_FORMATS if entry.solid)
"""Everything ``write_solid`` writes: tetrahedra instead of triangles."""
OUTPUT_SUFFIXES: tuple[str, ...] = (*EXPORT_SUFFIXES, *SOLID_SUFFIXES)
"""Everything a reconstruction is exported to."""
TEXTURE_SUFFIXES: tuple[str, ...] = tuple(entry.suffix for entry in OUTPUT_FORMATS if entry.texture)
"""Everything ``export_textured`` writes."""


def listed(suffixes: frozenset[str] | tuple[str, ...]) -> str:
    """Return the suffixes as a phrase for a sentence: ".a, .b or .c"."""
    names = list(suffixes) if isinstance(suffixes, tuple) else sorted(suffixes)
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
