from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import trimesh

from nmf_app.__main__ import main
from nmf_app.checking import spoken
from nmf_model.certificate import Origin, certificate_path, file_sha256, geometry_sha256, own_sha256
from nmf_model.errors import InputError
from nmf_model.export import export_reconstruction
from nmf_model.io.meshes import read_mesh, write_mesh
from nmf_model.io.notes import read_note
from nmf_model.io.suffixes import EXPORT_SUFFIXES
from nmf_model.types import Mesh, Normalization, Reconstruction, Trajectory
from nmf_model.verify import verify
from tests.support import command_line

ORIGIN = Origin("scan <1>.xyz", "ab" * 32, 2, "cpu")
CARRIERS = tuple(suffix for suffix in EXPORT_SUFFIXES if suffix != ".stl")


def result(vertices=None):
    ball = trimesh.creation.icosphere(2)
    faces = np.array(ball.faces, dtype=np.int64)
    vertices = np.array(ball.vertices) * [3.0, 2.0, 1.0] + [100.0, 0, -7.0] if vertices is None else vertices
    still = Trajectory(vertices[None].astype(np.float32), faces, np.zeros(1), np.zeros(1, np.int64))
    frame = Normalization(np.array([100.0, 0, -7.0]), 3.0)
    return Reconstruction(Mesh(vertices, faces), still, frame, vertices[::2], "fit", 1.5, 42, 7)


def crossing_result():
    vertices = result().mesh.vertices.copy()
    vertices[3] += -2.6 * (vertices[3] - [100.0, 0, -7.0])
    return result(vertices)


def bad(path):
    found = verify(path)
    assert not found.passed
    return [line.text for line in (*found.mesh_lines, *found.certificate_lines) if not line.good]


