"""3MF archives whose objects are spread over several models, as slicers write their projects, as one model.

trimesh takes all meshes of such a model for each object of it that is asked for, so that those of several
parts, or used several times, would come doubled.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

from nmf_model.errors import InputError
from nmf_model.io.archive_3mf import MODEL, model_name

_LINKS = ("{*}component", "{*}item")


def joined_3mf(path: Path) -> Any:
    """Return what trimesh is to read in place of a 3MF file: the path, or a stream with a single model.

    Raises:
        InputError: a model that another refers to is not there. What damaged files make the parsers raise
            passes through.
    """
    with zipfile.ZipFile(path) as archive:
        names = {name.lower(): name for name in archive.namelist() if name.lower().endswith(".model")}
        main = model_name(archive)
        if len(names) < 2:
            return path
        joined = _joined(path, archive, main, names)
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w") as archive:
        archive.writestr(MODEL, joined)
    result.seek(0)
    return result


def _joined(path: Path, archive: zipfile.ZipFile, main: str, names: dict[str, str]) -> bytes:
    """Return the text of the main model with the objects of others that it refers to."""
    from lxml import etree

    root = _parsed(archive, main)
    resources = root.find("{*}resources")
    numbers: dict[str, int] = {}
    for link in list(root.iter(*_LINKS)):
        key = next((key for key in link.attrib if etree.QName(key).localname == "path"), None)
        where = "" if key is None else str(link.attrib.pop(key)).strip("/").lower()
        if where in ("", main.lower()):
            continue
        if where not in names:
            raise InputError(f"{path.name} lacks its part {where}; export it again.")
        if where not in numbers:
            numbers[where] = len(numbers) + 1
            resources.extend(_objects(archive, names[where], numbers[where]))
        link.set("objectid", _own(numbers[where], link.get("objectid")))
    text: bytes = etree.tostring(root, xml_declaration=True, encoding="utf-8")
    return text


def _objects(archive: zipfile.ZipFile, name: str, number: int) -> list[Any]:
    """Return the objects of another model, with ids that no other model has."""
    found = list(_parsed(archive, name).iter("{*}object"))
    for part in found:
        part.set("id", _own(number, part.get("id")))
        for link in part.iter("{*}component"):
            link.set("objectid", _own(number, link.get("objectid")))
    return found


def _own(number: int, name: str) -> str:
    return f"{number}/{name}"


def _parsed(archive: zipfile.ZipFile, name: str) -> Any:
    from lxml import etree

    with archive.open(name) as stream:
        return etree.parse(stream, etree.XMLParser(resolve_entities=False, huge_tree=True)).getroot()
