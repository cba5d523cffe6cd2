"""Where, in which format and in which units to write a mesh."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np
from PySide6.QtCore import QSignalBlocker
from PySide6.QtGui import QIcon, QStandardItemModel
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from nmf_app.formats import (
    EXPORT_FORMATS,
    UNITS,
    certificate_place,
    conversion,
    format_obstacle,
    texture_obstacle,
    unit_named,
    written_files,
)
from nmf_app.ports import ExportChoice
from nmf_app.session import Outcome
from nmf_app.widgets.basics import GRID, label, tip
from nmf_app.widgets.confirm import may_replace
from nmf_app.widgets.fields import FactorField
from nmf_app.wording import breakable, number

KEEP, CONVERT, FACTOR = range(3)
_TEXTURE_TIPS = {
    "glb": "A picture of the input's colours, inside the file; sharper than a colour for each vertex",
    "obj": "A picture of the input's colours; sharper than a colour for each vertex.\n"
    "A material and the picture are written beside the mesh (MTL, PNG)",
}


class ExportDialog(QDialog):
    """Asks for an ``ExportChoice``; ``choice`` is valid once the dialog was accepted.

    Args:
        outcome: what is exported.
        name: of the file to propose, without a suffix.
        folder: where to propose it.
        parent: the window.
        source: the file that the mesh was made from, which is never replaced, nor by what goes with the
            mesh.
    """

    def __init__(
        self,
        outcome: Outcome,
        name: str,
        folder: Path,
        parent: QWidget | None = None,
        source: Path | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export mesh")
        self.setMinimumWidth(64 * GRID)
        self._reconstruction = outcome.reconstruction
        # What is shown with the picture on it is written with it, unless the user says otherwise.
        self._wants_texture = outcome.drape is not None and outcome.drape.has_light
        self._size = np.ptp(outcome.reconstruction.mesh.vertices, axis=0)
        self._known = unit_named(outcome.reconstruction.mesh.unit)
        self._source, self._folder = source, folder
        self._path = QLineEdit(str(_proposed(folder, name, source)))
        self._path.setAccessibleName("File to write")
        self._format = QComboBox()
        for entry in EXPORT_FORMATS:
            self._format.addItem(f"{entry.title}: {entry.use}", entry.suffix)
        self._disable_formats()
        self._build_units()
        self._build_boxes()
        self._result = label(role="caption")
        self._build()
        self._format.currentIndexChanged.connect(self._on_format)
        self._path.textChanged.connect(self._on_path)
        self._units.currentIndexChanged.connect(self._on_units)
        self._given.currentIndexChanged.connect(self._show_size)
        self._wanted.currentIndexChanged.connect(self._show_size)
        self._factor.valueChanged.connect(self._show_size)
        self._texture.clicked.connect(self._on_texture)
        for box in (self._texture, self._certificate, self._report):
            box.toggled.connect(self._show_problem)
        self._on_units()
        self._on_path()

    @property
    def scale(self) -> float:
        """The factor from the input's units to the file's."""
        mode = self._units.currentIndex()
        if mode == CONVERT:
            return conversion(UNITS[self._given.currentIndex()], UNITS[self._wanted.currentIndex()])
        return self._factor.value() if mode == FACTOR else 1.0

    @property
    def choice(self) -> ExportChoice:
        """What the user chose."""
        return ExportChoice(
            self._typed(),
            self.scale,
            self._report.isChecked(),
            self._certificate.isChecked(),
            self._texture.isChecked(),
            UNITS[self._wanted.currentIndex()].key if self._units.currentIndex() == CONVERT else None,
        )

    def accept(self) -> None:
        """Close, unless files exist and the user would rather keep them."""
        existing = [path for path in self._written() if os.path.isfile(path)]
        if existing and not self._may_replace(existing):
            return
        super().accept()

    def _typed(self) -> Path:
        """Return the file that is meant: a bare name is one in the folder that was proposed.

        Without an ending it is one of the format that is chosen below, unless it is a folder's.
        """
        text = self._path.text().strip()
        path = Path(text)
        with contextlib.suppress(RuntimeError):  # there is no such user
            path = path.expanduser()
        if not path.name:
            return path
        path = self._folder / path
        if "." in path.name or text.endswith(("/", os.sep)) or os.path.isdir(path):
            return path
        return path.with_name(f"{path.name}.{self._format.currentData()}")

    def _written(self) -> tuple[Path, ...]:
        """Return every file that is written as things stand."""
        choice = self.choice
        return written_files(
            choice.path,
            texture=choice.with_texture,
            certificate=choice.with_certificate,
            report=choice.with_report,
        )

    def _disable_formats(self) -> None:
        """Grey out the formats that this result cannot be written in, with the reason on hover."""
        model = self._format.model()
        assert isinstance(model, QStandardItemModel)
        for row, entry in enumerate(EXPORT_FORMATS):
            obstacle = format_obstacle(entry.suffix, self._reconstruction)
            model.item(row).setEnabled(not obstacle)
            model.item(row).setToolTip(obstacle)

    def _build_boxes(self) -> None:
        self._texture = QCheckBox("Bake colours into a texture")
        self._certificate = QCheckBox()
        self._certificate.setChecked(True)
        self._certificate.setToolTip("What was found on reading the file back, with hashes and settings")
        self._report = QCheckBox("Save the quality report beside the mesh (JSON)")

    def _build_units(self) -> None:
        self._units = QComboBox()
        self._units.addItems(["Keep the input's units", "Convert between units", "Multiply by a factor"])
        self._units.setToolTip(
            "Files rarely say which unit they are in; here it can be changed.\n"
            "3MF says one: that of the input or the one converted to, and millimetres where neither is known"
        )
        self._given, self._wanted = QComboBox(), QComboBox()
        for unit in UNITS:
            for box in (self._given, self._wanted):
                box.addItem(f"{unit.name} ({unit.symbol})")
        self._given.setCurrentIndex(UNITS.index(self._known) if self._known is not None else 2)
        self._given.setToolTip("The unit the input is in")
        self._wanted.setToolTip("The unit the file shall be in")
        self._factor = FactorField()
        self._factor.setToolTip("Every length is multiplied by this, and the unit stays")
        pair, row = QWidget(), QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        row.addWidget(self._given, 1)
        row.addWidget(label("to", wrap=False))
        row.addWidget(self._wanted, 1)
        pair.setLayout(row)
        self._unit_pages = QStackedWidget()
        for page in (QWidget(), pair, self._factor):
            self._unit_pages.addWidget(page)

    def _build(self) -> None:
        browse = QPushButton("Browse…")
        browse.setAutoDefault(False)
        browse.clicked.connect(self._browse)
        file_row = QHBoxLayout()
        file_row.setSpacing(GRID)
        file_row.addWidget(self._path, 1)
        file_row.addWidget(browse)
        form = QFormLayout()
        form.setHorizontalSpacing(2 * GRID)
        form.setVerticalSpacing(GRID + 4)
        form.addRow("File", file_row)
        self._problem = label(role="caption")
        form.addRow("", self._problem)
        form.addRow("F&ormat", self._format)
        form.addRow("&Units", self._units)
        form.addRow("", self._unit_pages)
        form.addRow("Size", self._result)
        form.addRow("", self._texture)
        form.addRow("", self._certificate)
        form.addRow("", self._report)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        buttons.button(QDialogButtonBox.StandardButton.Cancel).setIcon(QIcon())
        self._save = QPushButton("Export")
        self._save.setProperty("primary", True)
        self._save.setDefault(True)
        buttons.addButton(self._save, QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(3 * GRID, 3 * GRID, 3 * GRID, 2 * GRID)
        layout.setSpacing(2 * GRID)
        layout.addWidget(label("Export mesh", "display"))
        explain = "The file is written, read back and checked before it replaces anything."
        layout.addWidget(label(explain, "body-muted"))
        layout.addLayout(form)
        layout.addWidget(buttons)

    def _on_format(self) -> None:
        path = Path(self._path.text().strip())
        if path.name:
            # A dot may be part of the name: “part 1.2”.
            known = self._row(path) >= 0
            stem = path.stem if known else path.name
            self._path.setText(str(path.with_name(f"{stem}.{self._format.currentData()}")))

    def _on_path(self) -> None:
        row = self._row(self._typed())
        if row >= 0:
            with QSignalBlocker(self._format):
                self._format.setCurrentIndex(row)
        self._show_boxes()
        self._show_problem()

    def _show_problem(self) -> None:
        path = self._typed()
        problem = self._problem_with(path)
        self._save.setEnabled(not problem)
        self._save.setToolTip(tip(problem))
        completed = path.name and not self._path.text().strip().endswith(path.name)
        words = problem or (f"It is written as {path.name}." if completed else "")
        self._problem.setText(breakable(words))
        self._problem.setVisible(bool(words))

    def _row(self, path: Path) -> int:
        """Return which format the ending of a name means, or -1."""
        return self._format.findData(path.suffix.lower().lstrip("."))

    def _problem_with(self, path: Path) -> str:
        """Return why nothing can be written there, or nothing."""
        if not path.name:
            return "Type the name of the file to write."
        # Unlike the methods of a path these never raise, whatever is typed.
        if not os.path.isdir(path.parent):
            return f"There is no folder {path.parent}."
        if not os.access(path.parent, os.W_OK):
            return f"There is no permission to write into {path.parent}; choose another folder."
        if os.path.isdir(path) and self._row(path) < 0:
            return f"“{path.name}” is a folder; type the name of a file in it."
        if self._row(path) < 0:
            listed = ", ".join(f".{entry.suffix}" for entry in EXPORT_FORMATS)
            return f"The name must end in one of {listed}."
        folder = next((written for written in self._written() if os.path.isdir(written)), None)
        if folder is not None:
            return f"“{folder.name}” is a folder there; choose another name."
        source = self._source
        replaced = [written for written in self._written() if source is not None and is_same(written, source)]
        if path in replaced:
            return "This is the file that the mesh was made from; choose another name."
        if replaced:
            return (
                f"“{replaced[0].name}”, which the mesh was made from, would be replaced; choose another name."
            )
        return format_obstacle(path.suffix.lower().lstrip("."), self._reconstruction)

    def _on_texture(self, wanted: bool) -> None:
        self._wants_texture = wanted

    def _show_boxes(self) -> None:
        """Offer what the present format can hold; a wish for a texture outlives formats that cannot."""
        suffix = self._format.currentData()
        obstacle = texture_obstacle(suffix, self._reconstruction)
        self._texture.setEnabled(not obstacle)
        self._texture.setChecked(self._wants_texture and not obstacle)
        self._texture.setToolTip(obstacle or _TEXTURE_TIPS[suffix])
        self._certificate.setText(f"Certificate {certificate_place(suffix)} (JSON)")

    def _on_units(self) -> None:
        mode = self._units.currentIndex()
        self._unit_pages.setCurrentIndex(mode)
        self._unit_pages.setVisible(mode != KEEP)
        self._show_size()

    def _show_size(self) -> None:
        converted = self._units.currentIndex() == CONVERT
        unit = UNITS[self._wanted.currentIndex()] if converted else self._known
        symbol = f" {unit.symbol}" if unit is not None else ""
        self._result.setText(" × ".join(number(float(side)) for side in self._size * self.scale) + symbol)

    def _browse(self) -> None:
        filters = ";;".join(f"{entry.title} (*.{entry.suffix})" for entry in EXPORT_FORMATS)
        wanted = EXPORT_FORMATS[self._format.currentIndex()]
        name, _ = QFileDialog.getSaveFileName(
            self, "Export mesh", self._path.text(), filters, f"{wanted.title} (*.{wanted.suffix})",
            QFileDialog.Option.DontConfirmOverwrite,
        )  # fmt: skip
        if name:
            path = Path(name)
            known = self._row(path) >= 0
            self._path.setText(str(path if known else path.with_name(f"{path.name}.{wanted.suffix}")))

    def _may_replace(self, existing: list[Path]) -> bool:
        return may_replace(self, existing)


def _proposed(folder: Path, name: str, source: Path | None) -> Path:
    """Return the file to propose: never the one that the mesh was made from."""
    path = folder / f"{name}.obj"
    return folder / f"{name}-mesh.obj" if source is not None and is_same(path, source) else path


def is_same(path: Path, other: Path) -> bool:
    """Return whether two names mean one file that exists."""
    try:
        return path.samefile(other)
    except (OSError, ValueError):
        return False
