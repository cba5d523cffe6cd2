"""Slow imports and example previews, done while the plain window is already up."""

from __future__ import annotations

import importlib
import threading

from PySide6.QtCore import QObject, Signal

from nmf_app import work
from nmf_app.resources import Example
from nmf_model.types import PointCloud


class Warmup(QObject):
    """A short-lived thread; its signals arrive in the thread that made it.

    Signals:
        imported: the viewport's modules are loaded, the viewport can be built.
        previewed: an example cloud's path and its (N, 3) float32 points in unit-sphere units.
    """

    imported = Signal()
    previewed = Signal(object, object)

    def __init__(self, examples: tuple[Example, ...], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._examples = examples
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="nmf-warmup", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Wait for the thread to end; it skips what it has not begun."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _work(self) -> None:
        importlib.import_module("nmf_app.widgets.viewport")
        if not self._stopped.is_set():
            self.imported.emit()
        for example in self._examples:
            if self._stopped.is_set():
                return
            if example.kind == "cloud":
                self._preview(example)

    def _preview(self, example: Example) -> None:
        from nmf_model.io.source import read_source

        try:
            source = read_source(example.path)
        except Exception:  # noqa: BLE001  a card without a picture still opens and then says what is wrong
            return
        if isinstance(source, PointCloud) and not self._stopped.is_set():
            self.previewed.emit(example.path, work.preview_of(source))
