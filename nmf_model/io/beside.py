"""The files that a model names, such as its buffers, materials and pictures, for trimesh."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote


class Beside:
    """Hands trimesh the files that a model names, if they lie beside it or in a folder there."""

    def __init__(self, path: Path) -> None:
        from trimesh.resolvers import FilePathResolver

        self._files: Any = FilePathResolver(str(path))
        self.file_name = path.name

    def get(self, name: str) -> bytes:
        """Return the content of a file, whose name may be written as in a web address, as glTF has it."""
        try:
            content: bytes = self._files.get(name)
        except FileNotFoundError:
            content = self._files.get(unquote(name))
        return content

    def __getitem__(self, name: str) -> bytes:
        return self.get(name)
