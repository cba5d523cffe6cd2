"""Values that cross borders: frozen, numpy only, importable without torch, Qt or VTK.

Shape letters used in every docstring of this project::

    B batch    N input points    V vertices    F faces     E edges
    S samples drawn from a surface             P predicted points
    Z latent   H hidden width    T frames

Two coordinate frames occur. *File units*: the coordinates of the user's file, float64. *Unit-sphere
units*: the input centred on its bounding-sphere centre and scaled to radius 1, float32; all of the
network's work is done there. ``Normalization`` is the only way between the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from nmf_model.defects import MeshSurface
from nmf_model.findings import InputFindings, Residual

Method = Literal["auto", "network", "fit", "silhouette"]
METHODS: tuple[Method, ...] = get_args(Method)
MAX_SEED = 2**31 - 1  # a spin box holds no more
Device = Literal["auto", "cpu", "cuda"]
LengthUnit = Literal["micron", "millimeter", "centimeter", "inch", "foot", "meter"]
"""What a length in a file can be measured in, by the names that 3MF, the only format that says it, has."""
LENGTH_UNITS: tuple[LengthUnit, ...] = get_args(LengthUnit)

CancelCheck = Callable[[], bool]
"""Returns True once the caller wants the work to stop. Polled from the working thread, so it must be
thread-safe and fast (``threading.Event.is_set`` is)."""


class Carrier(Protocol):
    """Carries points of the closed unit ball into the shape, continuously and without folding it."""

    def carry(
        self,
        points: NDArray[np.floating],
        *,
        steps: int = 8,
        since: float = 0.0,
        until: float = 1.0,
        cancel: CancelCheck | None = None,
    ) -> NDArray[np.float64]:
        """Return (V, 3) where the points are at the share ``until`` of the flow's whole time.

        Args:
            points: (V, 3) in the unit ball or a little outside; the unit sphere becomes the shape's surface.
            steps: of the solver, per block; more follow the true flow more closely.
            since: the share of the time at which the points are where they are given; if above 0 they are
                given in unit-sphere units, as an earlier call returned them.
            until: 0 for the start, 1 for the result; unit-sphere units in between too.
            cancel: polled before every step.

        Raises:
            Cancelled: if ``cancel`` returned True.
        """


@dataclass(frozen=True)
class PointCloud:
    """Bare points as read from a file.

    Attributes:
        points: (N, 3) float64, file units, finite.
        name: the stem shown to the user and used for output files.
        path: where it came from, or None.
        colors: (N, 3) uint8 or None.
        notes: sentences for the user on what was changed while reading ("3 points with NaN dropped").
        surface: the mesh that the points were sampled on, and where it is broken; None for bare points.
        unit: of the points, if the file says it.
    """

    points: NDArray[np.float64]
    name: str = "points"
    path: Path | None = None
    colors: NDArray[np.uint8] | None = None
    notes: tuple[str, ...] = ()
    surface: MeshSurface | None = None
    unit: LengthUnit | None = None


@dataclass(frozen=True)
class ShapeImage:
    """A picture, upright (EXIF applied), and the mask of the object on it once known.

    Attributes:
        rgba: (H, W, 4) uint8; alpha 255 everywhere if the file had none.
        has_alpha: whether the file's own alpha channel separates an object.
        mask: (H, W) bool, True on the object; None until ``nmf_model.silhouette.find_mask`` ran.
        mask_source: how the mask was found, in words for the user ("transparency", "plain background" ...).
        name, path, notes: as for PointCloud.
    """

    rgba: NDArray[np.uint8]
    has_alpha: bool = False
    mask: NDArray[np.bool_] | None = None
    mask_source: str = ""
    name: str = "picture"
    path: Path | None = None
    notes: tuple[str, ...] = ()


Source = PointCloud | ShapeImage


@dataclass(frozen=True)
class Normalization:
    """The similarity between file units and unit-sphere units: ``file = unit * scale + offset``.

    Attributes:
        offset: (3,) float64, the bounding sphere's centre in file units.
        scale: its radius in file units, > 0.
    """

    offset: NDArray[np.float64]
    scale: float

    def to_unit(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """Map (N, 3) file units to unit-sphere units; the subtraction is done in float64."""
        centred = (np.asarray(points, dtype=np.float64) - self.offset) / self.scale
        return centred.astype(np.float32)

    def to_file(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map (N, 3) unit-sphere units to file units, in float64."""
        return np.asarray(points, dtype=np.float64) * self.scale + self.offset


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh.

    Attributes:
        vertices: (V, 3) float64, file units.
        faces: (F, 3) int64, counter-clockwise seen from outside.
        sphere: (V, 3) float32 on the unit sphere: where each vertex started. It gives correspondence
            between shapes and UV coordinates; None for a mesh that is not ours.
        colors: (V, 3) uint8, sRGB; None for a mesh without colours.
        unit: of the vertices; None where nothing says it.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    sphere: NDArray[np.float32] | None = None
    colors: NDArray[np.uint8] | None = None
    unit: LengthUnit | None = None


