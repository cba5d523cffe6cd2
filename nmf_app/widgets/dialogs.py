"""The questions and messages that come in windows of their own."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFontDatabase, QIcon
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from nmf_app import resources
from nmf_app.formats import open_filter
from nmf_app.ports import ExportChoice
from nmf_app.session import Outcome
from nmf_app.widgets.basics import GRID, label, scrolled
from nmf_app.widgets.confirm import may_replace, say_why
from nmf_app.widgets.export_dialog import ExportDialog, is_same

GUIDE = (
    (
        "1 · Drop",
        "Drop a point cloud, a mesh or a picture anywhere on the window, or several at once: they queue up. "
        "Bare points are enough; no normals are needed.",
    ),
    (
        "2 · Watch",
        "A sphere flows into the shape while it is computed. Cancel with Esc. When it is done, the timeline "
        "plays the flow, and the mouse turns the view: left button orbits, wheel zooms.",
    ),
    (
        "3 · Export",
        "Every check in the panel is made on the mesh as read back from a file. Export writes OBJ, PLY, STL, "
        "GLB, 3MF or OFF, or the solid inside as tetrahedra (VTU, MSH); Save animation records the flow as a "
        "GIF.",
    ),
    (
        "Keys",
        "Ctrl+O open · Ctrl+R reconstruct · Esc cancel · Ctrl+E export · Space play · Home reset the view · "
        "1 smooth, 2 flat, 3 wireframe · I input points · C colours · D dark theme",
    ),
)

LICENCES = (
    (
        "Neural Mesh Flow",
        "MIT. After “Neural Mesh Flow: 3D Manifold Mesh Generation via Diffeomorphic Flows”, K. Gupta and "
        "M. Chandraker, NeurIPS 2020.",
    ),
    ("PySide6 / Qt", "LGPL-3.0"),
    ("VTK, PyTorch, NumPy, SciPy", "BSD-3-Clause"),
    ("PyVista, pyvistaqt, torchdiffeq, trimesh, laspy", "MIT and BSD"),
    ("libigl", "MPL-2.0"),
    ("Pillow", "MIT-CMU"),
    ("safetensors", "Apache-2.0"),
)


class Dialogs:
    """The window's answers to ``DialogsPort``."""

    def __init__(self, window: QWidget) -> None:
        self._window = window

    def choose_sources(self, folder: Path | None) -> list[Path]:
        """Ask for files to open."""
        start = str(folder or Path.home())
        names, _ = QFileDialog.getOpenFileNames(self._window, "Open", start, open_filter())
        return [Path(name) for name in names]

    def choose_export(
        self, outcome: Outcome, name: str, folder: Path | None, source: Path | None
    ) -> ExportChoice | None:
        """Ask where and how to write a mesh."""
        dialog = ExportDialog(outcome, name, folder or Path.home(), self._window, source)
        accepted = dialog.exec() == QDialog.DialogCode.Accepted
        choice = dialog.choice if accepted else None
        dialog.deleteLater()
        return choice

    def choose_animation(self, name: str, folder: Path | None, source: Path | None) -> Path | None:
        """Ask where to write an animation, which never replaces the picture that it comes from."""
        start = folder or Path.home()
        start /= f"{name}-flow.gif" if _is_there(start / f"{name}.gif", source) else f"{name}.gif"
        chosen, _ = QFileDialog.getSaveFileName(
            self._window, "Save animation", str(start), "GIF animation (*.gif)", "",
            QFileDialog.Option.DontConfirmOverwrite,
        )  # fmt: skip
        if not chosen:
            return None
        path = Path(chosen)
        path = path if path.suffix.lower() == ".gif" else path.with_name(f"{path.name}.gif")
        if _is_there(path, source):
            say_why(self._window, "Choose another name", f"“{path.name}” is what the mesh was made from.")
            return None
        # Asked here, for the name that is written: Qt would ask for the one that was typed.
        return path if not path.exists() or may_replace(self._window, [path]) else None

    def show_details(self, sentence: str, details: str) -> None:
        """Show what lies behind an error sentence."""
        text = QPlainTextEdit(details, readOnly=True)
        text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._show("What happened", [label(sentence), text], QSize(90 * GRID, 52 * GRID))

    def show_guide(self) -> None:
        """Explain the window in four paragraphs."""
        self._show("Getting started", _paragraphs(GUIDE), QSize(72 * GRID, 56 * GRID))

    def show_about(self, version: str) -> None:
        """Name the program, its version, and whose work it uses."""
        mark = QLabel()
        mark.setPixmap(resources.app_icon().pixmap(QSize(64, 64)))
        row, head = QWidget(), QHBoxLayout()
        head.setContentsMargins(0, 0, 0, 0)
        head.setSpacing(2 * GRID)
        head.addWidget(mark)
        head.addWidget(
            label(f"Version {version}\nSound closed meshes from point clouds and pictures.", "body-muted"), 1
        )
        row.setLayout(head)
        bundled = tuple(
            (example.title, f"{example.license} · {example.credit}".strip(" ·"))
            for example in resources.examples()
        )
        widgets = [row, label("Licences", "section"), *_paragraphs(LICENCES + bundled, gap=False)]
        self._show("Neural Mesh Flow", widgets, QSize(72 * GRID, 68 * GRID))

    def _show(self, title: str, widgets: list[QWidget], size: QSize) -> None:
        dialog = QDialog(self._window)
        dialog.setWindowTitle(title)
        layout = QVBoxLayout(dialog)
        layout.setContentsMargins(3 * GRID, 3 * GRID, 3 * GRID, 2 * GRID)
        layout.setSpacing(GRID)
        layout.addWidget(label(title, "display"))
        layout.addWidget(_page(widgets), 1)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.button(QDialogButtonBox.StandardButton.Close).setIcon(QIcon())
        buttons.rejected.connect(dialog.reject)
        layout.addSpacing(GRID)
        layout.addWidget(buttons)
        dialog.resize(size)
        dialog.exec()
        dialog.deleteLater()


def _is_there(path: Path, source: Path | None) -> bool:
    return source is not None and is_same(path, source)


def _page(widgets: list[QWidget]) -> QScrollArea:
    content = QWidget()
    column = QVBoxLayout(content)
    column.setContentsMargins(0, 0, GRID, 0)
    column.setSpacing(GRID // 2)
    for widget in widgets:
        column.addWidget(widget, 1 if isinstance(widget, QPlainTextEdit) else 0)
    if not any(isinstance(widget, QPlainTextEdit) for widget in widgets):
        column.addStretch(1)
    area = scrolled(content)
    area.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # text alone: arrow keys move it
    return area


def _paragraphs(entries: tuple[tuple[str, str], ...], gap: bool = True) -> list[QWidget]:
    widgets: list[QWidget] = []
    for heading, text in entries:
        widgets.append(label(heading, "section" if gap else "value"))
        widgets.append(label(text, "body-muted" if gap else "caption"))
    return widgets
