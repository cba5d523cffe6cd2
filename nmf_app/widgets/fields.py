"""Fields for numbers."""

from __future__ import annotations

from PySide6.QtCore import QLocale
from PySide6.QtGui import QValidator
from PySide6.QtWidgets import QAbstractSpinBox, QDoubleSpinBox

from nmf_app.widgets.basics import GRID


class FactorField(QDoubleSpinBox):
    """A positive factor with up to six decimals, written as every number of the window: with a point.

    Qt's own field takes the mark that its locale does not use for the one between thousands, and drops it:
    in Germany "2.5", and elsewhere "2,5", would be 25. Here both are two and a half, and a comma becomes a
    point as it is typed.
    """

    def __init__(self) -> None:
        super().__init__(decimals=6, minimum=1e-6, maximum=1e6, value=1.0)
        plain = QLocale(QLocale.Language.C)
        plain.setNumberOptions(
            QLocale.NumberOption.RejectGroupSeparator | QLocale.NumberOption.OmitGroupSeparator
        )
        self.setLocale(plain)
        set_in(self)

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Turn commas into points, then look whether that is a number."""
        state, *_ = super().validate(text.replace(",", "."), position)
        return state, text.replace(",", "."), position

    def textFromValue(self, value: float) -> str:
        """Leave out the zeros that say nothing."""
        return f"{value:.{self.decimals()}f}".rstrip("0").rstrip(".")


def set_in(box: QAbstractSpinBox) -> None:
    """Keep a field's text off its frame: without buttons, Qt forgets the style sheet's padding."""
    box.lineEdit().setTextMargins(GRID - 2, 0, GRID - 2, 0)