@dataclass(frozen=True)
class FlowFrame:
    """One picture of work in progress, yielded by ``reconstruct.stream`` in order.

    Attributes:
        vertices: (V, 3) float32, unit-sphere units.
        faces: (F, 3) int64; may change between frames (the template is refined), so compare identity.
        stage: what is happening, in words for the user ("Network", "Correcting", "Fitting", "Refining",
            "Checking", "Flowing").
        fraction: share of the whole job done, 0..1, never falling.
        block: index of the flow block (0-based) while flowing, else 0.
        time: integration time since the sphere while flowing, else 0.0.
        nfe: evaluations of the dynamics so far in the final flow.
        points: (N, 3) float32, unit-sphere units: the cloud that the network sees on a picture, with the
            frames of its flow; None otherwise. One and the same array, so compare identity.
        viewer: (3,), the unit vector from the object towards the picture's viewer, with those points.
        is_trajectory: True for frames of the final flow from the sphere to the object: exactly the
            frames that a timeline plays. All of them share one ``faces`` array.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int64]
    stage: str
    fraction: float
    block: int = 0
    time: float = 0.0
    nfe: int = 0
    is_trajectory: bool = False
    points: NDArray[np.float32] | None = None
    viewer: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Trajectory:
    """The final flow: T frames of the same template, the sphere first, the object last.

    Attributes:
        vertices: (T, V, 3) float32, unit-sphere units.
        faces: (F, 3) int64.
        times: (T,) float64, integration time of each frame.
        blocks: (T,) int64, flow block of each frame.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int64]
    times: NDArray[np.float64]
    blocks: NDArray[np.int64]


@dataclass(frozen=True)
class QualityReport:
    """What is true of a mesh *as re-read from the written file*.

    Area and volume are in file units; ``chamfer_l2`` is in unit-sphere units, so that it can be compared
    between objects of any size: the mean squared distance mesh to input plus that of input to mesh.
    ``coincident_vertices`` are those that belong to a face and share their exact position with another.

    ``to_dict`` gives the JSON of ``--report``; its keys are these names and never change meaning.
    """

    vertices: int
    faces: int
    components: int
    euler_characteristic: int
    watertight: bool
    winding_consistent: bool
    outward: bool
    nonmanifold_edges: int
    nonmanifold_vertices: int
    self_intersecting_faces: int
    degenerate_faces: int
    coincident_vertices: int
    area: float
    volume: float
    chamfer_l2: float | None = None
    method: str | None = None
    seconds: float | None = None
    nfe: int | None = None
    seed: int | None = None

    @property
    def is_closed_sphere(self) -> bool:
        """Topology alone: one closed, oriented, manifold component of genus 0."""
        return (
            self.components == 1
            and self.euler_characteristic == 2
            and self.watertight
            and self.winding_consistent
            and self.nonmanifold_edges == 0
            and self.nonmanifold_vertices == 0
        )

    @property
    def is_solid(self) -> bool:
        """Bounds a volume properly, whatever its genus and number of pieces."""
        return (
            self.watertight
            and self.winding_consistent
            and self.outward
            and self.nonmanifold_edges == 0
            and self.nonmanifold_vertices == 0
            and self.self_intersecting_faces == 0
            and self.degenerate_faces == 0
            and self.coincident_vertices == 0
        )

    @property
    def is_sound(self) -> bool:
        """Topology, orientation and geometry: also no crossing, no degenerate face, no doubled position."""
        return self.is_closed_sphere and self.is_solid

    def to_dict(self) -> dict[str, int | float | bool | str | None]:
        """Return the report as plain JSON values, in the order of the fields."""
        return dict(vars(self))


