"""The one place of the window's state: frozen snapshots, and a signal when one replaces another."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from nmf_app.jobs import JobKind
from nmf_model.certificate import Origin
from nmf_model.defects import Defects
from nmf_model.findings import InputFindings, notes_of
from nmf_model.types import Device, FlowFrame, Method, QualityReport, Reconstruction, Source

SPLIT = "“Split into bodies” in the menu “Reconstruct”"
"""What to click for a mesh of each body."""

Marks = tuple[tuple[float, ...], ...]
"""Balls (x, y, z, radius) that mark places in the view, unit-sphere units."""


class ItemState(Enum):
    """Where one dropped file stands."""

    READING = "reading"
    READY = "ready"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Shading(Enum):
    """How the surface is drawn."""

    FLAT = "flat"
    SMOOTH = "smooth"
    WIREFRAME = "wireframe"


class Theme(Enum):
    """The colours of the window."""

    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, eq=False)
class Drape:
    """A picture that is drawn on a surface: the one that it was made from, or one of its colours.

    Attributes:
        picture: (H, W, 3) uint8.
        places: (V, 2) float32, where each vertex is seen: 0..1 from the picture's lower left corner. With
            ``vertex``, (W, 2), where each of the places lies that the vertices have in the picture.
        vertex: (W,) int64, the vertex at each place; None where each has one.
        faces: (F, 3) int64, the surface's faces in terms of the places.
    """

    picture: NDArray[np.uint8]
    places: NDArray[np.float32]
    vertex: NDArray[np.int64] | None = None
    faces: NDArray[np.int64] | None = None

    @property
    def has_light(self) -> bool:
        """Whether it is a photograph, with the light that fell on the object."""
        return self.vertex is None


@dataclass(frozen=True, eq=False)
class Outcome:
    """A finished reconstruction, what was found on checking its mesh, and what it was made from.

    Attributes:
        reconstruction, report, origin: these.
        crossing_faces: (K,) indices of the faces of its mesh that cross others, as the report counts them.
        marks: where mesh and points are far from each other.
        point_colors: (N, 3) uint8 of the points that are drawn with it; None if the input has no colours.
        drape: the picture it was made from, or a picture of its colours; None without colours.
    """

    reconstruction: Reconstruction
    report: QualityReport
    origin: Origin = field(default_factory=Origin)
    crossing_faces: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    marks: Marks = ()
    point_colors: NDArray[np.uint8] | None = None
    drape: Drape | None = None

    @property
    def has_colors(self) -> bool:
        """Whether its mesh has colours of its own."""
        return self.reconstruction.mesh.colors is not None


@dataclass(frozen=True, eq=False)
class Exported:
    """A written file, what was found on reading it back, and what to be wary of in its format.

    ``certificate`` is the file beside it that says so, or None if none was wanted.
    """

    path: Path
    report: QualityReport
    warning: str = ""
    certificate: Path | None = None


@dataclass(frozen=True, eq=False)
class BrokenSurface:
    """The surface of a dropped mesh that bounds no solid, joined at equal positions, and what is wrong.

    Attributes:
        vertices: (V, 3) float32, unit-sphere units of the preview.
        faces: (F, 3) int64.
        report, defects: what is true of it, and where it is broken.
        pinched: (K,) indices of the vertices that are bad joints.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int64]
    report: QualityReport
    defects: Defects
    pinched: NDArray[np.int64]

    @property
    def marks_joints(self) -> bool:
        """Whether there are bad joints to mark: faces that repeat others are told as such, but elsewhere."""
        return len(self.defects.crowded_edges) + len(self.pinched) > 0


Stamp = tuple[int, int]
"""When a file was last changed, nanoseconds, and how many bytes it has."""


