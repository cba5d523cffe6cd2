"""Repair broken meshes: ``python -m tests.benchmarks.repair [--library FILE.sh3f…] [--objects N]``.

Sound objects are broken in six ways, each by a fixed seed: faces removed, flipped, doubled, split into a
soup, given inner copies, made thin double walls. Each broken file is repaired by wrapping (this program,
reading the file as a user would drop it) and by what Python users have at hand: trimesh's ``fill_holes`` with
``fix_normals`` (MIT) and manifold3d's import (Apache-2.0), which heals what it can. A *certified* mesh is
closed, oriented, of one component and genus 0, without crossing or collapsed faces; ``chamfer_l2`` is
against 10,000 points of what is seen of the intact object from outside, in the unit-radius frame.

Objects are procedural, of ``nmf_model.data.synthetic``, and, with ``--library``, those of furniture libraries
outside their test split, in the order of the SHA-1 of their ids. pymeshfix and MeshLab are not run: GPL.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nmf_model.data.families import draw_shape
from nmf_model.data.library import load_mesh, read_library
from nmf_model.data.splits import split_of
from nmf_model.data.synthetic import shape_mesh
from nmf_model.errors import NmfError
from nmf_model.geometry.sampling import sample_surface
from nmf_model.geometry.seen import sample_seen
from nmf_model.io.meshes import write_mesh
from nmf_model.io.points import read_points
from nmf_model.metrics import chamfer_l2
from nmf_model.quality import inspect_mesh
from nmf_model.reconstruct import run
from nmf_model.types import Mesh, ReconstructionRequest

SAMPLES = 10_000
MAX_FACES = 60_000


@dataclass(frozen=True)
class Row:
    """One object, one damage, one method; no distance where nothing was left."""

    object: str
    damage: str
    method: str
    certified: bool
    closed: bool
    chamfer_l2: float | None
    seconds: float


def removed(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    """Lose a twentieth of the faces, here and there."""
    return Mesh(mesh.vertices, mesh.faces[rng.random(len(mesh.faces)) > 0.05])


def flipped(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    """Turn a third of the faces inside out."""
    turned = rng.random(len(mesh.faces)) < 1 / 3
    return Mesh(mesh.vertices, np.where(turned[:, None], mesh.faces[:, ::-1], mesh.faces))


def doubled(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    """Repeat a third of the faces, which makes their edges non-manifold."""
    again = mesh.faces[rng.random(len(mesh.faces)) < 1 / 3]
    return Mesh(mesh.vertices, np.concatenate([mesh.faces, again]))


def soup(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    """Give every face corners of its own, moved apart by a thousandth of the size."""
    corners = mesh.vertices[mesh.faces].reshape(-1, 3)
    moved = corners + rng.normal(scale=5e-4 * np.ptp(corners), size=corners.shape)
    return Mesh(moved, np.arange(len(moved)).reshape(-1, 3))


def inner_copies(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    """Put two smaller copies inside, one of them inside out."""
    centre = mesh.vertices.mean(axis=0)
    count = len(mesh.vertices)
    vertices = [centre + share * (mesh.vertices - centre) for share in (1.0, 0.8, 0.6)]
    faces = [mesh.faces, mesh.faces[:, ::-1] + count, mesh.faces + 2 * count]
    return Mesh(np.concatenate(vertices), np.concatenate(faces))


def double_walls(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    """Add a second wall a hundredth of the size further in, along the vertices' normals, and some holes."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    normals = np.zeros_like(mesh.vertices)
    for corner in range(3):
        np.add.at(normals, mesh.faces[:, corner], np.cross(b - a, c - a))
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    inner = mesh.vertices - 0.01 * np.ptp(mesh.vertices) * normals
    faces = np.concatenate([mesh.faces, mesh.faces[:, ::-1] + len(mesh.vertices)])
    return Mesh(np.concatenate([mesh.vertices, inner]), faces[rng.random(len(faces)) > 0.02])


