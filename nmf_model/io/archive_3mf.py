"""The model inside a 3MF archive: the unit of its lengths, and changes to its text."""

from __future__ import annotations

import hashlib
import io
import itertools
import re
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path

from nmf_model.types import LENGTH_UNITS, LengthUnit

MODEL = "3D/3dmodel.model"
DEFAULT_UNIT: LengthUnit = "millimeter"
"""What a model without a unit is in, by the format's own text."""
_UNIT = re.compile(rb'(<model\b[^>]*?\sunit=")[^"]*')

_ID = re.compile(rb'(\bp:UUID=")[^"]*')
_ITEM = re.compile(rb"<item\b[^>]*>")
_NAMESPACE = re.compile(rb'\sxmlns(?::\w+)?="[^"]*"')
_ANY_TIME = (1980, 1, 1, 0, 0, 0)
_UNIX = 3


def model_name(archive: zipfile.ZipFile) -> str:
    """Return the name of the model inside an archive, which some programs write in other letters."""
    return next(name for name in archive.namelist() if MODEL.lower() in name.lower())


def read_unit(path: Path) -> LengthUnit | None:
    """Return the unit that a 3MF file says its lengths are in; None if it is none of the format's.

    What the parsers raise on a damaged file passes through.
    """
    from lxml import etree

    with zipfile.ZipFile(path) as archive, archive.open(model_name(archive)) as stream:
        _, root = next(etree.iterparse(stream, events=("start",), resolve_entities=False))
        said = root.get("unit", DEFAULT_UNIT)
    return next((unit for unit in LENGTH_UNITS if unit == said), None)


def with_unit(model: bytes, unit: LengthUnit) -> bytes:
    """Return the text of a model that says a unit with another one in its place."""
    return _UNIT.sub(lambda found: found[1] + unit.encode(), model, count=1)


def with_lasting_ids(model: bytes) -> bytes:
    """Return the text of a model with ids that follow from its content in the place of random ones."""
    source = uuid.uuid5(uuid.NAMESPACE_OID, hashlib.sha256(_ID.sub(rb"\1", model)).hexdigest())
    numbers = itertools.count()
    return _ID.sub(lambda found: found[1] + str(uuid.uuid5(source, str(next(numbers)))).encode(), model)


def _without_repeats(model: bytes) -> bytes:
    """Return the text of a model whose items do not declare again what its root has declared.

    trimesh writes that, and readers that take a declaration for an attribute refuse it.
    """
    return _ITEM.sub(lambda item: _NAMESPACE.sub(b"", item[0]), model)


def rewritten(archive: bytes, *changes: Callable[[bytes], bytes]) -> bytes:
    """Return trimesh's 3MF archive with the text of its model passed through ``changes``, one by one.

    Nothing in it tells when and on which system it was written, so that equal models are equal bytes.
    """
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(result, "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename == MODEL:
                for change in (_without_repeats, *changes):
                    data = change(data)
            lasting = zipfile.ZipInfo(entry.filename, _ANY_TIME)
            lasting.create_system = _UNIX
            new.writestr(lasting, data, zipfile.ZIP_DEFLATED, compresslevel=5)
    return result.getvalue()
