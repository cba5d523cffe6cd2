"""The file formats the window offers, with a word on each; what each can hold is in ``io.output_formats``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nmf_model.certificate import certificate_path
from nmf_model.io.output_formats import OUTPUT_FORMATS, output_format, report_path, texture_files

if TYPE_CHECKING:
    from nmf_model.types import LengthUnit, Reconstruction


@dataclass(frozen=True)
class ExportFormat:
    """One way to write a mesh; ``suffix`` has no dot."""

    suffix: str
    title: str
    use: str


EXPORT_FORMATS = (
    ExportFormat("obj", "OBJ", "text, read by nearly everything"),
    ExportFormat("ply", "PLY", "compact, for scanning and research"),
    ExportFormat("stl", "STL", "for 3-D printing"),
    ExportFormat("glb", "GLB", "for the web and game engines"),
    ExportFormat("3mf", "3MF", "for 3-D printing, with units"),
    ExportFormat("off", "OFF", "plain text, for geometry tools"),
    ExportFormat("vtu", "VTU", "solid of tetrahedra, for ParaView and solvers"),
    ExportFormat("msh", "MSH", "solid of tetrahedra, for Gmsh and solvers"),
)


def format_obstacle(suffix: str, result: Reconstruction) -> str:
    """Say in a sentence why a result cannot be written in a format, or "" if it can."""
    entry = output_format(Path(f"mesh.{suffix}"))
    if entry is not None and entry.solid and (result.carrier is None or result.mesh.sphere is None):
        return "A solid needs the flow that made the surface, which is not kept here."
    return ""


def texture_obstacle(suffix: str, result: Reconstruction) -> str:
    """Say in a sentence why a result cannot be written with a texture in a format, or "" if it can."""
    if result.mesh.colors is None or result.mesh.sphere is None:
        return "The result has no colours."
    entry = output_format(Path(f"mesh.{suffix}"))
    if entry is None or not entry.texture:
        able = {other.suffix.lstrip(".") for other in OUTPUT_FORMATS if other.texture}
        titles = [other.title for other in EXPORT_FORMATS if other.suffix in able]
        return f"{suffix.upper()} holds no texture; {' and '.join(titles)} do."
    return ""


def certificate_place(suffix: str) -> str:
    """Say where the certificate of a file in a format goes."""
    entry = output_format(Path(f"mesh.{suffix}"))
    return "in the file and beside it" if entry is not None and entry.certificate else "beside the file"


def written_files(
    path: Path, *, texture: bool = False, certificate: bool = False, report: bool = False
) -> tuple[Path, ...]:
    """Return every file that an export to ``path`` writes: the mesh itself, then what goes beside it."""
    return (
        path,
        *(texture_files(path) if texture else ()),
        *([certificate_path(path)] if certificate else ()),
        *([report_path(path)] if report else ()),
    )


@dataclass(frozen=True)
class Unit:
    """A unit of length, in metres; ``key`` is what files call it."""

    name: str
    symbol: str
    metres: float
    key: LengthUnit


UNITS = (
    Unit("millimetres", "mm", 0.001, "millimeter"),
    Unit("centimetres", "cm", 0.01, "centimeter"),
    Unit("metres", "m", 1.0, "meter"),
    Unit("inches", "in", 0.0254, "inch"),
    Unit("feet", "ft", 0.3048, "foot"),
    Unit("micrometres", "µm", 1e-6, "micron"),
)


def unit_named(key: LengthUnit | None) -> Unit | None:
    """Return the unit that files call so, or None for None."""
    return next((unit for unit in UNITS if unit.key == key), None)


def conversion(given: Unit, wanted: Unit) -> float:
    """Return the factor that turns a length in ``given`` into one in ``wanted``."""
    return given.metres / wanted.metres


def open_filter() -> str:
    """Return the filter line of a file dialog."""
    from nmf_model.io.suffixes import IMAGE_SUFFIXES, POINT_SUFFIXES

    clouds = " ".join(f"*{suffix}" for suffix in sorted(POINT_SUFFIXES))
    pictures = " ".join(f"*{suffix}" for suffix in sorted(IMAGE_SUFFIXES))
    return (
        f"Clouds, meshes and pictures ({clouds} {pictures});;Point clouds and meshes ({clouds});;"
        f"Pictures ({pictures});;All files (*)"
    )