@pytest.mark.parametrize("suffix", EXPORT_SUFFIXES)
def test_round_trip(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    report = export_reconstruction(result(), path, ORIGIN)
    found = verify(path)
    assert found.passed
    assert all(line.good for line in found.mesh_lines)
    assert replace(report, chamfer_l2=None, method=None, seconds=None, nfe=None, seed=None) == found.report
    beside = json.loads((tmp_path / f"a{suffix}.certificate.json").read_text())
    assert beside["certified"] is True
    assert beside["defects"] == []
    assert beside["statement"].startswith("Certified: closed, no holes; one piece; no handles")
    assert beside["report"] == report.to_dict()
    assert beside["settings"] == {"method": "fit", "level": 2, "seed": 7, "device": "cpu"}
    assert beside["input"] == {"name": "scan <1>.xyz", "sha256": "ab" * 32}
    assert beside["file_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert beside["program"] == "Neural Mesh Flow 0.1.0"
    assert beside["geometry_sha256"] == geometry_sha256(read_mesh(path))
    assert {file.name for file in tmp_path.iterdir()} == {f"a{suffix}", f"a{suffix}.certificate.json"}
    if suffix == ".stl":
        assert read_note(path) is None
        assert any("joined" in note for note in found.notes)
        return
    inside = json.loads(read_note(path))
    assert inside.pop("report") == {k: v for k, v in beside["report"].items() if k != "seconds"}
    assert inside.pop("input") == {"sha256": "ab" * 32}
    for values in (inside, beside):
        assert len(values.pop("certificate_sha256")) == 64
    assert inside == {key: beside[key] for key in inside}
    assert not {"file_sha256", "date", "file"} & set(inside)
    assert len(found.certificate_lines) == 2


@pytest.mark.parametrize("level", [2, 5])
def test_the_certificate_of_an_off_file_is_found_at_its_end_and_behind_the_first_line(tmp_path, level):
    """Gmsh wants the counts in the second line; files that were written before have the certificate there."""
    path = tmp_path / "a.off"
    ball = trimesh.creation.icosphere(level)
    whole = result()
    mesh = Mesh(np.array(ball.vertices), np.array(ball.faces, dtype=np.int64))
    export_reconstruction(replace(whole, mesh=mesh), path, ORIGIN)
    certificate_path(path).unlink()
    lines = path.read_text().splitlines(keepends=True)
    count = 2 + len(mesh.vertices) + len(mesh.faces)
    geometry, comments = lines[:count], lines[count:]
    assert lines[:2] == ["OFF\n", f"{len(mesh.vertices)} {len(mesh.faces)} 0\n"]
    assert not any("#" in line for line in geometry)
    assert comments
    assert all(line.startswith("# nmf-certificate ") for line in comments)
    assert verify(path).certified
    note = read_note(path)
    path.write_text("".join([geometry[0], *comments, *geometry[1:]]))
    assert read_note(path) == note
    assert verify(path).certified
    path.write_text("".join([geometry[0], *comments, *geometry[1:], *comments]))
    assert not verify(path).passed


@pytest.mark.parametrize("suffix", EXPORT_SUFFIXES)
def test_other_readers_see_the_same_mesh_with_and_without(tmp_path, suffix):
    import pyvista

    export_reconstruction(result(), tmp_path / f"with{suffix}", ORIGIN)
    export_reconstruction(result(), tmp_path / f"without{suffix}")
    one, other = (trimesh.load(tmp_path / f"{name}{suffix}", force="mesh", process=False)
                  for name in ("with", "without"))  # fmt: skip
    np.testing.assert_array_equal(one.vertices, other.vertices)
    np.testing.assert_array_equal(one.faces, other.faces)
    if suffix in (".obj", ".ply", ".stl", ".glb"):
        one, other = (pyvista.read(tmp_path / f"{name}{suffix}") for name in ("with", "without"))
        assert one.bounds == other.bounds


@pytest.mark.parametrize("suffix", EXPORT_SUFFIXES)
def test_equal_runs_write_equal_bytes(tmp_path, suffix):
    for name in ("a", "b"):
        other = replace(result(), seconds={"a": 1.0, "b": 2.0}[name])
        export_reconstruction(other, tmp_path / f"{name}{suffix}", replace(ORIGIN, input_name=name))
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_the_hash_is_what_the_text_says():
    mesh = Mesh(np.array([[0, -0.0, 1.5], [2, 0, 0], [0, 3, 0]]), np.array([[2, 0, 1]]))
    words = struct.pack("<qq9d3q", 3, 1, 0, 0, 1.5, 2, 0, 0, 0, 3, 0, 2, 0, 1)
    assert geometry_sha256(mesh) == hashlib.sha256(words).hexdigest()


def moved(mesh):
    vertices = mesh.vertices.copy()
    vertices[11] += 0.001
    return Mesh(vertices, mesh.faces)


def flipped(mesh):
    faces = mesh.faces.copy()
    faces[5] = faces[5, ::-1]
    return Mesh(mesh.vertices, faces)


def shortened(mesh):
    return Mesh(mesh.vertices, mesh.faces[:-1])


CHANGED = "is of another surface: since it was written, vertices were moved or faces changed"
TAMPERED = {
    "moved": (moved, [], CHANGED),
    "flipped": (flipped, ["Neighbouring faces point opposite ways along 3 edges"], CHANGED),
    "deleted": (
        shortened,
        ["1 hole (3 open edges)", "Not like one sphere (Euler 1)"],
        "is of another surface: it speaks of 162 vertices and 320 faces, the file has 162 and 319",
    ),
}


@pytest.mark.parametrize("how", TAMPERED)
@pytest.mark.parametrize("suffix", EXPORT_SUFFIXES)
def test_tampering_is_told(tmp_path, suffix, how):
    change, mesh_lines, sentence = TAMPERED[how]
    path = tmp_path / f"a{suffix}"
    export_reconstruction(result(), path, ORIGIN)
    # The tamperer keeps both certificates.
    write_mesh(change(read_mesh(path)), path, read_note(path) or "")
    words = [f"The certificate beside it (a{suffix}.certificate.json)"]
    if suffix != ".stl":
        words.insert(0, "The certificate in the file")
    lines = bad(path)
    if suffix == ".stl" and how == "flipped":  # its vertices appear in another order
        assert lines[0] == mesh_lines[0]
        assert len(lines) == 2
    else:
        assert lines == [*mesh_lines, *(f"{word} {sentence}" for word in words)]


def test_an_unsound_mesh_is_never_called_certified(tmp_path):
    path = tmp_path / "a.ply"
    report = export_reconstruction(crossing_result(), path, ORIGIN)
    assert report.self_intersecting_faces > 0
    beside = json.loads(certificate_path(path).read_text())
    assert beside["certified"] is False
    words = f"{report.self_intersecting_faces} faces cross others"
    assert beside["statement"] == f"Not certified: {words}."
    assert beside["defects"] == [words]
    assert bad(path) == [words]


def test_rounding_that_joins_vertices_is_a_defect(tmp_path):
    vertices = result().mesh.vertices.copy()
    vertices[1] = vertices[0] + [1e-9, 0, 0]
    far = result(vertices)
    assert export_reconstruction(far, tmp_path / "a.ply", ORIGIN).coincident_vertices == 0
    report = export_reconstruction(far, tmp_path / "b.glb", ORIGIN)
    assert report.coincident_vertices == 2
    assert not report.is_sound
    assert "2 vertices at the place of another" in bad(tmp_path / "b.glb")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"certified": True}, "calls the mesh certified, which it is not"),
        ({"report": {"self_intersecting_faces": 0}}, "is wrong: it says self_intersecting_faces = 0"),
        ({"geometry_sha256": 5}, "is damaged"),
        ({"certificate": "another/9"}, "is damaged"),
    ],
)
def test_a_forged_certificate_is_told(tmp_path, changes, sentence):
    path = tmp_path / "a.ply"
    export_reconstruction(crossing_result(), path, ORIGIN)
    beside = certificate_path(path)
    values = json.loads(beside.read_text())
    values["report"].update(changes.pop("report", {}))
    beside.write_text(json.dumps({**values, **changes}))
    lines = bad(path)
    assert any(
        line.startswith(f"The certificate beside it (a.ply.certificate.json) {sentence}") for line in lines
    )


