"""Options that do not go with the input are refused before anything slow; patterns stand for files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
import trimesh
from PIL import Image, ImageDraw

from nmf_model import checkpoint
from nmf_model.errors import CheckpointError, InputError
from nmf_model.io.source import read_source
from nmf_model.plan import make_plan
from nmf_model.types import ReconstructionRequest
from tests.support import command_line, in_process

SCRIPT = (
    "import sys\nfrom nmf_app.__main__ import main\ncode = main(sys.argv[1:])\n"
    "print({'torch', 'numba'} & set(sys.modules))\nsys.exit(code)\n"
)


@pytest.fixture
def folder(tmp_path):
    np.savetxt(tmp_path / "egg.xyz", np.random.default_rng(0).normal(size=(600, 3)))
    (tmp_path / "bad.xyz").write_text("no numbers here\n")
    star = Image.new("RGB", (128, 128), "white")
    ImageDraw.Draw(star).ellipse((30, 30, 100, 90), fill="red")
    star.save(tmp_path / "star.jpg")
    star.save(tmp_path / "cloud.ply", format="PNG")
    (tmp_path / "words.safetensors").write_text("these are no weights\n")
    safetensors.numpy.save_file({"a": np.zeros(3)}, tmp_path / "other.safetensors")
    (tmp_path / "loaded.py").write_text(SCRIPT)
    return tmp_path


def refusal(folder: Path, *args: object) -> str:
    """Return the one sentence that a run ends with, which must not have waited for torch."""
    outcome = command_line.run(folder, *args, script=folder / "loaded.py")
    assert (outcome.code, outcome.out) == (2, "set()\n"), outcome.err
    assert not list(folder.glob("out*"))
    (line,) = outcome.err.splitlines()
    return line.removeprefix("nmf: ")


@pytest.mark.parametrize("name", ["gone.safetensors", "words.safetensors", "folder"])
def test_weights_that_cannot_be_are_refused_at_once_in_the_same_words(name, folder):
    (folder / "folder").mkdir()
    said = refusal(folder, "bad.xyz", "--output", "out.ply", "--weights", folder / name)
    with pytest.raises(CheckpointError) as later:
        checkpoint.load(folder / name)
    assert said == str(later.value)


def test_weights_of_another_program_are_refused_before_the_input_is_read(folder):
    outcome = command_line.run(folder, "bad.xyz", "--output", "out.ply", "--weights", "other.safetensors")
    assert outcome.code == 2
    assert outcome.err.startswith("nmf: other.safetensors is not a checkpoint of this program")
    assert len(outcome.err.splitlines()) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_missed_before_the_input_is_read(folder):
    outcome = command_line.run(folder, "bad.xyz", "--output", "out.ply", "--device", "cuda")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == "nmf: No CUDA GPU was found; use --device cpu, or auto.\n"


@pytest.mark.parametrize(("name", "method"), [("egg.xyz", "silhouette"), ("star.jpg", "fit")])
def test_a_method_for_other_inputs_is_refused_at_once_in_the_same_words(name, method, folder):
    said = refusal(folder, name, "--output", "out.ply", "--method", method)
    request = ReconstructionRequest(read_source(folder / name), method=method)
    with pytest.raises(InputError) as later:
        make_plan(request, torch.device("cpu"))
    assert said == f"{name}: {later.value}"


@pytest.mark.parametrize(
    ("name", "method", "words"),
    [
        ("gone.xyz", "silhouette", "does not exist"),
        ("cloud.ply", "silhouette", "is really a PNG picture"),
        ("gone.jpg", "fit", "does not exist"),
    ],
)
def test_what_is_wrong_with_a_file_itself_is_said_first(name, method, words, folder):
    assert words in refusal(folder, name, "--output", "out.ply", "--method", method)


def test_a_texture_of_a_cloud_without_colours_is_refused_at_once(folder):
    said = refusal(folder, "egg.xyz", "--texture", "--method", "network", "--output", "out.glb")
    assert "egg.xyz has no colours" in said


@pytest.fixture
def balls(tmp_path):
    """Sound meshes, of which some have names that look like patterns."""
    (tmp_path / "scans[1]").mkdir()
    for name in ("b.ply", "a.ply", "c.obj", "[ab].ply", "scans[1]/x.ply", "scans[1]/w.ply"):
        trimesh.creation.icosphere(1).export(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    ("named", "found"),
    [
        (["?.ply"], ["a.ply", "b.ply"]),
        (["*.obj", "a.ply"], ["c.obj", "a.ply"]),
        (["[ab].ply"], ["[ab].ply"]),
        (["[bc].*"], ["b.ply", "c.obj"]),
        (["scans[1]/*.ply"], ["scans[1]/w.ply", "scans[1]/x.ply"]),
        (["*/x.ply"], ["scans[1]/x.ply"]),
    ],
    ids=str,
)
def test_a_pattern_stands_for_the_files_it_matches(named, found, balls):
    outcome = in_process.application(balls, "--verify", *named)
    assert (outcome.code, outcome.err) == (0, "")
    heads = [line for line in outcome.out.splitlines() if not line.startswith(" ")]
    assert heads == [f"{name}: sound (42 vertices, 80 faces)" for name in found]


@pytest.mark.parametrize("pattern", ["z*.ply", "gone/*.ply", "/gone/*.ply"])
def test_a_pattern_that_matches_nothing_is_one_sentence(pattern, balls):
    outcome = in_process.application(balls, pattern, "--output", "out/")
    assert (outcome.code, outcome.out) == (2, "")
    (line,) = outcome.err.splitlines()
    assert line == f"nmf: nothing has a name like {pattern}; check the folder and the pattern (see --help)"
    assert not (balls / "out").exists()


def test_a_pattern_of_several_clouds_makes_a_mesh_of_each(folder):
    (folder / "bad.xyz").unlink()
    (folder / "[x].xyz").write_bytes((folder / "egg.xyz").read_bytes())
    outcome = in_process.application(
        folder, "*.xyz", "--output", "out/", "--method", "network", "--level", 1, "--quiet"
    )
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    assert {path.name for path in (folder / "out").glob("*.ply")} == {"egg.ply", "[x].ply"}