DAMAGES: dict[str, Callable[[Mesh, np.random.Generator], Mesh]] = {
    "faces removed": removed, "faces flipped": flipped, "faces doubled": doubled, "soup": soup,
    "inner copies": inner_copies, "double walls": double_walls,
}  # fmt: skip


def wrapped(path: Path) -> Mesh:
    """Repair by this program."""
    return run(ReconstructionRequest(read_points(path))).mesh


def by_trimesh(path: Path) -> Mesh:
    """Merge, fill holes, and make normals consistent, by trimesh."""
    import trimesh

    mesh = trimesh.load_mesh(path)
    mesh.update_faces(mesh.unique_faces() & mesh.nondegenerate_faces())
    trimesh.repair.fill_holes(mesh)
    trimesh.repair.fix_normals(mesh)
    return Mesh(np.array(mesh.vertices, dtype=np.float64), np.array(mesh.faces, dtype=np.int64))


def by_manifold(path: Path) -> Mesh:
    """Merge and import by manifold3d, which refuses what is not nearly manifold."""
    import manifold3d
    import trimesh

    mesh = trimesh.load_mesh(path)
    given = manifold3d.Mesh(np.array(mesh.vertices, np.float32), np.array(mesh.faces, np.uint32))
    given.merge()
    solid = manifold3d.Manifold(given)
    if solid.status() != manifold3d.Error.NoError or solid.is_empty():
        raise ValueError("refused")
    result = solid.to_mesh()
    vertices = np.array(result.vert_properties[:, :3], dtype=np.float64)
    return Mesh(vertices, np.array(result.tri_verts, dtype=np.int64))


def left_alone(path: Path) -> Mesh:
    """Do nothing: the broken mesh itself, corners at identical places joined."""
    import trimesh

    mesh = trimesh.load_mesh(path)
    return Mesh(np.array(mesh.vertices, dtype=np.float64), np.array(mesh.faces, dtype=np.int64))


METHODS: dict[str, Callable[[Path], Mesh]] = {
    "left alone": left_alone, "trimesh": by_trimesh, "manifold3d": by_manifold, "wrapping": wrapped,
}  # fmt: skip


def objects(libraries: Sequence[Path], count: int) -> Iterator[tuple[str, Mesh]]:
    """Yield library objects and procedural ones in turn, until there are enough."""
    entries = [entry for path in libraries for entry in read_library(path) if split_of(entry.id) != "test"]
    entries.sort(key=lambda entry: hashlib.sha1(entry.id.encode()).hexdigest())
    number, found = 0, 0
    while found < count:
        if entries and found % 2 == 0:
            entry = entries.pop(0)
            name, mesh = entry.name, load_mesh(entry)
        else:
            name, solids = draw_shape(7, number)
            name, mesh = f"{name} {number}", shape_mesh(solids, around=48, along=24)[0]
            number += 1
        if len(mesh.faces) <= MAX_FACES:
            found += 1
            yield name, mesh


def measure(name: str, intact: Mesh, damage: str, method: str) -> Row:
    """Break one object, repair it, and compare with the intact one."""
    rng = np.random.default_rng(11)
    target = sample_seen(intact.vertices, intact.faces, SAMPLES, rng).points
    centre = target.mean(axis=0)
    scale = float(np.linalg.norm(target - centre, axis=1).max())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "broken.ply"
        write_mesh(DAMAGES[damage](intact, rng), path)
        started = time.perf_counter()
        try:
            mesh = METHODS[method](path)
        except (NmfError, ValueError, RuntimeError):
            return Row(name, damage, method, False, False, None, time.perf_counter() - started)
        seconds = time.perf_counter() - started
    report = inspect_mesh(mesh)
    samples, _ = sample_surface(mesh.vertices, mesh.faces, SAMPLES, rng)
    distance = chamfer_l2((samples - centre) / scale, (target - centre) / scale)
    return Row(name, damage, method, report.is_sound, report.watertight, distance, seconds)


