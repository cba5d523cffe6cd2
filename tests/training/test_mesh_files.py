from __future__ import annotations

import pytest

from nmf_model.errors import InputError
from nmf_model.training.mesh_files import file_stem, match_meshes
from nmf_model.training.targets import TargetName

NAMES = [
    TargetName("chair/a1", "chair", "chair/a1"),
    TargetName("table/a1", "table", "table/a1"),
    TargetName("Library#lamp: tall", "Lights", "Library#lamp: tall"),
    TargetName("source/deep/x", "cars", "cars/x99"),
    TargetName("missing", "chair", "missing"),
]


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_files_are_found_by_id_by_category_and_object_and_by_object(tmp_path):
    files = ("chair/a1.ply", "out/table/a1.OBJ", "Library#lamp_ tall.stl", "x99.off")
    touch(tmp_path, *files, "other.ply", "chair/notes.txt", ".hidden.ply")
    matches = match_meshes(tmp_path, NAMES)
    assert matches.found == (*(tmp_path / name for name in files), None)
    assert matches.unused == (tmp_path / "other.ply",)


def test_the_bare_name_of_two_objects_belongs_to_neither(tmp_path):
    touch(tmp_path, "a1.ply", "x.ply")
    assert match_meshes(tmp_path, NAMES).found == (None, None, None, tmp_path / "x.ply", None)


def test_dots_in_names_are_part_of_them(tmp_path):
    names = [TargetName("v1.2", "all", "v1.2"), TargetName("v1.3", "all", "v1.3")]
    touch(tmp_path, "v1.2.ply", "v1.3.ply")
    assert match_meshes(tmp_path, names).found == (tmp_path / "v1.2.ply", tmp_path / "v1.3.ply")


def test_what_cannot_be_decided_or_found_is_a_sentence(tmp_path):
    touch(tmp_path / "two", "chair/a1.ply", "chair/a1.obj")
    with pytest.raises(InputError, match="both have the name"):
        match_meshes(tmp_path / "two", NAMES)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no meshes"):
        match_meshes(tmp_path / "empty", NAMES)
    with pytest.raises(InputError, match="no folder"):
        match_meshes(tmp_path / "nowhere", NAMES)


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a/b", "a/b"), ("a: b?", "a_ b_"), ("../x", "_/x"), ("a/..", "a/_"), ("dot.", "dot"), ("/x", "_/x")],
)
def test_stems_stay_inside_their_folder(name, stem):
    assert file_stem(name) == stem


def test_an_object_named_after_its_own_file_is_found_under_another_ending(tmp_path):
    ids = ("chairs/stool.obj", "cup.obj", "cup.stl", "v1", "v1.off")
    names = [TargetName(name, "all", f"all/{name}-ab12") for name in ids]
    touch(tmp_path, "stool.ply", "cup.ply", "v1.ply")
    assert match_meshes(tmp_path, names).found == (
        tmp_path / "stool.ply",
        None,
        None,
        tmp_path / "v1.ply",
        None,
    )
    assert match_meshes(tmp_path, names[:1]).found == (tmp_path / "stool.ply",)
    touch(tmp_path, "pictures/stool/03.ply")
    assert match_meshes(tmp_path / "pictures", names[:1], [3]).found == (tmp_path / "pictures/stool/03.ply",)