@dataclass(frozen=True, eq=False)
class Loaded:
    """A source that was read.

    Attributes:
        source: the cloud or picture; a picture has its mask.
        preview: (N, 3) float32, unit-sphere units: a thinned copy of a cloud to draw; empty for a picture.
        broken: the surface of a mesh for which a repair should be offered; None for anything else.
        sha256: of the file's bytes; None if unknown.
        findings: what a sphere cannot become: separate bodies, holes through the object; file units, None
            for a picture.
        marks: (x, y, z, radius) of each hole through the object, unit-sphere units.
        colors: (N, 3) uint8 of the preview's points; None if they have none.
        stamp: of the file when it was read, by which a changed one is known; None if unknown.
    """

    source: Source
    preview: NDArray[np.float32]
    broken: BrokenSurface | None = None
    sha256: str | None = None
    findings: InputFindings | None = None
    marks: Marks = ()
    colors: NDArray[np.uint8] | None = None
    stamp: Stamp | None = None

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences on the findings."""
        return () if self.findings is None else notes_of(self.findings, SPLIT)

    @property
    def bodies(self) -> int:
        """How many separate bodies the cloud seems to have."""
        return 1 if self.findings is None else len(self.findings.bodies)


@dataclass(frozen=True, eq=False)
class Item:
    """One dropped file, or one body of it, from reading to export.

    Compared by identity: a change makes a new one. ``other`` is what the other method made of a picture, kept
    to be shown again at once.
    """

    key: int
    path: Path
    state: ItemState
    loaded: Loaded | None = None
    outcome: Outcome | None = None
    other: Outcome | None = None
    exported: Exported | None = None
    sentence: str = ""
    details: str = ""
    body: int = 0

    @property
    def title(self) -> str:
        """The name shown to the user, in one line: the file's, and which of its bodies this is."""
        name = " ".join(self.path.name.split())
        return f"{name} · body {self.body}" if self.body else name

    @property
    def has_colors(self) -> bool:
        """Whether its points or its mesh have colours of their own."""
        colored = self.loaded is not None and self.loaded.colors is not None
        return colored or (self.outcome is not None and self.outcome.has_colors)

    @property
    def stem(self) -> str:
        """The name that files made from it begin with."""
        return f"{self.path.stem}-{self.body}" if self.body else self.path.stem


@dataclass(frozen=True)
class ActiveJob:
    """The job on the worker; ``started`` is ``time.monotonic()`` seconds, ``fraction`` 0..1."""

    job: int
    kind: JobKind
    item: int
    title: str
    started: float
    stage: str = ""
    fraction: float = 0.0


@dataclass(frozen=True, eq=False)
class LiveFrame:
    """The newest shape of the running job."""

    item: int
    frame: FlowFrame


class NoticeKind(Enum):
    """The tone of a notice."""

    INFO = "info"
    SUCCESS = "success"
    ERROR = "error"


@dataclass(frozen=True)
class Notice:
    """One sentence for the user; ``details`` are shown on demand."""

    kind: NoticeKind
    sentence: str
    details: str = ""


@dataclass(frozen=True)
class Parameters:
    """What the user chose for the next reconstruction; see ``ReconstructionRequest``."""

    method: Method = "auto"
    level: int | None = None
    device: Device = "auto"
    seed: int = 0
    start_at_once: bool = True
    weights: Path | None = None


@dataclass(frozen=True)
class ViewOptions:
    """How things are drawn."""

    theme: Theme = Theme.LIGHT
    shading: Shading = Shading.SMOOTH
    show_input: bool = True
    show_colors: bool = True


@dataclass(frozen=True, eq=False)
class SessionState:
    """Everything the window shows."""

    items: tuple[Item, ...] = ()
    current: int | None = None
    active: ActiveJob | None = None
    waiting: int = 0
    live: LiveFrame | None = None
    notice: Notice | None = None
    recent: tuple[Path, ...] = ()
    parameters: Parameters = Parameters()
    view: ViewOptions = ViewOptions()

    def item(self, key: int | None) -> Item | None:
        """Return the item with this key, or None."""
        return next((item for item in self.items if item.key == key), None)

    @property
    def current_item(self) -> Item | None:
        """The item the window shows."""
        return self.item(self.current)

    @property
    def reconstructing_current(self) -> bool:
        """Whether the shown item waits for, or is in, its reconstruction."""
        item = self.current_item
        return item is not None and item.state in (ItemState.WAITING, ItemState.RUNNING)


class Session(QObject):
    """Holds the state; ``changed(old, new)`` is emitted in the GUI thread on every replacement."""

    changed = Signal(object, object)

    def __init__(self, state: SessionState | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state = state or SessionState()

    @property
    def state(self) -> SessionState:
        """The present snapshot."""
        return self._state

    def update(self, **changes: Any) -> None:
        """Replace the named fields of the state and tell every view."""
        old = self._state
        self._state = replace(old, **changes)
        self.changed.emit(old, self._state)

    def update_item(self, key: int, **changes: Any) -> None:
        """Replace the named fields of one item; an unknown key changes nothing."""
        items = tuple(replace(item, **changes) if item.key == key else item for item in self._state.items)
        self.update(items=items)
