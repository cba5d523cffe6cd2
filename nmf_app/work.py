"""What the jobs do. These functions run on the worker thread; torch is imported inside them, not before."""

from __future__ import annotations

import ctypes
import importlib.util
import itertools
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmf_app.jobs import Progress, Report, Task
from nmf_app.ports import ExportChoice
from nmf_app.session import BrokenSurface, Drape, Exported, Loaded, Marks, Outcome, Stamp
from nmf_model.certificate import Origin, certificate_path, file_sha256
from nmf_model.errors import Cancelled
from nmf_model.findings import Region, Tunnel
from nmf_model.geometry.normalization import normalize
from nmf_model.io.output_formats import report_path
from nmf_model.streams import drain
from nmf_model.types import (
    CancelCheck,
    FlowFrame,
    LengthUnit,
    Mesh,
    Normalization,
    PointCloud,
    QualityReport,
    Reconstruction,
    ReconstructionRequest,
    ShapeImage,
    Source,
)

PREVIEW_POINTS = 12_000
DRAWN_CHART = 256
"""Pixels along a chart of the colours that are drawn in the window; files have more."""
LARGEST_MARK = 0.2  # radius of the balls that mark what a mesh misses: larger ones would hide the object
READ_AT_ONCE_BYTES = 500_000  # a larger mesh is read and checked by a child, so that the window can draw
WARM_UP_FRAMES = 3  # the second comes after the first step of the optimiser
FITTING_SHARE = 0.96  # the rest of a reconstruction's bar is the check of its mesh

Stream = Callable[[ReconstructionRequest, CancelCheck], Generator[FlowFrame, None, Reconstruction]]


def read(path: Path) -> Task:
    """Return a task that reads a cloud or picture into a ``Loaded``; a picture's object is found as well."""

    def task(report: Report, cancel: CancelCheck) -> Loaded:
        from nmf_model.io.source import read_source
        from nmf_model.io.suffixes import MESH_SUFFIXES

        report(Progress("Reading", 0.1))
        stamp = stamp_of(path)
        large_mesh = (
            path.suffix.lower() in MESH_SUFFIXES and stamp is not None and stamp[1] > READ_AT_ONCE_BYTES
        )
        source = _read_apart(path, report, cancel) if large_mesh else read_source(path)
        sha256 = file_sha256(path)
        if cancel():
            raise Cancelled("reading was cancelled")
        if isinstance(source, ShapeImage):
            nothing = np.empty((0, 3), dtype=np.float32)
            return Loaded(_with_mask(source, report), nothing, sha256=sha256, stamp=stamp)
        report(Progress("Looking for holes and separate bodies", 0.4))
        return replace(loaded_cloud(source), broken=_broken_surface(source), sha256=sha256, stamp=stamp)

    return task


def loaded_cloud(cloud: PointCloud) -> Loaded:
    """Return a cloud with what is drawn of it and what a sphere cannot become in it."""
    from nmf_model.fitting.findings import findings_in

    found = findings_in(cloud)
    marks = _marks_of(found.tunnels, normalize(cloud.points))
    colors = None if cloud.colors is None else cloud.colors[_previewed(cloud)]
    return Loaded(cloud, preview_of(cloud), findings=found, marks=marks, colors=colors)


def _marks_of(places: Sequence[Tunnel | Region], frame: Normalization, largest: float = math.inf) -> Marks:
    """Return the balls that mark places given in file units."""
    return tuple(
        (*map(float, frame.to_unit(place.centre[None])[0]), min(place.radius / frame.scale, largest))
        for place in places
    )


def split(cloud: PointCloud) -> Task:
    """Return a task that parts a cloud into a tuple of ``Loaded``, one for each separate body."""

    def task(report: Report, cancel: CancelCheck) -> tuple[Loaded, ...]:
        from nmf_model.fitting.findings import split_bodies

        report(Progress("Splitting into bodies", 0.2))
        return tuple(loaded_cloud(body) for body in split_bodies(cloud))

    return task


