"""Where, in which format and in which units to write a mesh."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QIcon, QStandardItemModel
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QMessageBox,
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
)
from nmf_app.ports import ExportChoice
from nmf_app.session import Outcome
from nmf_app.widgets.basics import GRID, label
from nmf_app.wording import number
from nmf_model.io.output_formats import texture_files

KEEP, CONVERT, FACTOR = range(3)
_TEXTURE_TIPS = {
    "glb": "A picture of the input's colours, inside the file; sharper than a colour for each vertex",
    "obj": "A picture of the input's colours; sharper than a colour for each vertex.\n"
    "A material and the picture are written beside the mesh (MTL, PNG)",
}


class ExportDialog(QDialog):
    """Asks for an ``ExportChoice``; ``choice`` is valid once the dialog was accepted."""

    def __init__(self, outcome: Outcome, name: str, folder: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export mesh")
        self.setMinimumWidth(64 * GRID)
        self._reconstruction = outcome.reconstruction
        self._wants_texture = False
        self._size = np.ptp(outcome.reconstruction.mesh.vertices, axis=0)
        self._path = QLineEdit(str(folder / f"{name}.obj"))
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
        self._on_units()
        self._show_boxes()

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
            Path(self._path.text()).expanduser(),
            self.scale,
            self._report.isChecked(),
            self._certificate.isChecked(),
            self._texture.isChecked(),
        )

    def accept(self) -> None:
        """Close, unless files exist and the user would rather keep them."""
        choice = self.choice
        written = (choice.path, *(texture_files(choice.path) if choice.with_texture else ()))
        existing = [path for path in written if path.is_file()]
        if existing and not self._may_replace(existing):
            return
        super().accept()

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
        self._units.setToolTip("Files rarely say which unit they are in; here it can be changed")
        self._given, self._wanted = QComboBox(), QComboBox()
        for unit in UNITS:
            for box in (self._given, self._wanted):
                box.addItem(f"{unit.name} ({unit.symbol})")
        self._given.setCurrentIndex(2)
        self._given.setToolTip("The unit the input is in")
        self._wanted.setToolTip("The unit the file shall be in")
        self._factor = QDoubleSpinBox(decimals=6, minimum=1e-6, maximum=1e6, value=1.0)
        self._factor.setToolTip("Every length is multiplied by this")
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
        path = Path(self._path.text())
        if path.name:
            self._path.setText(str(path.with_suffix(f".{self._format.currentData()}")))

    def _on_path(self, text: str) -> None:
        path = Path(text).expanduser()
        suffix = path.suffix.lower().lstrip(".")
        row = self._format.findData(suffix)
        obstacle = format_obstacle(suffix, self._reconstruction)
        self._save.setEnabled(row >= 0 and not obstacle and path.parent.is_dir())
        self._save.setToolTip(obstacle)
        if row >= 0:
            self._format.blockSignals(True)
            self._format.setCurrentIndex(row)
            self._format.blockSignals(False)
        self._show_boxes()

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
        symbol = (
            f" {UNITS[self._wanted.currentIndex()].symbol}" if self._units.currentIndex() == CONVERT else ""
        )
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
            known = self._format.findData(path.suffix.lower().lstrip(".")) >= 0
            self._path.setText(str(path if known else path.with_name(f"{path.name}.{wanted.suffix}")))

    def _may_replace(self, existing: list[Path]) -> bool:
        names = ", ".join(f"“{path.name}”" for path in existing)
        one = len(existing) == 1
        box = QMessageBox(self)
        box.setWindowTitle("Replace the file?" if one else "Replace the files?")
        box.setText(f"{names} already {'exists. Replace it?' if one else 'exist. Replace them?'}")
        replace = box.addButton("Replace", QMessageBox.ButtonRole.AcceptRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.exec()
        return box.clickedButton() is replace
