"""Read whatever was dropped: a cloud, a mesh or a picture."""

from __future__ import annotations

from pathlib import Path

from nmf_model.io.images import read_image
from nmf_model.io.opening import check_file, reading
from nmf_model.io.points import read_points
from nmf_model.io.suffixes import IMAGE_SUFFIXES, POINT_SUFFIXES
from nmf_model.types import PointCloud, ShapeImage


def read_source(path: Path | str) -> PointCloud | ShapeImage:
    """Read a file by its suffix.

    Raises:
        InputError: the file cannot be used; one sentence says why and what to do.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return read_image(path)
    if suffix not in POINT_SUFFIXES:
        reading(path, lambda: check_file(path, POINT_SUFFIXES | IMAGE_SUFFIXES))
    return read_points(path)
