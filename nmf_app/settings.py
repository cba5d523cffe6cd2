"""What is remembered between runs, in one INI file; whatever cannot be read falls back to its default."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import TypeVar, get_args

from PySide6.QtCore import QByteArray, QSettings, QStandardPaths

from nmf_app.session import Parameters, Shading, Theme, ViewOptions
from nmf_model.types import METHODS, Device

RECENT_LIMIT = 8
MAX_LEVEL = 7

Choice = TypeVar("Choice", bound=Enum)


def default_path() -> Path:
    """Return where the settings live: ``$NMF_SETTINGS`` if set, else the platform's configuration folder."""
    override = os.environ.get("NMF_SETTINGS")
    if override:
        return Path(override)
    folder = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericConfigLocation)
    return Path(folder) / "neural-mesh-flow" / "settings.ini"


class Settings:
    """A tolerant reader and writer of one INI file."""

    def __init__(self, path: Path | None = None) -> None:
        self._store = QSettings(str(path or default_path()), QSettings.Format.IniFormat)

    def recent(self) -> tuple[Path, ...]:
        """Return the recent files that still exist, newest first."""
        value = self._store.value("files/recent", [])
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list):
            return ()
        paths = [Path(name) for name in names if isinstance(name, str) and name and "\0" not in name]
        return tuple(path for path in paths if path.is_file())[:RECENT_LIMIT]

    def save_recent(self, paths: tuple[Path, ...]) -> None:
        """Remember the recent files, newest first."""
        self._store.setValue("files/recent", [str(path) for path in paths[:RECENT_LIMIT]])

    def parameters(self) -> Parameters:
        """Return the remembered parameters."""
        level = self._text("parameters/level")
        valid_level = level.isdecimal() and len(level) == 1 and int(level) <= MAX_LEVEL
        return Parameters(
            method=_one_of(self._text("parameters/method"), METHODS, "auto"),
            level=int(level) if valid_level else None,
            device=_one_of(self._text("parameters/device"), get_args(Device), "auto"),
            start_at_once=self._text("parameters/start_at_once") != "false",
        )

    def save_parameters(self, parameters: Parameters) -> None:
        """Remember the parameters, but neither seed nor weights, so that every run begins reproducibly."""
        self._store.setValue("parameters/method", parameters.method)
        self._store.setValue("parameters/level", "" if parameters.level is None else str(parameters.level))
        self._store.setValue("parameters/device", parameters.device)
        self._store.setValue("parameters/start_at_once", parameters.start_at_once)

    def view(self, system_theme: Theme = Theme.LIGHT) -> ViewOptions:
        """Return how things were drawn; the theme is the system's until the user chose one."""
        return ViewOptions(
            theme=_member(Theme, self._text("view/theme"), system_theme),
            shading=_member(Shading, self._text("view/shading"), Shading.SMOOTH),
            show_input=self._text("view/show_input") != "false",
            show_colors=self._text("view/show_colors") != "false",
        )

    def save_view(self, view: ViewOptions) -> None:
        """Remember how things are drawn."""
        self._store.setValue("view/theme", view.theme.value)
        self._store.setValue("view/shading", view.shading.value)
        self._store.setValue("view/show_input", view.show_input)
        self._store.setValue("view/show_colors", view.show_colors)

    def folder(self) -> Path | None:
        """Return the folder last used in a dialog, if it still exists."""
        text = self._text("files/folder")
        return Path(text) if text and "\0" not in text and Path(text).is_dir() else None

    def save_folder(self, folder: Path) -> None:
        """Remember the folder last used in a dialog."""
        self._store.setValue("files/folder", str(folder))

    def geometry(self) -> tuple[QByteArray, QByteArray]:
        """Return the window's geometry and state as Qt saved them; empty if unknown."""
        return self._bytes("window/geometry"), self._bytes("window/state")

    def save_geometry(self, geometry: QByteArray, state: QByteArray) -> None:
        """Remember the window's geometry and state."""
        self._store.setValue("window/geometry", geometry)
        self._store.setValue("window/state", state)

    def sync(self) -> None:
        """Write everything to the file now."""
        self._store.sync()

    def _text(self, key: str) -> str:
        value = self._store.value(key, "")
        if isinstance(value, bool):
            return "true" if value else "false"
        return value if isinstance(value, str) else ""

    def _bytes(self, key: str) -> QByteArray:
        value = self._store.value(key)
        return value if isinstance(value, QByteArray) else QByteArray()


Word = TypeVar("Word", bound=str)


def _one_of(text: str, allowed: tuple[Word, ...], fallback: Word) -> Word:
    return next((word for word in allowed if word == text), fallback)


def _member(kind: type[Choice], text: str, fallback: Choice) -> Choice:
    return next((member for member in kind if member.value == text), fallback)
