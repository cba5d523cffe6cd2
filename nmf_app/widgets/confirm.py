"""Questions that must be answered before something of the user's could be lost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QMessageBox, QWidget

from nmf_app.wording import breakable, duration
from nmf_model.words import counted

WORTH_ASKING_S = 60.0


def may_replace(parent: QWidget, existing: Sequence[Path]) -> bool:
    """Ask whether files that exist may be replaced."""
    names = ", ".join(f"“{path.name}”" for path in existing)
    one = len(existing) == 1
    return _agreed(
        parent,
        "Replace the file?" if one else "Replace the files?",
        f"{names} already {'exists. Replace it?' if one else 'exist. Replace them?'}",
        "Replace",
    )


def may_lose_exports(parent: QWidget, names: Sequence[str]) -> bool:
    """Ask whether files that wait to be written may be given up."""
    one = len(names) == 1
    return _agreed(
        parent,
        "Close without the export?" if one else "Close without the exports?",
        f"{', '.join(f'“{name}”' for name in names)} {'is' if one else 'are'} not written yet, and may "
        f"not be if the window is closed now.",
        "Close all the same",
    )


def may_lose_results(parent: QWidget, results: int, seconds: float) -> bool:
    """Ask whether results may be given up that were not exported; those that are soon made again may."""
    if seconds < WORTH_ASKING_S:
        return True
    what = counted(results, "result", "results")
    return _agreed(
        parent,
        "Close without exporting?",
        f"{what} that took {duration(seconds)} to make {'was' if results == 1 else 'were'} not exported.",
        "Close all the same",
    )


def say_why(parent: QWidget, title: str, text: str) -> None:
    """Say why something is not done."""
    box = _box(parent, title, text)
    box.addButton("Close", QMessageBox.ButtonRole.AcceptRole)
    box.exec()
    box.deleteLater()


def _agreed(parent: QWidget, title: str, text: str, action: str) -> bool:
    box = _box(parent, title, text)
    agreed = box.addButton(action, QMessageBox.ButtonRole.AcceptRole)
    cancel = box.addButton(QMessageBox.StandardButton.Cancel)
    cancel.setIcon(QIcon())
    box.setDefaultButton(cancel)
    box.exec()
    answer = box.clickedButton() is agreed
    # Not on closing: it would be gone before it could be asked which button was pressed.
    box.deleteLater()
    return answer


def _box(parent: QWidget, title: str, text: str) -> QMessageBox:
    box = QMessageBox(parent)
    box.setWindowTitle(title)
    box.setTextFormat(Qt.TextFormat.PlainText)  # a name may look like HTML
    box.setText(breakable(text))
    return box