def test_damaged_certificates_are_told(tmp_path):
    path = tmp_path / "a.ply"
    export_reconstruction(result(), path, ORIGIN)
    certificate_path(path).write_bytes(b"\xff\x00{")
    path.write_bytes(path.read_bytes().replace(b"nmf-certificate {\n", b"nmf-certificate <\n", 1))
    assert len(bad(path)) == 2
    assert all(line.endswith("is damaged") for line in bad(path))


def test_a_changed_comment_is_noted_but_the_surface_still_fits(tmp_path):
    path = tmp_path / "a.obj"
    export_reconstruction(result(), path, ORIGIN)
    assert any("byte for byte" in note for note in verify(path).notes)
    path.write_bytes(path.read_bytes() + b"# kept on shelf 3\n")
    found = verify(path)
    assert found.passed
    assert "The file's bytes are not those its certificate was written for." in found.notes


def test_every_format_of_one_name_keeps_its_certificate(tmp_path):
    paths = [tmp_path / f"f{suffix}" for suffix in EXPORT_SUFFIXES]
    for path in paths:
        export_reconstruction(result(), path, ORIGIN)
    assert len(list(tmp_path.iterdir())) == 2 * len(paths)
    for path in paths:
        found = verify(path)
        assert found.passed
        assert len(found.certificate_lines) == (1 if path.suffix == ".stl" else 2)
        assert json.loads((tmp_path / f"{path.name}.certificate.json").read_text())["file"] == path.name
    assert main(["--verify", *map(str, paths), "--quiet"]) == 0
    # None answers for another.
    certificate_path(tmp_path / "f.stl").unlink()
    assert (
        "There is no certificate for this file; its mesh was checked all the same."
        in verify(tmp_path / "f.stl").notes
    )


