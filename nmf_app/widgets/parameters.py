"""What the user can choose before a reconstruction, in plain words."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QFormLayout, QSizePolicy, QSpinBox, QVBoxLayout, QWidget

from nmf_app import resources
from nmf_app.session import Parameters
from nmf_app.widgets.basics import GRID, label, link_button
from nmf_app.widgets.fields import set_in
from nmf_app.wording import DEVICES, METHOD_WORDS, level_words
from nmf_model.types import MAX_SEED, METHODS, Method, PointCloud, Source

LEVELS = (None, 2, 3, 4, 5, 6, 7)


class ParametersPanel(QWidget):
    """Editors of ``Parameters``; ``edited`` carries the whole new value."""

    edited = Signal(object)

    def __init__(self, parameters: Parameters) -> None:
        super().__init__()
        self._parameters = parameters
        self._method = _choice("How the shape is found", {key: METHOD_WORDS[key][0] for key in _methods()})
        self._level = _choice("How many vertices the mesh has", {})
        for level in LEVELS:
            self._level.addItem(level_words(level), level)
        self._device = _choice("Where the computation runs", DEVICES)
        self._seed = QSpinBox(maximum=MAX_SEED)
        self._seed.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        set_in(self._seed)
        self._seed.setToolTip("The same seed gives the same mesh; another seed another attempt")
        self._at_once = QCheckBox("Start as soon as a file is dropped")
        self._explain = label(role="caption")
        self._more = link_button("More options")
        self._build()
        self.show_parameters(parameters)
        self._method.currentIndexChanged.connect(self._edit)
        self._level.currentIndexChanged.connect(self._edit)
        self._device.currentIndexChanged.connect(self._edit)
        self._seed.valueChanged.connect(self._edit)
        self._at_once.toggled.connect(self._edit)

    def show_parameters(self, parameters: Parameters) -> None:
        """Show a value without reporting it as an edit."""
        self._parameters = parameters
        with ExitStack() as silence:
            for widget in (self._method, self._level, self._device, self._seed, self._at_once):
                silence.enter_context(QSignalBlocker(widget))
            if parameters.level is not None and self._level.findData(parameters.level) < 0:
                self._level.addItem(level_words(parameters.level), parameters.level)
            self._method.setCurrentIndex(max(0, self._method.findData(parameters.method)))
            self._level.setCurrentIndex(max(0, self._level.findData(parameters.level)))
            self._device.setCurrentIndex(max(0, self._device.findData(parameters.device)))
            self._seed.setValue(parameters.seed)
            self._at_once.setChecked(parameters.start_at_once)
        self._explain.setText(METHOD_WORDS[self._method.currentData()][1])

    def show_source(self, source: Source | None) -> None:
        """Offer the silhouette only where there is a picture."""
        row = self._method.findData("silhouette")
        item = self._method.model().item(row)  # type: ignore[attr-defined]
        item.setEnabled(not isinstance(source, PointCloud))

    def _build(self) -> None:
        form, more_form = QFormLayout(), QFormLayout()
        for layout in (form, more_form):
            layout.setContentsMargins(0, 0, 0, 0)
            layout.setHorizontalSpacing(2 * GRID)
            layout.setVerticalSpacing(GRID)
            layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.addRow(_buddy("&Method", self._method), self._method)
        form.addRow(_buddy("&Detail", self._level), self._level)
        more_form.addRow(_buddy("Comp&ute on", self._device), self._device)
        more_form.addRow(_buddy("S&eed", self._seed), self._seed)
        more_form.addRow(self._at_once)
        self._extra = QWidget()
        self._extra.setLayout(more_form)
        self._extra.setVisible(False)
        self._more.setCheckable(True)
        self._more.toggled.connect(self._show_more)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID)
        column.addWidget(label("Reconstruction", "section"))
        column.addLayout(form)
        column.addWidget(self._explain)
        column.addWidget(self._extra)
        column.addWidget(self._more, alignment=Qt.AlignmentFlag.AlignLeft)

    def _show_more(self, shown: bool) -> None:
        self._extra.setVisible(shown)
        self._more.setText("Fewer options" if shown else "More options")

    def _edit(self) -> None:
        parameters = replace(
            self._parameters,
            method=self._method.currentData(),
            level=self._level.currentData(),
            device=self._device.currentData(),
            seed=self._seed.value(),
            start_at_once=self._at_once.isChecked(),
        )
        self.show_parameters(parameters)
        self.edited.emit(parameters)


def _methods() -> list[Method]:
    """Leave the network out where no trained weights are bundled."""
    weights = any((resources.root() / "checkpoints").glob("*.safetensors"))
    return [method for method in METHODS if method != "network" or weights]


def _choice(tip: str, entries: dict[str, str]) -> QComboBox:
    box = QComboBox()
    box.setToolTip(tip)
    box.setAccessibleName(tip)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(12)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    for data, text in entries.items():
        box.addItem(text, data)
    return box


def _buddy(text: str, widget: QWidget) -> QWidget:
    result = label(text.replace("&", ""), wrap=False)
    result.setBuddy(widget)
    return result
