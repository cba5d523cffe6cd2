"""The seal of a result: certified or not, and why, with the facts behind it on hover."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel

from nmf_app import resources
from nmf_app.session import Theme
from nmf_app.widgets.basics import GRID, label
from nmf_app.wording import seal_facts, seal_words
from nmf_model.types import QualityReport

ICON = QSize(32, 32)


class Seal(QFrame):
    """Says at a glance whether a mesh can be relied upon."""

    def __init__(self, report: QualityReport, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("seal")
        role = "good" if report.is_sound else "bad"
        self.setProperty("role", role)
        title, words = seal_words(report)
        self.setToolTip(seal_facts(report))
        self.setAccessibleName(f"{title}: {words}")
        mark = QLabel()
        name = "seal" if report.is_sound else "warning"
        mark.setPixmap(resources.icon(name, theme, role).pixmap(ICON, self.devicePixelRatioF()))
        headline = label(title, "section")
        headline.setProperty("tone", role)
        layout = QGridLayout(self)
        layout.setContentsMargins(GRID + 4, GRID + 4, GRID + 4, GRID + 4)
        layout.setHorizontalSpacing(GRID + 4)
        layout.setVerticalSpacing(GRID // 4)
        layout.addWidget(mark, 0, 0, 2, 1, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(headline, 0, 1)
        layout.addWidget(label(words, "caption" if report.is_sound else "bad"), 1, 1)
        layout.setColumnStretch(1, 1)
