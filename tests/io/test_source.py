from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from nmf_model.errors import InputError
from nmf_model.io.source import read_source
from nmf_model.io.suffixes import EXPORT_SUFFIXES, IMAGE_SUFFIXES, MESH_SUFFIXES, POINT_SUFFIXES, listed
from nmf_model.types import PointCloud, ShapeImage


def test_the_suffix_decides(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(60, 3)))
    Image.new("RGB", (40, 30), "red").save(tmp_path / "B.PNG")
    (tmp_path / "a.npy").rename(tmp_path / "A.NPY")
    assert isinstance(read_source(tmp_path / "A.NPY"), PointCloud)
    assert isinstance(read_source(tmp_path / "B.PNG"), ShapeImage)


@pytest.mark.parametrize("name", ["notes.docx", "nothing"])
def test_unknown_ending_lists_what_can_be_read(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError, match=r"\.ply.*\.png") as caught:
        read_source(tmp_path / name)
    assert name in str(caught.value)


def test_folder(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        read_source(tmp_path)


def test_suffix_sets():
    assert set(EXPORT_SUFFIXES) <= MESH_SUFFIXES <= POINT_SUFFIXES
    assert not POINT_SUFFIXES & IMAGE_SUFFIXES
    wanted = "ply obj off stl glb gltf 3mf xyz pts txt csv asc npy npz pcd las laz"
    assert {f".{name}" for name in wanted.split()} == POINT_SUFFIXES
    assert listed((".b", ".a", ".c")) == ".b, .a or .c"
    assert listed(frozenset({".a"})) == ".a"


def test_reading_needs_no_torch_and_no_heavy_library_up_front():
    script = (
        "import sys, nmf_model.io.source, nmf_model.export, nmf_model.quality;"
        "print([m for m in ('torch', 'trimesh', 'igl', 'laspy', 'pyvista') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