def beside_as_before(path):
    """Leave the certificate as earlier versions did: named after the stem, without a hash of itself."""
    values = json.loads(certificate_path(path).read_text())
    certificate_path(path).unlink()
    del values["certificate_sha256"]
    shared = path.with_name(f"{path.stem}.certificate.json")
    shared.write_text(json.dumps(values))
    return shared


def test_an_earlier_certificate_counts_for_its_own_file_only(tmp_path):
    for suffix in (".obj", ".stl"):
        export_reconstruction(result(), tmp_path / f"a{suffix}", ORIGIN)
    shared = beside_as_before(tmp_path / "a.stl")
    found = verify(tmp_path / "a.stl")
    assert found.passed
    assert [line.text for line in found.certificate_lines] == [
        "The certificate beside it (a.certificate.json) fits: certified by Neural Mesh Flow 0.1.0"
    ]
    assert any("has no hash of itself" in note for note in found.notes)
    certificate_path(tmp_path / "a.obj").unlink()
    found = verify(tmp_path / "a.obj")
    assert found.passed
    assert len(found.certificate_lines) == 1
    assert "a.certificate.json speaks of a.stl, not of this file." in found.notes
    # Known by its bytes too: a file may be renamed, but for the stem.
    (tmp_path / "a.stl").rename(tmp_path / "a.STL")
    found = verify(tmp_path / "a.STL")
    assert len(found.certificate_lines) == 1
    assert "The certificate calls this file a.stl." in found.notes
    shared.write_text("{")
    found = verify(tmp_path / "a.STL")
    assert (found.passed, found.certificate_lines) == (True, ())
    assert "a.certificate.json is damaged and does not say which file it speaks of." in found.notes


def test_an_earlier_certificate_of_a_changed_file_is_told(tmp_path):
    path = tmp_path / "a.stl"
    export_reconstruction(result(), path, ORIGIN)
    beside_as_before(path)
    write_mesh(moved(read_mesh(path)), path)
    assert bad(path) == [f"The certificate beside it (a.certificate.json) {CHANGED}"]


def test_the_new_certificate_goes_before_an_earlier_one_and_replaces_it(tmp_path):
    path = tmp_path / "a.ply"
    export_reconstruction(result(), path, ORIGIN)
    shared = beside_as_before(path)
    before = shared.read_text()
    export_reconstruction(result(), tmp_path / "a.stl", ORIGIN)
    assert shared.read_text() == before, "it speaks of the other file"
    export_reconstruction(result(), path, ORIGIN)
    assert not shared.exists()
    shared.write_text(before.replace('"certified": true', '"certified": false'))
    assert verify(path).passed


def test_a_certificate_in_a_file_s_own_place_is_not_excused_by_another_name(tmp_path):
    path = tmp_path / "a.stl"
    export_reconstruction(result(), path, ORIGIN)
    values = json.loads(certificate_path(path).read_text())
    certificate_path(path).write_text(json.dumps({**values, "file": "other.stl"}))
    write_mesh(moved(read_mesh(path)), path)
    assert len(bad(path)) == 1


def test_a_pair_may_be_renamed_together(tmp_path):
    path = tmp_path / "a.stl"
    export_reconstruction(result(), path, ORIGIN)
    certificate_path(path).rename(tmp_path / "b.stl.certificate.json")
    path.rename(tmp_path / "b.stl")
    found = verify(tmp_path / "b.stl")
    assert found.passed
    assert "The certificate calls this file a.stl." in found.notes


EDITS = {
    "report.chamfer_l2": 1e-9,
    "report.nfe": 1,
    "settings.method": "magic",
    "settings.seed": 77,
    "settings.level": 7,
    "settings.device": "cuda",
    "input.sha256": "00" * 32,
    "program": "Neural Mesh Flow 9",
    "statement": "Certified: perfect.",
    "defects": ["none"],
}
BESIDE_EDITS = {
    "date": "2001-01-01T00:00:00+00:00",
    "report.seconds": 0.1,
    "input.name": "gold.ply",
    "file": "b.ply",
    "file_sha256": "00" * 32,
}