@dataclass(frozen=True)
class ReconstructionRequest:
    """One job, frozen when the user presses the button.

    Attributes:
        source: the cloud or picture; a picture's ``mask`` may be given, else it is found.
        method: "auto" picks by the kind of source and what is installed.
        level: template level of the result, 0-7; None lets the method choose.
        seed: makes the result reproducible on one machine and device.
        device: "auto" takes a CUDA GPU if there is one.
        frames: how many frames of the final flow the trajectory keeps (T).
        weights: trained weights of the user's instead of those that ship.
        findings: what a sphere cannot become in a cloud, file units, if that was looked for already.
        template: an earlier result, with ``sphere``, whose places on the sphere and faces this one is to
            have; instead of ``level``.
    """

    source: Source
    method: Method = "auto"
    level: int | None = None
    seed: int = 0
    device: Device = "auto"
    frames: int = 61
    weights: Path | None = None
    findings: InputFindings | None = None
    template: Mesh | None = None


class Coloring(Protocol):
    """Knows the colours of places in space."""

    @property
    def pixel_count(self) -> int:
        """How many pixels the pictures have that the colours come from; 0 without any."""

    def at(self, places: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Return the colours (N, 3) of places (N, 3), file units."""

    def scaled(self, factor: float) -> Coloring:
        """Return the same for places whose coordinates are ``factor`` times as large."""


@dataclass(frozen=True)
class Reconstruction:
    """The finished job.

    Attributes:
        mesh: in file units.
        trajectory: the flow that made it, in unit-sphere units.
        normalization: from unit-sphere units to file units.
        target: (N, 3) float64, file units: the points that were fitted (thinned, or inflated from a
            mask); ``chamfer_l2`` of the report is measured against them.
        method: the method that was really used: "fit", "silhouette", "network", or "network+fit" for a fit
            that started from the network's answer.
        seconds, nfe, seed: cost and reproducibility.
        notes: sentences for the user (what was dropped, thinned, filled, what to be wary of).
        carrier: the flow as a map of space, for more than this one mesh; None if there is none.
        residual: where mesh and points are far from each other, file units; nothing for a picture.
        coloring: the colours of a picture in space; None for a cloud, or where they cannot be told.
        view: (3, 3), the rotation from the result's frame to that of a picture's viewer; the identity where
            they are the same, not known, or there is no picture.
    """

    mesh: Mesh
    trajectory: Trajectory
    normalization: Normalization
    target: NDArray[np.float64]
    method: str
    seconds: float
    nfe: int
    seed: int
    notes: tuple[str, ...] = field(default=())
    carrier: Carrier | None = None
    residual: Residual = field(default_factory=Residual)
    coloring: Coloring | None = None
    view: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))

    @property
    def viewer(self) -> NDArray[np.float64]:
        """(3,), the unit vector from the object towards a picture's viewer."""
        towards: NDArray[np.float64] = self.view[2]
        return towards


@dataclass(frozen=True)
class TetMesh:
    """A tetrahedral mesh of a solid.

    Attributes:
        vertices: (V, 3) float64, file units; those of the surface come first, in its order.
        tetrahedra: (T, 4) int64; positive ones have their fourth corner where the right-handed normal of
            the first three points to, as in VTK and Gmsh.
        boundary: (F, 3) int64, the surface's faces, counter-clockwise seen from outside.
    """

    vertices: NDArray[np.float64]
    tetrahedra: NDArray[np.int64]
    boundary: NDArray[np.int64]


@dataclass(frozen=True)
class SolidFacts:
    """What is true of a tetrahedral mesh; the angles are of each tetrahedron's sharpest edge.

    Attributes:
        tetrahedra: how many.
        inverted_tetrahedra: how many are inverted or flat, in exact arithmetic.
        min_dihedral_degrees, p5_dihedral_degrees, mean_dihedral_degrees: over all tetrahedra; 0 for inverted.
        solid_volume: sum of the signed volumes, cubed file units.
    """

    tetrahedra: int
    inverted_tetrahedra: int
    min_dihedral_degrees: float
    p5_dihedral_degrees: float
    mean_dihedral_degrees: float
    solid_volume: float


@dataclass(frozen=True)
class SolidReport(QualityReport):
    """The report of a solid's boundary and of the solid inside it, both as re-read from the written file."""

    solid: SolidFacts | None = None

    @property
    def is_sound(self) -> bool:
        """Also no tetrahedron is inverted or flat: with a sound boundary, they fill it exactly once."""
        return super().is_sound and (self.solid is None or self.solid.inverted_tetrahedra == 0)

    def to_dict(self) -> dict[str, int | float | bool | str | None]:
        """Return both as plain JSON values, the solid's after the surface's."""
        surface = {key: value for key, value in vars(self).items() if key != "solid"}
        return {**surface, **(vars(self.solid) if self.solid is not None else {})}