def sampling(name: str, intact: Mesh, damage: str) -> tuple[float, float, float]:
    """Return chamfer_l2 of points drawn all over the broken mesh and of those wrapping draws, and seconds."""
    rng = np.random.default_rng(11)
    target = sample_seen(intact.vertices, intact.faces, SAMPLES, rng).points
    centre = target.mean(axis=0)
    scale = float(np.linalg.norm(target - centre, axis=1).max())
    damaged = DAMAGES[damage](intact, rng)
    everywhere, _ = sample_surface(damaged.vertices, damaged.faces, SAMPLES, rng)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "broken.ply"
        write_mesh(damaged, path)
        started = time.process_time()
        outside = read_points(path, surface_samples=SAMPLES).points
        seconds = time.process_time() - started
    there = (target - centre) / scale
    return (
        chamfer_l2((everywhere - centre) / scale, there),
        chamfer_l2((outside - centre) / scale, there),
        seconds,
    )


def print_sampling(cases: Iterator[tuple[str, Mesh]]) -> None:
    """Print how near the points that are fitted come to the intact outer surface, before any fit."""
    print("| object | damage | all over ·1e3 | from outside ·1e3 | CPU s |\n|---|---|---:|---:|---:|")
    found = []
    for number, (name, mesh) in enumerate(cases):
        damage = list(DAMAGES)[number % len(DAMAGES)]
        found.append(sampling(name, mesh, damage))
        everywhere, outside, seconds = found[-1]
        values = f"{1e3 * everywhere:.3f} | {1e3 * outside:.3f} | {seconds:.2f}"
        print(f"| {name} | {damage} | {values} |", flush=True)
    mean = np.mean(found, axis=0)
    print(f"| **mean of {len(found)}** | | {1e3 * mean[0]:.3f} | {1e3 * mean[1]:.3f} | {mean[2]:.2f} |")


def table(rows: Sequence[Row]) -> str:
    """Return the Markdown table: shares and means of each method."""
    lines = [
        "| method | broken meshes | certified | closed | chamfer_l2 ·1e3 (median, of those left) | seconds |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for method in METHODS:
        own = [row for row in rows if row.method == method]
        if not own:
            continue
        distances = [row.chamfer_l2 for row in own if row.chamfer_l2 is not None]
        median = f"{1e3 * np.median(distances):.3f} ({len(distances)})" if distances else "none left"
        lines.append(
            f"| {method} | {len(own)} | {np.mean([row.certified for row in own]):.0%} "
            f"| {np.mean([row.closed for row in own]):.0%} | {median} "
            f"| {np.mean([row.seconds for row in own]):.1f} |"
        )
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> None:
    """Print each case and then the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--library", type=Path, nargs="*", default=[], help="furniture libraries (.sh3f)")
    parser.add_argument("--objects", type=int, default=24, help="broken meshes; the damages take turns")
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=list(METHODS))
    parser.add_argument("--sampling", action="store_true", help="only the points that would be fitted")
    arguments = parser.parse_args(words)
    if arguments.sampling:
        print_sampling(objects(arguments.library, arguments.objects))
        return
    damages, rows = list(DAMAGES), []
    for number, (name, mesh) in enumerate(objects(arguments.library, arguments.objects)):
        for method in arguments.methods:
            row = measure(name, mesh, damages[number % len(damages)], method)
            rows.append(row)
            distance = "refused" if row.chamfer_l2 is None else f"{1e3 * row.chamfer_l2:.3f}e-3"
            verdict = "certified" if row.certified else "closed" if row.closed else "broken"
            print(
                f"{name} | {row.damage} | {method} | {verdict} | {distance} | {row.seconds:.1f} s", flush=True
            )
    print("\n" + table(rows))


if __name__ == "__main__":
    main()
