"""Furniture libraries, on a small one written by the test."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from nmf_model.data.credits import credits_text
from nmf_model.data.library import load_mesh, read_library
from nmf_model.errors import InputError

CATALOGUE = """# a comment
id=Some#Library
name=Some library

id#2=Lib#lamp
name#2=Lamp \\u20ac | small
category#2=Lights
model#2=/lib/lamp.obj
id#1=Lib#bed
name#1=Lit d'\xe9t\xe9
category#1=Bedroom
creator#1=Ada
model#1=/lib/bed/bed.obj
modelRotation#1=1 0 0 0 0 1 0 -1 0
"""
QUAD = "v 0 0 0\nv 1 0 0\nv 1 2 0\nv 0 2 0\nusemtl wood\nf -4/1/1 -3/2/1 -2/3/1 -1/4/1\n"


def _write(path: Path, license_text: str = "see http://creativecommons.org/licenses/by/3.0/us/") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("PluginFurnitureCatalog.properties", CATALOGUE.encode("latin-1"))
        archive.writestr("LICENSE.TXT", license_text)
        archive.writestr("lib/bed/bed.obj", QUAD)
    return path


def test_entries_come_in_catalogue_order_with_their_text_decoded(tmp_path: Path) -> None:
    bed, lamp = read_library(_write(tmp_path / "lib.sh3f"))
    assert (bed.id, bed.name, bed.category, bed.creator) == ("Lib#bed", "Lit d'été", "Bedroom", "Ada")
    assert (lamp.name, lamp.creator, lamp.model) == ("Lamp € | small", "", "lib/lamp.obj")
    assert np.array_equal(lamp.rotation, np.eye(3))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://creativecommons.org/licenses/by/3.0/us/", "CC BY 3.0 US"),
        ("http://creativecommons.org/licenses/by/3.0/", "CC BY 3.0"),
        ("http://creativecommons.org/choose/zero/", "CC0"),
        ("all rights reserved", "unknown"),
    ],
)
def test_the_license_is_the_one_its_text_links_to(tmp_path: Path, text: str, expected: str) -> None:
    assert {entry.license for entry in read_library(_write(tmp_path / "lib.sh3f", text))} == {expected}


def test_the_model_is_rotated_upright(tmp_path: Path) -> None:
    """The rows of modelRotation make new y from old z and new z from old -y."""
    mesh = load_mesh(read_library(_write(tmp_path / "lib.sh3f"))[0])
    assert np.array_equal(mesh.vertices, [[0, 0, 0], [1, 0, 0], [1, 0, -2], [0, 0, -2]])
    assert np.array_equal(mesh.faces, [[0, 1, 2], [0, 2, 3]])


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    lamp = read_library(_write(tmp_path / "lib.sh3f"))[1]
    with pytest.raises(InputError, match=r"lib/lamp\.obj is missing .*lib\.sh3f"):
        load_mesh(lamp)


def test_what_is_no_library_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.sh3f"
    path.write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(InputError, match=r"broken\.sh3f is not a readable"):
        read_library(path)
    with pytest.raises(InputError, match=r"absent\.sh3f"):
        read_library(tmp_path / "absent.sh3f")


def test_credits_have_one_row_a_model_with_creator_and_license(tmp_path: Path) -> None:
    text = credits_text(read_library(_write(tmp_path / "lib.sh3f")))
    rows = [line for line in text.splitlines() if line.startswith("| Lib#")]
    link = "[CC BY 3.0 US](https://creativecommons.org/licenses/by/3.0/us/)"
    assert rows == [
        f"| Lib#bed | Lit d'été | Ada | {link} | lib.sh3f |",
        f"| Lib#lamp | Lamp € \\| small | unknown | {link} | lib.sh3f |",
    ]
