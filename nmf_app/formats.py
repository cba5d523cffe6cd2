"""The file formats the window offers, with a word on each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ExportFormat:
    """One way to write a mesh."""

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


@dataclass(frozen=True)
class Unit:
    """A unit of length, in metres."""

    name: str
    symbol: str
    metres: float


UNITS = (
    Unit("millimetres", "mm", 0.001),
    Unit("centimetres", "cm", 0.01),
    Unit("metres", "m", 1.0),
    Unit("inches", "in", 0.0254),
)


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