def edited(values, changes, again=False):
    """Change values by their places; ``again`` as one who computes the certificate's own hash anew."""
    for place, value in changes.items():
        *group, key = place.split(".")
        (values[group[0]] if group else values)[key] = value
    if again:
        values["certificate_sha256"] = own_sha256(values)
    return values


def edit_beside(path, changes, again=False):
    beside = certificate_path(path)
    beside.write_text(json.dumps(edited(json.loads(beside.read_text()), changes, again)))


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("suffix", CARRIERS)
def test_what_the_two_certificates_disagree_about_is_named(tmp_path, suffix, again):
    path = tmp_path / f"a{suffix}"
    export_reconstruction(result(), path, ORIGIN)
    text = certificate_path(path).read_text()
    for place, value in EDITS.items():
        edit_beside(path, {place: value}, again)
        lines = [
            line for line in bad(path) if line.startswith("The two certificates contradict each other: ")
        ]
        assert len(lines) == 1
        assert f": {place} is " in lines[0]
        assert lines[0].endswith(f" in the file, {json.dumps(value)} beside it")
        assert not any("byte for byte" in note for note in verify(path).notes)
        assert main(["--verify", str(path), "--quiet"]) == 3
        certificate_path(path).write_text(text)
    edit_beside(path, EDITS, again)
    assert sum("contradict each other" in line for line in bad(path)) == len(EDITS)
    assert verify(path).report.is_sound


@pytest.mark.parametrize("change", [("report", "chamfer_l2"), ("settings", None), ("input", "sha256")])
def test_a_claim_taken_out_of_one_certificate_is_named(tmp_path, change):
    path = tmp_path / "a.ply"
    export_reconstruction(result(), path, ORIGIN)
    group, key = change
    beside = certificate_path(path)
    values = json.loads(beside.read_text())
    del (values[group] if key else values)[key or group]
    values["certificate_sha256"] = own_sha256(values)
    beside.write_text(json.dumps(values))
    lines = [line for line in bad(path) if line.endswith(", missing beside it")]
    assert len(lines) == (1 if key else 4)
    assert all(f": {group}.{key or ''}" in line for line in lines)