def stamp_of(path: Path) -> Stamp | None:
    """Return by what a change of a file is known; None if it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _read_apart(path: Path, report: Report, cancel: CancelCheck) -> PointCloud:
    """Read a mesh file in a child."""
    from nmf_model.io.apart import load_cloud

    with tempfile.TemporaryDirectory(prefix="nmf-") as folder:
        outcome = Path(folder) / "cloud.npz"
        _follow([sys.executable, "-m", "nmf_model.io.apart", str(path), str(outcome)], report, cancel)
        return load_cloud(outcome, path)


def _broken_surface(cloud: PointCloud) -> BrokenSurface | None:
    """Return the surface that a cloud was sampled on if that bounds no solid, else None."""
    from nmf_model.geometry.topology import pinched_vertices
    from nmf_model.quality import inspect_mesh

    surface = cloud.surface
    if surface is None:
        return None
    crossing = len(surface.defects.crossing_faces)
    report = inspect_mesh(Mesh(surface.vertices, surface.faces), crossing)
    if report.is_solid:
        return None
    drawn = normalize(cloud.points).to_unit(surface.vertices)
    return BrokenSurface(drawn, surface.faces, report, surface.defects, pinched_vertices(surface.faces))


def _with_mask(image: ShapeImage, report: Report) -> ShapeImage:
    from nmf_model.silhouette import find_mask

    report(Progress("Looking for the object", 0.4))
    return find_mask(image)


def preview_of(cloud: PointCloud) -> NDArray[np.float32]:
    """Thin a cloud for drawing: at most ``PREVIEW_POINTS`` points in unit-sphere units."""
    return normalize(cloud.points).to_unit(cloud.points[_previewed(cloud)])


def _previewed(cloud: PointCloud) -> NDArray[np.int64]:
    """Return the indices of the points that are drawn, rising."""
    count = len(cloud.points)
    if count <= PREVIEW_POINTS:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, PREVIEW_POINTS, replace=False))


def drawn_target(result: Reconstruction) -> NDArray[np.float64]:
    """Thin the points that were fitted for drawing, in file units."""
    return result.target[:: max(1, -(-len(result.target) // PREVIEW_POINTS))]


def reconstruct(
    request: ReconstructionRequest, stream: Stream | None = None, sha256: str | None = None
) -> Task:
    """Return a task that drains ``stream`` (``nmf_model.reconstruct.stream`` if None) into an ``Outcome``.

    ``sha256`` of the file the source was read from goes into the certificate.
    """
    path = request.source.path
    origin = Origin(path.name if path is not None else None, sha256, request.level, request.device)

    def task(report: Report, cancel: CancelCheck) -> Outcome:
        report(Progress("Starting the solver", 0.0))

        def show(frame: FlowFrame) -> None:
            report(Progress(frame.stage, FITTING_SHARE * frame.fraction, frame))
            if cancel():
                raise Cancelled("the reconstruction was cancelled")

        with closing((stream or _default_stream())(request, cancel)) as frames:
            result = drain(frames, show)
        report(Progress("Checking the mesh", FITTING_SHARE))
        from nmf_model.repair import cloud_colors, painted

        result, drawn = painted(result, request.source), drawn_target(result)
        seen = result.coloring
        point_colors = cloud_colors(request.source, drawn) if seen is None else seen.at(drawn)
        checked, crossing = _check(result)
        marks = _marks_of(result.residual.regions, result.normalization, LARGEST_MARK)
        return Outcome(
            result, checked, origin, crossing, marks, point_colors, drape_of(result, request.source)
        )

    return task


def drape_of(result: Reconstruction, source: Source) -> Drape | None:
    """Return what is drawn on a result: the picture that it was made of, or the colours of the cloud."""
    if result.mesh.colors is None:
        return None
    from nmf_model.silhouette.colors import PictureColors

    colors = result.coloring
    if not isinstance(colors, PictureColors):
        return _baked(result, source)
    height, width = colors.rgb.shape[:2]
    places = colors.pixels(result.mesh.vertices) / (width, height)
    places[:, 1] = 1 - places[:, 1]
    return Drape(colors.rgb, places.clip(0, 1).astype(np.float32))


def _baked(result: Reconstruction, source: Source) -> Drape | None:
    from nmf_model.geometry.atlas import make_atlas
    from nmf_model.repair import coloring_of
    from nmf_model.texture import bake

    known = coloring_of(source)
    if known is None or result.mesh.sphere is None:
        return None
    atlas = make_atlas(result.mesh, DRAWN_CHART)
    picture = bake(result.mesh, atlas, known, DRAWN_CHART)
    return Drape(picture, atlas.uv.astype(np.float32), atlas.vertex, atlas.faces)


def warm_up() -> Task:
    """Return a task that begins a reconstruction of a sphere: the first one imports for seconds."""

    def task(report: Report, cancel: CancelCheck) -> None:
        stream = _default_stream()
        from nmf_model.geometry.template import icosphere

        sphere = PointCloud(icosphere(2).vertices.astype(np.float64))
        frames = stream(ReconstructionRequest(sphere), cancel)
        for _ in itertools.islice(frames, WARM_UP_FRAMES):
            pass
        frames.close()

    return task


def _default_stream() -> Stream:
    _load_torch_library()
    from nmf_model import reconstruct as reconstruction

    return reconstruction.stream


def _load_torch_library() -> None:
    """Load torch's largest library without holding the interpreter, as ``import torch`` would for a second.

    The window would stand still meanwhile. Only a head start: where it fails, the import does it all.
    """
    found = importlib.util.find_spec("torch")
    if sys.platform != "linux" or "torch" in sys.modules or found is None or found.origin is None:
        return
    system = ctypes.CDLL(None)
    for name in ("libc10.so", "libgomp.so.1", "libtorch_cpu.so"):
        library = Path(found.origin).parent / "lib" / name
        if library.is_file():
            system.dlopen(str(library).encode(), os.RTLD_NOW)


def _check(result: Reconstruction) -> tuple[QualityReport, NDArray[np.int64]]:
    """Inspect the mesh the way an export does, as read back from a file; say as well which faces cross."""
    from nmf_model.export import export_reconstruction
    from nmf_model.geometry.intersections import crossing_pairs
    from nmf_model.io.meshes import read_mesh

    with tempfile.TemporaryDirectory(prefix="nmf-") as folder:
        path = Path(folder) / "mesh.ply"
        report = export_reconstruction(result, path)
        if report.self_intersecting_faces == 0:
            return report, np.zeros(0, dtype=np.int64)
        mesh = read_mesh(path)
        return report, np.unique(crossing_pairs(mesh.vertices, mesh.faces))


def export(outcome: Outcome, choice: ExportChoice, source: Source | None = None) -> Task:
    """Return a task that writes the mesh, reads it back and gives an ``Exported``.

    ``source`` is what the mesh was made from; its colours are needed for a texture only.
    """
    result = outcome.reconstruction
    origin = outcome.origin if choice.with_certificate else None

    def task(report: Report, cancel: CancelCheck) -> Exported:
        from nmf_model.export import export_reconstruction, precision_warning, unit_warning, write_report

        report(Progress("Writing and reading back", 0.2))
        wanted = scaled(result, choice.scale, choice.unit)
        if choice.with_texture:
            assert source is not None
            report(Progress("Baking the texture", 0.2))
            quality = _export_textured(wanted, choice, source, origin, cancel)
        else:
            quality = export_reconstruction(wanted, choice.path, origin, cancel)
        # A unit that was chosen in the dialog needs no warning.
        lost = None if choice.unit else unit_warning(wanted.mesh, choice.path)
        warning = " ".join(filter(None, (precision_warning(wanted.mesh, choice.path), lost)))
        if choice.with_report:
            notes = [*result.notes, *filter(None, [warning])]
            certified = choice.with_certificate and quality.is_sound
            write_report(quality, report_path(choice.path), notes, certified)
        beside = certificate_path(choice.path) if choice.with_certificate else None
        return Exported(choice.path, quality, warning, beside)

    return task


def _export_textured(
    wanted: Reconstruction, choice: ExportChoice, source: Source, origin: Origin | None, cancel: CancelCheck
) -> QualityReport:
    from nmf_model.repair import dense_colors, picture_colors
    from nmf_model.texture import export_textured

    given = dense_colors(source)
    colors = picture_colors(wanted) if given is None else given.scaled(choice.scale)
    return export_textured(wanted, choice.path, colors, origin, cancel=cancel)


def scaled(result: Reconstruction, factor: float, unit: LengthUnit | None = None) -> Reconstruction:
    """Multiply every length of a reconstruction by ``factor``, after which they are in ``unit``, if given."""
    mesh = replace(result.mesh, unit=unit or result.mesh.unit)
    if factor == 1.0:
        return replace(result, mesh=mesh)
    frame = result.normalization
    return replace(
        result,
        mesh=replace(mesh, vertices=mesh.vertices * factor),
        normalization=Normalization(frame.offset * factor, frame.scale * factor),
        target=result.target * factor,
        residual=result.residual.mapped(lambda places: places * factor, factor),
        coloring=None if result.coloring is None else result.coloring.scaled(factor),
    )


def save_animation(outcome: Outcome, path: Path, theme: str, *, in_color: bool = True) -> Task:
    """Return a task that records the trajectory as a turning GIF, in the result's own colours if wanted.

    It is drawn by a child process: a second renderer inside this one would hold up the window for
    hundreds of milliseconds.
    """
    result, drape = outcome.reconstruction, outcome.drape

    def task(report: Report, cancel: CancelCheck) -> Path:
        from nmf_model.io.atomic import require_place, write_atomically

        require_place(path)
        report(Progress("Preparing the animation", 0.0))
        with tempfile.TemporaryDirectory(prefix="nmf-") as folder:
            flow = Path(folder) / "flow.npz"
            stored: dict[str, Any] = {
                "vertices": result.trajectory.vertices,
                "faces": result.trajectory.faces,
            }
            if in_color and result.mesh.colors is not None:
                stored["colors"] = result.mesh.colors
            if drape is not None and drape.has_light:
                stored["viewer"] = result.viewer
            if in_color and drape is not None:
                stored |= {f"drape_{name}": value for name, value in vars(drape).items() if value is not None}
            np.savez(flow, **stored)
            finished = Path(folder) / "flow.gif"
            command = [sys.executable, "-m", "nmf_app.widgets.animation", str(flow), str(finished), theme]
            _follow(command, report, cancel)
            write_atomically(path, lambda stream: stream.write(finished.read_bytes()))
        return path

    return task


def _follow(command: list[str], report: Report, cancel: CancelCheck) -> None:
    """Run a child that prints fractions, one a line; raise if it fails or the user cancels."""
    root = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, "PYTHONPATH": path}
        ) as child,
    ):
        reader = threading.Thread(target=_relay, args=(child.stdout, report), daemon=True)
        reader.start()
        while child.poll() is None:
            if cancel():
                child.kill()
                raise Cancelled("the work was cancelled")
            time.sleep(0.05)
        reader.join()
        if child.returncode:
            errors.seek(0)
            raise RuntimeError(errors.read()[-4000:])


def _relay(lines: Iterable[str], report: Report) -> None:
    for line in lines:
        report(Progress("Drawing the animation", float(line)))
