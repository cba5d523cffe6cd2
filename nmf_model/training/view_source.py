"""The renderings of one object at a time, with their cameras where these are recorded."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmf_model.data.layout import CAMERA_FILE
from nmf_model.errors import InputError
from nmf_model.training.targets import TargetName
from nmf_model.training.views import load_views


@dataclass(frozen=True)
class ObjectViews:
    """The renderings of an object.

    Attributes:
        pictures: (V, H, W, 4) uint8, straight alpha.
        cameras: (V, 2) azimuth and elevation in radians, or None.
    """

    pictures: NDArray[np.uint8]
    cameras: NDArray[np.float64] | None

    def camera(self, view: int, name: str) -> tuple[float, float]:
        """Return the azimuth and elevation of one view.

        Raises:
            InputError: they are not recorded.
        """
        if self.cameras is None:
            raise InputError(
                f"The cameras of {name} are not recorded, but the model predicts in their frame."
            )
        azimuth, elevation = self.cameras[view]
        return float(azimuth), float(elevation)


class ViewSource:
    """Renderings, packed or in the published folders.

    Args:
        path: ``views.npz``, or a folder ``category/object/rendering/00.png``, or what holds
            ``ShapeNetRendering``.
        names: the objects that may be asked for.

    Raises:
        InputError: the file is missing or damaged, or no object has renderings.
    """

    def __init__(self, path: Path, names: tuple[TargetName, ...]) -> None:
        inner = path / "ShapeNetRendering"
        self._path = inner if inner.is_dir() else path
        self._packed: dict[str, NDArray[np.uint8]] | None = None
        self._cameras: dict[str, NDArray[np.float64]] = {}
        if self._path.is_dir():
            present = [name for name in names if self._folder(name) is not None]
            self._present = {name.id for name in present}
        else:
            views = load_views(self._path, [name.id for name in names])
            self._packed = dict(zip(map(str, views.ids), views.pictures, strict=True))
            self._cameras = _packed_cameras(self._path)
            self._present = set(self._packed)
        if not self._present:
            raise InputError(f"{path} holds no pictures of these objects; check that both belong together.")

    def __contains__(self, name: TargetName) -> bool:
        return name.id in self._present

    def read(self, name: TargetName) -> ObjectViews:
        """Return an object's renderings, in their order.

        Raises:
            InputError: a file is damaged.
        """
        if self._packed is not None:
            pictures, cameras = self._packed[name.id], self._cameras.get(name.id)
        else:
            pictures = load_views(self._path, [name.id]).pictures[0]
            cameras = _folder_cameras(self._folder(name), len(pictures))
        return ObjectViews(pictures.transpose(0, 2, 3, 1), cameras)

    def _folder(self, name: TargetName) -> Path | None:
        places = (self._path / name.key / part for part in ("rendering", "renderings"))
        return next((place for place in places if place.is_dir() and any(place.glob("[0-9]*.png"))), None)


@functools.lru_cache(maxsize=2)
def open_views(path: Path, names: tuple[TargetName, ...]) -> ViewSource:
    """Return the renderings, opened once in each process."""
    return ViewSource(path, names)


def _packed_cameras(path: Path) -> dict[str, NDArray[np.float64]]:
    with np.load(path, allow_pickle=False) as file:
        if "azimuth_elevation" not in file.files:
            return {}
        ids, angles = file["id"], file["azimuth_elevation"].astype(np.float64)
    if angles.ndim != 3 or angles.shape[0] != len(ids) or angles.shape[2] != 2:
        raise InputError(f"{path} has cameras of the shape {angles.shape}; make it again.")
    return dict(zip(map(str, ids), angles, strict=True))


def _folder_cameras(folder: Path | None, count: int) -> NDArray[np.float64] | None:
    if folder is None or not (folder / CAMERA_FILE).is_file():
        return None
    try:
        lines = (folder / CAMERA_FILE).read_text("utf-8").splitlines()
        rows = [[float(word) for word in line.split()[:2]] for line in lines if line.strip()]
        angles = np.radians(np.array(rows, dtype=np.float64).reshape(-1, 2))
    except ValueError as error:
        raise InputError(f"{folder / CAMERA_FILE} does not hold numbers; make or copy it again.") from error
    if len(angles) != count:
        raise InputError(f"{folder / CAMERA_FILE} has not one line for each picture; make it again.")
    return angles