@pytest.mark.parametrize("suffix", CARRIERS)
def test_an_edit_of_the_certificate_in_the_file_is_told(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    export_reconstruction(result(), path, ORIGIN)
    changes = {"report.chamfer_l2": 1e-9, "report.seed": 77}
    write_mesh(result().mesh, path, json.dumps(edited(json.loads(read_note(path)), changes, again=True)))
    assert bad(path) == [
        "The certificate in the file contradicts itself: settings.seed is 7, but report.seed is 77",
        *(line for line in bad(path) if "contradict each other: report." in line),
    ]
    assert len(bad(path)) == 3
    # Alone, it has nothing that could contradict it but its hash of itself.
    certificate_path(path).unlink()
    write_mesh(result().mesh, path, json.dumps(edited(json.loads(read_note(path)), {"report.seed": 7})))
    assert bad(path) == [f"The certificate in the file {EDITED}"]


EDITED = "was edited after it was written: its text does not have the hash that it gives for itself"


@pytest.mark.parametrize("suffix", EXPORT_SUFFIXES)
@pytest.mark.parametrize("place", [*EDITS, *BESIDE_EDITS])
def test_an_edit_by_hand_is_told_even_where_nothing_is_embedded(tmp_path, suffix, place):
    path = tmp_path / f"a{suffix}"
    export_reconstruction(result(), path, ORIGIN)
    edit_beside(path, {place: {**EDITS, **BESIDE_EDITS}[place]})
    (line,) = [line for line in bad(path) if line.startswith("The certificate beside it")]
    assert EDITED in line or "contradicts itself" in line
    assert main(["--verify", str(path), "--quiet"]) == 3


def test_another_layout_of_the_same_certificate_is_no_edit(tmp_path):
    path = tmp_path / "a.stl"
    export_reconstruction(result(), path, ORIGIN)
    values = json.loads(certificate_path(path).read_text())
    certificate_path(path).write_text(json.dumps(dict(reversed(values.items())), indent=7))
    assert verify(path).passed


def test_the_hash_of_a_certificate_is_what_the_text_says(tmp_path):
    path = tmp_path / "a.stl"
    export_reconstruction(result(), path, ORIGIN)
    values = json.loads(certificate_path(path).read_text())
    claimed = values.pop("certificate_sha256")
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    assert hashlib.sha256(text.encode()).hexdigest() == claimed


def test_signs_that_a_terminal_obeys_are_not_printed(tmp_path):
    path = tmp_path / "a.ply"
    export_reconstruction(result(), path, ORIGIN)
    beside = certificate_path(path)
    values = json.loads(beside.read_text())
    obeyed = "\x1b[2K \x9b2K \u202e \x7f"
    hidden = {"program": f"{obeyed}\nx", obeyed: obeyed, "file": obeyed}
    beside.write_text(json.dumps({**values, **hidden, "certificate_sha256": own_sha256(values | hidden)}))
    found = verify(path)
    for text in (*found.notes, *(line.text for line in found.certificate_lines)):
        assert text.isprintable()


def test_what_a_mesh_does_not_show_is_said_in_one_line(tmp_path):
    words = "distance to the input, method, level, seed, device, evaluations of the flow"
    for suffix in EXPORT_SUFFIXES:
        path = tmp_path / f"a{suffix}"
        export_reconstruction(result(), path, ORIGIN)
        (line,) = [note for note in verify(path).notes if "does not show" in note]
        assert f"the mesh alone does not show it: {words}, time taken, name of the input, " in line
        assert "program, date; in these the certificate is only as trustworthy as" in line
        certificate_path(path).unlink()
        lines = [note for note in verify(path).notes if "does not show" in note]
        assert len(lines) == (0 if suffix == ".stl" else 1)
        assert all(f"show it: {words}, hash of the input, program; in" in line for line in lines)


def test_an_export_without_certificate_leaves_no_outdated_one(tmp_path):
    path = tmp_path / "a.ply"
    export_reconstruction(result(), path, ORIGIN)
    export_reconstruction(result(), path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.ply"]
    export_reconstruction(result(), path, ORIGIN)
    shared = beside_as_before(path)
    export_reconstruction(result(), tmp_path / "a.stl")
    assert verify(path).passed
    assert shared.exists(), "it speaks of the other file"
    export_reconstruction(result(), path)
    assert not shared.exists()


def test_a_certificate_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "a.ply.certificate.json").mkdir()
    with pytest.raises(InputError, match=r"a\.ply\.certificate\.json could not be written: it is a folder"):
        export_reconstruction(result(), tmp_path / "a.ply", ORIGIN)


def test_origin_of_a_file(tmp_path):
    path = tmp_path / "in.xyz"
    path.write_bytes(b"1 2 3\n")
    assert Origin.of_file(path, 3).input_sha256 == hashlib.sha256(b"1 2 3\n").hexdigest() == file_sha256(path)
    assert Origin.of_file(tmp_path / "gone.xyz") == Origin("gone.xyz")


def test_colours_only_where_asked_for(tmp_path):
    export_reconstruction(crossing_result(), tmp_path / "a.ply", ORIGIN)
    found = verify(tmp_path / "a.ply")
    plain, coloured = spoken(found, False), spoken(found, True)
    assert "\x1b" not in "".join(plain)
    assert plain[0].startswith(f"{tmp_path / 'a.ply'}: NOT SOUND (162 vertices")
    reds = [line for line in coloured if line.startswith("  \x1b[31mBAD")]
    assert len(reds) == sum(line.startswith("  BAD") for line in plain) == 1
    assert len(plain) == 1 + 8 + 2 + len(found.notes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("verify")
    export_reconstruction(result(), place / "good.ply", ORIGIN)
    export_reconstruction(crossing_result(), place / "crossed.glb", ORIGIN)
    trimesh.creation.box().export(place / "theirs.stl")
    (place / "bad.obj").write_text("v 1 2\n")
    (place / "cloud.ply").write_text(
        "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\n"
        "end_header\n0 0 0\n"
    )
    (place / "nan.obj").write_text("v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    return place


def test_the_command_passes_sound_files_of_ours_and_others(folder):
    outcome = command_line.run(folder, "--verify", "good.ply", "theirs.stl", "--report", "all.json")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0] == "good.ply: sound (162 vertices, 320 faces)"
    assert "  ok   The certificate in the file fits: certified by Neural Mesh Flow 0.1.0" in lines
    second = lines[lines.index("theirs.stl: sound (8 vertices, 12 faces)") :]
    assert any("exactly the same position were joined first" in line for line in second)
    assert any("no certificate" in line for line in second)
    good, theirs = json.loads((folder / "all.json").read_text())
    assert good["passed"] is good["sound"] is theirs["passed"] is True
    assert (good["certified"], theirs["certified"]) == (True, False)
    assert good["report"]["vertices"] == 162
    assert all(check["good"] for check in good["checks"])


def test_the_command_fails_on_what_is_not_sound_or_not_readable(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    assert main(["--verify", "good.ply", "crossed.glb"]) == 3
    out = capsys.readouterr().out
    assert "crossed.glb: NOT SOUND" in out
    assert "faces cross others" in out
    for name, words in (
        ("bad.obj", "line 1"), ("cloud.ply", "no faces"), ("nan.obj", "NaN"), ("gone.ply", "does not exist"),
    ):  # fmt: skip
        assert main(["--verify", name, "good.ply", "--quiet"]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert len(captured.err.splitlines()) == 1
        assert words in captured.err
        assert name in captured.err
    assert main(["--verify", "crossed.glb", "--report", "one.json", "--quiet"]) == 3
    assert json.loads((folder / "one.json").read_text())["passed"] is False


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--verify", "at least one mesh FILE"),
        ("--verify a.ply --output b.ply", "leave out --output"),
        ("--verify a.ply --report b.txt", "b.txt"),
        ("--verify points.json --report points.json", "also an input"),
        ("--verify b.ply a.ply --report ./a.ply.certificate.json", "is the certificate of a.ply"),
        ("--verify a.ply --report a.certificate.json", "is the certificate of a.ply"),
        ("a.ply --output b.ply --report a.ply.certificate.json", "is the certificate of a.ply"),
    ],
)
def test_bad_use_is_one_sentence(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        code = main(arguments.split())
    except SystemExit as end:
        code = end.code
    error = capsys.readouterr().err
    assert (code, len(error.splitlines())) == (2, 1)
    assert words in error


def test_a_report_never_replaces_the_certificate_that_was_checked(tmp_path):
    path = tmp_path / "a.ply"
    export_reconstruction(result(), path, ORIGIN)
    certificate = certificate_path(path)
    before = certificate.read_bytes()
    assert main(["--verify", str(path), "--report", str(certificate)]) == 2
    assert certificate.read_bytes() == before


def test_verify_does_not_wait_for_torch_or_trimesh(folder):
    script = folder / "loaded.py"
    script.write_text(
        "import sys\nfrom nmf_app.__main__ import main\ncode = main(sys.argv[1:])\n"
        "print({'torch', 'trimesh', 'PySide6', 'lxml'} & set(sys.modules))\nsys.exit(code)\n"
    )
    outcome = command_line.run(folder, "--verify", "good.ply", "--quiet", script=script)
    assert (outcome.code, outcome.out) == (0, "set()\n"), outcome.err
