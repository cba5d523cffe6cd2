"""The pictures of the published layout: ``<category>/<object>/rendering/00.png`` or ``renderings/``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmf_model.data.layout import CAMERA_FILE, MANIFEST_FILE, VIEWS_FOLDER, object_keys, read_manifest
from nmf_model.errors import InputError


class Renderings:
    """A folder of pictures.

    Args:
        folder: ``ShapeNetRendering``; it may be missing, then no object has pictures.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keys_by_id(self) -> dict[str, str]:
        """Return the key of each object here by its id: from the manifest beside the folder, else the key."""
        described = read_manifest(self.folder.parent / MANIFEST_FILE)
        return {str(described.get(key, {}).get("id", key)): key for key in object_keys(self.folder)}

    def paths(self, key: str) -> list[Path]:
        """Return an object's pictures in order; empty if it has none."""
        folder = self._of(key)
        return [] if folder is None else sorted(folder.glob("*.png"))

    def image(self, key: str, view: int) -> NDArray[np.uint8]:
        """Read a picture as (H, W, 4) uint8.

        Raises:
            InputError: the picture is missing or damaged; the sentence names the file.
        """
        paths = self.paths(key)
        if not 0 <= view < len(paths):
            raise InputError(f"{key} has {len(paths)} pictures in {self.folder}, view {view} is missing.")
        return read_picture(paths[view])

    def cameras(self, key: str) -> NDArray[np.float64] | None:
        """Return (views, 2) azimuth and elevation in radians, or None where they are not recorded."""
        folder = self._of(key)
        if folder is None or not (folder / CAMERA_FILE).is_file():
            return None
        try:
            rows = [
                line.split()[:2] for line in (folder / CAMERA_FILE).read_text("utf-8").splitlines() if line
            ]
            angles = np.radians(np.array(rows, dtype=np.float64).reshape(-1, 2))
        except ValueError as error:
            raise InputError(
                f"{folder / CAMERA_FILE} does not hold numbers; make or copy it again."
            ) from error
        if len(angles) != len(self.paths(key)):
            raise InputError(f"{folder / CAMERA_FILE} has not one line for each picture; make it again.")
        return angles

    def _of(self, key: str) -> Path | None:
        folder = self.folder / key
        return next((folder / name for name in ("rendering", "renderings") if (folder / name).is_dir()), None)


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Read a picture as (H, W, 4) uint8.

    Raises:
        InputError: it is missing or damaged.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGBA"))
    except (OSError, SyntaxError) as error:
        raise InputError(f"{path} is a damaged picture; make or copy it again.") from error


def open_renderings(root: Path) -> Renderings:
    """Return the pictures of a set's root or of its folder ``ShapeNetRendering``.

    Raises:
        InputError: ``root`` is no folder.
    """
    if not root.is_dir():
        raise InputError(f"There is no folder of renderings {root}; check its name.")
    return Renderings(root / VIEWS_FOLDER if (root / VIEWS_FOLDER).is_dir() else root)
