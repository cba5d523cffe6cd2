"""Read where on the sphere the vertices of a result came from, so that others can have the same ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import InputError
from nmf_model.geometry.topology import analyse
from nmf_model.io.gltf_tree import has_texture_places
from nmf_model.io.meshes import read_mesh
from nmf_model.io.opening import reading
from nmf_model.io.writers import SPHERE_ATTRIBUTE, SPHERE_PROPERTIES
from nmf_model.types import Mesh

TEMPLATE_SUFFIXES = (".ply", ".glb")
"""Formats in which a mesh says where its vertices lie on the sphere."""
_OFF_THE_SPHERE = 1e-4
_FLAT = 1e-9
"""Six times the volume from the sphere's centre that a sliver may have too little, as float32 rounds it."""


def read_template(path: Path) -> Mesh:
    """Read a result of this program with ``sphere``.

    Raises:
        InputError: it cannot be read, does not say where its vertices lie on the sphere, or no longer covers
            the sphere once: one sentence says so.
    """
    if path.suffix.lower() not in TEMPLATE_SUFFIXES:
        raise InputError(
            f"{path.name} cannot be a template: take a .ply or .glb file that this program has written."
        )
    mesh = read_mesh(path)
    if path.suffix.lower() == ".glb" and reading(path, lambda: has_texture_places(path)):
        raise InputError(
            f"{path.name} repeats vertices along the seams of its texture; take the .ply file of that result."
        )
    sphere = reading(path, lambda: _sphere(path))
    if sphere is None or len(sphere) != len(mesh.vertices):
        raise InputError(
            f"{path.name} does not say where its vertices lie on the sphere; take a .ply or .glb file that "
            f"this program has written."
        )
    if not _covers_the_sphere(sphere, mesh.faces):
        raise InputError(f"{path.name} was changed since this program wrote it; take the file as it was.")
    return Mesh(mesh.vertices, mesh.faces, sphere)


def _sphere(path: Path) -> NDArray[np.float32] | None:
    import trimesh

    found: Any = trimesh.load_scene(path, process=False)
    parts = list(found.geometry.values())
    if len(parts) != 1:
        return None
    if path.suffix.lower() == ".ply":
        rows = parts[0].metadata["_ply_raw"]["vertex"]["data"]
        if not all(name in (rows.dtype.names or ()) for name in SPHERE_PROPERTIES):
            return None
        return np.stack([rows[name] for name in SPHERE_PROPERTIES], axis=1).astype(np.float32)
    values = parts[0].vertex_attributes.get(SPHERE_ATTRIBUTE)
    return None if values is None else np.asarray(values, dtype=np.float32)


def _covers_the_sphere(sphere: NDArray[np.float32], faces: NDArray[np.int64]) -> bool:
    """Return whether the faces are those of a sphere, all looking outwards."""
    places = sphere.astype(np.float64)
    if not (np.abs(np.linalg.norm(places, axis=1) - 1) < _OFF_THE_SPHERE).all():  # also not for NaN
        return False
    found = analyse(faces)
    is_sphere = (found.components, found.euler_characteristic, found.nonmanifold_vertices) == (1, 2, 0)
    is_whole = found.watertight and found.winding_consistent and found.used_vertices == len(places)
    return is_sphere and is_whole and bool((np.linalg.det(places[faces]) > -_FLAT).all())
