"""Give the vertices of a 3MF file colours, by the format's materials extension."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
_MATERIALS = "http://schemas.microsoft.com/3dmanufacturing/material/2015/02"
_GROUP_ID = "1000000"


def colored_model(model: bytes, faces: NDArray[np.int64], colors: NDArray[np.uint8]) -> bytes:
    """Return the text of a model with a colour for each corner of its one mesh.

    Args:
        model: of a 3MF archive, with one mesh.
        faces: (F, 3) of that mesh, in order.
        colors: (V, 3) of its vertices.
    """
    from lxml import etree

    root = etree.fromstring(model)
    _paint(root, faces, colors)
    painted: bytes = etree.tostring(root, xml_declaration=True, encoding="utf-8")
    return painted


def _paint(root: object, faces: NDArray[np.int64], colors: NDArray[np.uint8]) -> None:
    from lxml import etree

    resources = root.find(f"{{{_CORE}}}resources")  # type: ignore[attr-defined]
    group = etree.Element(f"{{{_MATERIALS}}}colorgroup", id=_GROUP_ID)
    palette, number = np.unique(colors, axis=0, return_inverse=True)
    for red, green, blue in palette.tolist():
        etree.SubElement(group, f"{{{_MATERIALS}}}color", color=f"#{red:02X}{green:02X}{blue:02X}FF")
    resources.insert(0, group)
    # What triangles may have, their object must have too: it stands for those that say nothing.
    resources.find(f"{{{_CORE}}}object").attrib.update({"pid": _GROUP_ID, "pindex": "0"})
    triangles = resources.iter(f"{{{_CORE}}}triangle")
    for triangle, corners in zip(triangles, number.ravel()[faces].tolist(), strict=True):
        triangle.set("pid", _GROUP_ID)
        for name, corner in zip(("p1", "p2", "p3"), corners, strict=True):
            triangle.set(name, str(corner))
